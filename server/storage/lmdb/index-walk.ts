// Walks over the entries of an index from one edge on, for scan.ts: addresses one after another, and in the
// end the place of the last one that was passed. Nothing is made for an entry.

import { indexKeyBytesMax } from '../../../shared/base/limits.js';
import type { Direction, Edge } from '../engine.js';
import { INSERTION_BYTES, type PlaceRange } from '../place.js';
import { placeRange, type ReadOptions } from './environment.js';
import type { IndexTable } from './open-store.js';
import { type PlaceRoom, readingInto } from './place-key.js';

export class IndexWalk {
  readonly #side: Edge['side'];
  readonly #entries: Iterator<{ key: Uint8Array; value: number }>;
  /** The place of the entry at hand, and of the one before it. */
  #place = makeRoom();
  #before = makeRoom();

  constructor(index: IndexTable, range: PlaceRange, direction: Direction, options: ReadOptions) {
    this.#side = direction === 'forward' ? 'after' : 'before';
    const part = { ...placeRange(range, direction), ...options };
    this.#entries = index.getRange(part)[Symbol.iterator]();
  }

  /** The address of the next entry, which is at hand then; undefined when there is none. */
  next(): number | undefined {
    const room = this.#before;
    this.#before = this.#place;
    this.#place = room;
    const entry = readingInto(room, this.#entries);
    return entry.done === true ? undefined : entry.value.value;
  }

  /** The edge behind the entry at hand, or behind the one before that; undefined when there was none. */
  edgeBehind(which: 'at hand' | 'before'): Edge | undefined {
    const { bytes, length } = which === 'at hand' ? this.#place : this.#before;
    if (length === 0) return undefined;
    return { prefix: Buffer.from(bytes.subarray(0, length)), side: this.#side };
  }

  /** Must be called when the walk ends before its range does. */
  end(): void {
    this.#entries.return?.();
  }
}

const makeRoom = (): PlaceRoom => ({
  bytes: Buffer.allocUnsafe(indexKeyBytesMax + INSERTION_BYTES),
  length: 0,
});
