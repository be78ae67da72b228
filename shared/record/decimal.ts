// Exact decimals: zoned digits as they stand in records, and decimal text as programs and text
// files write it. Numbers with a point are never a float on the way, because a float changes cents.
// Called by the field codecs, by load and unload for their totals, and by selects; knows no field
// and no file.
//
//   zoned   | digit … digit | last digit |   ASCII '0'-'9'; a blank counts as 0; negative:
//                                            bit 0x40 of the last digit set, 'p'-'y' for '0'-'9'
//   text    '-0.07': optional sign, digits, at most one point; no exponent, no grouping

/** A decimal number as sign and digits: -0.07 is negative, digits '007', scale 2. */
export interface Decimal {
  readonly negative: boolean;
  /** Digits before and behind the point, at least one. */
  readonly digits: string;
  /** How many of the digits are behind the point. */
  readonly scale: number;
}

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
const SIGN_BIT = 0x40;
const DECIMAL_TEXT = /^([+-]?)(\d*)(?:\.(\d*))?$/;

/** The number in zoned digits, at most 15 of them so that it is exact; NaN when they hold none. */
export function zonedToNumber(bytes: Uint8Array, start: number, length: number): number {
  const last = start + length - 1;
  let value = 0;
  let at = start;
  // Mostly nothing but digits; what else can stand there is looked at behind them.
  for (; at <= last; at++) {
    const digit = (bytes[at] ?? 0) - DIGIT_ZERO;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at > last) return value;
  for (; at < last; at++) value = value * 10 + zonedDigit(bytes[at]);
  const negative = isNegativeDigit(bytes[last]);
  value = value * 10 + zonedDigit(negative ? (bytes[last] ?? 0) ^ SIGN_BIT : bytes[last]);
  return negative && value !== 0 ? -value : value;
}

/** A record as latin1, and where in the bytes it is part of it begins. */
export interface RecordText {
  text: string;
  start: number;
}

/** `bytes[start, end)` of a record, cut out of its text. */
export const textOf = ({ text, start: base }: RecordText, start: number, end: number): string =>
  text.substring(start - base, end - base);

/**
 * Zoned digits as decimal text with `precision` places, '-0.07'; undefined when they hold none. `record`: the record
 * they are in as text, when the caller has it: what is plain digits is cut out of it.
 */
export function zonedToText(
  bytes: Uint8Array,
  start: number,
  length: number,
  precision: number,
  record?: RecordText,
): string | undefined {
  const last = start + length - 1;
  const point = start + length - precision;
  if (record !== undefined && point > start && hasDigitsOnly(bytes, start, length)) {
    let first = start;
    while (first < point - 1 && bytes[first] === DIGIT_ZERO) first++;
    const whole = textOf(record, first, point);
    return precision === 0 ? whole : `${whole}.${textOf(record, point, last + 1)}`;
  }
  const negative = isNegativeDigit(bytes[last]);
  let digits = '';
  for (let at = start; at <= last; at++) {
    const byte = bytes[at] ?? 0;
    const digit = zonedDigit(negative && at === last ? byte ^ SIGN_BIT : byte);
    if (Number.isNaN(digit)) return undefined;
    digits += digit;
  }
  return formatDecimal({ negative, digits, scale: precision });
}

/**
 * Writes a decimal as `length` zoned digits of which `precision` are behind the point. Returns what
 * is wrong, to be said of a field, when it does not fit; then nothing was written.
 */
export function decimalToZoned(
  value: Decimal,
  target: Uint8Array,
  start: number,
  length: number,
  precision: number,
): string | undefined {
  const scaled = rescale(value, precision);
  if (scaled === undefined) return `has more than ${precision} decimal places`;
  const digits = scaled.replace(/^0+(?=\d)/, '').padStart(length, '0');
  if (digits.length > length) {
    return `needs ${digits.length} digits where ${length} fit, ${precision} of them decimal places`;
  }
  for (let index = 0; index < length; index++) target[start + index] = digits.charCodeAt(index);
  const last = start + length - 1;
  if (value.negative && !isZero(digits)) target[last] = (target[last] ?? 0) | SIGN_BIT;
  return undefined;
}

/** Reads decimal text; blanks around it are allowed. Undefined when it is none. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = DECIMAL_TEXT.exec(text.trim());
  const [, sign, whole = '', fraction = ''] = match ?? [];
  const digits = whole + fraction;
  if (digits === '') return undefined;
  return { negative: sign === '-', digits, scale: fraction.length };
}

/** The canonical text of a decimal: no leading zeros but one, all its places, no '-0'. */
export function formatDecimal({ negative, digits, scale }: Decimal): string {
  const padded = digits.padStart(scale + 1, '0');
  const point = padded.length - scale;
  const whole = padded.slice(0, point).replace(/^0+(?=\d)/, '');
  const text = scale === 0 ? whole : `${whole}.${padded.slice(point)}`;
  return negative && !isZero(digits) ? `-${text}` : text;
}

/**
 * Decimal text in canonical form with exactly `precision` places; undefined when it is none or has
 * more.
 */
export function normaliseDecimal(text: string, precision: number): string | undefined {
  const value = parseDecimal(text);
  const digits = value === undefined ? undefined : rescale(value, precision);
  if (value === undefined || digits === undefined) return undefined;
  return formatDecimal({ negative: value.negative, digits, scale: precision });
}

/**
 * The exact sum of two decimal texts, with the places of the one that has more: totals of columns.
 * TypeError when either is no decimal.
 */
export function addExact(left: string, right: string): string {
  const a = expectDecimal(left);
  const b = expectDecimal(right);
  const scale = Math.max(a.scale, b.scale);
  const sum = unscaled(a, scale) + unscaled(b, scale);
  const negative = sum < 0n;
  return formatDecimal({ negative, digits: (negative ? -sum : sum).toString(), scale });
}

/** True when all of `bytes[start, start + length)` are '0' to '9'. */
export function hasDigitsOnly(bytes: Uint8Array, start: number, length: number): boolean {
  for (let at = start; at < start + length; at++) {
    const digit = (bytes[at] ?? 0) - DIGIT_ZERO;
    if (digit < 0 || digit > 9) return false;
  }
  return true;
}

const isNegativeDigit = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x70 && byte <= 0x79;

/** NaN for bytes that are no digit: it makes every sum it enters NaN. */
function zonedDigit(byte: number | undefined): number {
  if (byte === BLANK) return 0;
  const digit = (byte ?? 0) - DIGIT_ZERO;
  return digit >= 0 && digit <= 9 ? digit : Number.NaN;
}

const isZero = (digits: string): boolean => /^0*$/.test(digits);

/** The digits with `scale` places; undefined when that would drop a digit that is not zero. */
function rescale(value: Decimal, scale: number): string | undefined {
  const surplus = value.scale - scale;
  if (surplus <= 0) return value.digits + '0'.repeat(-surplus);
  const cut = value.digits.length - surplus;
  if (!isZero(value.digits.slice(cut))) return undefined;
  return value.digits.slice(0, cut) || '0';
}

function unscaled(value: Decimal, scale: number): bigint {
  const magnitude = BigInt(value.digits + '0'.repeat(scale - value.scale));
  return value.negative ? -magnitude : magnitude;
}

function expectDecimal(text: string): Decimal {
  const value = parseDecimal(text);
  if (value === undefined) throw new TypeError('addExact takes decimal text only');
  return value;
}
