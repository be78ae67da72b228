// The number of the newest transaction, as LMDB keeps it in its table of readers for all processes. Who opens a file
// reads the number from the file and writes it there WITHOUT LMDB's write lock (lmdb-js 3.5.6, mdb_env_open2), and so
// takes back a transaction that another process commits between the two: the next one would be made out of the state
// before and overwrite it. So each write transaction looks whether it began on the newest state (environment.ts).

import { openSync, readSync, statSync, writeSync } from 'node:fs';
import { lockPath } from './paths.js';

/** Behind 4 bytes of magic and 4 of format. */
const HEAD_OFFSET = 8;
/** Nobody is so slow to open a file that more transactions were committed meanwhile. */
const setBackMax = 100_000;

/** By device and inode. Never closed: that would free all locks (fcntl) that this process has on the table. */
const tables = new Map<string, number>();

/** Makes `newest` the head that was set back. To be called with LMDB's write lock held. */
export function setHead(path: string, newest: number): void {
  const fd = tableOf(lockPath(path));
  const head = Buffer.alloc(8);
  readSync(fd, head, 0, head.length, HEAD_OFFSET);
  // Who opens the file at this moment may have changed it again.
  const found = Number(head.readBigUInt64LE());
  if (found > newest || found < newest - setBackMax)
    throw new Error('LMDB keeps its head elsewhere');
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
