// Guesses by which the planner chooses. We keep no statistics of values, so these are rules of thumb, the
// same for every file; README.md says them in words, `using` overrules them.

import type { KeySpec } from '../../shared/record/file-spec.js';
import type { BoundCondition, BoundExpression } from '../../shared/select/bound.js';
import type { IndexRange } from './key-range.js';

/** What is left by an equality, by a range with one bound, and by one with two or a beginning. */
const EQUALITY_SHARE = 1 / 32;
const HALF_RANGE_SHARE = 1 / 3;
const PART_RANGE_SHARE = 1 / 9;
/** `contains`, `like '%…'`, states. */
const OTHER_SHARE = 1 / 4;

/** A record looked at through an index costs as much as so many in stored order. */
export const keyReadCost = 3;
/** A record sorted, in the same unit. */
export const sortCost = 2;

/** Records in the ranges of a key; several add up, but those of one text are images of the same values. */
export function estimateRanges(
  ranges: readonly IndexRange[],
  key: KeySpec,
  records: number,
): number {
  const byText = new Map<string, number>();
  for (const range of ranges) {
    const estimate = estimateRange(range, key, records);
    byText.set(range.text, Math.max(estimate, byText.get(range.text) ?? 0));
  }
  const sum = [...byText.values()].reduce((total, estimate) => total + estimate, 0);
  return Math.min(records, sum);
}

function estimateRange({ points, tail }: IndexRange, key: KeySpec, records: number): number {
  const isWhole = points === key.segments.length;
  if (isWhole && key.dups === 'none') return 1;
  const tailShare = { none: 1, part: PART_RANGE_SHARE, half: HALF_RANGE_SHARE }[tail];
  return Math.max(1, records * EQUALITY_SHARE ** points * tailShare);
}

/** The share of records that match a condition. */
export function shareOf(where: BoundExpression): number {
  switch (where.op) {
    case 'constant':
      return where.value ? 1 : 0;
    case 'and':
      return where.terms.reduce((share, term) => share * shareOf(term), 1);
    case 'or':
      return Math.min(
        1,
        where.terms.reduce((share, term) => share + shareOf(term), 0),
      );
    default:
      return shareOfCondition(where);
  }
}

function shareOfCondition(condition: BoundCondition): number {
  switch (condition.op) {
    case 'compare':
      if (condition.comparison === '=') return EQUALITY_SHARE;
      return condition.comparison === '<>' ? 1 - EQUALITY_SHARE : HALF_RANGE_SHARE;
    case 'in':
      return asAsked(condition, Math.min(0.5, condition.values.length * EQUALITY_SHARE));
    case 'starts':
      return asAsked(condition, PART_RANGE_SHARE);
    default:
      return asAsked(condition, OTHER_SHARE);
  }
}

const asAsked = ({ negated }: { readonly negated: boolean }, share: number): number =>
  negated ? 1 - share : share;
