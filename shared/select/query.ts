// A whole question: which records, in which order, how much of them, at most how many. The SDK, isutl and
// rsynctl make one, the `select` message carries it, server/select answers it.

import type { Expression } from './expression.js';

/** What is computed over the records of a group. */
export type AggregateFunction = 'count' | 'sum' | 'min' | 'max' | 'avg';

export interface Aggregate {
  /** Name of the value in the answer. */
  readonly name: string;
  readonly function: AggregateFunction;
  /** The field; absent with `count` only. */
  readonly field?: string;
}

/** Records of equal `fields` make one group; without fields all records are one. */
export interface Grouping {
  readonly fields: readonly string[];
  readonly aggregates: readonly Aggregate[];
}

/**
 * Pairs each record with those of another file whose key begins with the values of its own fields.
 * `left` also gives records without a partner; `inner` does not.
 */
export interface Join {
  readonly kind: 'inner' | 'left';
  /** Channel number of the other file, open in the same session. */
  readonly channel: number;
  /** Own field and field of the other; together the leading segments of one key of the other. */
  readonly on: readonly (readonly [own: string, other: string])[];
  /** Which records of the other may be partners. */
  readonly where?: Expression | string;
}

export interface SelectQuery {
  /** Tree, or text that the server parses. Absent: every record. */
  readonly where?: Expression | string;
  /** Key to go by, number or name. */
  readonly using?: number | string;
  /** Fields (`total`, `phone[2]`, `rec(5,3)`), each with `-` in front for descending. */
  readonly orderBy?: readonly string[];
  /** Only these fields travel; in the order given, one after another. */
  readonly fields?: readonly string[];
  readonly groupBy?: Grouping;
  readonly join?: Join;
  /** At most so many records (groups, pairs). */
  readonly limit?: number;
  /** Stop after so many records looked at, or milliseconds of work; the answer says where to go on. */
  readonly maxScan?: number;
  readonly maxMs?: number;
  /** Where a query of the same text stopped; taken from its answer. */
  readonly resume?: Uint8Array;
}

/** How a query will be, or was, carried out. */
export interface Plan {
  /** Key gone by, or none: the file is read as it is stored. */
  readonly key?: { readonly number: number; readonly name: string };
  /** Parts of that key, in order, as people read them: `state = 'CA', total >= 100.00`. */
  readonly ranges: readonly string[];
  /** The condition each record in the ranges is put to; empty when there is none. */
  readonly filter: string;
  /** `key`: records come in this order by themselves. `sort`, `top`: all, or the first few, are sorted. */
  readonly order: 'none' | 'key' | 'sort' | 'top';
  /** Records to look at, roughly. */
  readonly estimate: number;
  /** What would make it faster, where something would. */
  readonly advice?: string;
}
