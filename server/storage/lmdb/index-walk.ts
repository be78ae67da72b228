// Walks over the entries of an index from one edge on, for scan.ts: addresses one after another, and in the
// end the place of the last one that was passed. Nothing is made for an entry.

import type { Direction, Edge } from '../engine.js';
import type { PlaceRange } from '../place.js';
import { addressAt } from './address.js';
import type { Tree } from './mapped/tree.js';
import { TreeCursor } from './mapped/tree-cursor.js';

export class IndexWalk {
  readonly #side: Edge['side'];
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
    this.#end = this.#start + entries.keyLength;
    const { part, start } = entries.locateValue();
    return addressAt(part.bytes, start);
  }

  /** The edge behind the entry at hand, or behind the one before that; undefined when there was none. */
  edgeBehind(which: 'at hand' | 'before'): Edge | undefined {
    const isAtHand = which === 'at hand';
    const place = isAtHand
      ? this.#place.subarray(this.#start, this.#end)
      : this.#placeBefore.subarray(this.#startBefore, this.#endBefore);
    return place.length === 0 ? undefined : { prefix: Buffer.from(place), side: this.#side };
  }
}

const NOWHERE: Buffer = Buffer.alloc(0);
