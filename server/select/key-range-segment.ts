// What a condition on an operand says of a key segment: which of the segment's index bytes the records that
// match can have. Called by key-range.ts. Undefined is "anything"; a list that is too long only costs
// time, one that is too short would lose records, so whatever is not in this table is "anything".
//
//   operand            segment              conditions      because
//   alpha, binary      alpha                all             bytes compare as bytes, blanks fill both
//   alpha              nocase               nocase: all     both sides are folded the same way
//                                           other: = starts what is equal stays equal when folded, `<` does not
//   decimal            decimal              all             equal numbers have equal index bytes (blanks are
//                                                           zeros, -0 is 0); what is no number stands aside
//   decimal            alpha                = > >=, and     a number has few images there, see
//                                           < <= above 0    key-range-zoned.ts
//   integer            integer, autokeys    all             the same bytes, sign and order
//   unsigned           unsigned             all             the same
//   date, time         alpha, nocase,       all             digits of one length; none, blanks and zeros, stands
//                      decimal                              before every date in all three
//   any whose values   any                  =               index bytes are made of the record's bytes, so
//   have one image                                          that equal ones stay equal
//   boolean            –                                    true and false have many images
//
// Not here: a nocase condition on a case-sensitive segment (equal texts stand far apart). Operand and
// segment are the same bytes; text may be shorter or longer than the segment it begins with.

import { foldByte, transcriberOf } from '../../shared/record/collate-segment.js';
import { isAutokeyType, type SegmentSpec } from '../../shared/record/file-spec.js';
import type { BoundCondition, BoundOperand, BoundValue } from '../../shared/select/bound.js';
import type { Comparison } from '../../shared/select/expression.js';
import { printCondition } from './explain.js';
import {
  type Interval,
  nextBytes,
  pointOf,
  previousBytes,
  resizeBytes,
  unite,
} from './key-range-interval.js';
import { exactNumber, zonedComparison, zonedIntervals } from './key-range-zoned.js';

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
const SIGN_BIT = 0x40;

/** Where a value stands among the segment's index bytes. */
type Standing =
  /** Equal values have these bytes. `above`: it lies between these and the next. */
  | { readonly bytes: Buffer; readonly at: 'here' | 'above' | 'near' }
  /** Less, or greater, than all the operand can hold. */
  | 'below all'
  | 'above all'
  /** We cannot tell. */
  | undefined;

/** How values of an operand are found in a segment. */
interface Fit {
  readonly standingOf: (value: BoundValue) => Standing;
  /** False: only equality can be used. */
  readonly isOrdered: boolean;
  /** The least and greatest that a valid value can have. */
  readonly least: Buffer;
  readonly greatest: Buffer;
}

/**
 * The values of `segment` that records matching the condition can have, in ascending order whatever the
 * order of the segment is; undefined when it says nothing about them. `isPositive`: conditions beside it
 * leave only numbers above zero.
 */
export function intervalsOfCondition(
  condition: BoundCondition,
  segment: SegmentSpec,
  isPositive = false,
): readonly Interval[] | undefined {
  const { operand } = condition;
  if (operand.offset !== segment.offset) return undefined;
  const isZonedText = operand.type === 'decimal' && segment.type === 'alpha';
  const found = isZonedText
    ? zonedTextIntervals(condition, segment, isPositive)
    : operandIntervals(condition, segment);
  const length = segment.length + (segment.type === 'decimal' ? 1 : 0);
  return found === undefined ? undefined : unite(found.map((each) => resize(each, length)));
}

/** Text shorter than its segment is all that begins with it; longer text is cut. */
function resize(interval: Interval, length: number): Interval {
  if (interval.least.length === length) return interval;
  const isShorter = interval.least.length < length;
  return {
    ...interval,
    least: resizeBytes(interval.least, length, 0),
    greatest: resizeBytes(interval.greatest, length, 0xff),
    extent: isShorter && interval.extent === 'point' ? 'part' : interval.extent,
  };
}

