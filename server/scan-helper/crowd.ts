// Whether others need the cores of this machine. Help is of use, and costs nobody anything, only where a core has
// nothing to do: even a thread of the lowest priority is given slices of milliseconds on the core of the walk. So
// a walk looks for an idle core before it asks, and afterwards how long it had to wait for its own: help that made
// it wait is not asked for again for a while. Linux says both; where that is not known there is no help.

import { closeSync, openSync, readSync } from 'node:fs';
import { cpus } from 'node:os';
import {
  crowdedPauseMs,
  crowdedPauseMsMax,
  helpedWaitMsMax,
  helpedWaitShareMax,
} from '../../shared/base/limits.js';

/** Of this moment: what a crowd goes by. */
export interface Scheduling {
  /** Threads of this machine that want to run, this one among them. */
  running(): number;
  /** How long this thread wanted to run and could not, so far, in milliseconds. */
  waitedMs(): number;
  close(): void;
}

/** `0.31 0.25 0.20 2/413 9876`: two threads of 413 want to run. */
const RUNNING = / (\d+)\/\d+ /;
/** `SPENT WAITED SLICES`, in nanoseconds. */
const WAITED = /^\d+ (\d+) /;

/** What Linux says; some microseconds each. Undefined on other systems. For the main thread. */
export function linuxScheduling(): Scheduling | undefined {
  const fds: number[] = [];
  try {
    for (const path of ['/proc/loadavg', '/proc/self/schedstat']) fds.push(openSync(path, 'r'));
  } catch {
    for (const fd of fds) closeSync(fd);
    return undefined;
  }
  const [load = -1, times = -1] = fds;
  return {
    running: () => numberIn(load, RUNNING) ?? Number.POSITIVE_INFINITY,
    waitedMs: () => (numberIn(times, WAITED) ?? 0) / 1e6,
    close: () => {
      for (const fd of fds) closeSync(fd);
    },
  };
}

const page = Buffer.alloc(128);

function numberIn(fd: number, pattern: RegExp): number | undefined {
  const length = readSync(fd, page, 0, page.length, 0);
  const [, number] = pattern.exec(page.toString('latin1', 0, length)) ?? [];
  return number === undefined ? undefined : Number(number);
}

export class Crowd {
  readonly #scheduling: Scheduling;
  readonly #cores: number;
  #waitedMs = 0;
  #sinceMs = 0;
  #pauseMs = crowdedPauseMs;
  #pausedUntilMs = 0;

  constructor(scheduling: Scheduling, cores = cpus().length) {
    this.#scheduling = scheduling;
    this.#cores = cores;
  }

  /** A core has nothing to do just now, and help did not make anybody wait lately. */
  get isNone(): boolean {
    return performance.now() >= this.#pausedUntilMs && this.#scheduling.running() < this.#cores;
  }

  helpBegins(): void {
    this.#waitedMs = this.#scheduling.waitedMs();
    this.#sinceMs = performance.now();
  }

  /** Pauses double as long as each help makes the walk wait. */
  helpEnds(): void {
    const nowMs = performance.now();
    const waitedMs = this.#scheduling.waitedMs() - this.#waitedMs;
    const isCrowd = waitedMs > helpedWaitMsMax + (nowMs - this.#sinceMs) * helpedWaitShareMax;
    if (isCrowd) this.#pausedUntilMs = nowMs + this.#pauseMs;
    this.#pauseMs = isCrowd ? Math.min(2 * this.#pauseMs, crowdedPauseMsMax) : crowdedPauseMs;
  }

  close(): void {
    this.#scheduling.close();
  }
}
