// Finds the partners of a record in another file: the values of some of its fields, turned into the leading
// part of an index key of the other. Called by the join, for every record on the left side. The types of
// the two fields may differ where one value can be written as the other:
//
//   own                 other                 because
//   alpha               alpha                 blanks at the end say nothing
//   decimal, integer,   decimal, integer,     numbers: 12 finds 12.00; 12.5 finds nothing among integers
//   unsigned            unsigned
//   date, time          the same, same        digits; none (blank, zero) has no partner
//                       format
//   binary              binary, same length   bytes
//
// A record the other's index leaves out (null key) has no partner either: its null value stands for none.
// Keys without a null key are taken before those with one.

import {
  type FileSpec,
  type KeySpec,
  keyLength,
  type SegmentSpec,
} from '../../shared/record/file-spec.js';
import { isNumeric } from '../../shared/select/bind-operand.js';
import { bindName } from '../../shared/select/bind-query.js';
import type { BoundOperand } from '../../shared/select/bound.js';
import { selectError } from '../../shared/select/select-error.js';
import type { IsamFile } from '../isam/isam-file.js';
import { resizeBytes } from './key-range-interval.js';
import { indexBytes, integerImage, zonedImage } from './key-range-segment.js';
import type { KeyRange } from './query-plan.js';
import { compileValue } from './value.js';
import { compileNumber } from './value-number.js';
import { compileUnscaled } from './value-wide.js';

const BLANK = 0x20;

/** How partners in one other file are found. Valid for the two definitions it was made of. */
export interface Lookup {
  /** Key number of the other file. */
  readonly key: number;
  /**
   * Leading index bytes of all partners of the own record `bytes[start, end)`: walk from before to after
   * this prefix. Undefined when it has none: a value is invalid or can be in no record of the other.
   */
  prefixOf(bytes: Buffer, start: number, end: number): Uint8Array | undefined;
  /** The same as a range to walk forwards. */
  rangeOf(bytes: Buffer, start: number, end: number): KeyRange | undefined;
  /**
   * Are the fields of the record `own` and of the other's `bytes[start, end)` equal? To be asked of all that
   * a walk finds: a nocase key leads to too much.
   */
  isPartner(own: Buffer, bytes: Buffer, start: number, end: number): boolean;
}

/** One pair of fields and the segment of the other's key that is its field. */
interface Pair {
  readonly own: BoundOperand;
  readonly other: BoundOperand;
}

/** The value of both fields in the form they are compared in; undefined for none. */
type CommonReader = (bytes: Buffer, start: number, end: number) => Common | undefined;
type Common = { readonly number: bigint } | { readonly text: string };

/**
 * Prepares the lookup; `on` names own field and other field, as a question does (`phone[2]`, `rec(5,3)`).
 * ERR_INVOPER when the other's fields are not the leading segments of one of its keys, in whatever order,
 * naming the keys it has, or when the fields of a pair cannot be equal by type.
 */
export function planLookup(
  own: FileSpec,
  other: Pick<IsamFile, 'spec' | 'name'>,
  on: readonly (readonly [own: string, other: string])[],
): Lookup {
  const pairs = on.map(
    ([mine, theirs]): Pair => ({ own: bindName(mine, own), other: bindName(theirs, other.spec) }),
  );
  for (const pair of pairs) checkTypes(pair);
  const { key, segments, ordered } = chooseKey(pairs, other);
  const readers = ordered.map((pair) => ({ pair, ...commonReaders(pair) }));
  const prefixOf: Lookup['prefixOf'] = (bytes, start, end) => {
    const parts: Uint8Array[] = [];
    for (const [index, { pair, own: read }] of readers.entries()) {
      const segment = segments[index];
      const value = read(bytes, start, end);
      if (segment === undefined || value === undefined) return undefined;
      const image = imageIn(pair.other, pair.own, value);
      if (image === undefined) return undefined;
      parts.push(turned(indexBytes(image, segment), segment));
    }
    return Buffer.concat(parts);
  };
  return {
    key,
    prefixOf,
    rangeOf(bytes, start, end) {
      const prefix = prefixOf(bytes, start, end);
      if (prefix === undefined) return undefined;
      return { from: { prefix, side: 'before' }, until: { prefix, side: 'after' } };
    },
    isPartner: (mine, bytes, start, end) =>
      readers.every((reader) => {
        const left = reader.own(mine, 0, mine.length);
        const right = reader.other(bytes, start, end);
        return left !== undefined && right !== undefined && isEqual(left, right);
      }),
  };
}

const isEqual = (left: Common, right: Common): boolean =>
  'number' in left
    ? 'number' in right && left.number === right.number
    : 'text' in right && left.text === right.text;

const turned = (bytes: Buffer, { order }: SegmentSpec): Buffer =>
  order === 'ascending' ? bytes : Buffer.from(bytes.map((byte) => ~byte));

/** ERR_INVOPER naming both fields. */
function checkTypes({ own, other }: Pair): void {
  const isAlike =
    isNumeric(own) && isNumeric(other)
      ? true
      : own.type === other.type &&
        own.type !== 'boolean' &&
        own.format === other.format &&
        (own.type === 'alpha' || own.length === other.length);
  if (isAlike) return;
  const kindOf = ({ text, type, length, format }: BoundOperand): string =>
    `${text} (${type} of ${length} bytes${format === undefined ? '' : `, ${format}`})`;
  throw selectError(
    `a join compares fields of one kind, not ${kindOf(own)} with ${kindOf(other)}; name others in on`,
  );
}

