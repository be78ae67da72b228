// The pages of an open LMDB file where LMDB has mapped them into memory: reads without a native call and
// without a copy. lmdb-js tells where a value lies; the page around it says its own number, and so where the
// map begins. When LMDB grows its map it keeps the old one until the file is closed, so what was
// handed out stays readable until then, and not a moment longer: `close` forgets it all.
//
// A page may be looked at only while a reader of LMDB keeps it from being written anew (committed.ts).

import * as lmdb from 'lmdb';
import { mapPartBytes, mappedValueBytesMax } from '../../../../shared/base/limits.js';
import { PAGE_BYTES } from '../format.js';

/** A part of the map; parts overlap, so that a value is whole in the part that its page begins in. */
export interface MapPart {
  readonly bytes: Buffer;
  /** The same as little-endian numbers of 2 and 4 bytes, as LMDB keeps them. */
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
}

/** Where a value of the file lies: of which database (lmdb-js's address of it), under which key. */
export interface KnownEntry {
  readonly dbAddress: number;
  /** Reads it by lmdb-js, which leaves its key in its room for keys and its read transaction in use. */
  read(): unknown;
  readonly keyBytes: number;
}

/** What we use of the native half of lmdb-js, which it exports without a type. */
interface Native {
  getSharedByBinary(dbAddress: number, keyBytes: number): Buffer | undefined;
  getBufferAddress(bytes: Buffer): number;
  createBufferForAddress(address: number, length: number): Buffer;
}

const { nativeAddon } = lmdb as unknown as { readonly nativeAddon: Native };

const PAGES_OF_PART = mapPartBytes / PAGE_BYTES;
const PART_SHIFT = Math.log2(PAGES_OF_PART);

/** A part in which no page is. */
export const NOTHING: MapPart = partOf(Buffer.alloc(0));

export class MemoryMap {
  readonly #entry: KnownEntry;
  /** Bytes LMDB has mapped by now, by what it says. */
  readonly #mapBytes: () => number;
  #parts: MapPart[] = [];
  /** Pages that the parts cover. */
  #pages = 0;
  #isClosed = false;

  constructor(entry: KnownEntry, mapBytes: () => number) {
    this.#entry = entry;
    this.#mapBytes = mapBytes;
  }

  /** The part that a page begins in; an empty one when it is not mapped. Where in it: `offsetOf`. */
  part(page: number): MapPart {
    if (page >= this.#pages) this.#map(page);
    return this.#parts[page >>> PART_SHIFT] ?? NOTHING;
  }

  close(): void {
    this.#isClosed = true;
    this.#parts = [];
    this.#pages = 0;
  }

  /** Maps anew, because LMDB's map has grown, when that makes `page` part of it. */
  #map(page: number): void {
    if (this.#isClosed) return;
    const begin = this.#find();
    const bytes = this.#mapBytes();
    if (begin === undefined || (page + 1) * PAGE_BYTES > bytes) return;
    this.#parts = [];
    for (let at = 0; at < bytes; at += mapPartBytes) {
      const length = Math.min(mapPartBytes + mappedValueBytesMax, bytes - at);
      this.#parts.push(partOf(nativeAddon.createBufferForAddress(begin + at, length)));
    }
    this.#pages = Math.floor(bytes / PAGE_BYTES);
  }

  /** The address of page 0; undefined when the entry is not there. */
  #find(): number | undefined {
    this.#entry.read();
    const value = nativeAddon.getSharedByBinary(this.#entry.dbAddress, this.#entry.keyBytes);
    if (value === undefined) return undefined;
    const address = nativeAddon.getBufferAddress(value);
    const pageAddress = address - (address % PAGE_BYTES);
    const head = nativeAddon.createBufferForAddress(pageAddress, PAGE_BYTES);
    return pageAddress - Number(head.readBigUInt64LE(0)) * PAGE_BYTES;
  }
}

/** Where a page begins in its part. */
export const offsetOf = (page: number): number => (page & (PAGES_OF_PART - 1)) * PAGE_BYTES;

function partOf(bytes: Buffer): MapPart {
  const { buffer, byteOffset, length } = bytes;
  return {
    bytes,
    halves: new Uint16Array(buffer, byteOffset, length >>> 1),
    words: new Uint32Array(buffer, byteOffset, length >>> 2),
  };
}
