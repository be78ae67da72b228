// Which parts of one index hold every record that matches a condition. Called by the planner for each key.
// The condition is looked at segment by segment: as long as leading segments have single values, the
// next one narrows further.
//
//   key (state, total)    state in ('CA', 'NY') and total >= 100    two ranges
//                         state >= 'CA' and total >= 100            one range, over state alone
//                         total >= 100                              none: undefined, anything
//
// An `or` over one field is a list of values of that field. One over several fields is taken apart into its
// alternatives, each with ranges of its own, as long as those are few.

import { keyRangesMax, planAlternativesMax } from '../../shared/base/limits.js';
import type { KeySpec, SegmentSpec } from '../../shared/record/file-spec.js';
import type { BoundExpression } from '../../shared/select/bound.js';
import {
  coverAll,
  type Interval,
  intersect,
  isPoint,
  resizeBytes,
  unite,
  wordsOf,
} from './key-range-interval.js';
import { intervalsOfCondition } from './key-range-segment.js';
import { isAboveZero } from './key-range-zoned.js';

/** A part of an index: whole index keys, both included. */
export interface IndexRange {
  readonly least: Buffer;
  readonly greatest: Buffer;
  /** `state = 'CA', total >= 100.00` */
  readonly text: string;
  /** Leading segments with one value. */
  readonly points: number;
  /** How the segment after those is bounded. */
  readonly tail: 'none' | 'part' | 'half';
}

export interface Narrowing {
  /** Ascending and disjoint; empty when no record can match. */
  readonly ranges: readonly IndexRange[];
  /** Leading segments that have one and the same value in all ranges. */
  readonly fixed: number;
}

/** What the condition leaves of the index of `key`; undefined when that is all of it. */
export function narrowKey(where: BoundExpression, key: KeySpec): Narrowing | undefined {
  const found: IndexRange[] = [];
  for (const alternative of alternativesOf(where)) {
    const ranges = rangesOf(alternative, key);
    if (ranges === undefined) return undefined;
    for (const range of ranges) found.push(range);
  }
  const merged = mergeRanges(found);
  const ranges = merged.length > keyRangesMax ? [coverRanges(merged)] : merged;
  return { ranges, fixed: fixedSegments(ranges, key) };
}

/**
 * The condition as one of several; each is a list of terms that must all be true. An `or` that is about
 * one operand stays whole, because it is a list of values. Just the condition when they would be too many.
 */
function alternativesOf(where: BoundExpression): readonly (readonly BoundExpression[])[] {
  let alternatives: (readonly BoundExpression[])[] = [[]];
  for (const term of where.op === 'and' ? where.terms : [where]) {
    const isTakenApart = term.op === 'or' && !isAboutOneOperand(term);
    const branches = isTakenApart ? term.terms : [term];
    if (alternatives.length * branches.length > planAlternativesMax) return [[where]];
    alternatives = alternatives.flatMap((terms) => branches.map((branch) => [...terms, branch]));
  }
  return alternatives;
}

function isAboutOneOperand(where: BoundExpression): boolean {
  const places = new Set<string>();
  const visit = (part: BoundExpression): void => {
    if (part.op === 'constant' || places.size > 1) return;
    if ('terms' in part) part.terms.forEach(visit);
    else places.add(`${part.operand.offset},${part.operand.length}`);
  };
  visit(where);
  return places.size <= 1;
}

/** The ranges of terms that are all true, a segment further each time. */
function rangesOf(terms: readonly BoundExpression[], key: KeySpec): IndexRange[] | undefined {
  let ranges: readonly IndexRange[] | undefined;
  for (const segment of key.segments) {
    const intervals = intervalsOf({ op: 'and', terms }, segment);
    if (intervals === undefined) break;
    ranges = extendRanges(ranges ?? [EMPTY_RANGE], intervals, segment);
    if (ranges.some((range) => range.tail !== 'none')) break;
  }
  const length = indexLength(key);
  return ranges?.map((range) => ({
    ...range,
    least: resizeBytes(range.least, length, 0),
    greatest: resizeBytes(range.greatest, length, 0xff),
  }));
}

const EMPTY_RANGE: IndexRange = {
  least: Buffer.alloc(0),
  greatest: Buffer.alloc(0),
  text: '',
  points: 0,
  tail: 'none',
};

