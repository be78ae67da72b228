// How one element of a field becomes a value and back, by field type. Called by field-codec.ts for
// records and key-codec.ts for keys; knows one field and nothing of records around it.
//
//   type                    value             also accepted when writing
//   alpha                   string, trimmed   –
//   decimal, <= 15 digits   number            bigint, decimal text
//   decimal, longer         string            bigint, safe integer
//   decimal with precision  string, exact     bigint, safe integer
//   integer, unsigned <= 6  number            bigint, digits as text
//   integer, unsigned 7, 8  bigint            safe integer, digits as text
//   date, time              string of digits  '2017-01-02', '12:30:00'
//   boolean                 boolean           0, 1, and 'true', 'false', '0', '1'
//   binary                  Buffer            Uint8Array, shorter ones are filled with zeros

import { dateDigits, isDateFormat, isTimeFormat, timeDigits } from './date-format.js';
import {
  type Decimal,
  decimalToZoned,
  hasDigitsOnly,
  parseDecimal,
  type RecordText,
  textOf,
  zonedToNumber,
  zonedToText,
} from './decimal.js';
import { fieldError } from './field-error.js';
import type { FieldSpec } from './file-spec.js';

/** Decimals up to so many digits are JS numbers: all of them are safe integers. */
export const NUMBER_DIGITS_MAX = 15;
/** Integers up to so many bytes are JS numbers. */
export const NUMBER_BYTES_MAX = 6;

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;

/** One element of a field. Both directions throw ERR_BADDATA naming the field. */
export interface ScalarCodec {
  /** The value of bytes that hold nothing: '', 0, 0n, '0.00', false. */
  readonly empty: unknown;
  /** What a field that was given no value is filled with. */
  readonly fillByte: number;
  /**
   * The value at `at`; the element lies wholly inside `record`. `text`: the record as latin1, for who reads
   * many fields of it; to cut text out of it costs less than to make it from bytes each time.
   */
  read(record: Buffer, at: number, text?: RecordText): unknown;
  /** Writes all bytes of the element; nothing is cut off silently. */
  write(value: unknown, target: Buffer, at: number): void;
}

/** The codec of a field's elements. The field must have passed validateSpec. */
export function compileScalar(field: FieldSpec): ScalarCodec {
  switch (field.type) {
    case 'alpha':
      return textCodec(field);
    case 'decimal':
      return decimalCodec(field);
    case 'integer':
    case 'unsigned':
      return field.length <= NUMBER_BYTES_MAX ? numberCodec(field) : bigintCodec(field);
    case 'date':
    case 'time':
      return digitsCodec(field);
    case 'boolean':
      return booleanCodec(field);
    case 'binary':
      return binaryCodec(field);
  }
}

function textCodec({ name, length }: FieldSpec): ScalarCodec {
  return {
    empty: '',
    fillByte: BLANK,
    read: (record, at, text) => textBetween(record, at, trimmedEnd(record, at, at + length), text),
    write(value, target, at) {
      if (typeof value !== 'string') throw fieldError(name, 'takes text');
      const text = value.length > length ? value.replace(/ +$/, '') : value;
      if (text.length > length) {
        throw fieldError(name, `holds ${length} characters, the value has ${text.length}`);
      }
      if (!isLatin1(text)) throw fieldError(name, 'takes only characters of latin1 (ISO 8859-1)');
      target.fill(BLANK, at + text.length, at + length);
      target.write(text, at, 'latin1');
    },
  };
}

const textBetween = (
  record: Buffer,
  start: number,
  end: number,
  text: RecordText | undefined,
): string =>
  text === undefined ? record.toString('latin1', start, end) : textOf(text, start, end);

/** Where text ends when trailing blanks are left away; `start` when there is nothing else. */
export function trimmedEnd(bytes: Uint8Array, start: number, end: number): number {
  let last = end;
  while (last > start && bytes[last - 1] === BLANK) last--;
  return last;
}

export function isLatin1(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0xff) return false;
  }
  return true;
}

function decimalCodec({ name, length, precision = 0 }: FieldSpec): ScalarCodec {
  const isNumber = precision === 0 && length <= NUMBER_DIGITS_MAX;
  const badBytes = () => fieldError(name, 'holds bytes that are no decimal number');
  return {
    empty: isNumber ? 0 : precision === 0 ? '0' : `0.${'0'.repeat(precision)}`,
    fillByte: DIGIT_ZERO,
    read(record, at, recordText) {
      if (isNumber) {
        const value = zonedToNumber(record, at, length);
        if (Number.isNaN(value)) throw badBytes();
        return value;
      }
      const text = zonedToText(record, at, length, precision, recordText);
      if (text === undefined) throw badBytes();
      return text;
    },
    write(value, target, at) {
      const wrong = decimalToZoned(decimalOf(name, value), target, at, length, precision);
      if (wrong !== undefined) throw fieldError(name, wrong);
    },
  };
}

function decimalOf(name: string, value: unknown): Decimal {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw fieldError(
      name,
      'takes numbers only when they are exact: give decimals as text, "12.50"',
    );
  }
  const isText =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';
  const decimal = isText ? parseDecimal(String(value)) : undefined;
  if (decimal === undefined) throw fieldError(name, 'takes a decimal number');
  return decimal;
}

