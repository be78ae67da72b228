// One page of a tree of LMDB, looked at where it lies in memory (tree-walk.ts has the drawing). Nothing is
// made for a page or a node: `enter` moves to another page, nodes are offsets in `bytes`. What cannot be a
// page or a node is damage and throws what LMDB would, so that it is worded alike.

import { PAGE_BYTES } from '../format.js';
import { AT_TREE_ROOT, PAGE_HEADER_BYTES, TREE_BYTES } from '../page-file.js';
import {
  AT_FLAGS,
  AT_LOWER,
  BRANCH,
  KIND_MASK,
  LEAF,
  NODE_HEADER_BYTES,
  OUT_OF_LINE,
  SUBTREE,
} from '../tree-walk.js';
import { type MapPart, type MappedPages, NOTHING } from './map-part.js';

const PAGE_NUMBER_BYTES = 8;
const NODE_OFFSET_MAX = PAGE_BYTES - PAGE_HEADER_BYTES - NODE_HEADER_BYTES;
const SLOTS_OF_PAGE_MAX = NODE_OFFSET_MAX / 2;
/** What LMDB says of a page that cannot be. */
const MDB_CORRUPTED = -30796;

/** A page or a value that cannot be what it should; with LMDB's code for that. */
export class PageFault extends Error {
  readonly code = MDB_CORRUPTED;
}

/** Where a value lies. */
export interface ValuePlace {
  part: MapPart;
  start: number;
  end: number;
}

export class TreePage {
  readonly #map: MappedPages;
  part: MapPart = NOTHING;
  /** Where the page begins in `part`. */
  #at = 0;
  /** Its first slot, in halves. */
  #slots = 0;
  /** Nodes. */
  count = 0;
  isLeaf = false;

  constructor(map: MappedPages) {
    this.#map = map;
  }

  /** Goes to page `number`, none behind `lastPage`. */
  enter(number: number, lastPage: number): void {
    if (number > lastPage) throw new PageFault(`page ${number} is behind the last one`);
    const part = this.#map.part(number);
    const at = this.#map.offsetOf(number);
    const { halves, words } = part;
    if (words[at >>> 2] !== number >>> 0) throw new PageFault(`page ${number} is another page`);
    const kind = (halves[(at + AT_FLAGS) >>> 1] ?? 0) & KIND_MASK;
    const count = (halves[(at + AT_LOWER) >>> 1] ?? 0) >>> 1;
    if ((kind !== LEAF && kind !== BRANCH) || count === 0 || count > SLOTS_OF_PAGE_MAX) {
      throw new PageFault(`page ${number} is no page of a tree`);
    }
    this.part = part;
    this.#at = at;
    this.#slots = (at + PAGE_HEADER_BYTES) >>> 1;
    this.count = count;
    this.isLeaf = kind === LEAF;
  }