/** Each range with each interval of the next segment behind it; what is too much is covered by one. */
function extendRanges(
  ranges: readonly IndexRange[],
  intervals: readonly Interval[],
  segment: SegmentSpec,
): IndexRange[] {
  const cover = ranges.length * intervals.length > keyRangesMax ? coverAll(intervals) : undefined;
  const next = cover === undefined ? intervals : [cover];
  const turned = segment.order === 'descending' ? next.map(complement).reverse() : next;
  return ranges.flatMap((range) =>
    turned.map((interval): IndexRange => {
      const text = wordsOf(interval);
      return {
        least: Buffer.concat([range.least, interval.least]),
        greatest: Buffer.concat([range.greatest, interval.greatest]),
        text: range.text === '' ? text : `${range.text}, ${text}`,
        points: range.points + (isPoint(interval) ? 1 : 0),
        tail: interval.extent === 'point' ? 'none' : interval.extent,
      };
    }),
  );
}

/** The interval among the index bytes of a descending segment. */
const complement = (interval: Interval): Interval => ({
  ...interval,
  least: invert(interval.greatest),
  greatest: invert(interval.least),
});

const invert = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => ~byte));

/**
 * The values of one segment that records matching the condition can have; undefined for any. Recursion is
 * bounded by `expressionDepthMax`.
 */
function intervalsOf(
  where: BoundExpression,
  segment: SegmentSpec,
  isPositive = false,
): readonly Interval[] | undefined {
  switch (where.op) {
    case 'constant':
      return where.value ? undefined : [];
    case 'and': {
      let common: readonly Interval[] | undefined;
      const { offset, length } = segment;
      const isAbove = isPositive || where.terms.some((term) => isAboveZero(term, offset, length));
      for (const term of where.terms) {
        const some = intervalsOf(term, segment, isAbove);
        if (some !== undefined) common = common === undefined ? some : intersect(common, some);
      }
      return common;
    }
    case 'or': {
      const all: Interval[] = [];
      for (const term of where.terms) {
        const some = intervalsOf(term, segment, isPositive);
        if (some === undefined) return undefined;
        for (const interval of some) all.push(interval);
      }
      return unite(all);
    }
    default:
      return intervalsOfCondition(where, segment, isPositive);
  }
}

/** Sorted; those that overlap become one. */
function mergeRanges(found: readonly IndexRange[]): IndexRange[] {
  const sorted = [...found].sort((a, b) => Buffer.compare(a.least, b.least));
  const merged: IndexRange[] = [];
  for (const range of sorted) {
    const last = merged[merged.length - 1];
    if (last === undefined || Buffer.compare(last.greatest, range.least) < 0) merged.push(range);
    else merged[merged.length - 1] = joinRanges(last, range);
  }
  return merged;
}

/** `a` begins first and reaches `b`. */
function joinRanges(a: IndexRange, b: IndexRange): IndexRange {
  if (Buffer.compare(b.greatest, a.greatest) <= 0) return a;
  if (Buffer.compare(a.least, b.least) === 0) return b;
  const [wider] = [a, b].sort((left, right) => left.points - right.points);
  return {
    least: a.least,
    greatest: b.greatest,
    text: `${a.text} or ${b.text}`,
    points: 0,
    tail: wider?.tail === 'half' ? 'half' : 'part',
  };
}

function coverRanges(ranges: readonly IndexRange[]): IndexRange {
  const [first = EMPTY_RANGE] = ranges;
  const last = ranges[ranges.length - 1] ?? first;
  const text = `between ${first.text} and ${last.text}`;
  return { least: first.least, greatest: last.greatest, text, points: 0, tail: 'half' };
}

function fixedSegments(ranges: readonly IndexRange[], key: KeySpec): number {
  const [first] = ranges;
  if (first === undefined) return 0;
  let fixed = 0;
  for (let end = 0; fixed < first.points; fixed++) {
    const segment = key.segments[fixed];
    if (segment === undefined) break;
    end += segmentLength(segment);
    const prefix = first.least.subarray(0, end);
    const isSame = (range: IndexRange): boolean =>
      range.points > fixed && prefix.equals(range.least.subarray(0, end));
    if (!ranges.every(isSame)) break;
  }
  return fixed;
}

const segmentLength = ({ length, type }: SegmentSpec): number =>
  length + (type === 'decimal' ? 1 : 0);

/** Bytes of each key in the index. */
export const indexLength = (key: KeySpec): number =>
  key.segments.reduce((sum, segment) => sum + segmentLength(segment), 0);
