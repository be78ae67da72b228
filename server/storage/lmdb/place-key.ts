// Keys of index tables, places, as lmdb-js takes and gives them: a Buffer each; or, while somebody has lent
// room, in that room, because a Buffer costs a walk over an index more than the step to the next entry.

/** Room for one place, used again for the next. */
export interface PlaceRoom {
  readonly bytes: Buffer;
  length: number;
}

/** Set only around one call of lmdb-js, which runs to its end. */
let lentRoom: PlaceRoom | undefined;

/** Runs one step of a walk; the place it reads goes to `room` and not into a Buffer of its own. */
export function readingInto<T>(room: PlaceRoom, step: { next(): T }): T {
  lentRoom = room;
  try {
    return step.next();
  } finally {
    lentRoom = undefined;
  }
}

export const placeKey = {
  writeKey(key: Uint8Array, target: Buffer, start: number): number {
    target.set(key, start);
    return start + key.length;
  },
  readKey(source: Buffer, start: number, end: number): Buffer {
    const length = end - start;
    const bytes = lentRoom === undefined ? Buffer.allocUnsafe(length) : lentRoom.bytes;
    // Keys are short: by hand is several times faster than copy().
    for (let at = 0; at < length; at++) bytes[at] = source[start + at] ?? 0;
    if (lentRoom !== undefined) lentRoom.length = length;
    return bytes;
  },
};
