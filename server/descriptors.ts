// File descriptors: each connection takes one, each open file and each directory of locks three. Past the system's
// limit Node cuts a new connection without a word, and LMDB ends the process; so sockets leave some for files, those
// of strangers too, and there is a look before each file is opened. Node itself has raised the soft limit to the hard
// one by then.

import { closeSync, openSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { RsyndError } from '../shared/base/error.js';
import { connectionsMax, connectionsWaitingMax } from '../shared/base/limits.js';

/** Of all descriptors so many are for connections that are served. */
const SHARE_OF_CONNECTIONS = 3 / 4;
/** For sockets of any kind, of strangers too. The rest is for files: those of records, of users, of certificates. */
const SHARE_OF_SOCKETS = 25 / 32;
/** A supervisor has no files of records; half is for its workers, its journals and what is on its way. */
const SHARE_OF_WAITING = 1 / 2;
/** A file twice, its readers' table and what is looked at before; with some to spare. */
const DESCRIPTORS_OF_FILE = 8;

/** How many this process may have; undefined where the system does not say (no /proc), or sets no limit. */
export function descriptorsMax(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** Connections that may be served at a time with so many descriptors. */
export const connectionsFor = (descriptors: number | undefined): number =>
  descriptors === undefined
    ? connectionsMax
    : Math.min(connectionsMax, Math.floor(descriptors * SHARE_OF_CONNECTIONS));

/** Sockets there may be at a time, served or not, beyond what else bounds them. */
export const socketsFor = (descriptors: number | undefined): number =>
  descriptors === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(1, Math.floor(descriptors * SHARE_OF_SOCKETS));

/** Connections a supervisor may have waiting for a worker. */
export const waitingFor = (descriptors: number | undefined): number =>
  descriptors === undefined
    ? connectionsWaitingMax
    : Math.min(connectionsWaitingMax, Math.max(1, Math.floor(descriptors * SHARE_OF_WAITING)));

/**
 * To be called before LMDB opens a file, and before anything that must not fail half done. ERR_SRVRLIMIT when this
 * process cannot open `count` more: LMDB would not live through that (lmdb-js 3.5.6 reads a null pointer when the
 * system refuses it a descriptor).
 */
export function requireDescriptors(file: string, count: number = DESCRIPTORS_OF_FILE): void {
  const taken: number[] = [];
  try {
    while (taken.length < count) taken.push(openSync(devNull, 'r'));
  } catch (cause) {
    const why =
      `${file} cannot be opened: the server has as many files and connections as the system allows it; ` +
      'close some, or have its limit of open files raised';
    throw new RsyndError('ERR_SRVRLIMIT', why, { file, cause });
  } finally {
    for (const descriptor of taken) closeSync(descriptor);
  }
}
