// The files on disk that belong to one ISAM file: itself, and beside it LMDB's table of readers, the
// log of what LMDB has not flushed yet, and what keeps two processes from recovering it together.

import { lstatSync, rmSync, type Stats, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
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

/** What decides who may write to something. */
type Ownership = Pick<Stats, 'uid' | 'gid' | 'mode'>;

const GROUP_WRITES = 0o020;
const ALL_WRITE = 0o002;
const ROOT = 0;

/**
 * Why the log of the file at `path`, open with these facts, is not to be used; undefined when it may be. Steps of a
 * log become records of the file and records go into it, so it must come from somebody who may write the file.
 */
export function strangeLog(path: string, log: Stats): RsyndError | undefined {
  if (log.nlink > 1) return isLink(basename(logPath(path)));
  const directory = statSync(dirname(path));
  if (isOfTrusted(log, { file: statSync(path), directory, us: process.geteuid?.() })) {
    return undefined;
  }
  const file = basename(path);
  const why =
    `${file}-log belongs to user ${log.uid}, who is not the owner of ${file}, so it is not used; find out ` +
    `who made it, and move it away, or give it to the owner when it is of ${file} (chown)`;
  return new RsyndError('ERR_PROTEC', why, { file });
}

/**
 * Whoever owns the file, is root or is ourselves. Of others those of the file's group, where it may write the file: a
 * log has that group only from one who is in it, or from a directory that hands its own on, and there its members
 * alone may make files.
 */
export function isOfTrusted(
  log: Ownership,
  beside: {
    readonly file: Ownership;
    readonly directory: Ownership;
    /** Undefined where users have no numbers. */
    readonly us: number | undefined;
  },
): boolean {
  const { file, directory, us } = beside;
  if (us === undefined || [file.uid, ROOT, us].includes(log.uid)) return true;
  if ((file.mode & ALL_WRITE) !== 0) return true;
  const isShared = (file.mode & GROUP_WRITES) !== 0 && (directory.mode & ALL_WRITE) === 0;
  return isShared && log.gid === file.gid;
}
