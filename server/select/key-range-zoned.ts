// Decimal fields under keys of text: many definitions have them, because digits filled with zeros sort as
// numbers do. A blank stands for a zero, though, so one number has several images, and a negative number
// sorts by its digits. So a condition becomes the image with zeros, and for each of its zeros the few strings
// that have the first blank just there: in files without blanks those ranges are empty and cost one look.
//
//   number = 50, 4 digits     '0050'    ' …'    '0 …'    '005 …'
//   number >= 50              '0050' to the end, and the same
//
// Called by key-range-segment.ts.

import type { BoundCondition, BoundExpression, BoundValue } from '../../shared/select/bound.js';
import type { Comparison } from '../../shared/select/expression.js';
import { type Interval, pointOf, resizeBytes, unite } from './key-range-interval.js';

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
const SIGN_BIT = 0x40;

/** A comparison with a whole number of last places. */
export interface ZonedComparison {
  readonly comparison: Comparison;
  readonly unscaled: bigint;
  /** The condition, for people. */
  readonly text: string;
}

/**
 * Values of a text segment of `length` bytes that a record matching the comparison can have; undefined
 * for any. `isPositive`: other conditions leave no number below or equal to zero.
 */
export function zonedIntervals(
  { comparison, unscaled, text }: ZonedComparison,
  length: number,
  isPositive: boolean,
): readonly Interval[] | undefined {
  const digits = digitsOf(unscaled, length);
  if (digits === undefined) return comparison === '=' ? [] : undefined;
  if (comparison === '<>') return undefined;
  if (comparison === '=') return unite(equalIntervals(digits, unscaled, text));
  if (unscaled < 0n) return undefined;
  if (comparison === '>' || comparison === '>=') {
    const upwards = { least: digits, leastText: text, greatestText: '', extent: 'half' } as const;
    const greatest = Buffer.alloc(length, 0xff);
    return unite([{ ...upwards, greatest }, ...blankIntervals(digits, text)]);
  }
  if (!isPositive) return undefined;
  const least = Buffer.alloc(length, 0);
  return [{ least, greatest: digits, leastText: '', greatestText: text, extent: 'half' }];
}

/** Does the condition leave only numbers above zero at this place? Then less is less in bytes too. */
export function isAboveZero(term: BoundExpression, offset: number, length: number): boolean {
  if (term.op !== 'compare' || term.value.kind !== 'number') return false;
  const { operand, comparison, value } = term;
  if (operand.offset !== offset || operand.length !== length) return false;
  const { unscaled } = value;
  if (comparison === '>') return unscaled >= 0n;
  return (comparison === '>=' || comparison === '=') && unscaled > 0n;
}

/** The unscaled number of an exact value; undefined for others. */
export const exactNumber = (value: BoundValue): bigint | undefined =>
  value.kind === 'number' && value.exact ? value.unscaled : undefined;

/** The comparison of a condition, where it is one with a number. */
export function zonedComparison(
  condition: Extract<BoundCondition, { op: 'compare' }>,
  text: string,
): ZonedComparison | undefined {
  const unscaled = exactNumber(condition.value);
  return unscaled === undefined ? undefined : { comparison: condition.comparison, unscaled, text };
}

/** The image with zeros, the one of -0, and those with blanks. */
function equalIntervals(digits: Buffer, unscaled: bigint, text: string): Interval[] {
  const image = unscaled < 0n ? signed(digits) : digits;
  const points = [pointOf(image, text)];
  if (unscaled === 0n) points.push(pointOf(signed(digits), text));
  return [...points, ...blankIntervals(image, text)];
}

/** All that is the image up to one of its zeros and has a blank there. */
function blankIntervals(image: Buffer, text: string): Interval[] {
  const intervals: Interval[] = [];
  for (const [at, byte] of image.entries()) {
    if ((byte & ~SIGN_BIT) !== DIGIT_ZERO) continue;
    const beginning = Buffer.concat([image.subarray(0, at), Buffer.of(BLANK)]);
    intervals.push({
      least: resizeBytes(beginning, image.length, 0),
      greatest: resizeBytes(beginning, image.length, 0xff),
      leastText: text,
      greatestText: text,
      // Next to nothing is there; as estimates go it is one value.
      extent: 'point',
    });
  }
  return intervals;
}

/** The digits without sign; undefined when the number is too long for the field. */
function digitsOf(unscaled: bigint, length: number): Buffer | undefined {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString();
  return digits.length > length ? undefined : Buffer.from(digits.padStart(length, '0'), 'latin1');
}

function signed(digits: Buffer): Buffer {
  const image = Buffer.from(digits);
  image[image.length - 1] = (image[image.length - 1] ?? 0) | SIGN_BIT;
  return image;
}
