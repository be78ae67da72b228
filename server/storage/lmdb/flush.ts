// Makes what LMDB does not flush by itself durable: files made without flushing, and names in
// directories.

import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

export function syncFile(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Flushes the directory `path` is in, so that its name survives a crash. */
export const syncDirectory = (path: string): void => syncFile(dirname(path));
