// An open LMDB file of ours: its environment with all databases found, its definition, its layout.
// Readers and writers of one file share one; a rebuild puts another in its place.

import { randomBytes } from 'node:crypto';
import { RsyndError } from '../../../shared/base/error.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import { BlockCopies } from './block-copies.js';
import { type Counters, decodeCounters } from './counters.js';
import { type Definition, decodeDefinition } from './definition-entry.js';
import {
  Environment,
  type EnvironmentOptions,
  type ReadOptions,
  type Table,
} from './environment.js';
import {
  ADDRESS_BYTES,
  BLOCK_NUMBER_BYTES,
  ENTRY_COUNTERS,
  ENTRY_DEFINITION,
  ENTRY_IDENTITY,
  IDENTITY_BYTES,
  indexTableName,
  PAGE_BYTES,
  TABLE_BLOCKS,
  TABLE_HEADER,
  TABLE_LARGE,
} from './format.js';
import { type FileLayout, type IndexLayout, layoutOf } from './layout.js';
import { damaged, readError } from './lmdb-error.js';
import type { Committed } from './mapped/committed.js';
import { Tree } from './mapped/tree.js';
import { TreeCursor } from './mapped/tree-cursor.js';
import { PageFault, type ValuePlace } from './mapped/tree-page.js';
import { numberKey } from './number-key.js';
import { PageFile } from './page-file.js';
import { inspectTrees, type SalvageView, type TreeInspection } from './salvage-view.js';
import { ScanProof } from './scan-proof.js';

export type IndexTable = Table<Uint8Array, number>;

const blockKey = numberKey(BLOCK_NUMBER_BYTES);
const addressKey = numberKey(ADDRESS_BYTES);

export const definitionKey = (): Buffer => Buffer.from(ENTRY_DEFINITION);
export const countersKey = (): Buffer => Buffer.from(ENTRY_COUNTERS);

export interface NumberedBlock {
  readonly key: number;
  readonly value: Buffer;
}

