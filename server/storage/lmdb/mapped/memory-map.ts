// The pages of an open LMDB file where LMDB has mapped them into memory: reads without a native call and
// without a copy. lmdb-js tells where a value lies; the page around it says its own number, and so where the
// map begins. When LMDB grows its map it keeps the old one until the file is closed, so what was
// handed out stays readable until then, and not a moment longer: `close` detaches it, and who still has a
// view of it finds it empty.
//
// The map is seen in parts, each made when it is needed: V8 counts all of a part as memory of its own, and what was
// counted makes it collect garbage.
//
// A page may be looked at only while a reader of LMDB keeps it from being written anew (committed.ts). The map
// reaches behind the end of the file, where touching it would end the process: only pages the file has are given out.

import * as lmdb from 'lmdb';
import { mapPartBytes, mappedValueBytesMax } from '../../../../shared/base/limits.js';
import { PAGE_BYTES } from '../format.js';
import { type MapPart, type MappedPages, NOTHING, partOf } from './map-part.js';

/** An open LMDB file, as far as it is needed to find its map. */
export interface MappedFile {
  /** By which the native half of lmdb-js knows the database that the entry is in. */
  readonly dbAddress: number;
  /**
   * Reads an entry of the file by lmdb-js, which leaves its key in its room for keys. Not to be called in a
   * write transaction, whose pages are not where the map is.
   */
  read(): unknown;
  readonly keyBytes: number;
  /** Bytes LMDB has mapped by now. */
  mapBytes(): number;
  /** Bytes of the file by now. */
  fileBytes(): number;
}

/** Sizes of parts, in bytes: a power of two of pages, and what each is longer by. */
export interface PartSizes {
  readonly partBytes: number;
  readonly valueBytesMax: number;
}

/** What we use of the native half of lmdb-js, which it exports without a type. */
interface Native {
  getSharedByBinary(dbAddress: number, keyBytes: number): Buffer | undefined;
  getBufferAddress(bytes: Buffer): number;
  createBufferForAddress(address: number, length: number): Buffer;
  detachBuffer(bytes: ArrayBufferLike): void;
}

const { nativeAddon } = lmdb as unknown as { readonly nativeAddon: Native };

const USUAL_SIZES: PartSizes = { partBytes: mapPartBytes, valueBytesMax: mappedValueBytesMax };

export class MemoryMap implements MappedPages {
  readonly #file: MappedFile;
  readonly #sizes: PartSizes;
  readonly #partShift: number;
  readonly #pageMask: number;
  /** Each made when a page of it is looked at first. */
  #parts: (MapPart | undefined)[] = [];
  /** Pages that may be looked at: LMDB has mapped them, and the file has them. */
  #pages = 0;
  /** Where LMDB's map is, as far as we know, and how long. */
  #begin = 0;
  #mappedBytes = 0;
  /** Parts that were cut off by the end of a map that LMDB has outgrown. */
  #outgrown: WeakRef<ArrayBufferLike>[] = [];
  #isClosed = false;

  constructor(file: MappedFile, sizes = USUAL_SIZES) {
    this.#file = file;
    this.#sizes = sizes;
    const pagesOfPart = sizes.partBytes / PAGE_BYTES;
    this.#partShift = Math.log2(pagesOfPart);
    this.#pageMask = pagesOfPart - 1;
  }

  part(page: number): MapPart {
    const known = page < this.#pages ? this.#parts[page >>> this.#partShift] : undefined;
    return known ?? this.#cover(page);
  }

  offsetOf(page: number): number {
    return (page & this.#pageMask) * PAGE_BYTES;
  }

  /** Whether the file has a page, and LMDB has mapped it. */
  has(page: number): boolean {
    return page < this.#pages || this.#reaches(page);
  }

  /** To be called before LMDB closes the file, which unmaps it. */
  close(): void {
    this.#isClosed = true;
    for (const part of this.#parts) {
      if (part !== undefined) nativeAddon.detachBuffer(part.bytes.buffer);
    }
    for (const outgrown of this.#outgrown) {
      const buffer = outgrown.deref();
      if (buffer !== undefined) nativeAddon.detachBuffer(buffer);
    }
    this.#parts = [];
    this.#outgrown = [];
    this.#pages = 0;
  }

  #cover(page: number): MapPart {
    if (!this.has(page)) return NOTHING;
    const index = page >>> this.#partShift;
    const known = this.#parts[index];
    // The file grew within it.
    if (known !== undefined) return known;
    const { partBytes, valueBytesMax } = this.#sizes;
    const at = index * partBytes;
    const length = Math.min(partBytes + valueBytesMax, this.#mappedBytes - at);
    const part = partOf(nativeAddon.createBufferForAddress(this.#begin + at, length));
    this.#parts[index] = part;
    return part;
  }

  /** Looks again how far the file and LMDB's map go; whether `page` is within by now. */
  #reaches(page: number): boolean {
    const pageEnd = (page + 1) * PAGE_BYTES;
    if (this.#isClosed) return false;
    const fileBytes = this.#file.fileBytes();
    if (pageEnd > fileBytes) return false;
    if (pageEnd > this.#mappedBytes) this.#findAnew();
    this.#pages = Math.floor(Math.min(fileBytes, this.#mappedBytes) / PAGE_BYTES);
    return page < this.#pages;
  }

  /** LMDB may have another map by now. Whole parts stay where they are: both maps show the same pages. */
  #findAnew(): void {
    const begin = this.#find();
    if (begin === undefined) return;
    const { partBytes, valueBytesMax } = this.#sizes;
    for (const [index, part] of this.#parts.entries()) {
      if (part === undefined || part.bytes.length === partBytes + valueBytesMax) continue;
      this.#outgrown.push(new WeakRef(part.bytes.buffer));
      this.#parts[index] = undefined;
    }
    this.#begin = begin;
    this.#mappedBytes = this.#file.mapBytes();
  }

  /** The address of page 0; undefined when the entry is not there. */
  #find(): number | undefined {
    this.#file.read();
    const value = nativeAddon.getSharedByBinary(this.#file.dbAddress, this.#file.keyBytes);
    if (value === undefined) return undefined;
    const address = nativeAddon.getBufferAddress(value);
    const pageAddress = address - (address % PAGE_BYTES);
    const head = nativeAddon.createBufferForAddress(pageAddress, PAGE_BYTES);
    return pageAddress - Number(head.readBigUInt64LE(0)) * PAGE_BYTES;
  }
}
