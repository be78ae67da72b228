// Merges sorted runs into one stream of rows, some at each call. A heap of cursors: the one on the least
// key is on top.

import { type Answer, isLater } from '../../shared/base/answer.js';
import type { TakeRow } from './row.js';
import type { RunCursor } from './sorted-run.js';

/** Takes a whole entry, key and length included, or its row alone. */
export type MergePart = 'entry' | 'row';

export class Merge {
  readonly #keyBytes: number;
  readonly #skip: number;
  readonly #heap: RunCursor[] = [];

  constructor(cursors: readonly RunCursor[], keyBytes: number, part: MergePart) {
    this.#keyBytes = keyBytes;
    this.#skip = part === 'row' ? keyBytes + 4 : 0;
    for (const cursor of cursors) {
      this.#heap.push(cursor);
      this.#rise(this.#heap.length - 1);
    }
  }

  /** Gives rows in order until one is not taken or `rowsMax` were given. */
  advance(take: TakeRow, rowsMax: number): Answer<'more' | 'end'> {
    for (let left = rowsMax; left > 0; left--) {
      const top = this.#heap[0];
      if (top === undefined) return 'end';
      const rowAt = top.at + this.#keyBytes + 4;
      const end = rowAt + top.bytes.readUInt32BE(top.at + this.#keyBytes);
      if (!take(top.bytes, top.at + this.#skip, end)) return 'more';
      const hasNext = top.next();
      if (isLater(hasNext)) return hasNext.then((there) => this.#settle(there));
      this.#settle(hasNext);
    }
    return this.#heap.length === 0 ? 'end' : 'more';
  }

  /** After the top went on: puts it where it belongs, or takes it out. */
  #settle(hasNext: boolean): 'more' {
    if (!hasNext) {
      const last = this.#heap.pop();
      if (last === undefined || this.#heap.length === 0) return 'more';
      this.#heap[0] = last;
    }
    this.#sink();
    return 'more';
  }

  #isBefore(a: RunCursor, b: RunCursor): boolean {
    const size = this.#keyBytes;
    const order = a.bytes.compare(b.bytes, b.at, b.at + size, a.at, a.at + size);
    return order < 0 || (order === 0 && a.rank < b.rank);
  }

  #rise(index: number): void {
    let at = index;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#swapUnlessOrdered(parent, at)) return;
      at = parent;
    }
  }

  #sink(): void {
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const least = this.#lesser(left, left + 1);
      if (least === undefined || !this.#swapUnlessOrdered(at, least)) return;
      at = least;
    }
  }

  #lesser(left: number, right: number): number | undefined {
    const [a, b] = [this.#heap[left], this.#heap[right]];
    if (a === undefined) return undefined;
    return b !== undefined && this.#isBefore(b, a) ? right : left;
  }

  #swapUnlessOrdered(upper: number, lower: number): boolean {
    const [a, b] = [this.#heap[upper], this.#heap[lower]];
    if (a === undefined || b === undefined || !this.#isBefore(b, a)) return false;
    this.#heap[upper] = b;
    this.#heap[lower] = a;
    return true;
  }
}
