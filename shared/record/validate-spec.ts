// Is this a definition we can make a file of? Asked of every definition on its way in: from
// defineFile, XDL, ISAMC strings, from the header of a file, and from strangers over the network,
// who may send anything. First each value is of its type and inside its limits (here), then they
// agree with each other (spec-rules.ts).

import {
  definitionNameCharsMax,
  fieldDescriptionCharsMax,
  fieldDimensionsMax,
  fieldsPerFileMax,
  headerTextBytesMax,
  keyBytesMax,
  keysPerFileMax,
  portableIntegersMax,
  recordBytesMax,
  segmentsPerKeyMax,
} from '../base/limits.js';
import type {
  Duplicates,
  FieldSpec,
  FieldType,
  FileAttributes,
  FileSpec,
  KeySpec,
  NullKeySpec,
  RecordFormat,
  RecordSpec,
  SegmentOrder,
  SegmentSpec,
  SegmentType,
} from './file-spec.js';
import { checkSpecRules } from './spec-rules.js';
import { definitionError, UntrustedMap } from './untrusted-map.js';

const SEGMENT_TYPES = [
  'alpha',
  'nocase',
  'decimal',
  'integer',
  'unsigned',
  'sequence',
  'timestamp',
  'ctimestamp',
] as const satisfies readonly SegmentType[];
const FIELD_TYPES = [
  'alpha',
  'decimal',
  'integer',
  'unsigned',
  'date',
  'time',
  'boolean',
  'binary',
] as const satisfies readonly FieldType[];
const ORDERS = ['ascending', 'descending'] as const satisfies readonly SegmentOrder[];
const DUPLICATES = ['none', 'fifo', 'lifo'] as const satisfies readonly Duplicates[];
const NULL_KINDS = [
  'replicate',
  'noreplicate',
  'short',
] as const satisfies readonly NullKeySpec['kind'][];
const FORMATS = ['fixed', 'multiple', 'variable'] as const satisfies readonly RecordFormat[];
const ADDRESSINGS = [32, 40, 48] as const;
const FLAGS = [
  'compressData',
  'staticRfa',
  'storedGrfa',
  'trackChanges',
  'eraseOnDelete',
  'rollback',
  'resilient',
  'fullResilient',
] as const satisfies readonly (keyof FileAttributes)[];

/** ERR_BADDEF naming what contradicts what, when no file can be made of the definition. */
export function validateSpec(spec: FileSpec): void {
  parseSpec(spec);
}

/**
 * Makes a definition of a value that may be anything; properties we do not know are dropped. The
 * result shares nothing with the value. ERR_BADDEF as validateSpec.
 */
export function parseSpec(value: unknown): FileSpec {
  const file = new UntrustedMap(value, 'definition');
  const spec: FileSpec = {
    record: parseRecord(file.get('record')),
    keys: file.list('keys', 1, keysPerFileMax).map(parseKey),
    fields: file.list('fields', 0, fieldsPerFileMax).map(parseField),
    networkEncrypt: file.boolean('networkEncrypt'),
    text: file.text('text', headerTextBytesMax),
    attributes: parseAttributes(file.get('attributes')),
    ...file.optional('seeds', () => parseSeeds(file.get('seeds'))),
  };
  checkSpecRules(spec);
  return spec;
}

function parseRecord(value: unknown): RecordSpec {
  const record = new UntrustedMap(value, 'record');
  return {
    size: record.integer('size', 1, recordBytesMax),
    format: record.word('format', FORMATS),
  };
}

function parseKey(value: unknown, number: number): KeySpec {
  const name = parseName(new UntrustedMap(value, `key ${number}`));
  const key = new UntrustedMap(value, `key ${name}`);
  return {
    name,
    segments: key
      .list('segments', 1, segmentsPerKeyMax)
      .map((segment, index) => parseSegment(segment, `key ${name}, segment ${index + 1}`)),
    dups: key.word('dups', DUPLICATES),
    modifiable: key.boolean('modifiable'),
    ...key.optional('nullKey', () => parseNullKey(key.get('nullKey'), `null key of ${name}`)),
    ...key.optional('density', () => key.integer('density', 0, 100)),
  };
}

