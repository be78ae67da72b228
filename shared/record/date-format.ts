// How dates and times are stored: which digits, and what a program may write for them. Called by
// the field codec and the validation of definitions. Values are digits as stored ('20170102'); a
// full date may also be written '2017-01-02', a time '12:30:00'.
//
// JJJ is the day of the year 001-366, PP an accounting period, whose number no calendar tells.

/** Every storage of a date. Persistent words of definitions. */
export const DATE_FORMATS = ['YYYYMMDD', 'YYMMDD', 'YYYYJJJ', 'YYJJJ', 'YYYYPP', 'YYPP'] as const;
/** Every storage of a time. */
export const TIME_FORMATS = ['HHMM', 'HHMMSS'] as const;

export type DateFormat = (typeof DATE_FORMATS)[number];
export type TimeFormat = (typeof TIME_FORMATS)[number];

export const isDateFormat = (format: string): format is DateFormat =>
  DATE_FORMATS.some((known) => known === format);
export const isTimeFormat = (format: string): format is TimeFormat =>
  TIME_FORMATS.some((known) => known === format);

const FULL_DATE = /^(\d{4})(-?)(\d\d)\2(\d\d)$/;
const CLOCK = /^(\d\d):(\d\d)(?::(\d\d))?$/;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/**
 * The digits to store for a date given as 'YYYY-MM-DD', 'YYYYMMDD' or the digits of `format`
 * itself. Undefined when it is no date of the calendar or does not say what the format asks for.
 */
export function dateDigits(text: string, format: DateFormat): string | undefined {
  if (/^\d+$/.test(text) && text.length === format.length) {
    return isPlausible(text, format) ? text : undefined;
  }
  const [, year, , month, day] = FULL_DATE.exec(text) ?? [];
  if (year === undefined || month === undefined || day === undefined) return undefined;
  if (!isPlausible(year + month + day, 'YYYYMMDD') || format.endsWith('PP')) return undefined;
  const rest = format.endsWith('JJJ') ? dayOfYear(year, month, day) : month + day;
  return (format.startsWith('YYYY') ? year : year.slice(2)) + rest;
}

/**
 * The digits to store for a time given as 'HH:MM', 'HH:MM:SS' or digits; undefined when it is none.
 */
export function timeDigits(text: string, format: TimeFormat): string | undefined {
  const [, hour, minute, second = '00'] = CLOCK.exec(text) ?? [];
  const digits = hour === undefined ? text : `${hour}${minute}${second}`.slice(0, format.length);
  if (!/^\d+$/.test(digits) || digits.length !== format.length) return undefined;
  const parts = digits.match(/\d\d/g) ?? [];
  const maxima = [23, 59, 59];
  return parts.every((part, index) => Number(part) <= (maxima[index] ?? 0)) ? digits : undefined;
}

/** Month, day, day of year in their ranges; periods are free. */
function isPlausible(digits: string, format: DateFormat): boolean {
  const rest = digits.slice(format.lastIndexOf('Y') + 1);
  if (format.endsWith('PP')) return true;
  if (format.endsWith('JJJ')) return Number(rest) >= 1 && Number(rest) <= 366;
  const month = Number(rest.slice(0, 2));
  const day = Number(rest.slice(2));
  const year = Number(digits.slice(0, format.lastIndexOf('Y') + 1));
  return day >= 1 && day <= daysOfMonth(year, month);
}

/** 0 for a month that is none. A two-digit year is of this century: 00 was a leap year. */
function daysOfMonth(year: number, month: number): number {
  if (month < 1 || month > 12) return 0;
  if (month === 2) return isLeapYear(year < 100 ? 2000 + year : year) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

const isLeapYear = (year: number): boolean =>
  (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

function dayOfYear(year: string, month: string, day: string): string {
  const before = DAYS_BEFORE_MONTH[Number(month) - 1] ?? 0;
  const leapDay = Number(month) > 2 && isLeapYear(Number(year)) ? 1 : 0;
  return String(before + leapDay + Number(day)).padStart(3, '0');
}
