// Processes as Linux shows them: whose child is whose, what CPU time they took, and on which CPUs they may run.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts in ticks of this length, whatever its clock. */
const TICK_US = 10_000;

interface Stat {
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
function treeOf(root: number): Stat[] {
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

/** Microseconds of CPU that `root` and those below it took so far; NaN where nobody says. */
export function cpuTimeUs(root: number): number {
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

/** Lets the processes below `roots`, all threads of them, run on these CPUs only (`0`, `0-1`). */
export function pin(roots: readonly number[], cpus: string): void {
  for (const root of roots) {
    for (const { pid } of treeOf(root)) spawnSync('taskset', ['-acp', cpus, String(pid)]);
  }
}

/** The CPUs we may use, as taskset takes them; undefined where nothing can be pinned. */
export function allowedCpus(): string | undefined {
  if (spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const status = readFileSync('/proc/self/status', 'utf8');
  return /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1];
}