function parseSegment(value: unknown, where: string): SegmentSpec {
  const segment = new UntrustedMap(value, where);
  return {
    offset: segment.integer('offset', 0, recordBytesMax - 1),
    length: segment.integer('length', 1, keyBytesMax),
    type: segment.word('type', SEGMENT_TYPES),
    order: segment.word('order', ORDERS),
  };
}

function parseNullKey(value: unknown, where: string): NullKeySpec {
  const nullKey = new UntrustedMap(value, where);
  return {
    kind: nullKey.word('kind', NULL_KINDS),
    ...nullKey.optional('value', (name) => nullKey.text(name, keyBytesMax)),
  };
}

function parseField(value: unknown, index: number): FieldSpec {
  const name = parseName(new UntrustedMap(value, `field ${index + 1}`));
  const field = new UntrustedMap(value, `field ${name}`);
  return {
    name,
    type: field.word('type', FIELD_TYPES),
    offset: field.integer('offset', 0, recordBytesMax - 1),
    length: field.integer('length', 1, recordBytesMax),
    ...field.optional('precision', (member) => field.integer(member, 0, recordBytesMax)),
    ...field.optional('format', (member) => field.text(member, definitionNameCharsMax)),
    ...field.optional('dimension', () => parseDimension(field, name)),
    ...field.optional('overlay', (member) => field.boolean(member)),
    ...field.optional('description', (member) => field.text(member, fieldDescriptionCharsMax)),
  };
}

function parseDimension(field: UntrustedMap, name: string): number[] {
  return field.list('dimension', 1, fieldDimensionsMax).map((size) => {
    if (typeof size === 'number' && Number.isInteger(size) && size >= 1 && size <= recordBytesMax) {
      return size;
    }
    throw definitionError(`field ${name}`, 'each dimension must be a whole number from 1 on');
  });
}

/** A name that can stand in messages, XDL and objects. */
function parseName(map: UntrustedMap): string {
  const name = map.text('name', definitionNameCharsMax);
  if (name === '' || name !== name.trim() || /\p{C}/u.test(name) || name === '__proto__') {
    throw definitionError(map.where, 'has no usable name: one or more printable characters');
  }
  return name;
}

function parseAttributes(value: unknown): FileAttributes {
  const map = new UntrustedMap(value, 'attributes');
  const flags: { -readonly [name in (typeof FLAGS)[number]]?: boolean } = {};
  for (const flag of FLAGS) if (map.has(flag)) flags[flag] = map.boolean(flag);
  const count = (name: string) => map.integer(name, 0, Number.MAX_SAFE_INTEGER);
  return {
    ...map.optional('addressing', () => parseAddressing(map)),
    ...map.optional('pageSize', (name) => map.integer(name, 512, 32_768)),
    ...map.optional('density', (name) => map.integer(name, 0, 100)),
    ...flags,
    ...map.optional('sizeLimit', count),
    ...map.optional('recordLimit', count),
    ...map.optional('textAllocation', count),
    ...map.optional('portableIntegers', (name) =>
      map.list(name, 0, portableIntegersMax).map(parsePortableInteger),
    ),
  };
}

function parseAddressing(map: UntrustedMap): 32 | 40 | 48 {
  const bits = ADDRESSINGS.find((known) => known === map.get('addressing'));
  if (bits === undefined) throw definitionError(map.where, 'addressing must be 32, 40 or 48');
  return bits;
}

function parsePortableInteger(value: unknown): { offset: number; length: number } {
  const range = new UntrustedMap(value, 'portable integer');
  return {
    offset: range.integer('offset', 0, recordBytesMax - 1),
    length: range.integer('length', 1, recordBytesMax),
  };
}

function parseSeeds(value: unknown): { [keyNumber: number]: number } {
  const map = new UntrustedMap(value, 'seeds');
  const seeds: { [keyNumber: number]: number } = {};
  for (const name of map.names()) {
    const keyNumber = /^\d{1,3}$/.test(name) ? Number(name) : keysPerFileMax;
    if (keyNumber >= keysPerFileMax) throw definitionError('seeds', 'are by key number');
    seeds[keyNumber] = map.integer(name, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  }
  return seeds;
}
