// Keeps the first few rows of an order and nothing else: a heap with the worst of them on top, against
// which most rows lose at once.

import { topRecordsMax } from '../../shared/base/limits.js';
import type { TakeRow } from './row.js';
import type { Sorter } from './sorter.js';

interface Kept {
  readonly key: Buffer;
  readonly row: Buffer;
  /** When it came: among equal keys the earlier is the better. */
  readonly sequence: number;
}

const isWorse = (a: Kept, b: Kept): boolean => {
  const order = a.key.compare(b.key);
  return order > 0 || (order === 0 && a.sequence > b.sequence);
};

export class TopSorter implements Sorter {
  readonly isFull = false;
  readonly #count: number;
  #heap: Kept[] = [];
  #sequence = 0;
  #given = 0;

  /** Keeps `count` rows: 1 to topRecordsMax. */
  constructor(count: number) {
    if (count < 1 || count > topRecordsMax) throw new TypeError(`a heap of ${count} rows`);
    this.#count = count;
  }

  add(key: Buffer, bytes: Buffer, start: number, end: number): void {
    const worst = this.#heap[0];
    const isFull = this.#heap.length === this.#count;
    if (isFull && worst !== undefined && key.compare(worst.key) >= 0) return;
    const row = Buffer.from(bytes.subarray(start, end));
    const kept = { key: Buffer.from(key), row, sequence: this.#sequence++ };
    if (isFull) this.#replaceWorst(kept);
    else this.#push(kept);
  }

  settle(isLast: boolean): 'done' {
    if (isLast) this.#heap.sort((a, b) => (isWorse(a, b) ? 1 : -1));
    return 'done';
  }

  advance(take: TakeRow, rowsMax: number): 'more' | 'end' {
    for (let left = rowsMax; left > 0; left--) {
      const kept = this.#heap[this.#given];
      if (kept === undefined) return 'end';
      if (!take(kept.row, 0, kept.row.length)) return 'more';
      this.#given++;
    }
    return 'more';
  }

  close(): void {
    this.#heap = [];
  }

  #push(kept: Kept): void {
    const heap = this.#heap;
    let at = heap.push(kept) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isWorse(kept, above)) break;
      heap[at] = above;
      heap[parent] = kept;
      at = parent;
    }
  }

  #replaceWorst(kept: Kept): void {
    const heap = this.#heap;
    let at = 0;
    heap[0] = kept;
    for (;;) {
      const child = this.#worseChild(2 * at + 1);
      const below = heap[child];
      if (below === undefined || !isWorse(below, kept)) return;
      heap[at] = below;
      heap[child] = kept;
      at = child;
    }
  }

  #worseChild(left: number): number {
    const [a, b] = [this.#heap[left], this.#heap[left + 1]];
    return a !== undefined && b !== undefined && isWorse(b, a) ? left + 1 : left;
  }
}
