// What the parts of a definition must agree on. Called by validate-spec.ts with values that are
// each of their type and inside their limits.

import { keyBytesMax } from '../base/limits.js';
import { isDateFormat, isTimeFormat } from './date-format.js';
import {
  type FieldSpec,
  type FileSpec,
  isAutokeyType,
  type KeySpec,
  keyLength,
  type SegmentSpec,
  type SegmentType,
} from './file-spec.js';
import { isLatin1 } from './scalar-codec.js';
import { definitionError } from './untrusted-map.js';

const INTEGER_BYTES_MAX = 8;
const AUTOKEY_BYTES = 8;
const INTEGER_SEGMENTS: readonly SegmentType[] = ['integer', 'unsigned'];

/** ERR_BADDEF naming what contradicts what. */
export function checkSpecRules(spec: FileSpec): void {
  if (spec.record.format === 'multiple' && spec.attributes.compressData === true) {
    throw definitionError('record', 'format multiple and compression exclude each other');
  }
  if (!isLatin1(spec.text)) throw definitionError('text', 'takes only characters of latin1');
  checkDistinctNames('key', spec.keys);
  checkDistinctNames('field', spec.fields);
  for (const key of spec.keys) checkKey(key, spec.record.size);
  checkAutokeys(spec.keys);
  checkSeeds(spec);
  for (const field of spec.fields) checkField(field, spec.record.size);
  for (const { offset, length } of spec.attributes.portableIntegers ?? []) {
    checkInside('portable integer', offset, length, spec.record.size);
  }
}

/** Names of keys and fields are found case-blind by XDL, ISINFO and selects. */
function checkDistinctNames(
  kind: 'key' | 'field',
  named: readonly { readonly name: string }[],
): void {
  const seen = new Map<string, string>();
  for (const { name } of named) {
    const folded = name.toUpperCase();
    const other = seen.get(folded);
    if (other !== undefined) {
      throw definitionError(`${kind} ${name}`, `has the same name as ${kind} ${other}`);
    }
    seen.set(folded, name);
  }
}

function checkKey(key: KeySpec, recordSize: number): void {
  for (const [index, segment] of key.segments.entries()) {
    checkSegment(segment, `key ${key.name}, segment ${index + 1}`, recordSize);
  }
  const length = keyLength(key);
  if (length > keyBytesMax) {
    throw definitionError(
      `key ${key.name}`,
      `has ${length} bytes, at most ${keyBytesMax} are allowed`,
    );
  }
  const nullValue = key.nullKey?.value ?? '';
  if (!isLatin1(nullValue) || nullValue.length > length) {
    throw definitionError(
      `null key of ${key.name}`,
      `value must be latin1 text within its ${length} bytes`,
    );
  }
  if (key.nullKey?.kind === 'replicate' && nullValue.length > 1) {
    throw definitionError(
      `null key of ${key.name}`,
      'kind replicate repeats one character, not a text',
    );
  }
}

function checkSegment(segment: SegmentSpec, where: string, recordSize: number): void {
  const { offset, length, type } = segment;
  checkInside(where, offset, length, recordSize);
  if (INTEGER_SEGMENTS.includes(type) && length > INTEGER_BYTES_MAX) {
    throw definitionError(where, `is ${type} of ${length} bytes; integers have 1 to 8`);
  }
  if (isAutokeyType(type) && length !== AUTOKEY_BYTES) {
    throw definitionError(where, `is a ${type} of ${length} bytes; autokeys have 8`);
  }
}

/** The file fills each autokey once per record, so that no two may share bytes. */
function checkAutokeys(keys: readonly KeySpec[]): void {
  const autokeys = keys.flatMap((key) =>
    key.segments
      .filter((segment) => isAutokeyType(segment.type))
      .map((segment) => ({ key, offset: segment.offset })),
  );
  const sorted = autokeys.sort((a, b) => a.offset - b.offset);
  for (const [index, { key, offset }] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && next.offset < offset + AUTOKEY_BYTES) {
      throw definitionError(
        `key ${next.key.name}`,
        `its autokey shares bytes with the one of key ${key.name}; make one of them an integer`,
      );
    }
  }
}

function checkSeeds({ seeds = {}, keys }: FileSpec): void {
  for (const number of Object.keys(seeds)) {
    const key = keys[Number(number)];
    if (key?.segments.some((segment) => segment.type === 'sequence') !== true) {
      throw definitionError(`seed of key ${number}`, 'the key is not there or has no sequence');
    }
  }
}

function checkField(field: FieldSpec, recordSize: number): void {
  const where = `field ${field.name}`;
  const count = (field.dimension ?? []).reduce((product, size) => product * size, 1);
  checkInside(where, field.offset, field.length * count, recordSize);
  const isInteger = ['integer', 'unsigned', 'boolean'].includes(field.type);
  if (isInteger && field.length > INTEGER_BYTES_MAX) {
    throw definitionError(where, `is ${field.type} of ${field.length} bytes; 1 to 8 are possible`);
  }
  checkPrecision(field, where);
  checkFormat(field, where);
}

function checkPrecision({ type, length, precision }: FieldSpec, where: string): void {
  if (precision === undefined) return;
  if (type !== 'decimal')
    throw definitionError(where, `is ${type}; only decimals have a precision`);
  if (precision > length) {
    throw definitionError(
      where,
      `has ${length} digits, fewer than its ${precision} decimal places`,
    );
  }
}

function checkFormat({ type, length, format }: FieldSpec, where: string): void {
  if (format === undefined) return;
  if (type !== 'date' && type !== 'time') {
    throw definitionError(where, `is ${type}; only dates and times have a format`);
  }
  const isKnown = type === 'date' ? isDateFormat(format) : isTimeFormat(format);
  if (!isKnown) throw definitionError(where, `its format is no storage of a ${type}`);
  if (format.length !== length) {
    throw definitionError(
      where,
      `has ${length} bytes, its format ${format} needs ${format.length}`,
    );
  }
}

function checkInside(where: string, offset: number, length: number, recordSize: number): void {
  const end = offset + length;
  if (end > recordSize) {
    throw definitionError(where, `ends at byte ${end}, the record has ${recordSize}`);
  }
}
