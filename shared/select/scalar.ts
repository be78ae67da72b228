// Values of conditions in their one form. Builder and parser call it, so that both make the same tree of
// the same question. It knows no field: whether a field takes the value is for bind-value.ts to say.
//
//   whole number, exact     number        2**53 and beyond: bigint, also when a bigint came
//   number with a fraction  text, '0.5'   its shortest decimal digits, no exponent
//   text, boolean           as they are
//   bytes                   a copy, so that the caller may go on using his own

import { queryValueBytesMax } from '../base/limits.js';
import type { Scalar } from './expression.js';
import { selectError } from './select-error.js';

const SCALARS = 'text, a finite number, a bigint, true, false or bytes';

/** The value in its one form. ERR_INVOPER naming `subject` for anything that is no scalar. */
export function scalarOf(value: unknown, subject: string): Scalar {
  switch (typeof value) {
    case 'string':
      return checkLength(value, value.length, subject);
    case 'boolean':
      return value;
    case 'bigint':
      return wholeNumber(value);
    case 'number':
      if (!Number.isFinite(value)) break;
      return Number.isInteger(value) ? wholeNumber(BigInt(value)) : plainDigits(value);
    default:
      if (!(value instanceof Uint8Array)) break;
      checkLength(value, value.length, subject);
      return Uint8Array.from(value);
  }
  throw selectError(`${subject} takes ${SCALARS}, not ${nameOfKind(value)}`);
}

/** Text of a `like`, `contains` or `starts`. */
export function textOf(value: unknown, subject: string): string {
  if (typeof value === 'string') return checkLength(value, value.length, subject);
  throw selectError(`${subject} takes text, not ${nameOfKind(value)}`);
}

/** A whole number of any size: a number while that is exact. */
export const wholeNumber = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

/** The shortest decimal digits that say the same number, without exponent. */
export function plainDigits(value: number): string {
  const [mantissa = '', exponent] = String(value).split('e');
  if (exponent === undefined) return mantissa;
  const negative = mantissa.startsWith('-');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  const sign = negative ? '-' : '';
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits}${'0'.repeat(point - digits.length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** What a value is, for messages: never the value itself. */
export function nameOfKind(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Uint8Array) return 'bytes';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? 'text' : `a ${typeof value}`;
}

function checkLength<V>(value: V, length: number, subject: string): V {
  if (length <= queryValueBytesMax) return value;
  throw selectError(
    `${subject} takes values of at most ${queryValueBytesMax} bytes, this one has ${length}`,
  );
}
