// The files on disk that belong to one ISAM file: itself, and beside it LMDB's table of readers, the
// log of what LMDB has not flushed yet, and what keeps two processes from recovering it together.

import { lstatSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { RsyndError } from '../../../shared/base/error.js';

export const lockPath = (path: string): string => `${path}-lock`;

export const logPath = (path: string): string => `${path}-log`;
/** Where a log is moved that turned out to be another file's. */
export const unusedLogPath = (path: string): string => `${path}-log.unused`;
export const recoveryPath = (path: string): string => `${path}-recovery`;

/**
 * Removes a file and what is beside it; no matter whether they are there. The file first: without its
 * log it may be damaged after a power failure.
 */
export function removeFile(path: string): void {
  rmSync(path, { force: true });
  removeCompanions(path);
}

/** Removes what belongs to a file that is gone, or in whose place is another. */
export function removeCompanions(path: string): void {
  for (const companion of [logPath(path), recoveryPath(path), lockPath(path)]) {
    rmSync(companion, { force: true });
  }
}

/**
 * LMDB opens its table of readers wherever a link leads: whoever may write to the directory could have us write
 * elsewhere. ERR_PROTEC.
 */
export function refuseLinkedLock(path: string): void {
  const facts = lstatSync(lockPath(path), { throwIfNoEntry: false });
  if (facts === undefined || (facts.isFile() && facts.nlink === 1)) return;
  throw isLink(basename(lockPath(path)));
}

export const isLink = (companion: string): RsyndError =>
  new RsyndError(
    'ERR_PROTEC',
    `${companion} is a link, which is not followed; find out who made it, and remove it`,
    { file: companion },
  );
