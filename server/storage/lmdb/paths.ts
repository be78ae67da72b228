// The files on disk that belong to one ISAM file: itself, and LMDB's table of readers beside it.

import { rmSync } from 'node:fs';

export const lockPath = (path: string): string => `${path}-lock`;

/** Removes a file and its table of readers; no matter whether they are there. */
export function removeFile(path: string): void {
  rmSync(path, { force: true });
  rmSync(lockPath(path), { force: true });
}
