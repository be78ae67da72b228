// Whether the disk of a file has room for a transaction. LMDB is never let run into a full disk, so this
// is asked before each commit; a figure that says that there is plenty is used again for a moment, which
// spares most of the system calls.

import { statfsSync } from 'node:fs';
import { diskPlentyBytes, diskReserveBytes, freeBytesAgeMs } from '../../../shared/base/limits.js';

/** Bytes a disk can still take for the file at `path`. */
export type FreeBytes = (path: string) => number;

export const freeBytesOnDisk: FreeBytes = (path) => {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
};

export class DiskSpace {
  readonly #path: string;
  readonly #freeBytes: FreeBytes;
  /** What was free last, less what was asked for since. */
  #free = 0;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, freeBytes: FreeBytes) {
    this.#path = path;
    this.#freeBytes = freeBytes;
  }

  /** True when the figure that was looked at last says so. */
  get isPlentiful(): boolean {
    return this.#free >= diskPlentyBytes;
  }

  /** Undefined when `bytes` can be written and the reserve is left; else the bytes that are free. */
  shortage(bytes: number): number | undefined {
    this.#free -= bytes;
    const now = performance.now();
    if (this.#free >= diskPlentyBytes && now - this.#askedMs < freeBytesAgeMs) return undefined;
    const free = this.#freeBytes(this.#path);
    this.#askedMs = now;
    this.#free = free - bytes;
    return this.#free >= diskReserveBytes ? undefined : free;
  }
}
