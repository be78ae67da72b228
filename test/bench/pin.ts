// On which CPUs processes may run.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { treeOf } from './cpu-time.js';

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
