// Reads an operand as one number where a number holds it exactly: decimals up to 15 digits, integers up to
// 6 bytes, booleans, and the ranks of dates and times. Predicates, sort keys and aggregates are made of
// it. Wider numbers are in value-wide.ts. Nothing is allocated for a record.

import { NUMBER_BYTES_MAX, NUMBER_DIGITS_MAX } from '../../shared/record/scalar-codec.js';
import type { BoundOperand, BoundValue } from '../../shared/select/bound.js';
import { dateRank, timeRank } from '../../shared/select/date-rank.js';

/**
 * The operand's value in the record `bytes[start, end)`: unscaled, or a rank, or 1 for true. NaN when the
 * bytes are no value. An operand the record ends before reads as the empty value, 0.
 */
export type NumberReader = (bytes: Buffer, start: number, end: number) => number;

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
const NEGATIVE_ZERO = 0x70;

/** The reader of an operand; undefined for text, bytes and numbers that are too wide. */
export function compileNumber(operand: BoundOperand): NumberReader | undefined {
  switch (operand.type) {
    case 'decimal':
      return operand.length <= NUMBER_DIGITS_MAX ? zonedReader(operand) : undefined;
    case 'integer':
      return operand.length <= NUMBER_BYTES_MAX ? signedReader(operand) : undefined;
    case 'unsigned':
      return operand.length <= NUMBER_BYTES_MAX ? unsignedReader(operand) : undefined;
    case 'date':
      return rankReader(operand, dateRank);
    case 'time':
      return rankReader(operand, timeRank);
    case 'boolean':
      return flagReader(operand);
    default:
      return undefined;
  }
}

/** What a value compares as; NaN for one that is no number. Too large ones keep their place in the order. */
export function numberOf(value: BoundValue): number {
  switch (value.kind) {
    case 'number':
      return Number(value.unscaled);
    case 'digits':
      return value.rank;
    case 'flag':
      return value.value ? 1 : 0;
    default:
      return Number.NaN;
  }
}

function zonedReader({ offset, length }: BoundOperand): NumberReader {
  return (bytes, start, end) => {
    const last = start + offset + length - 1;
    if (last >= end) return 0;
    let value = 0;
    for (let at = start + offset; at < last; at++) {
      const byte = bytes[at] ?? 0;
      const digit = byte === BLANK ? 0 : byte - DIGIT_ZERO;
      if (digit < 0 || digit > 9) return Number.NaN;
      value = value * 10 + digit;
    }
    const byte = bytes[last] ?? 0;
    if (byte >= NEGATIVE_ZERO && byte <= NEGATIVE_ZERO + 9) {
      return 0 - (value * 10 + (byte - NEGATIVE_ZERO));
    }
    const digit = byte === BLANK ? 0 : byte - DIGIT_ZERO;
    return digit < 0 || digit > 9 ? Number.NaN : value * 10 + digit;
  };
}

function unsignedReader({ offset, length }: BoundOperand): NumberReader {
  return (bytes, start, end) => {
    const from = start + offset;
    if (from + length > end) return 0;
    let value = 0;
    for (let at = from + length - 1; at >= from; at--) value = value * 256 + (bytes[at] ?? 0);
    return value;
  };
}

function signedReader(operand: BoundOperand): NumberReader {
  const read = unsignedReader(operand);
  const limit = 2 ** (operand.length * 8);
  return (bytes, start, end) => {
    const value = read(bytes, start, end);
    return value < limit / 2 ? value : value - limit;
  };
}

function rankReader(operand: BoundOperand, rank: typeof dateRank): NumberReader {
  const { offset, length } = operand;
  const ranked = { length, ...(operand.format === undefined ? {} : { format: operand.format }) };
  return (bytes, start, end) =>
    start + offset + length > end ? 0 : rank(bytes, start + offset, ranked);
}

/** As the codec of booleans: bytes that are all zero, '0' or blank are false. */
function flagReader({ offset, length }: BoundOperand): NumberReader {
  return (bytes, start, end) => {
    const from = start + offset;
    if (from + length > end) return 0;
    for (let at = from; at < from + length; at++) {
      const byte = bytes[at];
      if (byte !== 0 && byte !== DIGIT_ZERO && byte !== BLANK) return 1;
    }
    return 0;
  };
}
