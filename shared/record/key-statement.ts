// What XDL and ISAMC strings say of one key, and the KeySpec it makes. Both texts state the same facts in
// different spellings, so the rules that facts must keep among themselves live here once. It does not know
// where a word stood: the caller passes `fail`, which adds that.

import { keyBytesMax, segmentsPerKeyMax } from '../base/limits.js';
import {
  isAutokeyType,
  type KeySpec,
  keyLength,
  type NullKeySpec,
  type SegmentOrder,
  type SegmentSpec,
  type SegmentType,
} from './file-spec.js';

/** The facts of a key as stated; absent is "not said". Positions are 1-based as users write them. */
export interface KeyStatement {
  readonly starts?: readonly number[];
  readonly lengths?: readonly number[];
  readonly types?: readonly SegmentType[];
  readonly orders?: readonly SegmentOrder[];
  readonly name?: string;
  readonly duplicates?: boolean;
  readonly duplicateOrder?: 'fifo' | 'lifo';
  readonly modifiable?: boolean;
  readonly nullKind?: NullKeySpec['kind'] | 'none';
  readonly nullValue?: string;
  readonly density?: number;
  readonly seed?: number;
}

/** Reports a broken rule at the place of `fact` (or of the whole key). Never returns. */
export type FailKey = (fact: keyof KeyStatement | undefined, why: string) => never;

/** XDL writes these words, ISAMC their first letters: each is its own unambiguous abbreviation. */
export const SEGMENT_TYPE_WORDS: { readonly [word: string]: SegmentType } = {
  ALPHA: 'alpha',
  NOCASE: 'nocase',
  DECIMAL: 'decimal',
  INTEGER: 'integer',
  UNSIGNED: 'unsigned',
  SEQUENCE: 'sequence',
  TIMESTAMP: 'timestamp',
  CTIMESTAMP: 'ctimestamp',
};

export const SEGMENT_ORDER_WORDS: { readonly [word: string]: SegmentOrder } = {
  ASCENDING: 'ascending',
  DESCENDING: 'descending',
};

export const NULL_KEY_WORDS: { readonly [word: string]: NullKeySpec['kind'] | 'none' } = {
  REPLICATE: 'replicate',
  NOREPLICATE: 'noreplicate',
  SHORT: 'short',
  NONE: 'none',
};

export const DENSITY_MIN = 50;
export const DENSITY_MAX = 100;
export const PAGE_SIZES: readonly number[] = [512, 1024, 2048, 4096, 8192, 16384, 32768];

/**
 * Makes key `number` of a file whose longest record has `recordSize` bytes.
 * Duplicates go first unless said otherwise, as in the field (FRONT, NOATEND).
 */
export function makeKey(
  statement: KeyStatement,
  number: number,
  recordSize: number,
  fail: FailKey,
): KeySpec {
  const segments = makeSegments(statement, recordSize, fail);
  const nullKey = makeNullKey(statement, fail);
  checkDensity(statement, fail);
  checkSeed(statement, segments, fail);
  const key: KeySpec = {
    name: statement.name ?? `KEY${number}`,
    segments,
    dups: statement.duplicates === true ? (statement.duplicateOrder ?? 'lifo') : 'none',
    modifiable: statement.modifiable ?? false,
    ...(nullKey === undefined ? {} : { nullKey }),
    ...(statement.density === undefined ? {} : { density: statement.density }),
  };
  const bytes = keyLength(key);
  if (bytes > keyBytesMax) fail('lengths', `a key has at most ${keyBytesMax} bytes, not ${bytes}`);
  return key;
}

function makeSegments(
  statement: KeyStatement,
  recordSize: number,
  fail: FailKey,
): readonly SegmentSpec[] {
  const { starts, lengths } = statement;
  if (starts === undefined) return fail(undefined, 'START is missing');
  if (lengths === undefined) return fail(undefined, 'LENGTH is missing');
  if (starts.length > segmentsPerKeyMax) {
    fail('starts', `a key has at most ${segmentsPerKeyMax} segments, not ${starts.length}`);
  }
  if (starts.length !== lengths.length) {
    fail('lengths', `LENGTH names ${lengths.length} segments but START ${starts.length}`);
  }
  const types = perSegment(statement, 'types', 'TYPE', starts.length, 'alpha', fail);
  const orders = perSegment(statement, 'orders', 'ORDER', starts.length, 'ascending', fail);
  return starts.map((start, index) => {
    const segment: SegmentSpec = {
      offset: start - 1,
      length: lengths[index] ?? 0,
      type: types[index] ?? 'alpha',
      order: orders[index] ?? 'ascending',
    };
    checkSegment(segment, index, recordSize, fail);
    return segment;
  });
}

/** A list stated once for all segments, or one value for each. */
function perSegment<F extends 'types' | 'orders'>(
  statement: KeyStatement,
  fact: F,
  word: string,
  segments: number,
  otherwise: NonNullable<KeyStatement[F]>[number],
  fail: FailKey,
): readonly NonNullable<KeyStatement[F]>[number][] {
  const stated: readonly NonNullable<KeyStatement[F]>[number][] = statement[fact] ?? [otherwise];
  const [only] = stated;
  if (stated.length === 1 && only !== undefined)
    return Array.from({ length: segments }, () => only);
  if (stated.length !== segments) {
    fail(fact, `${word} names ${stated.length} segments but START ${segments}`);
  }
  return stated;
}

function checkSegment(
  segment: SegmentSpec,
  index: number,
  recordSize: number,
  fail: FailKey,
): void {
  const { offset, length, type } = segment;
  if (offset < 0) fail('starts', `START counts from 1, segment ${index + 1} says ${offset + 1}`);
  if (length < 1) fail('lengths', `segment ${index + 1} has no bytes`);
  if (offset + length > recordSize) {
    const end = offset + length;
    fail('starts', `segment ${index + 1} ends at ${end}, past the record of ${recordSize} bytes`);
  }
  const isInteger = type === 'integer' || type === 'unsigned';
  if (isInteger && length > 8) fail('lengths', `${type} segments have 1-8 bytes, not ${length}`);
  if (isAutokeyType(type) && length !== 8) {
    fail('lengths', `${type} segments have 8 bytes, not ${length}`);
  }
}

function makeNullKey(statement: KeyStatement, fail: FailKey): NullKeySpec | undefined {
  const { nullKind, nullValue } = statement;
  if (nullKind === undefined || nullKind === 'none') {
    if (nullValue !== undefined) fail('nullValue', 'VALUE_NULL without a NULL key');
    return undefined;
  }
  if (nullKind === 'short' && nullValue !== undefined) {
    fail('nullValue', 'VALUE_NULL contradicts NULL SHORT, which looks at the length only');
  }
  return nullValue === undefined ? { kind: nullKind } : { kind: nullKind, value: nullValue };
}

function checkDensity({ density }: KeyStatement, fail: FailKey): void {
  if (density === undefined || (density >= DENSITY_MIN && density <= DENSITY_MAX)) return;
  fail('density', `DENSITY is ${DENSITY_MIN}-${DENSITY_MAX}, not ${density}`);
}

function checkSeed({ seed }: KeyStatement, segments: readonly SegmentSpec[], fail: FailKey): void {
  if (seed === undefined || segments.some((segment) => segment.type === 'sequence')) return;
  fail('seed', 'SEED needs a segment of type SEQUENCE');
}
