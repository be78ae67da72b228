// What a program holds of an open file: the interface of channels, and the options and values of its calls.
// Types only; opened-channel.ts implements it.

import type { Match, ReadDirection, ReadLock } from '../../shared/protocol/message.js';
import type { KeyOf } from '../../shared/record/key.js';
import type { Grfa, Rfa } from '../../shared/record/rfa.js';
import type { AnyWhere, Query } from '../select/query.js';

/** Budget and way out of one call, where it differs from those the channel was opened with. */
export interface CallLimits {
  /** Milliseconds; a lock wait comes on top. @default that of the channel */
  timeoutMs?: number;
  /** Aborts this call with ERR_ABORTED; the channel stays usable. @default that of the channel */
  signal?: AbortSignal;
}

/** How a read locks what it returns. */
export interface LockOptions extends CallLimits {
  /** `manual` locks stay until unlock(rfa). @default 'auto' in update mode, else 'none' */
  lock?: ReadLock;
  /** How long to wait for somebody else's lock; 0 is ERR_LOCKED at once. @default 0 */
  waitMs?: number;
}

export interface ReadOptions extends LockOptions {
  /** Key of reference, by number or name. @default 0 */
  key?: number | string;
  /**
   * `eq` this key; `geq` and `gen` it or the next; `gtr` the next after it.
   * @default 'eq'
   */
  match?: Match;
}

export interface ReadsOptions extends LockOptions {
  /** @default 'forward' */
  direction?: ReadDirection;
}

/** Exact, without lock. */
export interface GetOptions extends CallLimits {
  /** Key of reference, by number or name. @default 0 */
  key?: number | string;
}

export interface StoreOptions extends CallLimits {
  /** `manual` keeps the new record locked. @default 'none' */
  lock?: 'none' | 'manual';
}

export interface WriteOptions extends CallLimits {
  /** The record to replace. A GRFA is refused with ERR_RECNOT when it changed since. @default current */
  rfa?: Rfa | Grfa;
}

/** Places that are not a key value. */
export type ReadPlace =
  | { readonly first: true }
  | { readonly last: true }
  | { readonly rfa: Rfa | Grfa };

/** The record the channel is at. */
export interface CurrentRecord {
  readonly rfa: Rfa;
  readonly grfa: Grfa;
  readonly locked: boolean;
}

/** What GETFA answers by keyword; see getfa(). */
export type GetfaOption = 'SLE' | 'SLC' | 'NETCRYPT' | 'RSZ' | 'SPC';

/**
 * An open file. Calls may be made without waiting for each other: those of one channel are carried out
 * in the order they were made. After close() every call is ERR_NOOPEN.
 */
export interface Channel<R = Buffer> extends AsyncIterable<R>, AsyncDisposable {
  /** The record with that key, made current. ERR_RNF, ERR_EOF, ERR_LOCKED. */
  read(key: KeyOf<R>, options?: ReadOptions): Promise<R>;
  /** The first or last record by the key of reference, or the one at an address. */
  read(at: ReadPlace, options?: ReadOptions): Promise<R>;
  /** The next record by the key of reference; undefined at either end. */
  reads(options?: ReadsOptions): Promise<R | undefined>;
  /** The record with that key, without locking or moving; undefined when there is none. */
  get(key: KeyOf<R>, options?: GetOptions): Promise<R | undefined>;
  /** Positions only: the next reads() returns that record. Locks only when asked to. */
  find(key: KeyOf<R> | ReadPlace, options?: ReadOptions): Promise<void>;
  /** Adds a record; does not move the position. ERR_NODUPS, ERR_IRCSIZ. */
  store(record: R, options?: StoreOptions): Promise<Rfa>;
  /** Replaces the current record, which must be locked (ERR_NOCURR), or the one at `rfa`. */
  write(record: R, options?: WriteOptions): Promise<Rfa>;
  /** Removes the current record, which must be locked (ERR_NOCURR). */
  delete(options?: CallLimits): Promise<void>;
  /** Frees the automatic lock, or that of a record. Silent when there is none. */
  unlock(rfa?: Rfa, options?: CallLimits): Promise<void>;
  /** Adds many, in batches. When one is refused, the error says how many were stored. */
  storeMany(
    records: Iterable<R> | AsyncIterable<R>,
    options?: CallLimits,
  ): Promise<{ stored: number }>;
  /**
   * A question about the records, answered by the server: only what matches travels. Moves no position and
   * takes no locks, unless told to. ERR_INVOPER for a condition the file does not allow.
   */
  select(where?: AnyWhere<R>): Query<R>;
  /** The record read or found last; undefined after a miss or a delete. */
  readonly current: CurrentRecord | undefined;
  /** Facts about the channel; `length` cuts text. See getfa(). */
  getfa(option: GetfaOption | (string & {}), length?: number): Promise<number | string>;
  /** Facts about the file: NETCRYPT, NUMKEYS, NUMRECS, SIZE … ERR_ISINFO for an unknown request. */
  isinfo(request: string, key?: number | string, segment?: number): Promise<number | string>;
  /** From first to last by key 0, without locks and without moving the position. */
  [Symbol.asyncIterator](): AsyncIterator<R, undefined>;
  /** The same records as lists of some 64 KiB each, none of them empty: no promise for every record. */
  batches(): AsyncIterableIterator<R[], undefined>;
  /** Frees all locks and the file. Idempotent. */
  close(): Promise<void>;
}
