// Who this process is in a table that outlives it, and whether another one still lives. A pid is used
// again after its process, and means another process in another container; so a process is named by
// pid, start time, pid namespace, and a number for this manager (a process may have several).

import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { lockLeaseMs } from '../../shared/base/limits.js';

export interface ProcessIdentity {
  /** `pid.start.namespace.instance`: nobody else's, ever (within one boot of the machine). */
  readonly self: string;
  /** Milliseconds of a clock that all processes of the machine share and nobody sets. */
  sharedClockMs(): number;
  /** `seenMs`: when that process last gave a sign of life in the table, by the shared clock. */
  isAlive(process: string, seenMs: number): boolean;
}

/** This process. Each call names another instance. */
export function identifyProcess(): ProcessIdentity {
  const start = startTimeOf(process.pid) ?? '0';
  const namespace = pidNamespace();
  const here = `${process.pid}.${start}.${namespace}.`;
  const sharedClockMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);
  return {
    self: `${here}${randomBytes(4).toString('hex')}`,
    sharedClockMs,
    isAlive: (other, seenMs) => {
      if (other.startsWith(here)) return true;
      const [pid = '0', itsStart = '0', itsNamespace = '0'] = other.split('.');
      // What is behind a pid of another container cannot be asked: its signs of life must do.
      if (itsNamespace !== namespace) return sharedClockMs() - seenMs < lockLeaseMs;
      return isRunning(Number(pid), itsStart);
    },
  };
}

/** The pid in a process's name, for messages and lists. */
export const pidOf = (process: string): number => Number.parseInt(process, 10);

function isRunning(pid: number, start: string): boolean {
  const found = startTimeOf(pid);
  // Hidden (hidepid) or no /proc at all: a signal that does nothing tells whether the pid is in use.
  return found === undefined ? answersSignals(pid) : found === start;
}

/** Field 22 of /proc/PID/stat; 'dead' for one that only waits for its parent to collect it. */
function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // No such process, not ours to see, or no /proc: the caller asks further.
  }
  // The name of the program, in parentheses, may contain spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] ?? '';
  return state === 'Z' || state === 'X' ? 'dead' : fields[19];
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    return '0'; // No namespaces on this system.
  }
}
