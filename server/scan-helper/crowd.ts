// Whether others need the cores of this machine. Help is of use, and costs nobody anything, only where a core has
// nothing to do: even a thread of the lowest priority is given slices of milliseconds on the core of the walk. So a walk
// looks for an idle core before it asks, and the thread looks how long it had to wait for one. Linux says both;
// where that is not known there is no help.

import { closeSync, openSync, readSync } from 'node:fs';
import { cpus } from 'node:os';
import { helperWaitedMsMax, helperWaitedShareMax } from '../../shared/base/limits.js';

/** A file of the system that says something else each time it is read. */
class LivePage {
  readonly #fd: number;
  readonly #bytes = Buffer.alloc(128);

  constructor(path: string) {
    this.#fd = openSync(path, 'r');
  }

  read(): string {
    const length = readSync(this.#fd, this.#bytes, 0, this.#bytes.length, 0);
    return this.#bytes.toString('latin1', 0, length);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

const openPage = (path: string): LivePage | undefined => {
  try {
    return new LivePage(path);
  } catch {
    return undefined;
  }
};

/** `0.31 0.25 0.20 2/413 9876`: at this moment two threads of 413 want to run, ours among them. */
const RUNNING = / (\d+)\/\d+ /;

export class Cores {
  readonly #page: LivePage;
  readonly #count: number;

  constructor(page: LivePage, count: number) {
    this.#page = page;
    this.#count = count;
  }

  /** Undefined where nothing can be known. */
  static ofThisMachine(path = '/proc/loadavg', count = cpus().length): Cores | undefined {
    const page = openPage(path);
    return page === undefined ? undefined : new Cores(page, count);
  }

  /** One has nothing to do just now. Takes some microseconds. */
  get isOneIdle(): boolean {
    const [, running] = RUNNING.exec(this.#page.read()) ?? [];
    return running !== undefined && Number(running) < this.#count;
  }

  close(): void {
    this.#page.close();
  }
}

/** How long this thread wanted to run and could not, in milliseconds: `SPENT WAITED SLICES`, in nanoseconds. */
export class Waiting {
  readonly #page: LivePage | undefined;

  constructor(path = '/proc/thread-self/schedstat') {
    this.#page = openPage(path);
  }

  /** So far, in all. */
  get ms(): number {
    const [, waited] = this.#page?.read().split(' ') ?? [];
    return Number(waited ?? 0) / 1e6;
  }

  close(): void {
    this.#page?.close();
  }
}

/** Whether a thread had to wait for a core too much since this was made. */
export class Crowd {
  readonly #waiting: Pick<Waiting, 'ms'>;
  readonly #waitedMs: number;
  readonly #sinceMs = performance.now();

  constructor(waiting: Pick<Waiting, 'ms'>) {
    this.#waiting = waiting;
    this.#waitedMs = waiting.ms;
  }

  get isThere(): boolean {
    const waitedMs = this.#waiting.ms - this.#waitedMs;
    const elapsedMs = performance.now() - this.#sinceMs;
    return waitedMs > helperWaitedMsMax + elapsedMs * helperWaitedShareMax;
  }
}
