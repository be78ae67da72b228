// Rows in the order asked for, where no key gives it: takes all that match into a sorter first, then gives
// them back.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { sortStepRowsMax } from '../../shared/base/limits.js';
import type { RecordWalk } from './record-walk.js';
import type { RecordRange, RowInput, RowShape, TakeRow } from './row.js';
import type { SortKey } from './sort-key.js';
import type { Sorter } from './sorter.js';

export interface SortedInputOptions {
  readonly walk: RecordWalk;
  readonly shape: RowShape;
  readonly sortKey: SortKey;
  readonly sorter: Sorter;
}

export class SortedInput implements RowInput {
  readonly point = 'nowhere';
  readonly #options: SortedInputOptions;
  readonly #key: Buffer;
  readonly #range: RecordRange = { start: 0, end: 0, address: { block: 0, slot: 0 } };
  /** collecting ⇄ settling ──▶ giving */
  #state: 'collecting' | 'settling' | 'giving' = 'collecting';
  #isLast = false;

  constructor(options: SortedInputOptions) {
    this.#options = options;
    this.#key = Buffer.alloc(options.sortKey.bytes);
  }

  get looked(): number {
    return this.#options.walk.looked;
  }

  get isLooking(): boolean {
    return this.#state !== 'giving' && !this.#isLast;
  }

  advance(take: TakeRow, recordsMax: number): Answer<'more' | 'end'> {
    switch (this.#state) {
      case 'collecting':
        return this.#collect(recordsMax);
      case 'settling':
        return this.#settle();
      case 'giving':
        return this.#options.sorter.advance(take, sortStepRowsMax);
    }
  }

  /** All that match were looked at before the first row was given. */
  countLast(): void {}

  close(): Answer<void> {
    return this.#options.sorter.close();
  }

  #collect(recordsMax: number): Answer<'more'> {
    const { walk, shape, sortKey, sorter } = this.#options;
    const range = this.#range;
    const key = this.#key;
    const keep: TakeRow = (row, start, end) => {
      sorter.add(key, row, start, end);
      return true;
    };
    const state = walk.advance((bytes, start, end, address) => {
      if (sorter.isFull) return false;
      sortKey.write(bytes, start, end, key, 0);
      range.start = start;
      range.end = end;
      range.address = address;
      return shape.give(keep, bytes, range);
    }, recordsMax);
    return andThen(state, (settled) => {
      this.#isLast = settled === 'end';
      if (this.#isLast || sorter.isFull) this.#state = 'settling';
      return 'more';
    });
  }

  #settle(): Answer<'more'> {
    // Memory is made free first, then all that is left is merged.
    const { sorter } = this.#options;
    const isFinal = this.#isLast && !sorter.isFull;
    return andThen(sorter.settle(isFinal, sortStepRowsMax), (state) => {
      if (state === 'more') return 'more';
      if (isFinal) this.#state = 'giving';
      else if (!this.#isLast) this.#state = 'collecting';
      return 'more';
    });
  }
}
