// The file in which the locks of a directory are kept: its name, who may use it, and the removal of
// those left by earlier boots. Knows nothing of what is inside.
//
//   .rsynd-locks-<boot id>        the table (LMDB)
//   .rsynd-locks-<boot id>-lock   LMDB's own mutex and readers
//
// The boot id is in the name because no lock outlives the machine: after a crash the old file, which
// was never flushed, is not read by anybody.

import {
  chownSync,
  closeSync,
  fchmodSync,
  openSync,
  readdirSync,
  readFileSync,
  type Stats,
  statSync,
  unlinkSync,
} from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';

const LOCK_FILE_PREFIX = '.rsynd-locks-';

/**
 * Names this run of the machine. Where the system does not say, a constant: then locks of an earlier
 * run are there after a restart, and are freed because their processes are gone.
 */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return 'local'; // Not Linux. All processes must come to the same name, so nothing is guessed.
  }
}

export const lockFilePath = (directory: string, bootId: string): string =>
  join(directory, `${LOCK_FILE_PREFIX}${bootId}`);

/**
 * Makes the file and its companion, when they are not there, for all who may write in the directory.
 * Throws the file system's own error. Never opens what is there already: closing it again would drop
 * the POSIX locks that LMDB holds on it in this process.
 */
export function makeLockFile(directory: string, path: string): void {
  const owner = statSync(directory);
  for (const name of [path, `${path}-lock`]) makeShared(name, owner);
}

function makeShared(path: string, directory: Stats): void {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return;
    throw error;
  }
  try {
    const writers = directory.mode & 0o222;
    fchmodSync(file, 0o600 | writers | (writers << 1));
  } finally {
    closeSync(file);
  }
  try {
    chownSync(path, process.geteuid?.() === 0 ? directory.uid : -1, directory.gid);
  } catch {
    // Not a member of the directory's group: the file stays with ours, and others fall back.
  }
}

/** Removes lock files of earlier boots. What cannot be removed does no harm and stays. */
export function removeStaleLockFiles(directory: string, bootId: string): void {
  const bootTimeMs = Date.now() - uptime() * 1000;
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(LOCK_FILE_PREFIX)) continue;
    if (name.startsWith(`${LOCK_FILE_PREFIX}${bootId}`)) continue;
    const path = join(directory, name);
    try {
      // Touched since we booted: it is another machine's, on a shared disk.
      if (statSync(path).mtimeMs < bootTimeMs) unlinkSync(path);
    } catch {
      // Gone already, or not ours to remove.
    }
  }
}

/** Narrowing question for errors of the file system. */
export const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));
