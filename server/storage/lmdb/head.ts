// The number of the newest transaction, as LMDB keeps it in its table of readers for all processes. Who opens a file
// reads the number from the file and writes it there WITHOUT LMDB's write lock (lmdb-js 3.5.6, mdb_env_open2), and so
// takes back a transaction that another process commits between the two: the next one would be made out of the state
// before and overwrite it. So each write transaction, of files of records and of tables of locks, runs by
// `transactOnNewest`.

import { openSync, readSync, statSync, writeSync } from 'node:fs';
import { ABORT } from 'lmdb';
import { headSetBackMax, headTriesMax } from '../../../shared/base/limits.js';
import type { DataFile } from './data-file.js';
import { lockPath } from './paths.js';

/** Behind 4 bytes of magic and 4 of format. */
const HEAD_OFFSET = 8;
/** By device and inode. Never closed: that would free all locks (fcntl) that this process has on the table. */
const tables = new Map<string, number>();

/** What is needed of an LMDB environment. */
export interface Transacting {
  transactionSync<T>(step: () => T): T;
  /** Inside a write transaction: its number. */
  getWriteTxnId(): number;
}

/** An LMDB file: where it is, and how it is seen past LMDB. */
export interface Seen {
  readonly path: string;
  readonly data: DataFile;
}

/**
 * Runs `step` in a write transaction that began on the newest state there is, and answers what it gave; ABORT
 * of lmdb-js undoes it. After an opening, with a step that does nothing, it takes back what that opening set back.
 */
export function transactOnNewest<T>(root: Transacting, { path, data }: Seen, step: () => T): T {
  for (let tries = headTriesMax; ; tries--) {
    let done: { readonly result: T } | undefined;
    root.transactionSync(() => {
      const { transaction } = data.newest();
      const begun = root.getWriteTxnId() - 1;
      if (begun === transaction) {
        done = { result: step() };
        return done.result;
      }
      if (tries === 0) throw isBehind(begun, transaction);
      setHead(path, transaction);
      return ABORT as T;
    });
    if (done !== undefined) return done.result;
  }
}

/** Makes `newest` the head that was set back. Needs LMDB's write lock. */
function setHead(path: string, newest: number): void {
  const fd = tableOf(lockPath(path));
  const head = Buffer.alloc(8);
  readSync(fd, head, 0, head.length, HEAD_OFFSET);
  // Who opens the file at this moment may have changed it again.
  const found = Number(head.readBigUInt64LE());
  if (found > newest || found < newest - headSetBackMax) throw isBehind(found, newest);
  head.writeBigUInt64LE(BigInt(newest));
  writeSync(fd, head, 0, head.length, HEAD_OFFSET);
}

function tableOf(path: string): number {
  const { dev, ino } = statSync(path);
  const name = `${dev}:${ino}`;
  const known = tables.get(name);
  if (known !== undefined) return known;
  const fd = openSync(path, 'r+');
  tables.set(name, fd);
  return fd;
}

const isBehind = (head: number, newest: number): Error =>
  new Error(`LMDB goes by transaction ${head} where ${newest} is the newest`);
