// Bytes whose memcmp order is the order asked for, written from a record without making values. Called by
// the executor to sort, to keep the first few, and to tell groups apart. Equal values have equal bytes
// (100 and ' 100', -0 and 0), and the order is that of the comparisons of predicate.ts.
//
//   operand               bytes                                                     length
//   alpha                 as they are, blank-padded                                 n
//   binary                as they are, padded with zeros                            n
//   decimal               | tag: 0 invalid, 1 negative, 2 not | n digits |          n + 1
//                           negative: digits complemented; invalid: zeros
//   integer, unsigned     big-endian, the sign bit of a signed one turned           n
//   date, time, boolean   rank + 1 as a double, big-endian; 0: invalid              8
//   descending            all of the above complemented
//
// These bytes live as long as a query; nothing keeps them.

import type { BoundOperand, BoundOrder } from '../../shared/select/bound.js';
import { compileNumber } from './value-number.js';

/** Writes the key of records. */
export interface SortKey {
  /** Length of every key. */
  readonly bytes: number;
  /** Writes the key of the record `bytes[start, end)` to `target` at `at`. */
  write(bytes: Buffer, start: number, end: number, target: Buffer, at: number): void;
}

type KeyWriter = SortKey['write'];

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
const NEGATIVE_ZERO = 0x70;
const TAG_INVALID = 0;
const TAG_NEGATIVE = 1;
const TAG_POSITIVE = 2;
const RANK_BYTES = 8;

/** Keys in the order asked for; invalid values come before all others, last when descending. */
export function compileSortKey(orderBy: readonly BoundOrder[]): SortKey {
  const parts = orderBy.map(({ operand, descending }) => {
    const part = compilePart(operand);
    return descending ? { bytes: part.bytes, write: complementing(part) } : part;
  });
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return {
    bytes,
    write(record, start, end, target, at) {
      let next = at;
      for (const part of parts) {
        part.write(record, start, end, target, next);
        next += part.bytes;
      }
    },
  };
}

/** Keys that are equal when all operands are; invalid values are equal to each other. */
export const compileGroupKey = (operands: readonly BoundOperand[]): SortKey =>
  compileSortKey(operands.map((operand) => ({ operand, descending: false })));

const complementing =
  ({ bytes, write }: SortKey): KeyWriter =>
  (record, start, end, target, at) => {
    write(record, start, end, target, at);
    for (let index = at; index < at + bytes; index++) target[index] = ~(target[index] ?? 0);
  };

function compilePart(operand: BoundOperand): SortKey {
  const { length } = operand;
  switch (operand.type) {
    case 'alpha':
      return { bytes: length, write: copyPadded(operand, BLANK) };
    case 'binary':
      return { bytes: length, write: copyPadded(operand, 0) };
    case 'decimal':
      return { bytes: length + 1, write: writeDecimal(operand) };
    case 'integer':
    case 'unsigned':
      return { bytes: length, write: writeInteger(operand) };
    default:
      return { bytes: RANK_BYTES, write: writeRank(operand) };
  }
}

function copyPadded({ offset, length }: BoundOperand, padding: number): KeyWriter {
  return (record, start, end, target, at) => {
    const from = Math.min(start + offset, end);
    const to = Math.min(from + length, end);
    record.copy(target, at, from, to);
    target.fill(padding, at + to - from, at + length);
  };
}

function writeInteger({ offset, length, type }: BoundOperand): KeyWriter {
  const signBit = type === 'integer' ? 0x80 : 0;
  return (record, start, end, target, at) => {
    const last = start + offset + length - 1;
    for (let index = 0; index < length; index++) {
      target[at + index] = last < end ? (record[last - index] ?? 0) : 0;
    }
    target[at] = (target[at] ?? 0) ^ signBit;
  };
}

function writeRank(operand: BoundOperand): KeyWriter {
  const read = compileNumber(operand);
  return (record, start, end, target, at) => {
    const rank = read?.(record, start, end) ?? Number.NaN;
    target.writeDoubleBE(Number.isNaN(rank) ? 0 : rank + 1, at);
  };
}

function writeDecimal({ offset, length }: BoundOperand): KeyWriter {
  return (record, start, end, target, at) => {
    const from = start + offset;
    target.fill(0, at, at + length + 1);
    target[at] = TAG_POSITIVE;
    if (from + length > end) return;
    if (!copyDigits(record, from, length, target, at + 1))
      target.fill(TAG_INVALID, at, at + length + 1);
    else if (isNegative(record, from, length, target, at + 1)) complementDigits(target, at, length);
  };
}

/** Writes digits as 0-9, the sign left aside; false when one is none. */
function copyDigits(
  record: Buffer,
  from: number,
  length: number,
  target: Buffer,
  at: number,
): boolean {
  for (let index = 0; index < length; index++) {
    let byte = record[from + index] ?? 0;
    if (index === length - 1 && byte >= NEGATIVE_ZERO) byte -= NEGATIVE_ZERO - DIGIT_ZERO;
    const digit = byte === BLANK ? 0 : byte - DIGIT_ZERO;
    if (digit < 0 || digit > 9) return false;
    target[at + index] = digit;
  }
  return true;
}

/** Less than zero: -0 is zero. */
function isNegative(
  record: Buffer,
  from: number,
  length: number,
  digits: Buffer,
  at: number,
): boolean {
  if ((record[from + length - 1] ?? 0) < NEGATIVE_ZERO) return false;
  for (let index = at; index < at + length; index++) if (digits[index] !== 0) return true;
  return false;
}

function complementDigits(target: Buffer, at: number, length: number): void {
  target[at] = TAG_NEGATIVE;
  for (let index = at + 1; index <= at + length; index++) target[index] = 9 - (target[index] ?? 0);
}
