// The order of stored dates and times as numbers, read from their bytes without making text. Called by
// bind-value.ts for values and by the predicates, sort keys and groups of server/select for records.
//
//   rank of a date   0 for none (blanks, zeros), else its digits as a number
//   rank of a time   0 for none (blanks), else its digits as a number, plus 1: midnight is a time
//   NaN              bytes that are neither: no digits, a month 13, a 31st of April
//
// A year of two digits is of this century, as in date-format.ts: 99 is 2099 and comes after 00. So the
// order of ranks is the order of the digits, which is that of keys over them.

import type { BoundOperand } from './bound.js';

/** What ranks need to know of a date or time. */
export type RankedOperand = Pick<BoundOperand, 'length' | 'format'>;

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
const DAYS_OF_MONTH = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const FEBRUARY = 2;

/** The rank of a date that begins at `start` and lies wholly inside `bytes`. */
export function dateRank(bytes: Uint8Array, start: number, operand: RankedOperand): number {
  let value = 0;
  let holdsBlank = false;
  for (let at = start; at < start + operand.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === BLANK) holdsBlank = true;
    const digit = byte === BLANK ? 0 : byte - DIGIT_ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  if (value === 0) return 0;
  return !holdsBlank && isCalendarDate(value, operand.format) ? value : Number.NaN;
}

/** The rank of a time that begins at `start` and lies wholly inside `bytes`. */
export function timeRank(bytes: Uint8Array, start: number, operand: RankedOperand): number {
  let value = 0;
  let blanks = 0;
  for (let at = start; at < start + operand.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === BLANK) blanks++;
    else if (byte < DIGIT_ZERO || byte > DIGIT_ZERO + 9) return Number.NaN;
    value = value * 10 + byte - DIGIT_ZERO;
  }
  if (blanks > 0) return blanks === operand.length ? 0 : Number.NaN;
  return isClockTime(value, operand.format) ? value + 1 : Number.NaN;
}

/** Are the bytes of a date neither a date nor none? */
export const isDateRankInvalid = (rank: number): boolean => Number.isNaN(rank);

/** `value` is not zero. Without a format any digits are a date. */
function isCalendarDate(value: number, format: string | undefined): boolean {
  switch (format) {
    case 'YYYYMMDD':
    case 'YYMMDD':
      return isDayOfMonth(Math.floor(value / 10_000), Math.floor(value / 100) % 100, value % 100);
    case 'YYYYJJJ':
    case 'YYJJJ':
      return value % 1000 >= 1 && value % 1000 <= 366;
    default:
      return true;
  }
}

function isDayOfMonth(year: number, month: number, day: number): boolean {
  if (day < 1 || day > (DAYS_OF_MONTH[month] ?? 0)) return false;
  return month !== FEBRUARY || day < 29 || isLeapYear(year < 100 ? 2000 + year : year);
}

const isLeapYear = (year: number): boolean =>
  (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

function isClockTime(value: number, format: string | undefined): boolean {
  if (format === 'HHMM') return value < 2400 && value % 100 < 60;
  if (format === 'HHMMSS') {
    return value < 240_000 && Math.floor(value / 100) % 100 < 60 && value % 100 < 60;
  }
  return true;
}
