// The pages of an LMDB file, read without LMDB. LMDB neither tells a foreign file from its own reliably
// nor lives through damaged pages of its trees (it aborts the process), so we look first: at the meta
// pages of every file that is opened, at all trees of one that is verified or was cut off.
//
//   page        | number u64 | transaction u64 | 0 u16 | flags u16 | lower u16 | upper u16 | 24: content
//   meta page   24: | magic u32 | version u32 | 16 | free-list tree 48 | main tree 48 |
//                   | last page u64 | transaction u64 |
//   tree        | page bytes (free list only) u32 | flags u16 | depth u16 | 32 | root u64 |
//
// Little-endian, data version 2. There are two meta pages; the one of the later transaction counts.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { RsyndError } from '../../../shared/base/error.js';
import { damaged } from './lmdb-error.js';

export const PAGE_HEADER_BYTES = 24;
/** Bytes of a tree as meta pages and named databases hold it, and where its root is in them. */
export const TREE_BYTES = 48;
export const AT_TREE_ROOT = 40;

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const AT_MAGIC = 24;
const AT_VERSION = 28;
const AT_FREE_TREE = 48;
export const AT_MAIN_TREE = 96;
export const AT_LAST_PAGE = 144;
export const AT_TRANSACTION = 152;
/** What LMDB uses of a meta page. */
export const META_BYTES = 160;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

interface Meta {
  readonly pageBytes: number;
  readonly freeRoot: number | undefined;
  readonly mainRoot: number | undefined;
  readonly lastPage: number;
  readonly transaction: bigint;
}

export class PageFile {
  readonly #fd: number;
  readonly meta: Meta;

  /** ERR_NOTISM when it is no LMDB file, ERR_DAMAGED when its meta pages cannot be read. */
  constructor(path: string, name: string) {
    this.#fd = openSync(path, 'r');
    try {
      this.meta = newestMeta(this.#fd, name);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * True when the file ends before its last page. Then it was cut off, or LMDB did not write unused
   * pages at the end: only its trees can tell.
   */
  get isShort(): boolean {
    return fstatSync(this.#fd).size < (this.meta.lastPage + 1) * this.meta.pageBytes;
  }

  get lastPage(): number {
    return this.meta.lastPage;
  }

  /** A page; undefined when it is not in the file. */
  page(number: number): Buffer | undefined {
    return this.read(number, 0, this.meta.pageBytes);
  }

  /** Bytes from `offset` of a page on, over the pages behind it; undefined when some are missing. */
  read(page: number, offset: number, length: number): Buffer | undefined {
    const bytes = Buffer.allocUnsafe(length);
    const position = page * this.meta.pageBytes + offset;
    return readSync(this.#fd, bytes, 0, length, position) === length ? bytes : undefined;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The root of a tree, undefined when it is empty. */
export function treeRoot(tree: Buffer): number | undefined {
  const root = tree.readBigUInt64LE(AT_TREE_ROOT);
  return root === NO_PAGE ? undefined : Number(root);
}

/** Transaction and last page of the meta page that begins at `at`. */
export function metaTransaction(bytes: Buffer, at: number) {
  return {
    transaction: Number(bytes.readBigUInt64LE(at + AT_TRANSACTION)),
    lastPage: Number(bytes.readBigUInt64LE(at + AT_LAST_PAGE)),
  };
}

export const metaPageBytes = (meta: Buffer): number => meta.readUInt32LE(AT_FREE_TREE);

/** Where the tree of tables begins, by a meta page. */
export const metaRoot = (meta: Buffer): number | undefined => treeRoot(meta.subarray(AT_MAIN_TREE));

/** The same meta page as the other one of its file would hold it, one transaction earlier. */
export function twinOf(meta: Buffer): Buffer {
  const twin = Buffer.from(meta);
  twin.writeBigUInt64LE(meta.readBigUInt64LE(0) ^ 1n, 0);
  twin.writeBigUInt64LE(meta.readBigUInt64LE(AT_TRANSACTION) - 1n, AT_TRANSACTION);
  return twin;
}

function newestMeta(fd: number, name: string): Meta {
  const first = readMeta(fd, 0);
  if (first === undefined) throw notOurs(name);
  const second = readMeta(fd, first.pageBytes);
  if (second === undefined) throw damaged({ name }, 'its second page is missing or unreadable');
  return second.transaction > first.transaction ? second : first;
}

function readMeta(fd: number, position: number): Meta | undefined {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(fd, bytes, 0, META_BYTES, position) !== META_BYTES) return undefined;
  const pageBytes = bytes.readUInt32LE(AT_FREE_TREE);
  const isMeta =
    bytes.readUInt32LE(AT_MAGIC) === MAGIC &&
    bytes.readUInt16LE(AT_VERSION) === DATA_VERSION &&
    pageBytes >= 512 &&
    pageBytes <= 65536 &&
    (pageBytes & (pageBytes - 1)) === 0;
  if (!isMeta) return undefined;
  return {
    pageBytes,
    freeRoot: treeRoot(bytes.subarray(AT_FREE_TREE)),
    mainRoot: treeRoot(bytes.subarray(AT_MAIN_TREE)),
    lastPage: Number(bytes.readBigUInt64LE(AT_LAST_PAGE)),
    transaction: bytes.readBigUInt64LE(AT_TRANSACTION),
  };
}

function notOurs(name: string): RsyndError {
  const why = `${name} does not begin like an ISAM file of rsynd; check that it is the right file`;
  return new RsyndError('ERR_NOTISM', why, { file: name });
}
