// The records of a plan that match, as their indexes or the data give them: range after range, in steps
// of the length the caller asks for. Knows where it is, so that a later query can go on from there.

import { type Answer, andThen } from '../../shared/base/answer.js';
import type { Rfa } from '../../shared/record/rfa.js';
import type { Edge, ScanCursor, ScanVisitor, StoredFile } from '../storage/engine.js';
import type { KeyRange, Predicate, QueryPlan } from './query-plan.js';

/** A point in a walk: everything before it was looked at. */
export interface WalkPoint {
  /** Index into the ranges of the plan. */
  readonly range: number;
  /** By key: behind (in the direction of the walk) this place. */
  readonly place?: Uint8Array;
  /** Stored order: behind this record. */
  readonly rfa?: Rfa;
}

export class RecordWalk {
  readonly #stored: Pick<StoredFile, 'scan'>;
  readonly #plan: Pick<QueryPlan, 'order' | 'direction' | 'ranges'>;
  readonly #matches: Predicate | undefined;
  #range: number;
  #cursor: ScanCursor | undefined;
  /** Records looked at so far. */
  looked = 0;

  /** `matches`: undefined takes every record. */
  constructor(
    stored: Pick<StoredFile, 'scan'>,
    plan: Pick<QueryPlan, 'order' | 'direction' | 'ranges'>,
    matches: Predicate | undefined,
    from: WalkPoint = { range: 0 },
  ) {
    this.#stored = stored;
    this.#plan = plan;
    this.#matches = matches;
    this.#range = from.range;
    this.#cursor = this.#enter(from);
  }

  get point(): WalkPoint {
    const cursor = this.#cursor;
    const range = this.#range;
    if (cursor === undefined) return { range };
    if (cursor.order === 'stored') {
      return cursor.rfa === undefined ? { range } : { range, rfa: Buffer.from(cursor.rfa) };
    }
    const start = this.#plan.ranges[range]?.from;
    return cursor.from === start ? { range } : { range, place: Buffer.from(cursor.from.prefix) };
  }

  /** Visits the next that match, until the visitor says false or `recordsMax` were looked at. */
  advance(visit: ScanVisitor, recordsMax: number): Answer<'more' | 'end'> {
    const cursor = this.#cursor;
    if (cursor === undefined) return 'end';
    const before = cursor.looked ?? 0;
    const count = (): void => {
      this.looked += (cursor.looked ?? 0) - before;
    };
    const state = this.#stored.scan(cursor, visit, recordsMax, this.#matches);
    return andThen(state, (settled) => {
      count();
      return settled === 'more' ? 'more' : this.#next();
    });
  }

  #next(): 'more' | 'end' {
    this.#range++;
    this.#cursor = this.#enter({ range: this.#range });
    return this.#cursor === undefined ? 'end' : 'more';
  }

  #enter({ range, place, rfa }: WalkPoint): ScanCursor | undefined {
    const { order, direction, ranges } = this.#plan;
    const part: KeyRange | undefined = ranges[range];
    if (part === undefined) return undefined;
    const from = place === undefined ? part.from : behind(place, direction);
    const cursor: ScanCursor = { order, direction, from, until: part.until, looked: 0 };
    if (rfa !== undefined) cursor.rfa = rfa;
    return cursor;
  }
}

const behind = (place: Uint8Array, direction: QueryPlan['direction']): Edge => ({
  prefix: place,
  side: direction === 'forward' ? 'after' : 'before',
});
