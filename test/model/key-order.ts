// How keys compare, said in values: numbers as bigints, text as strings. Written independently of the
// product's index bytes, so that the two check each other. Used by the model of a file only.

import type { Match } from '../../shared/protocol/message.js';
import type { KeySpec, SegmentSpec } from '../../shared/record/file-spec.js';

/** What the model answers instead of a record; `code` is one of the product's error codes. */
export class ModelError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** `junk` is a decimal that holds no number: such values stand before all numbers. */
type SegmentValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'number'; readonly number: bigint }
  | { readonly kind: 'junk'; readonly text: string };

/** A whole key, one value a segment. */
export type KeyValue = readonly SegmentValue[];

/** A value searched for: whole segments, then perhaps the first `cut.length` bytes of one more. */
export interface SearchValue {
  readonly whole: KeyValue;
  readonly cut?: { readonly length: number; readonly value: SegmentValue };
}

const isText = ({ type }: SegmentSpec): boolean => type === 'alpha' || type === 'nocase';

/** The key of a record; undefined when the record is left out of the index. ERR_IRCSIZ. */
export function keyOfRecord(key: KeySpec, record: Buffer): KeyValue | undefined {
  const isShort = key.segments.some(({ offset, length }) => record.length < offset + length);
  if (isShort && key.nullKey?.kind === 'short') return undefined;
  if (isShort) throw new ModelError('ERR_IRCSIZ');
  if (isNull(key, record)) return undefined;
  return key.segments.map((segment) =>
    decode(segment, record.subarray(segment.offset, segment.offset + segment.length)),
  );
}

/** Reads a value given as bytes of the record. ERR_BADKEY, ERR_INVPKEY. */
export function searchValue(key: KeySpec, given: Uint8Array, match: Match): SearchValue {
  const length = key.segments.reduce((sum, segment) => sum + segment.length, 0);
  if (given.length > length) throw new ModelError('ERR_BADKEY');
  const value = Buffer.alloc(length, ' ');
  value.set(given);
  const isWholeKey = match === 'eq' || match === 'gtr';
  const whole: SegmentValue[] = [];
  let at = 0;
  for (const segment of key.segments) {
    const bytes = value.subarray(at, at + segment.length);
    const there = given.length - at;
    at += segment.length;
    if (there >= segment.length) whole.push(decode(segment, bytes));
    else if (isWholeKey && !isText(segment)) throw new ModelError('ERR_INVPKEY');
    else if (isWholeKey) whole.push(decode(segment, bytes));
    else if (there > 0) return { whole, cut: cutSegment(segment, bytes.subarray(0, there)) };
    else break;
  }
  return { whole };
}

export function compareKeys(key: KeySpec, a: KeyValue, b: KeyValue): number {
  return compareParts(key, a, b, key.segments.length);
}

/** Negative when the key stands before all that begin so, 0 when it begins so, positive behind. */
export function compareWithSearch(key: KeySpec, entry: KeyValue, search: SearchValue): number {
  const count = search.whole.length;
  const byWhole = compareParts(key, entry, search.whole, count);
  if (byWhole !== 0 || search.cut === undefined) return byWhole;
  const [segment, value] = [key.segments[count], entry[count]];
  if (segment === undefined || value === undefined) throw new TypeError('cut behind the key');
  const leading = leadingPart(segment, value, search.cut.length);
  return signed(segment, compareValues(leading, search.cut.value));
}

function compareParts(key: KeySpec, a: KeyValue, b: KeyValue, count: number): number {
  for (const [index, segment] of key.segments.slice(0, count).entries()) {
    const [left, right] = [a[index], b[index]];
    if (left === undefined || right === undefined) throw new TypeError('keys of another file');
    const order = signed(segment, compareValues(left, right));
    if (order !== 0) return order;
  }
  return 0;
}

const signed = (segment: SegmentSpec, order: number): number =>
  segment.order === 'descending' ? -order : order;

function compareValues(a: SegmentValue, b: SegmentValue): number {
  if (a.kind === 'number' && b.kind === 'number') {
    return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
  }
  if (a.kind === 'number') return 1;
  if (b.kind === 'number') return -1;
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}

function decode({ type }: SegmentSpec, bytes: Buffer): SegmentValue {
  const text = bytes.toString('latin1');
  switch (type) {
    case 'alpha':
      return { kind: 'text', text };
    case 'nocase':
      return { kind: 'text', text: [...text].map(upper).join('') };
    case 'decimal':
      return decodeDecimal(text);
    default:
      return { kind: 'number', number: decodeInteger(bytes, type !== 'unsigned') };
  }
}

/** Capitals of latin1 only: what has none there stays as it is. */
function upper(letter: string): string {
  const capital = letter.toUpperCase();
  return capital.length === 1 && capital.charCodeAt(0) <= 0xff ? capital : letter;
}

function decodeDecimal(text: string): SegmentValue {
  const last = 'pqrstuvwxy'.indexOf(text.slice(-1));
  const digits = (last < 0 ? text : text.slice(0, -1) + last).replaceAll(' ', '0');
  if (!/^\d+$/.test(digits)) return { kind: 'junk', text };
  return { kind: 'number', number: last < 0 ? BigInt(digits) : -BigInt(digits) };
}

function decodeInteger(bytes: Buffer, isSigned: boolean): bigint {
  const number = bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return isSigned ? BigInt.asIntN(8 * bytes.length, number) : number;
}

/** A leading part of digits has no sign of its own. ERR_INVPKEY inside an integer. */
function cutSegment(segment: SegmentSpec, bytes: Buffer): { length: number; value: SegmentValue } {
  const { length } = bytes;
  if (isText(segment)) return { length, value: decode(segment, bytes) };
  if (segment.type !== 'decimal') throw new ModelError('ERR_INVPKEY');
  const digits = bytes.toString('latin1').replaceAll(' ', '0');
  const value: SegmentValue = /^\d+$/.test(digits)
    ? { kind: 'number', number: BigInt(digits) }
    : { kind: 'junk', text: bytes.toString('latin1') };
  return { length, value };
}

/** The first `length` bytes of a value as `cutSegment` reads them; negative numbers stay below all. */
function leadingPart(segment: SegmentSpec, value: SegmentValue, length: number): SegmentValue {
  if (value.kind !== 'number') return { ...value, text: value.text.slice(0, length) };
  if (value.number < 0n) return value;
  return { kind: 'number', number: value.number / 10n ** BigInt(segment.length - length) };
}

/** Is every byte of the key the null value's, or the blank or zero of its segment behind that? */
function isNull({ nullKey, segments }: KeySpec, record: Buffer): boolean {
  if (nullKey === undefined || nullKey.kind === 'short') return false;
  const text = Buffer.from(nullKey.value ?? '', 'latin1');
  let index = 0;
  return segments.every((segment) =>
    [...record.subarray(segment.offset, segment.offset + segment.length)].every((byte) => {
      const given = nullKey.kind === 'replicate' ? text[0] : text[index];
      index++;
      if (!isText(segment) && segment.type !== 'decimal') return byte === 0;
      if (given !== undefined) return byte === given;
      return byte === 0x20 || (segment.type === 'decimal' && byte === 0x30);
    }),
  );
}
