// The field builders of defineFile(): alpha(25), implied(12, 2), date('YYYYMMDD') … A builder only
// says what a field is and which TypeScript type its values have; lengths are judged by
// validateSpec when the file is defined.

import type { DateFormat, TimeFormat } from './date-format.js';
import type { FieldType, SegmentType } from './file-spec.js';

/** Never set: it carries the type of a field's values. */
declare const VALUE: unique symbol;

/** A field before it has a name and a place. `V` is the type of its values. */
export interface FieldDefinition<V> {
  readonly type: FieldType;
  /** Bytes. */
  readonly length: number;
  readonly precision?: number;
  readonly format?: DateFormat | TimeFormat;
  /** How keys that name the field compare it. */
  readonly segmentType: SegmentType;
  readonly [VALUE]?: V;
}

/** The type of a field's values. */
export type ValueOf<F> = F extends FieldDefinition<infer V> ? V : never;

type NumberBytes = 1 | 2 | 3 | 4 | 5 | 6;
type BigintBytes = 7 | 8;
type NumberDigits = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15;

/** Values of decimal(L): exact in a number up to 15 digits, text beyond. */
export type DecimalValue<L extends number> = number extends L
  ? number | string
  : L extends NumberDigits
    ? number
    : string;
/** Values of integer(L) and unsigned(L): a number up to 6 bytes, a bigint for 7 and 8. */
export type IntegerValue<L extends number> = number extends L
  ? number | bigint
  : L extends NumberBytes
    ? number
    : L extends BigintBytes
      ? bigint
      : never;

/** Text of `length` latin1 characters, blank-padded; trailing blanks are not part of the value. */
export const alpha = (length: number): FieldDefinition<string> => ({
  type: 'alpha',
  length,
  segmentType: 'alpha',
});

/** As alpha, but keys on it compare without regard to case. */
export const nocase = (length: number): FieldDefinition<string> => ({
  type: 'alpha',
  length,
  segmentType: 'nocase',
});

/** A whole number of `length` zoned digits: `number` up to 15 digits, exact text beyond. */
export const decimal = <L extends number>(length: L): FieldDefinition<DecimalValue<L>> => ({
  type: 'decimal',
  length,
  segmentType: 'decimal',
});

/** A decimal of `length` digits, `precision` (1 or more) of them behind the point; exact text. */
export const implied = (length: number, precision: number): FieldDefinition<string> => {
  if (!(precision >= 1)) {
    throw new TypeError(
      'implied() takes at least 1 decimal place; use decimal() for whole numbers',
    );
  }
  return { type: 'decimal', length, precision, segmentType: 'decimal' };
};

/** A signed little-endian integer of 1-8 bytes: `number` up to 6, `bigint` for 7 and 8. */
export const integer = <L extends number>(length: L): FieldDefinition<IntegerValue<L>> => ({
  type: 'integer',
  length,
  segmentType: 'integer',
});

/** An unsigned little-endian integer of 1-8 bytes: `number` up to 6, `bigint` for 7 and 8. */
export const unsigned = <L extends number>(length: L): FieldDefinition<IntegerValue<L>> => ({
  type: 'unsigned',
  length,
  segmentType: 'unsigned',
});

/** A date stored as digits in `format`; values are these digits, '' when there is none. */
export const date = (format: DateFormat = 'YYYYMMDD'): FieldDefinition<string> => ({
  type: 'date',
  length: format.length,
  format,
  segmentType: 'decimal',
});

/** A time stored as digits in `format`; values are these digits, '' when there is none. */
export const time = (format: TimeFormat = 'HHMMSS'): FieldDefinition<string> => ({
  type: 'time',
  length: format.length,
  format,
  segmentType: 'decimal',
});

/** One digit, 0 or 1. */
export const boolean = (): FieldDefinition<boolean> => ({
  type: 'boolean',
  length: 1,
  segmentType: 'decimal',
});

/** `length` bytes as they are; keys compare them as unsigned bytes. */
export const binary = (length: number): FieldDefinition<Buffer> => ({
  type: 'binary',
  length,
  segmentType: 'alpha',
});

const autokey = (segmentType: SegmentType): FieldDefinition<bigint> => ({
  type: 'integer',
  length: 8,
  segmentType,
});

/**
 * A number the file gives each new record, once and never again; what a program gives is ignored.
 */
export const sequence = (): FieldDefinition<bigint> => autokey('sequence');

/** Microseconds since 1970 of the last store or write, filled in by the file. */
export const timestamp = (): FieldDefinition<bigint> => autokey('timestamp');

/** Microseconds since 1970 of the store, filled in by the file. */
export const ctimestamp = (): FieldDefinition<bigint> => autokey('ctimestamp');
