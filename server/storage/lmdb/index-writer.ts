// The entries of one index within one write transaction. A load is made of little but puts of them, so they go
// to the native half of lmdb-js as it takes them, one call each: its own `put` makes a value, a promise and
// two closures on the way, which costs as much again.
//
//   flags u32 | table u32 | bytes of the place u32 | place … | (up to a multiple of 8) | bytes of the value u32 |
//   where the value is, f64                            in the machine's order, as src/writer.cpp of lmdb-js has it
//
// Places that ascend behind the last one of the index are there for sure not yet, and LMDB appends them without a
// search. So after some puts in one transaction the last place is looked up once, and kept.

import * as lmdb from 'lmdb';
import { indexKeyBytesMax } from '../../../shared/base/limits.js';
import type { Duplicates } from '../../../shared/record/file-spec.js';
import { INSERTION_BYTES } from '../place.js';
import { ADDRESS_BYTES } from './format.js';
import type { IndexTable } from './open-store.js';

/** What we use of the native half of lmdb-js, which it exports without a type. */
interface Native {
  /** Runs the instruction at that address; answers or throws the error of LMDB. */
  write(environment: number, instruction: number): number | undefined;
  getBufferAddress(bytes: Uint8Array): number;
  /** Throws the error of that number. */
  lmdbError(code: number): never;
}

/** What a table of lmdb-js is besides. */
interface NativeTable {
  readonly env: { readonly address: number; readonly writeTxn?: object | null };
  readonly db: { readonly dbi: number };
}

const { nativeAddon: native } = lmdb as unknown as { readonly nativeAddon: Native };

const PUT = 15;
const APPEND = 0x20000;
/** The instruction was carried out; or not, because of a place that is there. */
const FINISHED = 0x1000000;
const REFUSED = 0x4000000;

const PLACE_BYTES_MAX = indexKeyBytesMax + INSERTION_BYTES;
const AT_PLACE = 12;
const AT_VALUE = 1024;
/** Puts of one transaction that may each cost a search, before the last place is looked up. */
const PUTS_BEFORE_APPENDING = 32;

/** One instruction, used again for each put; never moved, because this refers to it for good. */
const room = Buffer.from(new ArrayBuffer(AT_VALUE + 8));
const words = new Uint32Array(room.buffer);
const doubles = new Float64Array(room.buffer);
const address = native.getBufferAddress(room);

export class IndexWriter {
  readonly #table: IndexTable;
  readonly #native: NativeTable;
  readonly #dups: Duplicates;
  #puts = 0;
  /** No place of the index is behind this one. */
  #last: Buffer | undefined;
  /** Not known: -1. */
  #lastLength = -1;

  constructor(table: IndexTable, dups: Duplicates) {
    this.#table = table;
    this.#native = table as unknown as NativeTable;
    this.#dups = dups;
  }

  /** True when a unique key is there. */
  has(key: Uint8Array): boolean {
    return !this.#isBehind(key, 0, key.length) && this.#table.getBinaryFast(key) !== undefined;
  }

  /** Puts the entry of a record; `insertion` is ignored for a unique key. */
  put(key: Uint8Array, insertion: number, record: number): void {
    if (++this.#puts === PUTS_BEFORE_APPENDING) this.#findLast();
    for (let at = 0; at < key.length; at++) room[AT_PLACE + at] = key[at] ?? 0;
    const end = this.#writeInsertion(AT_PLACE + key.length, insertion);
    const isAppended = this.#isBehind(room, AT_PLACE, end);
    this.#run(isAppended ? PUT | APPEND : PUT, end - AT_PLACE, record);
    if (isAppended) this.#keepLast(room, AT_PLACE, end);
  }

  #writeInsertion(at: number, insertion: number): number {
    if (this.#dups === 'none') return at;
    const flipped = this.#dups === 'lifo' ? 0xff : 0;
    room[at] = flipped;
    room[at + 1] = flipped;
    writeUint48(at + 2, insertion);
    for (let byte = at + 2; flipped !== 0 && byte < at + INSERTION_BYTES; byte++) {
      room[byte] = ~(room[byte] ?? 0);
    }
    return at + INSERTION_BYTES;
  }

  #run(flags: number, length: number, record: number): void {
    const { env, db } = this.#native;
    if (!env.writeTxn) throw new TypeError('an index is written outside of a transaction');
    const at = (AT_PLACE + length + 16) >> 3;
    words[0] = flags;
    words[1] = db.dbi;
    words[2] = length;
    words[2 * at - 1] = ADDRESS_BYTES;
    doubles[at] = address + AT_VALUE;
    writeUint48(AT_VALUE, record);
    const code = native.write(env.address, address);
    if (code) native.lmdbError(code);
    if (((words[0] ?? 0) & (FINISHED | REFUSED)) === FINISHED) return;
    throw new Error('LMDB did not take an entry of an index');
  }

  #findLast(): void {
    this.#lastLength = 0;
    const bounds = { start: undefined, end: undefined, reverse: true, limit: 1 };
    for (const place of this.#table.getKeys(bounds)) this.#keepLast(place, 0, place.length);
  }

  #keepLast(bytes: Uint8Array, start: number, end: number): void {
    this.#last ??= Buffer.allocUnsafeSlow(PLACE_BYTES_MAX);
    this.#lastLength = end - start;
    for (let at = 0; at < this.#lastLength; at++) this.#last[at] = bytes[start + at] ?? 0;
  }

  /** True when `bytes[start, end)` is behind all places of the index; false when that is not known. */
  #isBehind(bytes: Uint8Array, start: number, end: number): boolean {
    const last = this.#lastLength;
    if (last < 0) return false;
    const common = Math.min(last, end - start);
    for (let at = 0; at < common; at++) {
      const difference = (bytes[start + at] ?? 0) - (this.#last?.[at] ?? 0);
      if (difference !== 0) return difference > 0;
    }
    return end - start > last;
  }
}

/** Big-endian, by hand: the general call costs as much as the put. */
function writeUint48(at: number, value: number): void {
  const low = value >>> 0;
  const high = Math.floor(value / 0x1_0000_0000);
  room[at] = high >>> 8;
  room[at + 1] = high;
  room[at + 2] = low >>> 24;
  room[at + 3] = low >>> 16;
  room[at + 4] = low >>> 8;
  room[at + 5] = low;
}
