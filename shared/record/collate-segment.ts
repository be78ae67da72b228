// Index bytes of one key segment, by type. Called by collate.ts, which knows keys and values.
//
//   segment             bytes in the index                                       length
//   alpha               as they are                                              n
//   nocase              folded to upper case, ASCII and latin1                   n
//   integer, autokeys   big-endian, sign bit turned                              n
//   unsigned            big-endian                                               n
//   decimal             | tag | n digits 0-9 |                                   n + 1
//                         0  no number: n bytes as they are
//                         1  negative: digits complemented to nine
//                         2  zero or positive
//   descending          all of the above complemented
//
// Persistent: these bytes are on disk, never change them. Equal numbers have equal bytes (blank and
// 0, -0 and 0). A decimal segment that holds no number does not stop a store: such values stand
// before all numbers in the order of their raw bytes, as one group.

import type { SegmentType } from './file-spec.js';

/**
 * Writes `length` bytes of `source` at `from`, collated, to `target` at `to`. `cut`: these are only
 * the leading part of the segment.
 */
export type Transcribe = (
  source: Uint8Array,
  from: number,
  length: number,
  target: Uint8Array,
  to: number,
  cut: boolean,
) => void;

const TAG_NO_NUMBER = 0;
const TAG_NEGATIVE = 1;
const TAG_POSITIVE = 2;
const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
/** Set in the last digit of a negative number: '0'-'9' become 'p'-'y'. */
const SIGN_BIT = 0x40;
/** Below this a loop beats the call of a native copy. */
const LOOP_COPY_BYTES_MAX = 48;

/** How segments of a type are written. */
export const transcriberOf = (type: SegmentType): Transcribe => TRANSCRIBE[type];

/** One latin1 byte in upper case. 'ß', 'ÿ' and 'µ' have no capital in latin1 and stay. */
export function foldByte(byte: number): number {
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x20;
  if (byte >= 0xe0 && byte <= 0xfe && byte !== 0xf7) return byte - 0x20;
  return byte;
}

function copyBytes(
  source: Uint8Array,
  from: number,
  length: number,
  target: Uint8Array,
  to: number,
): void {
  if (length > LOOP_COPY_BYTES_MAX) {
    target.set(source.subarray(from, from + length), to);
    return;
  }
  for (let index = 0; index < length; index++) target[to + index] = source[from + index] ?? 0;
}

const foldBytes: Transcribe = (source, from, length, target, to) => {
  for (let index = 0; index < length; index++) {
    target[to + index] = foldByte(source[from + index] ?? 0);
  }
};

const reverseBytes: Transcribe = (source, from, length, target, to) => {
  for (let index = 0; index < length; index++) {
    target[to + index] = source[from + length - 1 - index] ?? 0;
  }
};

const reverseSigned: Transcribe = (source, from, length, target, to, cut) => {
  reverseBytes(source, from, length, target, to, cut);
  target[to] = (target[to] ?? 0) ^ 0x80;
};

/** A leading part has no sign: it is taken as the first digits of a number that is not negative. */
const transcribeDecimal: Transcribe = (source, from, length, target, to, cut) => {
  const last = source[from + length - 1] ?? 0;
  const isSigned = !cut && last >= (DIGIT_ZERO | SIGN_BIT) && last <= ((DIGIT_ZERO + 9) | SIGN_BIT);
  let sum = 0;
  for (let index = 0; index < length; index++) {
    let byte = source[from + index] ?? 0;
    if (isSigned && index === length - 1) byte ^= SIGN_BIT;
    const digit = byte === BLANK ? 0 : byte - DIGIT_ZERO;
    if (digit < 0 || digit > 9) {
      target[to] = TAG_NO_NUMBER;
      copyBytes(source, from, length, target, to + 1);
      return;
    }
    sum += digit;
    target[to + 1 + index] = digit;
  }
  target[to] = TAG_POSITIVE;
  if (isSigned && sum > 0) complementDigits(target, to, length);
};

function complementDigits(target: Uint8Array, to: number, length: number): void {
  target[to] = TAG_NEGATIVE;
  for (let index = to + 1; index <= to + length; index++) target[index] = 9 - (target[index] ?? 0);
}

const TRANSCRIBE: { readonly [type in SegmentType]: Transcribe } = {
  alpha: copyBytes,
  nocase: foldBytes,
  decimal: transcribeDecimal,
  integer: reverseSigned,
  unsigned: reverseBytes,
  sequence: reverseSigned,
  timestamp: reverseSigned,
  ctimestamp: reverseSigned,
};
