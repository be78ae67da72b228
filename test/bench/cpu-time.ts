// CPU time of processes, ours or others: on a machine that is shared it says more than rates do.

import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts in ticks of this length, whatever its clock. */
const TICK_US = 10_000;

export interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** Of itself and of children that ended and were waited for. */
  readonly cpuUs: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold blanks: state is field 3, so these are 4 and 14 to 17.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const ticks = fields.slice(11, 15).reduce((sum, each) => sum + each, 0);
    return { pid, parent: fields[1] ?? 0, cpuUs: ticks * TICK_US };
  } catch {
    return undefined; // it has ended, or there is no /proc
  }
}

/** `root` and all below it that live. */
export function treeOf(root: number | undefined): Stat[] {
  const pids = readProcesses();
  const stats = pids.map(statOf).filter((stat) => stat !== undefined);
  const tree = stats.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...stats.filter(({ parent }) => parent === pid));
  return tree;
}

function readProcesses(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** Microseconds of CPU that a process and those below it took so far; NaN where nobody says. */
export function cpuTimeUs(root: number | undefined): number {
  const tree = treeOf(root);
  return tree.length === 0 ? Number.NaN : tree.reduce((sum, { cpuUs }) => sum + cpuUs, 0);
}

/** Microseconds of CPU that everybody on the machine took so far. */
export function machineTimeUs(): number {
  try {
    const [, ...fields] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/) ?? [];
    const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = fields.map(Number);
    return (user + nice + system + irq + softIrq) * TICK_US;
  } catch {
    return Number.NaN;
  }
}