interface ChosenKey {
  readonly key: number;
  readonly segments: readonly SegmentSpec[];
  /** In the order of the segments. */
  readonly ordered: readonly Pair[];
}

/** Unique keys first, then those without a null key, then the shortest. */
function chooseKey(pairs: readonly Pair[], other: Pick<IsamFile, 'spec' | 'name'>): ChosenKey {
  const found = other.spec.keys.flatMap((spec, key) => {
    const ordered = leadingPairs(pairs, spec);
    return ordered === undefined
      ? []
      : [{ key, spec, segments: spec.segments.slice(0, ordered.length), ordered }];
  });
  const rank = ({ spec, ordered }: { spec: KeySpec; ordered: readonly Pair[] }): number =>
    (spec.nullKey === undefined ? 0 : 100_000) +
    (spec.dups === 'none' && ordered.length === spec.segments.length ? 0 : 10_000) +
    keyLength(spec);
  const [best] = found.sort((a, b) => rank(a) - rank(b));
  if (best === undefined) throw noKey(pairs, other);
  return best;
}

/** The pairs in the order of the key's leading segments; undefined when they are not these. */
function leadingPairs(pairs: readonly Pair[], key: KeySpec): readonly Pair[] | undefined {
  const leading = key.segments.slice(0, pairs.length);
  const ordered = leading.flatMap((segment) => {
    const pair = pairs.find(({ other }) => canLookUp(other, segment));
    return pair === undefined ? [] : [pair];
  });
  const isAll = pairs.length > 0 && new Set(ordered).size === pairs.length;
  return isAll ? ordered : undefined;
}

/** Have equal values of the field equal bytes in this segment? As in key-range-segment.ts. */
function canLookUp(operand: BoundOperand, segment: SegmentSpec): boolean {
  if (operand.offset !== segment.offset || operand.length !== segment.length) return false;
  return operand.type !== 'decimal' || segment.type === 'decimal';
}

function noKey(pairs: readonly Pair[], { spec, name }: Pick<IsamFile, 'spec' | 'name'>): Error {
  const wanted = pairs.map(({ other }) => other.text).join(', ');
  const keys = spec.keys
    .map((key) => `${key.name} (${key.segments.map((each) => nameOf(spec, each)).join(', ')})`)
    .join(', ');
  return selectError(
    `a join needs a key of ${name} that begins with ${wanted === '' ? 'the fields of on' : wanted}; it has ${keys}`,
  );
}

const nameOf = ({ fields }: FileSpec, { offset, length }: SegmentSpec): string =>
  fields.find((field) => field.offset === offset && field.length === length)?.name ??
  `rec(${offset + 1},${length})`;

/** Readers of both sides; numbers with the places of the one that has more. */
function commonReaders({ own, other }: Pair): { own: CommonReader; other: CommonReader } {
  if (!isNumeric(own)) return { own: textReader(own), other: textReader(other) };
  const places = Math.max(own.precision, other.precision);
  return { own: numberReader(own, places), other: numberReader(other, places) };
}

function numberReader(operand: BoundOperand, places: number): CommonReader {
  const factor = 10n ** BigInt(places - operand.precision);
  const read = unscaledReader(operand);
  return (bytes, start, end) => {
    const unscaled = read(bytes, start, end);
    return unscaled === undefined ? undefined : { number: unscaled * factor };
  };
}

function unscaledReader(
  operand: BoundOperand,
): (bytes: Buffer, start: number, end: number) => bigint | undefined {
  const read = compileNumber(operand);
  if (read === undefined) return compileUnscaled(operand);
  return (bytes, start, end) => {
    const value = read(bytes, start, end);
    return Number.isNaN(value) ? undefined : BigInt(value);
  };
}

/** Text without blanks at its end, digits of a date, or bytes; all as latin1. */
function textReader(operand: BoundOperand): CommonReader {
  const read = compileValue(operand);
  const isText = operand.type === 'alpha';
  return (bytes, start, end) => {
    const value = read(bytes, start, end);
    if (value instanceof Uint8Array) {
      const whole = resizeBytes(Buffer.from(value), operand.length, 0);
      return { text: whole.toString('latin1') };
    }
    if (typeof value !== 'string' || (value === '' && !isText)) return undefined;
    return { text: value };
  };
}

/** The value as bytes of the other's field; undefined when it holds no such value. */
function imageIn(other: BoundOperand, own: BoundOperand, value: Common): Buffer | undefined {
  if ('text' in value) {
    const bytes = Buffer.from(value.text, 'latin1');
    return bytes.length > other.length ? undefined : resizeBytes(bytes, other.length, BLANK);
  }
  const surplus = Math.max(own.precision, other.precision) - other.precision;
  const divisor = 10n ** BigInt(surplus);
  if (value.number % divisor !== 0n) return undefined;
  const unscaled = value.number / divisor;
  const image =
    other.type === 'decimal' ? zonedImage(unscaled, other.length) : integerImage(unscaled, other);
  return typeof image === 'string' ? undefined : image;
}
