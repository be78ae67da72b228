// What the planner decides and the executor carries out: which records to look at, in which order. A plan
// only ever narrows: every record that matches is inside its ranges, and the executor puts each record
// in them to the whole condition. So a plan that narrows less is slower, never wrong.

import type { Plan } from '../../shared/select/query.js';
import type { Direction, Edge } from '../storage/engine.js';

/** A part of an index; `from` is where the walk in the plan's direction begins. */
export interface KeyRange {
  readonly from: Edge;
  readonly until: Edge;
}

export interface QueryPlan {
  /** Key number, or `stored` for the order of the data. */
  readonly order: number | 'stored';
  readonly direction: Direction;
  /** Disjoint, in the order of the walk. Stored order: one range that is everything. None: no record. */
  readonly ranges: readonly KeyRange[];
  /** `none` asked for; the index gives it; all must be sorted; the first `limit` must be found. */
  readonly sort: Plan['order'];
  /** For people. */
  readonly shown: Plan;
}

/** Does the record `bytes[start, end)` match? Valid for one file; keeps nothing of the bytes. */
export type Predicate = (bytes: Buffer, start: number, end: number) => boolean;
