// How much work a bound condition is for one record at worst, and how much memory its patterns take. Called
// by bind.ts, which refuses what would keep everybody else waiting, and by server/select to make its steps.
//
//   like, contains    bytes of the field, times the words of 32 bits that its longest segment needs
//   in                the bytes that its values compare, by bisection
//   all others        bytes of the field

import { conditionStepsMax, patternTableBytesMax } from '../base/limits.js';
import type { BoundCondition, BoundExpression, LikePart } from './bound.js';
import { selectError } from './select-error.js';

/** What a condition takes. */
export interface Effort {
  /** Steps from byte to byte for one record, were all its conditions asked. */
  readonly steps: number;
  /** Of the tables that `like` and `contains` search with. */
  readonly tableBytes: number;
}

const WORD_BITS = 32;
/** A row of words for each byte there is. */
const TABLE_BYTES_PER_WORD = 256 * 4;
/** Segments so short are tried at each place. */
const TRIED_LENGTH_MAX = 4;
const VALUE_BYTES = 16;

/** The effort of a condition: that of all its parts together. */
export function effortOf(where: BoundExpression): Effort {
  if (where.op === 'constant') return { steps: 0, tableBytes: 0 };
  if (!('terms' in where)) return effortOfCondition(where);
  let steps = 0;
  let tableBytes = 0;
  for (const term of where.terms) {
    const effort = effortOf(term);
    steps += effort.steps;
    tableBytes += effort.tableBytes;
  }
  return { steps, tableBytes };
}

/** ERR_INVOPER for a condition that is too much work. */
export function checkEffort(where: BoundExpression): void {
  const { steps, tableBytes } = effortOf(where);
  if (steps <= conditionStepsMax && tableBytes <= patternTableBytesMax) return;
  throw selectError(
    'its conditions take too long for one record; ask less of long fields, or search for shorter text',
  );
}

function effortOfCondition(condition: BoundCondition): Effort {
  const { operand } = condition;
  switch (condition.op) {
    case 'like':
      return effortOfSegments(operand.length, segmentLengths(condition.pattern));
    case 'contains':
      return effortOfSegments(operand.length, [condition.bytes.length]);
    case 'in': {
      const longest = condition.values.reduce(
        (most, value) => Math.max(most, 'bytes' in value ? value.bytes.length : VALUE_BYTES),
        0,
      );
      const compared =
        Math.min(longest, operand.length) * Math.ceil(Math.log2(condition.values.length));
      return { steps: operand.length + compared, tableBytes: 0 };
    }
    default:
      return { steps: operand.length, tableBytes: 0 };
  }
}

/** Lengths of what stands between the `%`s. */
function segmentLengths(pattern: readonly LikePart[]): number[] {
  const lengths = [0];
  for (const part of pattern) {
    if (part === 'any') lengths.push(0);
    else
      lengths[lengths.length - 1] =
        (lengths.at(-1) ?? 0) + (part === 'one' ? 1 : part.literal.length);
  }
  return lengths;
}

function effortOfSegments(fieldBytes: number, lengths: readonly number[]): Effort {
  // A text that is too short for its pattern is not looked at.
  if (lengths.reduce((sum, length) => sum + length, 0) > fieldBytes)
    return { steps: 1, tableBytes: 0 };
  let most = 1;
  let words = 0;
  for (const length of lengths) {
    const needed = Math.ceil(length / WORD_BITS);
    words += length > TRIED_LENGTH_MAX ? needed : 0;
    most = Math.max(most, needed, Math.min(length, TRIED_LENGTH_MAX));
  }
  return { steps: fieldBytes * most, tableBytes: words * TABLE_BYTES_PER_WORD };
}
