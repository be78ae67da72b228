// Values of a question in the form their operand compares in. Called by bind.ts. Here it is decided which
// kinds of values a field takes; README.md says the same in words.

import { unreachable } from '../base/error.js';
import { dateDigits, isDateFormat, isTimeFormat, timeDigits } from '../record/date-format.js';
import { type Decimal, parseDecimal } from '../record/decimal.js';
import { isLatin1 } from '../record/scalar-codec.js';
import type { BoundOperand, BoundValue } from './bound.js';
import { dateRank, timeRank } from './date-rank.js';
import type { Scalar } from './expression.js';
import { foldText } from './fold-text.js';
import { nameOfKind, plainDigits } from './scalar.js';
import { selectError } from './select-error.js';

/** The value for a comparison with the operand. ERR_INVOPER when the field takes no such value. */
export function bindValue(value: Scalar, operand: BoundOperand, nocase: boolean): BoundValue {
  switch (operand.type) {
    case 'alpha':
      return { kind: 'text', bytes: paddingRemoved(bindText(value, operand, nocase)) };
    case 'decimal':
    case 'integer':
    case 'unsigned':
      return bindNumber(value, operand);
    case 'date':
    case 'time':
      return bindDigits(value, operand);
    case 'boolean':
      return { kind: 'flag', value: bindFlag(value, operand) };
    case 'binary':
      return { kind: 'bytes', bytes: bindBytes(value, operand) };
    default:
      return unreachable(operand.type);
  }
}

/** Text for the operand as latin1 bytes, folded when `nocase`; trailing blanks are kept. */
export function bindText(value: Scalar, operand: BoundOperand, nocase: boolean): Buffer {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw wrongKind(operand, 'text', value);
  }
  if (typeof value === 'string' && !isLatin1(value)) {
    throw selectError(`${operand.text} takes only characters of latin1 (ISO 8859-1)`);
  }
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : Buffer.from(value);
  return nocase ? foldText(bytes) : bytes;
}

/** Equal for equal values of one operand. */
export function identityOf(value: BoundValue): string {
  switch (value.kind) {
    case 'text':
    case 'bytes':
      return value.bytes.toString('latin1');
    case 'number':
      return `${value.unscaled}${value.exact ? '' : '+'}`;
    case 'digits':
      return value.digits;
    case 'flag':
      return String(value.value);
    default:
      return unreachable(value);
  }
}

/** The field's values compare blank-padded, so that blanks at the end say nothing. */
function paddingRemoved(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0x20) end--;
  return bytes.subarray(0, end);
}

function bindNumber(value: Scalar, operand: BoundOperand): BoundValue {
  const decimal = decimalOf(value);
  if (decimal === undefined) throw wrongKind(operand, "a number, as in 12 or '12.50'", value);
  const surplus = decimal.scale - operand.precision;
  const magnitude = BigInt(decimal.digits + '0'.repeat(Math.max(0, -surplus)));
  const signed = decimal.negative ? -magnitude : magnitude;
  if (surplus <= 0) return { kind: 'number', unscaled: signed, exact: true };
  const divisor = 10n ** BigInt(surplus);
  const rest = signed % divisor;
  // Division of bigints goes towards zero; a negative number must be rounded down.
  const unscaled = signed / divisor - (rest < 0n ? 1n : 0n);
  return { kind: 'number', unscaled, exact: rest === 0n };
}

function decimalOf(value: Scalar): Decimal | undefined {
  if (typeof value === 'string') return parseDecimal(value);
  if (typeof value === 'bigint') return parseDecimal(value.toString());
  return typeof value === 'number' && Number.isFinite(value)
    ? parseDecimal(plainDigits(value))
    : undefined;
}

function bindDigits(value: Scalar, operand: BoundOperand): BoundValue {
  const { type, format = '', length } = operand;
  if (value === '') return { kind: 'digits', digits: '', rank: 0 };
  let digits: string | undefined;
  if (typeof value === 'string') digits = digitsOf(value, format, length);
  const bytes = Buffer.from(digits ?? '', 'latin1');
  const rank = type === 'date' ? dateRank(bytes, 0, operand) : timeRank(bytes, 0, operand);
  if (digits?.length === length && !Number.isNaN(rank)) {
    return rank === 0 ? { kind: 'digits', digits: '', rank } : { kind: 'digits', digits, rank };
  }
  const example = type === 'date' ? "'2017-01-31'" : "'23:59:00'";
  const what = `a ${type} as text: ${format === '' ? `${length} digits` : format}, ${example} or ''`;
  throw wrongKind(operand, what, value);
}

function digitsOf(value: string, format: string, length: number): string | undefined {
  if (isDateFormat(format)) return /^0+$/.test(value) ? value : dateDigits(value, format);
  if (isTimeFormat(format)) return timeDigits(value, format);
  return /^\d+$/.test(value) && value.length === length ? value : undefined;
}

function bindFlag(value: Scalar, operand: BoundOperand): boolean {
  if (value === true || value === 1 || value === 1n || value === 'true' || value === '1')
    return true;
  if (value === false || value === 0 || value === 0n || value === 'false' || value === '0') {
    return false;
  }
  throw wrongKind(operand, 'true or false', value);
}

function bindBytes(value: Scalar, operand: BoundOperand): Buffer {
  if (!(value instanceof Uint8Array)) {
    throw wrongKind(operand, "bytes: a Uint8Array, in text x'0aff'", value);
  }
  if (value.length > operand.length) {
    throw selectError(
      `${operand.text} holds ${operand.length} bytes, the value has ${value.length}`,
    );
  }
  const bytes = Buffer.alloc(operand.length);
  bytes.set(value);
  return bytes;
}

/** Text of another form is named by what it is not; the value itself stays out of messages. */
function wrongKind(operand: BoundOperand, takes: string, value: Scalar): Error {
  const kind = typeof value === 'string' ? 'this text' : nameOfKind(value);
  return selectError(`${operand.text} is ${operand.type} and takes ${takes}, not ${kind}`);
}
