// A record's lock and the queue for it, as rows of the table: take, give, wait, leave. Pure rules; who
// is told of a grant and how is the business of wait-room.ts.
//
// Invariant: as long as somebody waits for a record it is locked. What is given back goes straight to
// the first live waiter, so that nobody who comes later can barge in.

import { waitersPerRecordMax } from '../../shared/base/limits.js';
import {
  decodeWait,
  encodeOwned,
  encodeWait,
  type LockRow,
  lockKey,
  ownerKey,
  type Party,
  type RecordPlace,
  readLock,
  takeNumber,
  waitKey,
  waitOfKey,
  waitPrefix,
  writeLock,
} from './lock-row.js';
import { isLive, type LockStep } from './lock-step.js';

/** Somebody who wants a record. */
export interface Wish {
  readonly place: RecordPlace;
  readonly hold: number;
  readonly party: Party;
}

/** Locks a record nobody has locked. */
export function takeFree(step: LockStep, place: RecordPlace, hold: number): void {
  writeLock(step.table, place, { hold, sinceMs: step.nowMs, waiters: 0 });
}

/** Gives a record back; nothing when the hold does not have it. */
export function give(step: LockStep, place: RecordPlace, hold: number): void {
  const lock = readLock(step.table, place);
  if (lock?.hold === hold) handOver(step, place, lock);
}

/** The record goes from who has it to the first who waits and lives, else to nobody. */
export function handOver(step: LockStep, place: RecordPlace, lock: LockRow): void {
  let waiters = lock.waiters;
  while (waiters > 0) {
    const [first] = step.table.range(waitPrefix(place), 1);
    if (first === undefined) break;
    const { ticket } = waitOfKey(first.key);
    const wait = decodeWait(first.value);
    step.table.remove(first.key);
    step.table.remove(ownerKey(wait, ticket));
    waiters -= 1;
    if (!isLive(step, wait.process)) continue;
    writeLock(step.table, place, { hold: wait.hold, sinceMs: step.nowMs, waiters });
    step.granted.push(ticket);
    return;
  }
  step.table.remove(lockKey(place));
}

/** Joins the queue for a locked record. `full`: the bound is reached. */
export function enqueue(step: LockStep, wish: Wish, lock: LockRow): number | 'full' {
  if (lock.waiters >= waitersPerRecordMax) return 'full';
  const { place, hold, party } = wish;
  const { process, owner } = party;
  const ticket = takeNumber(step.table);
  step.table.put(waitKey(place, ticket), encodeWait({ hold, process, owner }));
  step.table.put(ownerKey(party, ticket), encodeOwned({ ...place, sinceMs: step.nowMs }));
  writeLock(step.table, place, { ...lock, waiters: lock.waiters + 1 });
  return ticket;
}

/** Leaves the queue. `granted`: too late, the record is already the hold's. */
export function leaveQueue(step: LockStep, wish: Wish, ticket: number): 'left' | 'granted' {
  const { place, hold, party } = wish;
  const lock = readLock(step.table, place);
  const key = waitKey(place, ticket);
  if (step.table.get(key) === undefined) return lock?.hold === hold ? 'granted' : 'left';
  step.table.remove(key);
  step.table.remove(ownerKey(party, ticket));
  if (lock !== undefined && lock.waiters > 0) {
    writeLock(step.table, place, { ...lock, waiters: lock.waiters - 1 });
  }
  return 'left';
}