  /** Where node `index` begins. */
  node(index: number): number {
    const offset = this.part.halves[this.#slots + index] ?? 0;
    if (offset > NODE_OFFSET_MAX) throw new PageFault('a node is outside of its page');
    return this.#at + PAGE_HEADER_BYTES + offset;
  }

  keyStart(node: number): number {
    return node + NODE_HEADER_BYTES;
  }

  keyLength(node: number): number {
    const length = this.part.halves[(node + 6) >>> 1] ?? 0;
    if (node + NODE_HEADER_BYTES + length > this.#at + PAGE_BYTES) {
      throw new PageFault('a key reaches outside of its page');
    }
    return length;
  }

  /** The key of a node, as a view. */
  key(node: number): Buffer {
    const start = this.keyStart(node);
    return this.part.bytes.subarray(start, start + this.keyLength(node));
  }

  /** Below 0 when the key of a node comes before `key`, 0 when it is that, above 0 when behind. */
  compare(node: number, key: Uint8Array, keyLength: number): number {
    const length = this.keyLength(node);
    const { bytes } = this.part;
    const start = node + NODE_HEADER_BYTES;
    const common = length < keyLength ? length : keyLength;
    for (let at = 0; at < common; at++) {
      const difference = (bytes[start + at] ?? 0) - (key[at] ?? 0);
      if (difference !== 0) return difference;
    }
    return length - keyLength;
  }

  /** Of a leaf: the first index whose key is not before `key`; `count` when all are. */
  lowerBound(key: Uint8Array, keyLength: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compare(this.node(middle), key, keyLength) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Of a branch: the index of the child in which `key` is. The first node has no key: it is before all. */
  childIndex(key: Uint8Array, keyLength: number): number {
    let low = 1;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compare(this.node(middle), key, keyLength) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /**
   * `childIndex` where keys are numbers of so many bytes: children of a tree that grew at its end hold equally
   * many, so it is tried where it would be then.
   */
  childIndexOfNumber(number: number, key: Uint8Array): number {
    if (this.count > 2) {
      const first = this.#number(1, key.length);
      const each = this.#number(2, key.length) - first;
      const guess = 1 + Math.floor((number - first) / each);
      const isThere =
        guess >= 1 &&
        guess < this.count - 1 &&
        this.#number(guess, key.length) <= number &&
        number < this.#number(guess + 1, key.length);
      if (isThere) return guess;
    }
    return this.childIndex(key, key.length);
  }

  /** `lowerBound` likewise: numbers without gaps are where they would be then. */
  lowerBoundOfNumber(number: number, key: Uint8Array): number {
    const guess = number - this.#number(0, key.length);
    const isThere = guess >= 0 && guess < this.count && this.#number(guess, key.length) === number;
    return isThere ? guess : this.lowerBound(key, key.length);
  }

  /** The key of a node, a big-endian number; -1 when it is shorter or longer. */
  #number(index: number, bytesOfKey: number): number {
    const node = this.node(index);
    if (this.keyLength(node) !== bytesOfKey) return -1;
    const { bytes } = this.part;
    let number = 0;
    for (let at = 0; at < bytesOfKey; at++) {
      number = number * 0x100 + (bytes[node + NODE_HEADER_BYTES + at] ?? 0);
    }
    return number;
  }

  /** Of a branch: the page of a child. */
  child(index: number): number {
    const { halves } = this.part;
    const half = this.node(index) >>> 1;
    const low = (halves[half] ?? 0) + (halves[half + 1] ?? 0) * 0x1_0000;
    return low + (halves[half + 2] ?? 0) * 0x1_0000_0000;
  }

  /** Of a leaf: puts down where the value of a node lies. */
  locateValue(node: number, lastPage: number, place: ValuePlace): void {
    const { part } = this;
    const { halves } = part;
    const half = node >>> 1;
    const length = (halves[half] ?? 0) + (halves[half + 1] ?? 0) * 0x1_0000;
    const flags = halves[half + 2] ?? 0;
    const start = node + NODE_HEADER_BYTES + this.keyLength(node);
    if (flags === 0) {
      this.#requireInside(start + length);
      place.part = part;
      place.start = start;
      place.end = start + length;
      return;
    }
    if (flags !== OUT_OF_LINE) throw new PageFault('a value is of an unknown kind');
    this.#requireInside(start + PAGE_NUMBER_BYTES);
    this.#locateOutOfLine(pageNumberAt(part, start), length, lastPage, place);
  }

  /**
   * Of a leaf: where the value of a node begins, if key and value have just so many bytes and lie in the page;
   * else -1, and `locateValue` says more.
   */
  startOfValue(index: number, keyBytes: number, valueBytes: number): number {
    const { halves } = this.part;
    const offset = halves[this.#slots + index] ?? 0;
    const start = offset + PAGE_HEADER_BYTES + NODE_HEADER_BYTES + keyBytes;
    const half = (this.#at + PAGE_HEADER_BYTES + offset) >>> 1;
    const isPlain =
      start + valueBytes <= PAGE_BYTES &&
      halves[half] === valueBytes &&
      halves[half + 1] === 0 &&
      halves[half + 2] === 0 &&
      halves[half + 3] === keyBytes;
    return isPlain ? this.#at + start : -1;
  }

  #locateOutOfLine(page: number, length: number, lastPage: number, place: ValuePlace): void {
    const pages = Math.ceil((PAGE_HEADER_BYTES + length) / PAGE_BYTES);
    if (page + pages - 1 > lastPage) throw new PageFault('a value is behind the last page');
    if (!this.#map.has(page + pages - 1)) throw new PageFault('a value is behind the end');
    const part = this.#map.part(page);
    const at = this.#map.offsetOf(page);
    if (part.words[at >>> 2] !== page >>> 0) throw new PageFault('a value is on another page');
    place.part = part;
    place.start = at + PAGE_HEADER_BYTES;
    place.end = place.start + length;
    if (place.end > part.bytes.length) throw new PageFault('a value is cut off');
  }

  /** Of a leaf: the first page of a value that is out of line and has so many bytes; undefined for any other. */
  valuePage(node: number, valueBytes: number): number | undefined {
    const { halves } = this.part;
    const half = node >>> 1;
    const length = (halves[half] ?? 0) + (halves[half + 1] ?? 0) * 0x1_0000;
    if (halves[half + 2] !== OUT_OF_LINE || length !== valueBytes) return undefined;
    const start = node + NODE_HEADER_BYTES + this.keyLength(node);
    this.#requireInside(start + PAGE_NUMBER_BYTES);
    return pageNumberAt(this.part, start);
  }

  /** Of a leaf of the tree of tables: the root of the table, undefined when that is empty. */
  tableRoot(node: number): number | undefined {
    const flags = this.part.halves[(node + 4) >>> 1] ?? 0;
    if ((flags & SUBTREE) === 0) throw new PageFault('a table is no tree');
    const tree = node + NODE_HEADER_BYTES + this.keyLength(node);
    this.#requireInside(tree + TREE_BYTES);
    const page = pageNumberAt(this.part, tree + AT_TREE_ROOT);
    return page >= 2 ** 63 ? undefined : page;
  }

  /** Values are no part of what `enter` checks: the file may end with this page. */
  #requireInside(end: number): void {
    if (end > this.#at + PAGE_BYTES) throw new PageFault('a value reaches outside of its page');
  }
}

/** A number of a page in a value, which may begin anywhere. */
function pageNumberAt({ bytes }: MapPart, at: number): number {
  const low = (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * 0x100 + (bytes[at + 2] ?? 0) * 0x1_0000;
  const high = bytes.readUIntLE(at + 3, 5);
  return low + high * 0x100_0000;
}
