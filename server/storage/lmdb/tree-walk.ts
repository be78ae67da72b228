// Walks a tree of an LMDB file page by page without LMDB, checking each page before it is believed.
// Used on files that may be damaged, where LMDB itself would abort the process.
//
//   branch or leaf   page header | offset u16 per node, count = lower / 2 | gap | nodes |
//   branch node      | child u48 (u32 and the flags) | key bytes u16 | key |
//   leaf node        | value bytes u32 | flags u16 | key bytes u16 | key | value |
//                    flags 1: the value is | first page u64 | transaction u64 | pages u64 |
//                    flags 2: the value is a tree (48 bytes)
//
// Offsets count from behind the page header.

import { treeDepthMax } from '../../../shared/base/limits.js';
import { PAGE_HEADER_BYTES, TREE_BYTES } from './page-file.js';

export const AT_FLAGS = 18;
export const AT_LOWER = 20;
const AT_UPPER = 22;
export const BRANCH = 1;
export const LEAF = 2;
export const KIND_MASK = 0x2f;
export const NODE_HEADER_BYTES = 8;
/** Of a leaf node: its value is out of line, its value is a tree. */
export const OUT_OF_LINE = 1;
export const SUBTREE = 2;
const OUT_OF_LINE_BYTES = 24;

/** An entry of a tree. */
export interface TreeEntry {
  readonly key: Buffer;
  /** The value; of one out of line where it lies, of a named database its tree. */
  readonly value: Buffer;
  readonly valueBytes: number;
  readonly isOutOfLine: boolean;
  readonly isSubtree: boolean;
}

/** Where the pages of a tree come from. */
export interface TreePages {
  /** The number of the last page that may be in use. */
  readonly lastPage: number;
  /** A page; undefined when it is not there. */
  page(number: number): Buffer | undefined;
  /** Bytes from `offset` of a page on. @default none are there */
  read?(page: number, offset: number, length: number): Buffer | undefined;
}

export interface TreeVisitor {
  /** Called for each entry of sound leaves, in order. */
  entry?(entry: TreeEntry): void;
  /** Called for each page that cannot be believed; what hangs on it is not visited. */
  damage(page: number, why: string): void;
}

/** `isOrdered`: also checks that keys ascend bytewise, as they must in all trees but the free list. */
export function walkTree(
  file: TreePages,
  root: number | undefined,
  isOrdered: boolean,
  visitor: TreeVisitor,
): void {
  if (root !== undefined) new TreeWalk(file, isOrdered, visitor).visit(root, 1);
}

class TreeWalk {
  readonly #file: TreePages;
  readonly #isOrdered: boolean;
  readonly #visitor: TreeVisitor;
  #pagesLeft: number;
  #lastKey: Buffer | undefined;

  constructor(file: TreePages, isOrdered: boolean, visitor: TreeVisitor) {
    this.#file = file;
    this.#isOrdered = isOrdered;
    this.#visitor = visitor;
    this.#pagesLeft = file.lastPage + 1;
  }

  visit(number: number, depth: number): void {
    const page = this.#file.page(number);
    const why = this.#pagesLeft-- <= 0 || depth > treeDepthMax ? 'is in a circle' : undefined;
    const problem = why ?? (page === undefined ? 'is missing' : pageProblem(page, number));
    if (page === undefined || problem !== undefined) {
      this.#visitor.damage(number, problem ?? 'is missing');
      return;
    }
    const isLeaf = (page.readUInt16LE(AT_FLAGS) & KIND_MASK) === LEAF;
    const count = nodeCount(page);
    for (let index = 0; index < count; index++) {
      if (!isLeaf) this.visit(childOf(page, index), depth + 1);
      else if (this.#concerns(page, index)) this.#visitEntry(number, page, index);
    }
  }

  #concerns(page: Buffer, index: number): boolean {
    if (this.#isOrdered || this.#visitor.entry !== undefined) return true;
    return page.readUInt16LE(nodeOffset(page, index) + 4) === OUT_OF_LINE;
  }

  #visitEntry(number: number, page: Buffer, index: number): void {
    const entry = entryOf(page, index);
    const isBehind = this.#lastKey === undefined || Buffer.compare(this.#lastKey, entry.key) < 0;
    if (this.#isOrdered && !isBehind) {
      this.#visitor.damage(number, 'has keys out of order');
      return;
    }
    this.#lastKey = entry.key;
    if (entry.isOutOfLine && !this.#isPresent(entry)) {
      this.#visitor.damage(firstPage(entry), 'is missing');
      return;
    }
    this.#visitor.entry?.(entry);
  }