export class Store {
  readonly environment: Environment;
  readonly layout: FileLayout;
  /** Blocks that scans found sound. */
  readonly proof = new ScanProof();
  /** Blocks that scans have at hand. */
  readonly copies: BlockCopies;
  readonly header: Table<Uint8Array, Buffer>;
  /** For writing; reads go through `block` and `blocksFrom`. */
  readonly blocks: Table<number, Buffer>;
  readonly large: Table<number, Buffer>;
  readonly free: Table<number, Buffer>;
  /** What reads go by that are no part of a write: `look` or `hold` comes first, then the trees are of that state. */
  readonly committed: Committed;
  readonly #trees: {
    readonly header: Tree;
    readonly blocks: Tree;
    readonly large: Tree;
    readonly indexes: readonly Tree[];
  };
  readonly #indexes: readonly (IndexTable | undefined)[];
  readonly #countersKey = countersKey();
  spec: FileSpec;
  /** The run of the machine, for the log; undefined when LMDB flushes each transaction itself. */
  readonly bootId: string | undefined;
  /** Set when trees of the file were found damaged; then it takes no writes. */
  #salvage: SalvageView | undefined;

  constructor(
    environment: Environment,
    path: string,
    { spec, blockBytes }: Definition,
    { salvage, bootId }: { salvage?: SalvageView | undefined; bootId?: string | undefined } = {},
  ) {
    this.environment = environment;
    this.bootId = bootId;
    this.#salvage = salvage;
    this.layout = layoutOf(path, spec, blockBytes);
    this.copies = new BlockCopies(this.layout.blockBytes);
    this.spec = spec;
    this.header = this.#required(environment.header(), 'its header');
    this.blocks = this.#required(environment.blocks(), 'its table of records');
    this.large = this.#required(environment.large(), 'its table of large records');
    this.free = this.#required(environment.free(), 'its table of free space');
    this.#indexes = spec.keys.map((_, key) => environment.index(key));
    const committed = environment.committed(this.header, definitionKey());
    this.committed = committed;
    this.#trees = {
      header: new Tree(committed, TABLE_HEADER),
      blocks: new Tree(committed, TABLE_BLOCKS),
      large: new Tree(committed, TABLE_LARGE),
      indexes: spec.keys.map((_, key) => new Tree(committed, indexTableName(key))),
    };
  }

  /** ERR_DAMAGED when this index is not in the file any more, TypeError when there is no such key. */
  index(key: number): IndexTable {
    const table = this.#indexes[key];
    if (this.#salvage?.isSound(indexTableName(key)) === false) {
      throw damaged(this.layout, `pages of the index of key ${key} are damaged`);
    }
    if (table !== undefined) return table;
    if (key >= this.#indexes.length) throw new TypeError(`there is no key ${key}`);
    throw damaged(this.layout, `the index of key ${key} is missing`);
  }

  /** The index of a key in the committed state; errors as of `index`. */
  indexTree(key: number): Tree {
    this.index(key);
    const tree = this.#trees.indexes[key];
    if (tree === undefined) throw new TypeError(`there is no key ${key}`);
    return tree;
  }

  /** The page in which the tree of blocks of the committed state begins; undefined when it is empty. */
  get blocksRoot(): number | undefined {
    return this.#trees.blocks.root;
  }

  get salvage(): SalvageView | undefined {
    return this.#salvage;
  }

  /** From now on only what is sound is asked of LMDB. The store closes the view. */
  restrictTo(salvage: SalvageView): void {
    this.#salvage?.close();
    this.#salvage = salvage;
  }

  isSound(table: string): boolean {
    return this.#salvage?.isSound(table) ?? true;
  }

  /**
   * A block of the committed state, good as long as that is; with `options` one of that transaction, good
   * until the next read of any file. Undefined when there is none.
   */
  block(number: number, options?: ReadOptions): Buffer | undefined {
    if (!this.isSound(TABLE_BLOCKS)) return this.#salvage?.block(number, this.layout.blockBytes);
    if (options === undefined) {
      const { blocks } = this.#trees;
      return blocks.findNumber(number, blockKey(number)) ? blocks.view() : undefined;
    }
    const bytes = this.blocks.getBinaryFast(number, options);
    return bytes === undefined ? undefined : this.environment.shared(bytes, bytes.length);
  }

  /**
   * Where a block of the committed state lies, good as long as that is and until the next is asked for. Undefined
   * when there is none, or when `block` has to get it another way: its tree is damaged.
   */
  blockPlace(number: number): ValuePlace | undefined {
    if (!this.isSound(TABLE_BLOCKS)) return undefined;
    const { blocks } = this.#trees;
    return blocks.findNumber(number, blockKey(number)) ? blocks.value : undefined;
  }

  /** Blocks in order of their numbers, from `start` on; the values as `block` gives them. */
  blocksFrom(
    start: number | undefined,
    reverse: boolean,
    options?: ReadOptions,
  ): Iterable<NumberedBlock> {
    if (!this.isSound(TABLE_BLOCKS)) return this.#salvagedFrom(start, reverse);
    if (options === undefined) return this.#committedFrom(start, reverse);
    return this.blocks.getRange({ start, end: undefined, reverse, ...options });
  }

  /** A record out of line, as `block` gives a block. */
  largeRecord(address: number, options?: ReadOptions): Buffer | undefined {
    if (!this.isSound(TABLE_LARGE)) return undefined;
    if (options === undefined) {
      const { large } = this.#trees;
      return large.findNumber(address, addressKey(address)) ? large.view() : undefined;
    }
    const bytes = this.large.getBinaryFast(address, options);
    return bytes === undefined ? undefined : this.environment.shared(bytes, bytes.length);
  }

  indexLayout(key: number): IndexLayout {
    const layout = this.layout.indexes[key];
    if (layout === undefined) throw new TypeError(`there is no key ${key}`);
    return layout;
  }

  /** Of the committed state. Undefined when they are damaged. */
  committedCounters(): Counters | undefined {
    const { header } = this.#trees;
    return header.find(this.#countersKey) ? decodeCounters(Buffer.from(header.view())) : undefined;
  }

  /** Of the write transaction, or of that of `options`. Undefined when they are damaged. */
  counters(options?: ReadOptions): Counters | undefined {
    const bytes = this.header.get(this.#countersKey, options);
    return bytes === undefined ? undefined : decodeCounters(Buffer.from(bytes));
  }

  /** Gives a new file an identity; inside a transaction. */
  putIdentity(): void {
    this.header.put(Buffer.from(ENTRY_IDENTITY), randomBytes(IDENTITY_BYTES));
  }

  /** Reads the definition again: another process may have set a flag. */
  reload(): void {
    this.environment.renew();
    this.spec = readDefinition(this.header, this.layout.name).spec;
  }

  close(): Promise<void> {
    this.#salvage?.close();
    this.#salvage = undefined;
    return this.environment.close();
  }

  *#committedFrom(start: number | undefined, reverse: boolean): Generator<NumberedBlock> {
    // Backwards `start` itself comes first, and all that are behind it do not.
    const range = {
      least: reverse || start === undefined ? undefined : Buffer.from(blockKey(start)),
      limit: reverse && start !== undefined ? Buffer.from(blockKey(start + 1)) : undefined,
    };
    const cursor = new TreeCursor(this.#trees.blocks, range, reverse ? 'reverse' : 'forward');
    let nearest = start ?? (reverse ? Number.POSITIVE_INFINITY : 0);
    while (cursor.next()) {
      if (cursor.keyLength !== BLOCK_NUMBER_BYTES) throw new PageFault('a block has no number');
      const key = cursor.keyBytes.readUIntBE(cursor.keyStart, BLOCK_NUMBER_BYTES);
      if (reverse ? key > nearest : key < nearest) throw new PageFault('blocks are out of order');
      nearest = reverse ? key - 1 : key + 1;
      const { part, start: from, end } = cursor.locateValue();
      yield { key, value: part.bytes.subarray(from, end) };
    }
  }

  *#salvagedFrom(start: number | undefined, reverse: boolean): Generator<NumberedBlock> {
    const numbers = [...(this.#salvage?.blockNumbers ?? [])];
    if (reverse) numbers.reverse();
    for (const key of numbers) {
      if (start !== undefined && (reverse ? key > start : key < start)) continue;
      const value = this.block(key);
      // A block that is missing has no bytes, which no block can have: readers report it.
      yield { key, value: value ?? Buffer.alloc(0) };
    }
  }

  #required<T>(table: T | undefined, what: string): T {
    if (table === undefined) throw damaged(this.layout, `${what} is missing`);
    return table;
  }
}

/**
 * Opens a file that is there and needs no recovery (log/recover.ts); `inspection` says how much of it is
 * looked at before LMDB may read it. With `bootId` all that writes must go through the log.
 * ERR_NOTISM, ERR_DAMAGED.
 */
export function openStore(
  path: string,
  name: string,
  inspection: TreeInspection,
  bootId?: string,
): Store {
  requirePageBytes(path, name);
  let environment: Environment | undefined;
  let salvage: SalvageView | undefined;
  try {
    environment = new Environment(path, { create: false, noSync: bootId !== undefined });
    salvage = inspectUnderSnapshot(environment, path, name, inspection);
    if (salvage?.isReadable === false) throw damaged({ name }, 'its header is lost');
    const header = environment.header();
    if (header === undefined) throw withoutHeader(name);
    return new Store(environment, path, readDefinition(header, name), { salvage, bootId });
  } catch (error) {
    // The reason for not opening it is what counts; closing cannot fail in a way that matters.
    environment?.close().catch(() => undefined);
    salvage?.close();
    throw readError({ name }, error);
  }
}

/** Of another size they come from a machine whose memory has other pages; reading in place goes by that size. */
function requirePageBytes(path: string, name: string): void {
  const file = new PageFile(path, name);
  const { pageBytes } = file.meta;
  file.close();
  if (pageBytes === PAGE_BYTES) return;
  const why =
    `${name} has pages of ${pageBytes} bytes where files of rsynd have ${PAGE_BYTES}; ` +
    'unload it on the machine that made it, and load it here';
  throw new RsyndError('ERR_NOTISM', why, { file: name });
}

/** The snapshot keeps the pages looked at from being written anew meanwhile. */
function inspectUnderSnapshot(
  environment: Environment,
  path: string,
  name: string,
  inspection: TreeInspection,
): SalvageView | undefined {
  const snapshot = environment.snapshot();
  try {
    return inspectTrees(path, name, inspection);
  } finally {
    snapshot.done();
  }
}

/** Makes the databases of a new file at `path` and its definition. */
export function makeStore(
  path: string,
  definition: Definition,
  options: Omit<EnvironmentOptions, 'create'> = {},
): Store {
  return new Store(new Environment(path, { create: true, ...options }), path, definition);
}

function readDefinition(header: Table<Uint8Array, Buffer>, name: string): Definition {
  const bytes = header.get(definitionKey());
  if (bytes === undefined) throw withoutHeader(name);
  return decodeDefinition(Buffer.from(bytes), name);
}

function withoutHeader(name: string): RsyndError {
  const why = `${name} is an LMDB file, but has no header of rsynd`;
  return new RsyndError('ERR_NOTISM', why, { file: name });
}
