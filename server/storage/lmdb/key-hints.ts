// Where the records of one unique key were seen: an adaptive hash index, as InnoDB calls its own. A search of the
// index of a large file waits for memory at some ten places; a hint is at one.
//
//   bucket   | entry | entry | entry | entry |     filled from the front
//   entry    | block u32 | tag: upper 24 bits of the hash, slot u8 |     block 0: none
//
// A hint is a guess. It says where a record was, so whoever goes by it must look whether the record there has the key
// it sought: then nobody need tell of what was written, here or by other processes. What is forgotten or wrong costs
// a search of the index.

import { keyHintBytesMax, keyHintBytesMin, keyHintMissesMin } from '../../../shared/base/limits.js';
import { addressBlock, addressSlot, makeAddress } from './address.js';
import { addressOf } from './index-walk.js';
import { NOTHING } from './mapped/map-part.js';
import { PageFault, type TreePage, type ValuePlace } from './mapped/tree-page.js';

const WORDS_OF_ENTRY = 2;
const WORDS_OF_BUCKET = 4 * WORDS_OF_ENTRY;
const BYTES_OF_WORD = 4;
const GROWTH = 4;
const BLOCK_MAX = 0xffff_ffff;
/** No address: blocks are numbered from 1. */
export const NO_HINT = 0;

/** Bytes that the hints of all files of one process may take together. */
export class HintBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** False when there are not so many left. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}

export class KeyHints {
  readonly #budget: HintBudget;
  #words = new Uint32Array(0);
  #bucketMask = 0;
  /** Entries in use. */
  #filled = 0;
  /** There was room for all records when it was made. */
  #holdsAll = false;
  /** Searches of the index so far. */
  #misses = 0;

  constructor(budget: HintBudget) {
    this.#budget = budget;
  }

  /** The address where the record of `key` may be, or NO_HINT. */
  guess(key: Uint8Array): number {
    return this.#words.length === 0 ? NO_HINT : this.#look(hashOf(key, 0, key.length));
  }

  /**
   * Takes in what a search came to: node `index` of a leaf, and all of that leaf where there is room for all
   * `records` of the file, unless both its ends are known. Of larger files it takes in only what was sought.
   */
  learn(leaf: TreePage, index: number, lastPage: number, records: () => number): void {
    this.#misses++;
    const hasRoom = this.#hasRoom(records);
    if (this.#words.length === 0) return;
    this.#note(leaf, index, lastPage);
    if (!hasRoom || !this.#holdsAll) return;
    try {
      const isKnown = this.#knows(leaf, 0) && this.#knows(leaf, leaf.count - 1);
      if (!isKnown) for (let each = 0; each < leaf.count; each++) this.#note(leaf, each, lastPage);
    } catch (error) {
      // Only who seeks a damaged entry is told.
      if (!(error instanceof PageFault)) throw error;
    }
  }

  /** Forgets all and gives the memory back. */
  close(): void {
    this.#budget.giveBack(this.#words.byteLength);
    this.#words = new Uint32Array(0);
    this.#filled = 0;
  }

  #look(hash: number): number {
    const words = this.#words;
    const first = (hash & this.#bucketMask) * WORDS_OF_BUCKET;
    for (let at = first; at < first + WORDS_OF_BUCKET; at += WORDS_OF_ENTRY) {
      const block = words[at] ?? 0;
      if (block === 0) return NO_HINT;
      const low = words[at + 1] ?? 0;
      if ((low ^ hash) >>> 8 === 0) return makeAddress(block, low & 0xff);
    }
    return NO_HINT;
  }

  #knows(leaf: TreePage, index: number): boolean {
    return this.#look(hashOfNode(leaf, index)) !== NO_HINT;
  }

  #note(leaf: TreePage, index: number, lastPage: number): void {
    leaf.locateValue(leaf.node(index), lastPage, place);
    const address = addressOf(place);
    const block = addressBlock(address);
    if (block > BLOCK_MAX) return;
    const hash = hashOfNode(leaf, index);
    const at = this.#entryFor(hash);
    this.#words[at] = block;
    this.#words[at + 1] = (hash & ~0xff) | addressSlot(address);
  }

  /** The entry of that hash, else a free one, else one that is given up. */
  #entryFor(hash: number): number {
    const words = this.#words;
    const first = (hash & this.#bucketMask) * WORDS_OF_BUCKET;
    for (let at = first; at < first + WORDS_OF_BUCKET; at += WORDS_OF_ENTRY) {
      if (words[at] === 0) {
        this.#filled++;
        return at;
      }
      if (((words[at + 1] ?? 0) ^ hash) >>> 8 === 0) return at;
    }
    return first + (hash >>> 30) * WORDS_OF_ENTRY;
  }

  /** True while three quarters of the entries are not in use; makes them or more of them where it may. */
  #hasRoom(records: () => number): boolean {
    const bytes = this.#words.byteLength;
    if (this.#filled * 4 < (bytes / BYTES_OF_WORD / WORDS_OF_ENTRY) * 3) return true;
    // Asked now and then only: to count the records costs as much as a search.
    if (this.#misses % keyHintMissesMin !== 0 || bytes >= keyHintBytesMax) return false;
    const enough = bytesFor(records());
    let wanted = Math.min(Math.max(enough, keyHintBytesMin, GROWTH * bytes), keyHintBytesMax);
    if (!this.#budget.take(wanted - bytes)) {
      wanted = keyHintBytesMin;
      if (bytes > 0 || !this.#budget.take(wanted)) return false;
    }
    // What was known is learned again: cheaper to say than to move, and not much dearer.
    this.#holdsAll = enough <= wanted;
    this.#words = new Uint32Array(wanted / BYTES_OF_WORD);
    this.#bucketMask = this.#words.length / WORDS_OF_BUCKET - 1;
    this.#filled = 0;
    return true;
  }
}

/** A power of two of bytes, three quarters of which hold so many. */
const bytesFor = (records: number): number =>
  2 ** Math.ceil(Math.log2(Math.max(1, (records * BYTES_OF_WORD * WORDS_OF_ENTRY * 4) / 3)));

const place: ValuePlace = { part: NOTHING, start: 0, end: 0 };

const hashOfNode = (leaf: TreePage, index: number): number => {
  const node = leaf.node(index);
  const start = leaf.keyStart(node);
  return hashOf(leaf.part.bytes, start, start + leaf.keyLength(node));
};

/** FNV-1a, and the end of MurmurHash3, which lets all bits depend on all. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x0100_0193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85eb_ca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
