// Looks at the first pages of a file before LMDB does, which neither tells a foreign file from its own
// reliably nor lives through a file that was cut off: reading a page behind its end is a SIGBUS.
//
//   each meta page   | 24 bytes of page header | magic u32 | version u32 | 16 | free-list db 48 |
//                    | main db 48 | last page u64 | transaction u64 |      little-endian, page size in
//                    the first 4 bytes of the free-list db

import { appendFileSync, closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { RsyndError } from '../../../shared/base/error.js';
import { fillUpBytesMax } from '../../../shared/base/limits.js';
import { damaged } from './lmdb-error.js';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const AT_MAGIC = 24;
const AT_VERSION = 28;
const AT_PAGE_BYTES = 48;
const AT_LAST_PAGE = 144;
const AT_TRANSACTION = 152;
const META_BYTES = 160;
const FILL_STEP_BYTES = 1024 * 1024;

interface Meta {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: bigint;
}

/** ERR_NOTISM when the file is no LMDB file, ERR_DAMAGED when too much of it is missing. */
export function admitFile(path: string, name: string): void {
  const missing = missingBytes(path, name);
  if (missing > fillUpBytesMax) {
    throw damaged({ name }, `its last ${missing} bytes are missing, so it was cut off`);
  }
  // Appending can neither shorten nor overwrite what another process writes meanwhile. LMDB leaves
  // unused pages at the end unwritten, so a few missing bytes are no damage by themselves.
  for (let left = missing; left > 0; left -= FILL_STEP_BYTES) {
    appendFileSync(path, Buffer.alloc(Math.min(left, FILL_STEP_BYTES)));
  }
}

/** ERR_NOTISM when the file is no LMDB file. */
export function requireLmdbFile(path: string, name: string): void {
  missingBytes(path, name);
}

function missingBytes(path: string, name: string): number {
  const fd = openSync(path, 'r');
  try {
    const first = readMeta(fd, 0);
    if (first === undefined) throw notOurs(name);
    const second = readMeta(fd, first.pageBytes);
    if (second === undefined) throw damaged({ name }, 'its second page is missing or unreadable');
    const newest = second.transaction > first.transaction ? second : first;
    return Math.max(0, (newest.lastPage + 1) * newest.pageBytes - fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

function readMeta(fd: number, position: number): Meta | undefined {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(fd, bytes, 0, META_BYTES, position) !== META_BYTES) return undefined;
  const pageBytes = bytes.readUInt32LE(AT_PAGE_BYTES);
  const isMeta =
    bytes.readUInt32LE(AT_MAGIC) === MAGIC &&
    bytes.readUInt16LE(AT_VERSION) === DATA_VERSION &&
    pageBytes >= 512 &&
    pageBytes <= 65536 &&
    (pageBytes & (pageBytes - 1)) === 0;
  if (!isMeta) return undefined;
  return {
    pageBytes,
    lastPage: Number(bytes.readBigUInt64LE(AT_LAST_PAGE)),
    transaction: bytes.readBigUInt64LE(AT_TRANSACTION),
  };
}

function notOurs(name: string): RsyndError {
  const why = `${name} does not begin like an ISAM file of rsynd; check that it is the right file`;
  return new RsyndError('ERR_NOTISM', why, { file: name });
}