function operandIntervals(
  condition: BoundCondition,
  segment: SegmentSpec,
): readonly Interval[] | undefined {
  switch (condition.op) {
    case 'compare': {
      const { operand, nocase, comparison, value } = condition;
      const fit = fitOf(operand, nocase, segment);
      return fit && compareIntervals(fit, comparison, value, printCondition(condition));
    }
    case 'in': {
      if (condition.negated) return undefined;
      const fit = fitOf(condition.operand, condition.nocase, segment);
      return fit && inIntervals(fit, condition);
    }
    case 'starts':
      return beginningIntervals(condition, condition.bytes, segment);
    case 'like': {
      const [first] = condition.pattern;
      const isLiteral = typeof first === 'object';
      return isLiteral ? beginningIntervals(condition, first.literal, segment) : undefined;
    }
    case 'isBlank': {
      // Blank is a value like others, the empty one.
      const { operand, negated } = condition;
      const fit = negated ? undefined : fitOf(operand, false, segment);
      const empty = emptyValue(operand);
      return fit && empty && compareIntervals(fit, '=', empty, printCondition(condition));
    }
    default:
      return undefined;
  }
}

function emptyValue({ type, length }: BoundOperand): BoundValue | undefined {
  switch (type) {
    case 'alpha':
      return { kind: 'text', bytes: Buffer.alloc(0) };
    case 'decimal':
    case 'integer':
    case 'unsigned':
      return { kind: 'number', unscaled: 0n, exact: true };
    case 'date':
    case 'time':
      return { kind: 'digits', digits: '', rank: 0 };
    case 'binary':
      return { kind: 'bytes', bytes: Buffer.alloc(length) };
    default:
      return undefined;
  }
}

function zonedTextIntervals(
  condition: BoundCondition,
  { length }: SegmentSpec,
  isPositive: boolean,
): readonly Interval[] | undefined {
  if (condition.operand.length !== length) return undefined;
  const text = printCondition(condition);
  if (condition.op === 'compare') {
    const comparison = zonedComparison(condition, text);
    return comparison && zonedIntervals(comparison, length, isPositive);
  }
  if (condition.op !== 'in' || condition.negated) return undefined;
  const all: Interval[] = [];
  for (const value of condition.values) {
    const unscaled = exactNumber(value);
    if (unscaled === undefined) return undefined;
    const equal = { ...condition, op: 'compare', comparison: '=', value } as const;
    const comparison = { comparison: '=', unscaled, text: printCondition(equal) } as const;
    all.push(...(zonedIntervals(comparison, length, false) ?? []));
  }
  return unite(all);
}

function inIntervals(
  fit: Fit,
  condition: Extract<BoundCondition, { op: 'in' }>,
): Interval[] | undefined {
  const intervals: Interval[] = [];
  const { operand, nocase } = condition;
  for (const value of condition.values) {
    const equal = { op: 'compare', operand, nocase, comparison: '=', value } as const;
    const some = compareIntervals(fit, '=', value, printCondition(equal));
    if (some === undefined) return undefined;
    intervals.push(...some);
  }
  return intervals;
}

/** Blanks at the end of the beginning say nothing here: the operand's own padding may be them. */
function beginningIntervals(
  condition: Extract<BoundCondition, { readonly op: 'like' } | { readonly bytes: Buffer }>,
  literal: Buffer,
  segment: SegmentSpec,
): Interval[] | undefined {
  const { operand, negated, nocase } = condition;
  const isFolded = segment.type === 'nocase';
  if (negated || !(isFolded || (segment.type === 'alpha' && !nocase))) return undefined;
  const cut = withoutBlanks(literal).subarray(0, operand.length);
  if (cut.length === 0) return undefined;
  const bytes = isFolded ? folded(cut) : cut;
  const text = printCondition(condition);
  return [
    {
      least: resizeBytes(bytes, operand.length, 0),
      greatest: resizeBytes(bytes, operand.length, 0xff),
      leastText: text,
      greatestText: text,
      extent: 'part',
    },
  ];
}

