// Conditions on text and bytes, answered where they stand in the record: comparisons padded with blanks
// (bytes: with zeros), `in`, `contains` and `starts`. Called by predicate.ts. Nothing is allocated for a
// record.

import { foldByte } from '../../shared/record/collate-segment.js';
import { trimmedEnd } from '../../shared/record/scalar-codec.js';
import type { BoundCondition, BoundOperand } from '../../shared/select/bound.js';
import type { Comparison } from '../../shared/select/expression.js';
import type { Predicate } from './query-plan.js';

const BLANK = 0x20;

/** What each byte counts as: itself, or its capital when case does not matter. */
export const foldTable = (nocase: boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (nocase ? foldByte(byte) : byte));

/** Says yes to what a comparison of the order, less than 0, 0 or more, says yes to. */
export function orderTest(comparison: Comparison): (order: number) => boolean {
  switch (comparison) {
    case '=':
      return (order) => order === 0;
    case '<>':
      return (order) => order < 0 || order > 0;
    case '<':
      return (order) => order < 0;
    case '<=':
      return (order) => order <= 0;
    case '>':
      return (order) => order > 0;
    case '>=':
      return (order) => order >= 0;
  }
}

/** How text or bytes compare: which bytes count as which, and what follows the shorter one. */
export interface Collation {
  readonly fold: Uint8Array;
  readonly padding: number;
}

/** The collation of an operand; `nocase` is for text. */
export const collationOf = (operand: BoundOperand, nocase: boolean): Collation => ({
  fold: foldTable(nocase),
  padding: operand.type === 'binary' ? 0 : BLANK,
});

/** `wanted` against an operand; it is in the form of the collation already. */
export function compileTextComparison(
  operand: BoundOperand,
  comparison: Comparison,
  wanted: Uint8Array,
  collation: Collation,
): Predicate {
  if (comparison === '=') return compileEquality(operand, wanted, collation);
  const { offset, length } = operand;
  const isMatch = orderTest(comparison);
  return (bytes, start, end) => {
    const from = Math.min(start + offset, end);
    const to = Math.min(from + length, end);
    return isMatch(compareText(bytes, from, to, wanted, collation));
  };
}

/** Mostly decided by the first byte. */
function compileEquality(
  { offset, length }: BoundOperand,
  wanted: Uint8Array,
  { fold, padding }: Collation,
): Predicate {
  return (bytes, start, end) => {
    const from = Math.min(start + offset, end);
    const to = Math.min(from + length, end);
    const size = to - from;
    const common = size < wanted.length ? size : wanted.length;
    let index = 0;
    for (; index < common; index++) {
      if (fold[bytes[from + index] ?? 0] !== wanted[index]) return false;
    }
    for (; index < size; index++) if (bytes[from + index] !== padding) return false;
    for (; index < wanted.length; index++) if (wanted[index] !== padding) return false;
    return true;
  };
}

/** The order of `bytes[from, to)` and `wanted`, the shorter one padded. */
function compareText(
  bytes: Uint8Array,
  from: number,
  to: number,
  wanted: Uint8Array,
  { fold, padding }: Collation,
): number {
  const size = to - from;
  const common = size < wanted.length ? size : wanted.length;
  let index = 0;
  for (; index < common; index++) {
    const order = (fold[bytes[from + index] ?? 0] ?? 0) - (wanted[index] ?? 0);
    if (order !== 0) return order;
  }
  for (; index < size; index++) {
    const order = (fold[bytes[from + index] ?? 0] ?? 0) - padding;
    if (order !== 0) return order;
  }
  for (; index < wanted.length; index++) {
    const order = padding - (wanted[index] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}

/** By bisection: its time does not depend on how the values were chosen, as that of a hash would. */
export function compileTextIn(
  { offset, length }: BoundOperand,
  values: readonly Uint8Array[],
  collation: Collation,
  negated: boolean,
): Predicate {
  const plain = { ...collation, fold: foldTable(false) };
  const sorted = [...values].sort((a, b) => compareText(a, 0, a.length, b, plain));
  const none = new Uint8Array();
  return (bytes, start, end) => {
    const from = Math.min(start + offset, end);
    const to = Math.min(from + length, end);
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compareText(bytes, from, to, sorted[middle] ?? none, collation);
      if (order === 0) return !negated;
      if (order > 0) low = middle + 1;
      else high = middle;
    }
    return negated;
  };
}

type StartsCondition = Extract<BoundCondition, { op: 'contains' | 'starts' }>;

/** Does the text, without the blanks behind it, begin with these bytes? */
export function compileStarts({
  operand,
  bytes: wanted,
  nocase,
  negated,
}: StartsCondition): Predicate {
  const { offset, length } = operand;
  const fold = foldTable(nocase);
  const endsBlank = wanted[wanted.length - 1] === BLANK;
  return (bytes, start, end) => {
    const from = Math.min(start + offset, end);
    const to = Math.min(from + length, end);
    if (from + wanted.length > to) return negated;
    for (let index = 0; index < wanted.length; index++) {
      if (fold[bytes[from + index] ?? 0] !== wanted[index]) return negated;
    }
    const isText = !endsBlank || trimmedEnd(bytes, from, to) >= from + wanted.length;
    return isText !== negated;
  };
}
