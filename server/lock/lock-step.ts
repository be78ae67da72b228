// One atomic step over the lock table of a directory, and the question every rule asks: does it live?

import { decodeTime, encodeTime, processKey } from './lock-row.js';
import type { LockTable } from './lock-store.js';
import type { ProcessIdentity } from './process-identity.js';

/** What a rule gets to work with. */
export interface LockStep {
  readonly table: LockTable;
  readonly identity: ProcessIdentity;
  /** Wall clock. */
  readonly nowMs: number;
  /** Tickets that got their record in this step, ours and others'. Rules add to it. */
  readonly granted: number[];
  /** What this step has found out about other processes: asking costs a file read. */
  readonly alive: Map<string, boolean>;
}

/** Is the process one whose claims, locks and waits still count? */
export function isLive(step: LockStep, process: string): boolean {
  if (process === step.identity.self) return true;
  const known = step.alive.get(process);
  if (known !== undefined) return known;
  const seen = step.table.get(processKey(process));
  const alive = step.identity.isAlive(process, seen === undefined ? 0 : decodeTime(seen));
  step.alive.set(process, alive);
  return alive;
}

/** Gives a sign of life. Answers whether there was an earlier one (else: we are new, or were buried). */
export function touchProcess({ table, identity }: LockStep): boolean {
  const key = processKey(identity.self);
  const known = table.get(key) !== undefined;
  table.put(key, encodeTime(identity.sharedClockMs()));
  return known;
}
