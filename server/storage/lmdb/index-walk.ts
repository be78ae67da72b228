// Walks over the entries of an index from one edge on, for scan.ts. Entries one behind the other often lead to
// slots of one block one behind the other, because that is how the records came; they are given as one run.
// Nothing is made for an entry; in the end there is the place of the last one that was passed.

import { indexKeyBytesMax } from '../../../shared/base/limits.js';
import type { Direction, Edge } from '../engine.js';
import { copyBytes, INSERTION_BYTES, type PlaceRange } from '../place.js';
import { addressAt, addressBlock, addressSlot } from './address.js';
import { ADDRESS_BYTES, BLOCK_NUMBER_BYTES } from './format.js';
import type { Tree } from './mapped/tree.js';
import { TreeCursor } from './mapped/tree-cursor.js';
import { PageFault, type TreePage, type ValuePlace } from './mapped/tree-page.js';

const PLACE_BYTES_MAX = indexKeyBytesMax + INSERTION_BYTES;

export class IndexWalk {
  readonly #side: Edge['side'];
  readonly #range: PlaceRange;
  readonly #entries: TreeCursor;
  /** The page of the run at hand, and its first entry there. */
  #leaf: TreePage | undefined;
  #first = 0;
  /** The last entry of the run before it. */
  #leafBefore: TreePage | undefined;
  #lastBefore = 0;
  // The run at hand: `count` slots of a block from `slot` on, each `slotStep` behind the one before.
  block = 0;
  slot = 0;
  slotStep = 1;
  count = 0;

  constructor(index: Tree, range: PlaceRange, direction: Direction) {
    this.#side = direction === 'forward' ? 'after' : 'before';
    this.#range = range;
    this.#entries = new TreeCursor(index, range, direction);
  }

  /** Goes to the next run, of `countMax` entries at most, which is 1 or more; false when there is none. */
  next(countMax: number): boolean {
    const entries = this.#entries;
    this.#leafBefore = this.#leaf;
    this.#lastBefore = entries.index;
    if (!entries.next()) return false;
    this.#leaf = entries.leaf;
    this.#first = entries.index;
    const keyBytes = placeBytes(entries);
    const address = addressOf(entries.locateValue());
    this.block = addressBlock(address);
    this.slot = addressSlot(address);
    this.count = 1;
    const most = Math.min(entries.following, countMax - 1);
    if (most > 0) this.#lengthen(most, keyBytes);
    return true;
  }

  /**
   * The edge behind the first `passed` entries of the run at hand; undefined when the walk has passed none. Not
   * before where the walk began: else a scan of damaged pages, which goes on there, might never end.
   */
  edgeBehind(passed: number): Edge | undefined {
    const leaf = passed > 0 ? this.#leaf : this.#leafBefore;
    if (leaf === undefined) return undefined;
    const last = this.#first + (passed - 1) * this.#entries.step;
    const place = leaf.key(leaf.node(passed > 0 ? last : this.#lastBefore));
    if (!this.#isBehindBegin(place)) throw new PageFault('keys are out of order');
    return { prefix: copyBytes(place), side: this.#side };
  }

  /** Adds entries to the run, `most` at most, as long as their slots follow each other up or down. */
  #lengthen(most: number, keyBytes: number): void {
    const entries = this.#entries;
    const { leaf, index, step } = entries;
    const { bytes } = leaf.part;
    const first = leaf.startOfValue(index, keyBytes, ADDRESS_BYTES);
    if (first < 0) return;
    let slot = this.slot;
    let slotStep = 0;
    let count = 0;
    for (; count < most; count++) {
      const start = leaf.startOfValue(index + (count + 1) * step, keyBytes, ADDRESS_BYTES);
      if (start < 0) break;
      const difference = (bytes[start + BLOCK_NUMBER_BYTES] ?? 0) - slot;
      if (count === 0) slotStep = difference;
      const isNeighbour = difference === slotStep && (difference === 1 || difference === -1);
      if (!isNeighbour || !isSameBlock(bytes, first, start)) break;
      slot += slotStep;
    }
    if (count === 0) return;
    this.slotStep = slotStep;
    this.count += count;
    entries.skip(count);
  }

  #isBehindBegin(place: Buffer): boolean {
    const { least, limit } = this.#range;
    if (this.#side === 'before') return limit === undefined || Buffer.compare(place, limit) < 0;
    return least === undefined || Buffer.compare(place, least) >= 0;
  }
}

/** Whether two addresses are in one block; the numbers of blocks differ in their last bytes first. */
function isSameBlock(bytes: Buffer, one: number, other: number): boolean {
  for (let at = BLOCK_NUMBER_BYTES - 1; at >= 0; at--) {
    if (bytes[one + at] !== bytes[other + at]) return false;
  }
  return true;
}

/** Bytes of the place of the entry at hand. */
function placeBytes(entries: TreeCursor): number {
  const length = entries.keyLength;
  if (length === 0 || length > PLACE_BYTES_MAX) throw new PageFault('a key is too short or long');
  return length;
}

/** A copy of the place of the entry at hand. */
export function copyPlace(entries: TreeCursor): Buffer {
  const start = entries.keyStart;
  return copyBytes(entries.keyBytes.subarray(start, start + placeBytes(entries)));
}

/** The address that an entry of an index has. */
export function addressOf({ part, start, end }: ValuePlace): number {
  if (end - start !== ADDRESS_BYTES) throw new PageFault('an entry of an index is no address');
  return addressAt(part.bytes, start);
}
