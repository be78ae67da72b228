// Places of index entries and the bounds of ranges between two edges (see engine.ts). Used by every
// engine, so that all agree on what stands where. Knows bytes only.
//
//   unique   | key |
//   fifo     | key | insertion number, 8 bytes, big-endian |
//   lifo     | key | its complement, 8 bytes |
//
// On disk: never change.

import type { Duplicates } from '../../shared/record/file-spec.js';
import type { Direction, Edge } from './engine.js';

/** Bytes of an insertion number in a place. */
export const INSERTION_BYTES = 8;

/** The place of an entry, as a buffer of its own. `insertion` is ignored for a unique key. */
export function makePlace(dups: Duplicates, key: Uint8Array, insertion: number): Buffer {
  if (dups === 'none') return copyBytes(key);
  const place = Buffer.allocUnsafe(key.length + INSERTION_BYTES);
  place.set(key);
  place.writeUInt16BE(0, key.length);
  place.writeUIntBE(insertion, key.length + 2, 6);
  if (dups === 'lifo') {
    for (let at = key.length; at < place.length; at++) place[at] = ~(place[at] ?? 0);
  }
  return place;
}

/** A copy; several times faster than Buffer.from for what is as short as a key. */
export function copyBytes(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  return copy;
}

/** The least bytes behind everything that begins with `prefix`; undefined when there are none. */
export function successor(prefix: Uint8Array): Buffer | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const next = Buffer.from(prefix.subarray(0, length));
  next[length - 1] = (next[length - 1] ?? 0) + 1;
  return next;
}

/** Bounds of places, in memcmp order; undefined is open. */
export interface PlaceRange {
  /** Inclusive. */
  readonly least: Uint8Array | undefined;
  /** Exclusive. */
  readonly limit: Uint8Array | undefined;
}

/** An edge as the least place behind it; `end` when none can be. An open start is undefined. */
function lineOf(edge: Edge): Uint8Array | undefined | 'end' {
  if (edge.prefix.length === 0) return edge.side === 'before' ? undefined : 'end';
  return edge.side === 'before' ? edge.prefix : (successor(edge.prefix) ?? 'end');
}

/** The places met on the way from one edge to another; undefined when there can be none. */
export function rangeBetween(
  from: Edge,
  until: Edge,
  direction: Direction,
): PlaceRange | undefined {
  const least = lineOf(direction === 'forward' ? from : until);
  const limit = lineOf(direction === 'forward' ? until : from);
  if (least === 'end' || limit === undefined) return undefined;
  return { least, limit: limit === 'end' ? undefined : limit };
}

/** The end of an index one meets when walking in `direction`. */
export const farEdge = (direction: Direction): Edge => ({
  prefix: new Uint8Array(0),
  side: direction === 'forward' ? 'after' : 'before',
});
