// The end of processes that did not say goodbye. Nobody watches for it: a dead process is found by
// whoever it is in the way of, and by the first step of each newcomer; then all it had is freed at once.

import {
  decodeHold,
  decodeLock,
  decodeWait,
  type HoldRow,
  holdOfKey,
  holdPrefix,
  type LockRow,
  lockPrefix,
  ownersPrefix,
  placeOfKey,
  processKey,
  processOfKey,
  processPrefix,
  type RecordPlace,
  readHold,
  readLock,
  waitOfKey,
  waitPrefix,
  writeLock,
} from './lock-row.js';
import { isLive, type LockStep } from './lock-step.js';
import { handOver } from './record-queue.js';

/** Who has a record. */
export interface Holder {
  readonly lock: LockRow;
  readonly hold: HoldRow;
}

/** Who has the record, after the dead among its holders are buried; undefined when it is free. */
export function holderOf(step: LockStep, place: RecordPlace): Holder | undefined {
  for (;;) {
    const lock = readLock(step.table, place);
    if (lock === undefined) return undefined;
    const hold = readHold(step.table, place.file, lock.hold);
    if (hold !== undefined && isLive(step, hold.process)) return { lock, hold };
    if (hold !== undefined) bury(step, hold.process);
    else handOver(step, place, lock); // A lock without a hold is nobody's.
  }
}

/** Buries every dead process of the table. */
export function sweep(step: LockStep): void {
  for (const { key } of step.table.range(processPrefix())) {
    const process = processOfKey(key);
    if (!isLive(step, process)) bury(step, process);
  }
}

/** Frees all that a process had: its waits first, so that nothing is handed to it. */
export function bury(step: LockStep, process: string): void {
  removeWaits(step, process);
  const holds = removeHolds(step, process);
  for (const { key, value } of step.table.range(lockPrefix())) {
    const place = placeOfKey(key);
    const lock = decodeLock(value);
    if (holds.has(lock.hold)) handOver(step, place, lock);
  }
  step.table.remove(processKey(process));
}

function removeWaits({ table }: LockStep, process: string): void {
  for (const { key, value } of table.range(waitPrefix())) {
    if (decodeWait(value).process !== process) continue;
    table.remove(key);
    const { place } = waitOfKey(key);
    const lock = readLock(table, place);
    if (lock !== undefined && lock.waiters > 0) {
      writeLock(table, place, { ...lock, waiters: lock.waiters - 1 });
    }
  }
  for (const { key } of table.range(ownersPrefix(process))) table.remove(key);
}

/** Answers the numbers of the holds removed; a number is given once per table. */
function removeHolds({ table }: LockStep, process: string): Set<number> {
  const removed = new Set<number>();
  for (const { key, value } of table.range(holdPrefix())) {
    if (decodeHold(value).process !== process) continue;
    table.remove(key);
    removed.add(holdOfKey(key).hold);
  }
  return removed;
}
