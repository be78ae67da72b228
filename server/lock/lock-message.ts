// What people are told when they do not get a file or a record: who has it, since when, what to do.

import { RsyndError } from '../../shared/base/error.js';
import { locksPerChannelMax, waitersPerRecordMax } from '../../shared/base/limits.js';
import type { Holder } from './bury.js';
import { effectiveShare } from './claims.js';
import type { FileClaim } from './lock-manager.js';
import type { HoldRow, Party, RecordPlace } from './lock-row.js';
import { pidOf } from './process-identity.js';
import type { BlockedWait } from './wait-graph.js';

export function fileInUse(file: string, wanted: FileClaim, other: HoldRow): RsyndError {
  const why =
    `${file} is open by ${name(other)} ` +
    `in ${other.mode} mode, share ${other.share}, since ${time(other.sinceMs)}, ` +
    `which does not go with ${wanted.mode} mode, share ${effectiveShare(wanted)}`;
  return new RsyndError('ERR_FINUSE', `${why}; ${hintFor(wanted, other)}`, { file });
}

function hintFor(wanted: FileClaim, other: HoldRow): string {
  const alone = [wanted, other].some(({ mode }) => mode === 'output' || mode === 'append');
  return alone
    ? 'output and append need the file for themselves: try again when the other one has closed it'
    : 'have it closed there, or let both open it with share all';
}

export function recordLocked(
  place: RecordPlace,
  holder: Holder | undefined,
  self: Party,
  waitedMs: number,
): RsyndError {
  const waited = waitedMs > 0 ? ` (waited ${waitedMs} ms)` : '';
  const what = `${record(place)} is held by ${who(holder, self)}${waited}`;
  const why = `${what}; try again, wait longer, or read without a lock`;
  return new RsyndError('ERR_LOCKED', why, { file: place.file });
}

function who(holder: Holder | undefined, self: Party): string {
  if (holder === undefined) return 'others that wait for it too';
  const { hold, lock } = holder;
  const mine = hold.process === self.process && hold.owner === self.owner;
  const since = `since ${time(lock.sinceMs)}`;
  return mine ? `another channel of this session ${since}` : `${name(hold)} ${since}`;
}

export function queueFull(place: RecordPlace): RsyndError {
  const why = `${waitersPerRecordMax} others wait for ${record(place)} already; try again later`;
  return new RsyndError('ERR_LOCKED', why, { file: place.file });
}

export function tooManyLocks(file: string): RsyndError {
  const why =
    `this channel holds ${locksPerChannelMax} record locks, ` +
    'and no more are given to one; unlock some of them';
  return new RsyndError('ERR_SRVRLIMIT', why, { file, subject: file });
}

/** `cycle` begins with the wait that gives way. */
export function deadlocked(label: string, cycle: readonly BlockedWait[]): RsyndError {
  const sides = cycle.map(({ waiter, wait, holder }, at) => {
    const waiting = at === 0 ? `${label} (process ${pidOf(waiter.process)})` : 'who';
    const held = at === cycle.length - 1 ? label : name(holder);
    return `${waiting} waits for ${record(wait)}, held by ${held}`;
  });
  const why = `${sides.join(', ')}; unlock what this session holds, then try again`;
  return new RsyndError('ERR_DEADLOCK', why, { file: cycle[0]?.wait.file ?? '' });
}

export const aborted = ({ file }: { readonly file: string }, cause?: unknown): RsyndError =>
  new RsyndError('ERR_ABORTED', `the wait for a record of ${file} was given up`, { file, cause });

export const holdClosed = (file: string): RsyndError =>
  new RsyndError('ERR_NOOPEN', `${file} was closed, and its locks are gone; open it again`, {
    file,
  });

/** The message may go to a stranger, so it does not say where the server keeps its files. */
export function inputOnly(file: string): RsyndError {
  const why =
    `locks for ${file} cannot be kept in its directory, ` +
    'which is not writable for this process; open it in input mode, or allow writing there';
  return new RsyndError('ERR_OUTRDO', why, { file });
}

const record = ({ file, rfa }: RecordPlace): string => `record ${rfa.toString('hex')} of ${file}`;
const name = (hold: HoldRow): string => `${hold.label} (process ${pidOf(hold.process)})`;
const time = (ms: number): string => new Date(ms).toISOString();
