// Walks over the entries of an index from one edge on, for scan.ts: addresses one after another, and in the
// end the place of the last one that was passed. Nothing is made for an entry.

import { indexKeyBytesMax } from '../../../shared/base/limits.js';
import type { Direction, Edge } from '../engine.js';
import { copyBytes, INSERTION_BYTES, type PlaceRange } from '../place.js';
import { addressAt } from './address.js';
import { ADDRESS_BYTES } from './format.js';
import type { Tree } from './mapped/tree.js';
import { TreeCursor } from './mapped/tree-cursor.js';
import { PageFault, type ValuePlace } from './mapped/tree-page.js';

const PLACE_BYTES_MAX = indexKeyBytesMax + INSERTION_BYTES;

export class IndexWalk {
  readonly #side: Edge['side'];
  readonly #range: PlaceRange;
  readonly #entries: TreeCursor;
  /** Where the places of the entry at hand and of the one before it are; no bytes: there is none. */
  #place: Buffer = NOWHERE;
  #start = 0;
  #end = 0;
  #placeBefore: Buffer = NOWHERE;
  #startBefore = 0;
  #endBefore = 0;

  constructor(index: Tree, range: PlaceRange, direction: Direction) {
    this.#side = direction === 'forward' ? 'after' : 'before';
    this.#range = range;
    this.#entries = new TreeCursor(index, range, direction);
  }

  /** The address of the next entry, which is at hand then; undefined when there is none. */
  next(): number | undefined {
    this.#placeBefore = this.#place;
    this.#startBefore = this.#start;
    this.#endBefore = this.#end;
    const entries = this.#entries;
    if (!entries.next()) return undefined;
    this.#place = entries.keyBytes;
    this.#start = entries.keyStart;
    this.#end = this.#start + placeBytes(entries);
    return addressOf(entries.locateValue());
  }

  /**
   * The edge behind the entry at hand, or behind the one before that; undefined when there was none. Not before
   * where the walk began: else a scan of damaged pages, which goes on there, might never end.
   */
  edgeBehind(which: 'at hand' | 'before'): Edge | undefined {
    const isAtHand = which === 'at hand';
    const place = isAtHand
      ? this.#place.subarray(this.#start, this.#end)
      : this.#placeBefore.subarray(this.#startBefore, this.#endBefore);
    if (place.length === 0) return undefined;
    if (!this.#isBehindBegin(place)) throw new PageFault('keys are out of order');
    return { prefix: Buffer.from(place), side: this.#side };
  }

  #isBehindBegin(place: Buffer): boolean {
    const { least, limit } = this.#range;
    if (this.#side === 'before') return limit === undefined || Buffer.compare(place, limit) < 0;
    return least === undefined || Buffer.compare(place, least) >= 0;
  }
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

const NOWHERE: Buffer = Buffer.alloc(0);