function compareIntervals(
  fit: Fit,
  comparison: Comparison,
  value: BoundValue,
  text: string,
): Interval[] | undefined {
  const standing = fit.standingOf(value);
  if (standing === undefined || comparison === '<>') return undefined;
  const all = { ...fit, leastText: text, greatestText: text };
  if (comparison === '=') {
    const isHere = typeof standing === 'object' && standing.at === 'here';
    return isHere ? [pointOf(standing.bytes, text)] : [];
  }
  if (!fit.isOrdered) return undefined;
  const isUpwards = comparison === '>' || comparison === '>=';
  if (typeof standing === 'string') {
    const isEverything = (standing === 'below all') === isUpwards;
    return isEverything ? [rangeOf(all, 'half')] : [];
  }
  const bound = boundOf(standing, comparison);
  if (bound === undefined) return [];
  return isUpwards
    ? [rangeOf({ ...all, least: bound, greatestText: '' }, 'half')]
    : [rangeOf({ ...all, greatest: bound, leastText: '' }, 'half')];
}

const rangeOf = (from: Omit<Interval, 'extent'>, extent: Interval['extent']): Interval => ({
  least: from.least,
  greatest: from.greatest,
  leastText: from.leastText,
  greatestText: from.greatestText,
  extent,
});

/** The first or last bytes inside a one-sided range; undefined when nothing is left. */
function boundOf(
  { bytes, at }: { readonly bytes: Buffer; readonly at: 'here' | 'above' | 'near' },
  comparison: '<' | '<=' | '>' | '>=',
): Buffer | undefined {
  if (comparison === '<' && at === 'here') return previousBytes(bytes);
  if (at === 'above' && (comparison === '>' || comparison === '>=')) return nextBytes(bytes);
  if (comparison === '>' && at === 'here') return nextBytes(bytes);
  return bytes;
}

function fitOf(operand: BoundOperand, nocase: boolean, segment: SegmentSpec): Fit | undefined {
  const { type } = segment;
  switch (operand.type) {
    case 'alpha':
      if (type === 'nocase') return textFit(operand, { isFolded: true, isOrdered: nocase });
      if (nocase) return undefined;
      if (type === 'alpha') return textFit(operand, { isFolded: false, isOrdered: true });
      break;
    case 'binary':
      if (type === 'alpha') return imageFit(operand, segment, true);
      break;
    case 'decimal':
      return type === 'decimal' ? decimalFit(operand, segment) : undefined;
    case 'integer':
      if (type === 'integer' || isAutokeyType(type)) return imageFit(operand, segment, true);
      break;
    case 'unsigned':
      if (type === 'unsigned') return imageFit(operand, segment, true);
      break;
    case 'date':
    case 'time': {
      const isOrdered = type === 'alpha' || type === 'nocase' || type === 'decimal';
      return imageFit(operand, segment, isOrdered);
    }
    default:
      return undefined;
  }
  return imageFit(operand, segment, false);
}

function textFit(
  { length }: BoundOperand,
  { isFolded, isOrdered }: { readonly isFolded: boolean; readonly isOrdered: boolean },
): Fit {
  return {
    isOrdered,
    least: Buffer.alloc(length, 0),
    greatest: Buffer.alloc(length, 0xff),
    standingOf(value) {
      if (value.kind !== 'text') return undefined;
      const bytes = isFolded ? folded(value.bytes) : value.bytes;
      const at = bytes.length > length ? 'near' : 'here';
      return { bytes: resizeBytes(bytes, length, BLANK), at };
    },
  };
}

function decimalFit(operand: BoundOperand, segment: SegmentSpec): Fit | undefined {
  if (operand.length !== segment.length) return undefined;
  const { length } = operand;
  const most = Buffer.alloc(length, DIGIT_ZERO + 9);
  const leastImage = Buffer.from(most);
  leastImage[length - 1] = (DIGIT_ZERO + 9) | SIGN_BIT;
  return {
    isOrdered: true,
    least: indexBytes(leastImage, segment),
    greatest: indexBytes(most, segment),
    standingOf(value) {
      if (value.kind !== 'number') return undefined;
      const image = zonedImage(value.unscaled, length);
      if (typeof image === 'string') return image;
      return { bytes: indexBytes(image, segment), at: value.exact ? 'here' : 'above' };
    },
  };
}

