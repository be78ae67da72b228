// A question to a file as programs write it: channel.select(…).orderBy(…).limit(…). Types only;
// channel-query.ts implements it.

import type { OnLocked } from '../../shared/protocol/message.js';
import type { Where } from '../../shared/select/builder.js';
import type { Condition } from '../../shared/select/condition.js';
import type { Expression, Scalar } from '../../shared/select/expression.js';
import type { Plan } from '../../shared/select/query.js';

/** A condition: a function of the fields, a tree it made, or text that the server parses. */
export type AnyWhere<R> = Where<R> | Condition | Expression | string;

/** What one run of a query came to. */
export interface QueryStats {
  /** Records looked at; known when the server has said the end. */
  readonly scanned: number;
  /** Records, pairs or groups that came; counted; or deleted. */
  readonly returned: number;
  /** Bytes of record data that came over. */
  readonly bytes: number;
}

/** What can be asked: every channel. */
export interface Queryable<R> {
  select(where?: AnyWhere<R>): Query<R>;
}

export interface LockChoice {
  /** A record that somebody else holds: ERR_LOCKED, left out, or waited for. @default 'fail' */
  onLocked?: OnLocked;
  /** Milliseconds to wait for one record. @default 0 */
  waitMs?: number;
}

/** Names of fields: of a record with a definition its own, elements of arrays, or bytes; else any. */
export type FieldName<R> = [R] extends [Uint8Array]
  ? string
  : [keyof R] extends [never]
    ? string
    : NameOf<R> | `${NameOf<R>}[${string}]` | `rec(${string})`;
type NameOf<R> = Extract<keyof R, string>;

/** Some fields of a record. A raw record stays one, with blanks where nothing came. */
export type Sparse<R, N extends string> = [R] extends [Uint8Array]
  ? R
  : { [F in N]: F extends keyof R ? R[F] : Scalar };

/** What is computed over the records of a group, by name. */
export interface Aggregates {
  readonly [name: string]: readonly ['count'] | readonly ['sum' | 'min' | 'max' | 'avg', string];
}

/** A group: the fields it was made by and its aggregates. `null`: there was nothing to compute. */
export type Group<R, N extends string, A extends Aggregates> = {
  [F in N]: F extends keyof R ? R[F] : Scalar;
} & {
  [F in keyof A]: A[F] extends readonly ['count'] ? number : Scalar | null;
};

/**
 * A question. Every call that narrows it gives a new one and leaves this one as it is, so a query can be
 * kept and used many times. Nothing is sent before it is run: by iterating, toArray, first, count, delete
 * or explain. `R` is what comes, `B` the records of the file. What is wrong with it is ERR_INVOPER, mostly
 * before anything is sent.
 */
export interface Query<R, B = R> extends AsyncIterable<R> {
  /** Also this must hold. */
  where(where: AnyWhere<B>): Query<R, B>;
  /** Goes by this key, number or name, whatever the server thinks. */
  using(key: number | string): Query<R, B>;
  /** `-name` is descending. */
  orderBy(...fields: string[]): Query<R, B>;
  /** Only these fields cross the network. */
  sparse<N extends FieldName<B>>(...fields: N[]): Query<Sparse<B, N>, B>;
  /** One object for all records whose `fields` are equal; without fields, one for all. */
  groupBy<const N extends FieldName<B>, const A extends Aggregates>(
    fields: readonly N[],
    aggregates: A,
  ): Query<Group<B, N, A>, B>;
  /** At most so many. */
  limit(count: number): Query<R, B>;
  /**
   * Pairs each record with those of `other` whose key begins with the same values. `on` says which own
   * field goes with which of the other. Both files must be open on one connection. Of a Query only its
   * condition counts. 'left' also gives records without a partner.
   */
  join<S>(
    other: Queryable<S> | Query<S>,
    on: Readonly<Record<string, string>>,
    kind?: 'inner',
  ): Query<[R, S], B>;
  join<S>(
    other: Queryable<S> | Query<S>,
    on: Readonly<Record<string, string>>,
    kind: 'left',
  ): Query<[R, S | undefined], B>;
  /** Stops with ERR_BUDGET when so many records were looked at; the error's `resume` goes on. */
  maxScan(records: number): Query<R, B>;
  /** The same after so many milliseconds of work on the server. */
  maxMs(milliseconds: number): Query<R, B>;
  /** Goes on where the same query stopped. */
  resume(token: Uint8Array): Query<R, B>;
  /**
   * Update mode: each record comes locked and is the channel's current one, so that write and delete work
   * on it. One record travels at a time; the next, and the end, free it. Without this call a select takes
   * no locks, whatever the channel does.
   */
  lock(choice?: LockChoice): Query<R, B>;
  /** Aborting it ends the work, on the server too. @default that of the channel */
  signal(signal: AbortSignal): Query<R, B>;
  /** Longest wait for an answer or the next records. @default that of the channel */
  timeout(milliseconds: number): Query<R, B>;

  /** All of it in memory, however much it is: bound it by limit(), or iterate. */
  toArray(): Promise<R[]>;
  /** The first, or undefined. */
  first(): Promise<R | undefined>;
  /** How many match, counted on the server. */
  count(): Promise<number>;
  /** Deletes what matches, on the server. Resolves with how many. Needs a channel for update. */
  delete(): Promise<number>;
  /** How the server would go about it. */
  explain(): Promise<Plan>;
  /** Leaving the loop ends the work on the server. */
  [Symbol.asyncIterator](): AsyncIterator<R, undefined>;
  /** The same as lists, none of them empty, of what came together: no promise for every record. */
  batches(): AsyncIterableIterator<R[], undefined>;
  /** Of the run begun last. */
  readonly stats: QueryStats;
}
