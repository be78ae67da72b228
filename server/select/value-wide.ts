// Numbers that no JS number holds: decimals past 15 digits, integers of 7 and 8 bytes. Predicates compare
// them where they stand, digit by digit or as two halves, and allocate nothing for a record; sums read
// them as bigints.

import { zonedToText } from '../../shared/record/decimal.js';
import type { BoundOperand } from '../../shared/select/bound.js';

/**
 * Compares the operand in the record `bytes[start, end)` with value `index` of those it was compiled for:
 * less than 0, 0, more than 0. NaN when the bytes are no number. Past the record's end it is 0.
 */
export type WideComparer = (bytes: Buffer, start: number, end: number, index: number) => number;

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
const NEGATIVE_ZERO = 0x70;
const HALF = 0x1_0000_0000n;

/** Compares a wide decimal or integer with `values`, which are unscaled. */
export function compileWide(operand: BoundOperand, values: readonly bigint[]): WideComparer {
  return operand.type === 'decimal'
    ? compareZoned(operand, values)
    : compareHalves(operand, values);
}

/** A decimal as the digits of a field: the first `length`, and whether there are more. */
interface Digits {
  readonly negative: boolean;
  readonly digits: Uint8Array;
  readonly isTooLong: boolean;
}

function digitsOf(value: bigint, length: number): Digits {
  const text = (value < 0n ? -value : value).toString();
  const isTooLong = text.length > length;
  const digits = Uint8Array.from(text.padStart(length, '0').slice(0, length), Number);
  return { negative: value < 0n, digits, isTooLong };
}

function compareZoned({ offset, length }: BoundOperand, values: readonly bigint[]): WideComparer {
  const table = values.map((value) => digitsOf(value, length));
  return (bytes, start, end, index) => {
    const wanted = table[index];
    if (wanted === undefined) return Number.NaN;
    const from = start + offset;
    const isMissing = from + length > end;
    const magnitude = isMissing
      ? compareWithZero(wanted)
      : compareDigits(bytes, from, length, wanted);
    if (Number.isNaN(magnitude)) return magnitude;
    const last = isMissing ? DIGIT_ZERO : (bytes[from + length - 1] ?? 0);
    const isSigned = last >= NEGATIVE_ZERO && last <= NEGATIVE_ZERO + 9;
    if (!isSigned) return wanted.negative ? 1 : magnitude;
    if (wanted.negative) return -magnitude;
    return isZero(bytes, from, length) ? magnitude : -1;
  };
}

/** How 0 compares with the magnitude of `wanted`. */
const compareWithZero = ({ digits, isTooLong }: Digits): number =>
  isTooLong || digits.some((digit) => digit !== 0) ? -1 : 0;

/** How the stored digits compare with those wanted, signs left aside; all of them are looked at. */
function compareDigits(bytes: Buffer, from: number, length: number, wanted: Digits): number {
  const { digits } = wanted;
  let order = wanted.isTooLong ? -1 : 0;
  for (let index = 0; index < length; index++) {
    let byte = bytes[from + index] ?? 0;
    if (index === length - 1 && byte >= NEGATIVE_ZERO) byte ^= 0x40;
    const digit = byte === BLANK ? 0 : byte - DIGIT_ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    if (order === 0) order = digit - (digits[index] ?? 0);
  }
  return order;
}

function isZero(bytes: Buffer, from: number, length: number): boolean {
  for (let at = from; at < from + length - 1; at++) {
    if (bytes[at] !== DIGIT_ZERO && bytes[at] !== BLANK) return false;
  }
  return bytes[from + length - 1] === NEGATIVE_ZERO;
}

/** The upper bytes, with the sign, and the lower four. */
function compareHalves(operand: BoundOperand, values: readonly bigint[]): WideComparer {
  const { offset, length } = operand;
  const low = Float64Array.from(values, (value) => Number(BigInt.asUintN(32, value)));
  const high = Float64Array.from(values, (value) =>
    Number((value - BigInt.asUintN(32, value)) / HALF),
  );
  const limit = operand.type === 'integer' ? 2 ** ((length - 4) * 8 - 1) : Number.POSITIVE_INFINITY;
  return (bytes, start, end, index) => {
    const from = start + offset;
    const isMissing = from + length > end;
    const upper = isMissing ? 0 : readUnsigned(bytes, from + 4, length - 4);
    const order = (upper < limit ? upper : upper - 2 * limit) - (high[index] ?? 0);
    if (order !== 0) return order;
    return (isMissing ? 0 : readUnsigned(bytes, from, 4)) - (low[index] ?? 0);
  };
}

function readUnsigned(bytes: Buffer, from: number, length: number): number {
  let value = 0;
  for (let at = from + length - 1; at >= from; at--) value = value * 256 + (bytes[at] ?? 0);
  return value;
}

/** The number as a bigint without its point; undefined when the bytes are none. 0 past the record's end. */
export function compileUnscaled(
  operand: BoundOperand,
): (bytes: Buffer, start: number, end: number) => bigint | undefined {
  const { offset, length, type } = operand;
  return (bytes, start, end) => {
    const from = start + offset;
    if (from + length > end) return 0n;
    if (type === 'decimal') return readZoned(bytes, from, length);
    const low = BigInt(readUnsigned(bytes, from, 4));
    const whole = (BigInt(readUnsigned(bytes, from + 4, length - 4)) << 32n) | low;
    return type === 'integer' ? BigInt.asIntN(length * 8, whole) : whole;
  };
}

function readZoned(bytes: Buffer, from: number, length: number): bigint | undefined {
  const text = zonedToText(bytes, from, length, 0);
  return text === undefined ? undefined : BigInt(text);
}