  #isPresent(entry: TreeEntry): boolean {
    const { value, valueBytes } = entry;
    const end = PAGE_HEADER_BYTES + valueBytes - 1;
    return (
      valueBytes > 0 &&
      value.readBigUInt64LE(0) <= BigInt(this.#file.lastPage) &&
      this.#file.read?.(firstPage(entry), end, 1) !== undefined
    );
  }
}

/** Where the value of an entry out of line begins. */
export const firstPage = (entry: TreeEntry): number => Number(entry.value.readBigUInt64LE(0));

/** Why a page is no page of a tree; undefined when all its nodes can be read. */
function pageProblem(page: Buffer, number: number): string | undefined {
  if (page.readBigUInt64LE(0) !== BigInt(number)) return 'has the number of another page';
  const kind = page.readUInt16LE(AT_FLAGS) & KIND_MASK;
  if (kind !== BRANCH && kind !== LEAF) return 'is no page of a tree';
  const lower = page.readUInt16LE(AT_LOWER);
  const upper = page.readUInt16LE(AT_UPPER);
  const space = page.length - PAGE_HEADER_BYTES;
  const leastNodes = kind === BRANCH ? 2 : 1;
  if (lower % 2 !== 0 || lower / 2 < leastNodes || lower > upper || upper > space) {
    return 'has bounds that cannot be';
  }
  for (let index = 0; index < lower / 2; index++) {
    const at = nodeOffset(page, index);
    if (at < PAGE_HEADER_BYTES + upper || at + NODE_HEADER_BYTES > page.length) {
      return 'has nodes outside of it';
    }
    if (at + nodeBytes(page, at, kind) > page.length) return 'has nodes that reach outside of it';
  }
  return undefined;
}

function nodeBytes(page: Buffer, at: number, kind: number): number {
  const head = NODE_HEADER_BYTES + page.readUInt16LE(at + 6);
  if (kind === BRANCH) return head;
  const flags = page.readUInt16LE(at + 4);
  if (flags === OUT_OF_LINE) return head + OUT_OF_LINE_BYTES;
  return head + (flags === SUBTREE ? TREE_BYTES : page.readUInt32LE(at));
}

const nodeCount = (page: Buffer): number => page.readUInt16LE(AT_LOWER) / 2;

const nodeOffset = (page: Buffer, index: number): number =>
  PAGE_HEADER_BYTES + page.readUInt16LE(PAGE_HEADER_BYTES + 2 * index);

const childOf = (page: Buffer, index: number): number =>
  page.readUIntLE(nodeOffset(page, index), 6);

function entryOf(page: Buffer, index: number): TreeEntry {
  const at = nodeOffset(page, index);
  const flags = page.readUInt16LE(at + 4);
  const keyAt = at + NODE_HEADER_BYTES;
  const valueAt = keyAt + page.readUInt16LE(at + 6);
  return {
    key: page.subarray(keyAt, valueAt),
    value: page.subarray(valueAt, at + nodeBytes(page, at, LEAF)),
    valueBytes: page.readUInt32LE(at),
    isOutOfLine: flags === OUT_OF_LINE,
    isSubtree: flags === SUBTREE,
  };
}
