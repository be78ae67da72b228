// Memory of a daemon as the system sees it, after its garbage was collected (standing-probe.ts). Bytes.

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';

export interface Memory {
  /** All pages in memory, those of mapped files too. */
  readonly rss: number;
  /** The same, shared pages divided by those who share them. */
  readonly pss: number;
  /** Pages of no file: what it allocated for itself. */
  readonly own: number;
  /** JavaScript objects, and buffers outside the heap. */
  readonly heap: number;
  readonly buffers: number;
  readonly descriptors: number;
  /** Address space, in use or not. */
  readonly mapped: number;
}

/** Collects the daemon's garbage and looks; twice, because what one collection lets go another frees. */
export async function memoryOf(pid: number | undefined, probe: string): Promise<Memory> {
  await collect(pid, probe);
  const { heapUsed, arrayBuffers } = await collect(pid, probe);
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  return {
    rss: kilobytes(rollup, 'Rss'),
    pss: kilobytes(rollup, 'Pss'),
    own: kilobytes(rollup, 'Anonymous'),
    heap: heapUsed,
    buffers: arrayBuffers,
    descriptors,
    mapped: kilobytes(status, 'VmSize'),
  };
}

async function collect(pid: number | undefined, probe: string): Promise<NodeJS.MemoryUsage> {
  if (pid === undefined) throw new Error('the daemon is not running');
  rmSync(probe, { force: true });
  process.kill(pid, 'SIGUSR2');
  while (!existsSync(probe)) await new Promise((resolve) => setTimeout(resolve, 20));
  return JSON.parse(readFileSync(probe, 'utf8'));
}

/** `Name:   123 kB` of a file in /proc. */
function kilobytes(text: string, name: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${name}:`));
  return Number.parseInt(line?.slice(name.length + 1) ?? '', 10) * 1024;
}
