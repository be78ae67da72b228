// Bytes of a file in which pages lie, however they came to be in memory: LMDB's map (memory-map.ts), or pages that were
// read (../unmapped). Knows nothing of LMDB's own code, so that the thread that helps scans can use it.

export interface MapPart {
  readonly bytes: Buffer;
  /** The same as little-endian numbers of 2 and 4 bytes, as LMDB keeps them. */
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
}

/** What is needed to look at pages. Parts may overlap: a value is whole in the part that its page begins in. */
export interface MappedPages {
  /** The part that a page begins in; an empty one when there is no such page. Where in it: `offsetOf`. */
  part(page: number): MapPart;
  /** Where a page begins in its part. */
  offsetOf(page: number): number;
  has(page: number): boolean;
}

export function partOf(bytes: Buffer): MapPart {
  const { buffer, byteOffset, length } = bytes;
  return {
    bytes,
    halves: new Uint16Array(buffer, byteOffset, length >>> 1),
    words: new Uint32Array(buffer, byteOffset, length >>> 2),
  };
}

/** A part in which no page is. */
export const NOTHING: MapPart = partOf(Buffer.alloc(0));
