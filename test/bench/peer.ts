// What the bench needs of a system to measure it: the client half, which lives in a process of its own.
// A peer leaves out what it cannot do; then no line asks it to.

import type { BulkTask, CallTask, FilterTask, OpenTask, ScanTask, WireTask } from './task.js';

/** One connection. Numbers stand for the records of record.ts. */
export interface Session {
  /** Reads by primary key. Rejects when there is none. */
  read(number: number): Promise<unknown>;
  /** Adds a record; resolves when it is on the disk. */
  store(number: number): Promise<unknown>;
  /** Reads, locks and replaces a record; resolves when the change is on the disk. */
  update(number: number): Promise<unknown>;
  close(): Promise<unknown>;
}

export interface Peer {
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, as one of its connections has it; `plain` in clear. */
  security(): Promise<string>;
  session(variant?: CallTask['variant']): Promise<Session>;
  /** Instead of calls on sessions: how many were answered. For who can do nothing but answer. */
  calls?(task: CallTask): Promise<number>;
  /** How many records came. */
  scan?(task: ScanTask): Promise<number>;
  /** How many records were found. */
  filter?(task: FilterTask): Promise<number>;
  wire?(task: WireTask): Promise<number>;
  /** Makes the empty file ready and resolves with the load itself, which is then timed. */
  bulk?(task: BulkTask): Promise<() => Promise<unknown>>;
  /** Once. */
  open?(task: OpenTask): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Refuses an answer that is not one record: a miss is quick and would look like speed. */
export function present<T>(record: T | null | undefined, number: number): T {
  if (record === null || record === undefined) throw new Error(`record ${number} is not there`);
  return record;
}
