// File descriptors: each connection takes one, each open file and each directory of locks three. Past the system's
// limit Node cuts a new connection without a word, and LMDB ends the process; so connections leave some for files,
// and there is a look before each file is opened. Node itself has raised the soft limit to the hard one by then.

import { closeSync, openSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { RsyndError } from '../shared/base/error.js';
import { connectionsMax } from '../shared/base/limits.js';

/** Of all descriptors so many are for connections, the rest for files. */
const SHARE_OF_CONNECTIONS = 3 / 4;
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

/**
 * To be called before LMDB opens a file. ERR_SRVRLIMIT when this process cannot open more: LMDB would not live
 * through that (lmdb-js 3.5.6 reads a null pointer when the system refuses it a descriptor).
 */
export function requireDescriptors(file: string): void {
  const taken: number[] = [];
  try {
    while (taken.length < DESCRIPTORS_OF_FILE) taken.push(openSync(devNull, 'r'));
  } catch (cause) {
    const why =
      `${file} cannot be opened: the server has as many files and connections as the system allows it; ` +
      'close some, or have its limit of open files raised';
    throw new RsyndError('ERR_SRVRLIMIT', why, { file, cause });
  } finally {
    for (const descriptor of taken) closeSync(descriptor);
  }
}
