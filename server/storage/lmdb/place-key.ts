// Keys of index tables, places, as lmdb-js takes and gives them: a Buffer each.

export const placeKey = {
  writeKey(key: Uint8Array, target: Buffer, start: number): number {
    target.set(key, start);
    return start + key.length;
  },
  readKey(source: Buffer, start: number, end: number): Buffer {
    const length = end - start;
    const bytes = Buffer.allocUnsafe(length);
    // Keys are short: by hand is several times faster than copy().
    for (let at = 0; at < length; at++) bytes[at] = source[start + at] ?? 0;
    return bytes;
  },
};