function numberCodec(field: FieldSpec): ScalarCodec {
  const { length } = field;
  const signed = field.type === 'integer';
  return {
    empty: 0,
    fillByte: 0,
    read: (record, at) => (signed ? record.readIntLE(at, length) : record.readUIntLE(at, length)),
    write(value, target, at) {
      const integer = Number(integerOf(field, value));
      if (signed) target.writeIntLE(integer, at, length);
      else target.writeUIntLE(integer, at, length);
    },
  };
}

function bigintCodec(field: FieldSpec): ScalarCodec {
  const { length } = field;
  const signed = field.type === 'integer';
  return {
    empty: 0n,
    fillByte: 0,
    read(record, at) {
      const low = BigInt(record.readUIntLE(at, 4));
      const high = signed
        ? record.readIntLE(at + 4, length - 4)
        : record.readUIntLE(at + 4, length - 4);
      return (BigInt(high) << 32n) | low;
    },
    write(value, target, at) {
      let rest = BigInt.asUintN(length * 8, integerOf(field, value));
      for (let index = 0; index < length; index++) {
        target[at + index] = Number(rest & 0xffn);
        rest >>= 8n;
      }
    },
  };
}

/** The value as an integer that fits the field. */
function integerOf({ name, type, length }: FieldSpec, value: unknown): bigint {
  const isWhole =
    typeof value === 'bigint' ||
    (typeof value === 'number' && Number.isSafeInteger(value)) ||
    (typeof value === 'string' && /^\s*-?\d{1,20}\s*$/.test(value));
  if (!isWhole) throw fieldError(name, 'takes a whole number; past 2**53 as bigint or text');
  const integer = BigInt(value);
  const fitted =
    type === 'integer' ? BigInt.asIntN(length * 8, integer) : BigInt.asUintN(length * 8, integer);
  if (fitted !== integer) {
    throw fieldError(name, `is ${type} of ${length} bytes, the value does not fit`);
  }
  return integer;
}

function digitsCodec(field: FieldSpec): ScalarCodec {
  const { name, length, type } = field;
  return {
    empty: '',
    fillByte: DIGIT_ZERO,
    read(record, at, recordText) {
      const text = textBetween(record, at, at + length, recordText);
      const isPlain = hasDigitsOnly(record, at, length);
      if (isPlain && (type === 'time' || record[at] !== DIGIT_ZERO)) return text;
      if (/^ *$/.test(text) || (type === 'date' && /^[0 ]*$/.test(text))) return '';
      if (!/^\d+$/.test(text)) throw fieldError(name, `holds bytes that are no ${type}`);
      return text;
    },
    write(value, target, at) {
      if (typeof value !== 'string') throw fieldError(name, `takes a ${type} as text`);
      if (value === '') {
        // An empty date is zero. Zero is a time of the day, so that an empty time is blank.
        target.fill(type === 'date' ? DIGIT_ZERO : BLANK, at, at + length);
        return;
      }
      target.write(digitsOf(field, value), at, 'latin1');
    },
  };
}

function digitsOf({ name, type, length, format }: FieldSpec, value: string): string {
  let digits: string | undefined;
  if (format === undefined) digits = /^\d+$/.test(value) ? value : undefined;
  else if (isDateFormat(format)) digits = dateDigits(value, format);
  else if (isTimeFormat(format)) digits = timeDigits(value, format);
  if (digits?.length !== length) {
    const example = type === 'date' ? '"2017-01-31"' : '"23:59:00"';
    throw fieldError(name, `takes a valid ${type}: ${format ?? `${length} digits`} or ${example}`);
  }
  return digits;
}

/** One byte is a digit, as in fields of decimal 1; more are a little-endian integer. */
function booleanCodec({ name, length }: FieldSpec): ScalarCodec {
  const zero = length === 1 ? DIGIT_ZERO : 0;
  return {
    empty: false,
    fillByte: zero,
    read(record, at) {
      for (let index = at; index < at + length; index++) {
        const byte = record[index];
        if (byte !== 0 && byte !== DIGIT_ZERO && byte !== BLANK) return true;
      }
      return false;
    },
    write(value, target, at) {
      const flag = flagOf(value);
      if (flag === undefined) throw fieldError(name, 'takes true or false');
      target.fill(zero, at, at + length);
      target[at] = flag ? zero + 1 : zero;
    },
  };
}

function flagOf(value: unknown): boolean | undefined {
  if (value === true || value === 1 || value === 'true' || value === '1') return true;
  if (value === false || value === 0 || value === 'false' || value === '0') return false;
  return undefined;
}

function binaryCodec({ name, length }: FieldSpec): ScalarCodec {
  return {
    empty: Buffer.alloc(0),
    fillByte: 0,
    read: (record, at) => Buffer.from(record.subarray(at, at + length)),
    write(value, target, at) {
      if (!(value instanceof Uint8Array)) throw fieldError(name, 'takes bytes');
      if (value.length > length) {
        throw fieldError(name, `holds ${length} bytes, the value has ${value.length}`);
      }
      target.fill(0, at + value.length, at + length);
      target.set(value, at);
    },
  };
}
