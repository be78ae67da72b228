// Keys of tables that are numbers: block numbers and addresses, big-endian, so that their order is that of bytes.
// By hand, because the general call costs as much as the read itself.

/** Writes numbers of `width` bytes (5 or 6) into one buffer: what it gives is good until the next. */
export function numberKey(width: number): (key: number) => Buffer {
  const bytes = Buffer.alloc(width);
  return (key) => {
    writeNumberKey(bytes, 0, key, width);
    return bytes;
  };
}

/** Where the key ends. */
export function writeNumberKey(target: Buffer, start: number, key: number, width: number): number {
  const low = key >>> 0;
  const high = Math.floor(key / 0x1_0000_0000);
  const end = start + width;
  if (width > 5) target[start] = high >>> 8;
  target[end - 5] = high & 0xff;
  target[end - 4] = low >>> 24;
  target[end - 3] = (low >>> 16) & 0xff;
  target[end - 2] = (low >>> 8) & 0xff;
  target[end - 1] = low & 0xff;
  return end;
}
