// What is left of a file whose trees are damaged: which of its tables are sound, so that LMDB may be
// asked about them, and where its blocks lie, read past LMDB. Made when a file was cut off, and by
// verify and rebuild; while a file has one it takes no writes.

import { BLOCK_NUMBER_BYTES, PAGE_OVERHEAD_BYTES, TABLE_BLOCKS, TABLE_HEADER } from './format.js';
import { PageFile, treeRoot } from './page-file.js';
import { firstPage, walkTree } from './tree-walk.js';

/** Names under which damage of LMDB's own trees is kept. */
export const TREE_OF_TABLES = '(tables)';
export const TREE_OF_FREE_PAGES = '(free pages)';

interface Found {
  /** Tables with damaged pages, and what is wrong with each. */
  readonly damage: Map<string, string[]>;
  /** Where each block begins. */
  readonly blocks: Map<number, number>;
}

export class SalvageView {
  readonly #file: PageFile;
  readonly #blockPages: ReadonlyMap<number, number>;
  /** Damaged tables, and the pages that are. */
  readonly damage: ReadonlyMap<string, readonly string[]>;
  /** Block numbers in ascending order. */
  readonly blockNumbers: readonly number[];

  constructor(file: PageFile, { damage, blocks }: Found) {
    this.#file = file;
    this.#blockPages = blocks;
    this.damage = damage;
    this.blockNumbers = [...blocks.keys()].sort((a, b) => a - b);
  }

  /** True when LMDB may be asked about a table. */
  isSound(table: string): boolean {
    return !this.damage.has(table);
  }

  /** False when not even the definition can be read. */
  get isReadable(): boolean {
    return this.isSound(TREE_OF_TABLES) && this.isSound(TABLE_HEADER);
  }

  /** A block, unchecked; undefined when there is none or it is lost. */
  block(number: number, bytes: number): Buffer | undefined {
    const page = this.#blockPages.get(number);
    return page === undefined ? undefined : this.#file.read(page, PAGE_OVERHEAD_BYTES, bytes);
  }

  close(): void {
    this.#file.close();
  }
}

/**
 * How much of a file is looked at: `opening`, the few pages that opening it needs (and all, when one
 * of those is damaged or the file was cut off); `structure`, all pages of all trees; `order`, also
 * whether keys ascend.
 */
export type TreeInspection = 'opening' | 'structure' | 'order';

/**
 * Looks at the trees of a file. Undefined when they are sound. To be called under a snapshot, or on a
 * file nobody writes. ERR_NOTISM when it is no LMDB file, ERR_DAMAGED when its first pages are bad.
 */
export function inspectTrees(
  path: string,
  name: string,
  inspection: TreeInspection,
): SalvageView | undefined {
  const file = new PageFile(path, name);
  try {
    const isQuick = inspection === 'opening' && !file.isShort;
    if (isQuick && findDamage(file, isForOpening, false).damage.size === 0) {
      file.close();
      return undefined;
    }
    const found = findDamage(file, () => true, inspection === 'order');
    if (found.damage.size > 0) return new SalvageView(file, found);
    file.close();
    return undefined;
  } catch (error) {
    file.close();
    throw error;
  }
}

const isForOpening = (table: string): boolean => table === TREE_OF_TABLES || table === TABLE_HEADER;

function findDamage(
  file: PageFile,
  concerns: (table: string) => boolean,
  isOrdered: boolean,
): Found {
  const found: Found = { damage: new Map(), blocks: new Map() };
  const damageOf = (table: string) => (page: number, why: string) => {
    const known = found.damage.get(table) ?? [];
    known.push(`page ${page} ${why}`);
    found.damage.set(table, known);
  };
  const tables = new Map<string, number | undefined>();
  if (concerns(TREE_OF_FREE_PAGES)) {
    walkTree(file, file.meta.freeRoot, false, { damage: damageOf(TREE_OF_FREE_PAGES) });
  }
  walkTree(file, file.meta.mainRoot, true, {
    damage: damageOf(TREE_OF_TABLES),
    entry({ key, value, isSubtree }) {
      if (isSubtree) tables.set(key.toString('latin1').replace(/\0$/, ''), treeRoot(value));
    },
  });
  for (const [table, root] of tables) {
    if (!concerns(table)) continue;
    const damage = damageOf(table);
    if (table !== TABLE_BLOCKS) walkTree(file, root, isOrdered, { damage });
    else {
      walkTree(file, root, isOrdered, {
        damage,
        entry(entry) {
          if (!entry.isOutOfLine || entry.key.length !== BLOCK_NUMBER_BYTES) return;
          found.blocks.set(entry.key.readUIntBE(0, BLOCK_NUMBER_BYTES), firstPage(entry));
        },
      });
    }
  }
  return found;
}
