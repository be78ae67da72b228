// CPU time of a process, ours or another: on a machine that is shared it says more than rates do.

import { readFileSync } from 'node:fs';

/** Linux counts in ticks of this length, whatever its clock. */
const TICK_US = 10_000;

/** Microseconds of CPU a process has used, user and system; NaN where there is no /proc. */
export function cpuTimeUs(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold blanks: state is field 3, so these are 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return Number.NaN;
  }
}