function imageFit(
  operand: BoundOperand,
  segment: SegmentSpec,
  isOrdered: boolean,
): Fit | undefined {
  if (operand.length !== segment.length) return undefined;
  const length = segment.length + (segment.type === 'decimal' ? 1 : 0);
  return {
    isOrdered,
    least: Buffer.alloc(length, 0),
    greatest: Buffer.alloc(length, 0xff),
    standingOf(value) {
      const image = imageOf(value, operand, segment);
      if (image === undefined || typeof image === 'string') return image;
      // A number that lies between two has the image of the lower one.
      const isBetween = value.kind === 'number' && !value.exact;
      return { bytes: indexBytes(image, segment), at: isBetween ? 'above' : 'here' };
    },
  };
}

/** The bytes all records with this value have in the operand, when there is only one such image. */
export function imageOf(
  value: BoundValue,
  operand: BoundOperand,
  segment: SegmentSpec,
): Buffer | 'below all' | 'above all' | undefined {
  switch (value.kind) {
    case 'text':
      return value.bytes.length > operand.length
        ? undefined
        : resizeBytes(value.bytes, operand.length, BLANK);
    case 'bytes':
      return value.bytes;
    case 'number':
      return operand.type === 'decimal' ? undefined : integerImage(value.unscaled, operand);
    case 'digits':
      return digitsImage(value.digits, operand, segment);
    default:
      return undefined;
  }
}

/**
 * No date is blanks or zeros, which are one number; no time is blanks. As a number that is midnight
 * too: then neither says anything.
 */
function digitsImage(
  digits: string,
  { type, length }: BoundOperand,
  segment: SegmentSpec,
): Buffer | undefined {
  const isNumber = segment.type === 'decimal';
  if (type === 'time' && isNumber && /^0*$/.test(digits)) return undefined;
  if (digits.length === length) return Buffer.from(digits, 'latin1');
  const hasOneImage = type === 'time' || isNumber;
  return digits === '' && hasOneImage ? Buffer.alloc(length, BLANK) : undefined;
}

/** Zoned digits of a number; which way it is out when it does not fit. */
export function zonedImage(unscaled: bigint, length: number): Buffer | 'below all' | 'above all' {
  const isNegative = unscaled < 0n;
  const digits = (isNegative ? -unscaled : unscaled).toString();
  if (digits.length > length) return isNegative ? 'below all' : 'above all';
  const image = Buffer.from(digits.padStart(length, '0'), 'latin1');
  if (isNegative) image[length - 1] = (image[length - 1] ?? 0) | SIGN_BIT;
  return image;
}

/** Little-endian bytes of an integer; which way it is out when it does not fit. */
export function integerImage(
  unscaled: bigint,
  { type, length }: Pick<BoundOperand, 'type' | 'length'>,
): Buffer | 'below all' | 'above all' {
  const bits = BigInt(length * 8);
  const isSigned = type === 'integer';
  const most = (1n << (isSigned ? bits - 1n : bits)) - 1n;
  if (unscaled > most) return 'above all';
  if (unscaled < (isSigned ? -most - 1n : 0n)) return 'below all';
  const image = Buffer.alloc(length);
  let rest = BigInt.asUintN(length * 8, unscaled);
  for (let at = 0; at < length; at++) {
    image[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return image;
}

/** Index bytes of a whole segment in ascending order, as collate.ts makes them of a record. */
export function indexBytes(image: Buffer, { type, length }: SegmentSpec): Buffer {
  const target = Buffer.alloc(length + (type === 'decimal' ? 1 : 0));
  transcriberOf(type)(image, 0, length, target, 0, false);
  return target;
}

const folded = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => foldByte(byte)));

function withoutBlanks(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === BLANK) end--;
  return bytes.subarray(0, end);
}
