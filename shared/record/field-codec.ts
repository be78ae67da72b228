// Records as objects: compiled once per open file from its definition, used for every typed record
// of the SDK, for CSV and JSON Lines. Fields are field-access.ts, keys key-codec.ts; here are
// records and what happens to fields that are missing.
//
// A record shorter than the definition (formats variable and multiple) reads as if blank from there
// on. A variable record is written up to the last field given, trailing blanks left away when that
// is text, but never so short that a key would be cut off.

import { RsyndError } from '../base/error.js';
import type { RecordText } from './decimal.js';
import { accessField, type FieldAccess } from './field-access.js';
import type { FieldSpec, FileSpec } from './file-spec.js';
import { compileKeyCodec } from './key-codec.js';
import { trimmedEnd } from './scalar-codec.js';

/** A record as a program sees it: field names and values. */
export type RecordValues = { readonly [field: string]: unknown };

export interface RecordCodec {
  /**
   * The fields of the record `bytes[start, end)`, overlays included. ERR_BADDATA naming the field that
   * cannot be read. @default all of `bytes`
   */
  decode(bytes: Buffer, start?: number, end?: number): { [field: string]: unknown };
  /**
   * The bytes of a record. Fields not given (undefined, null) are blank or zero; overlays are
   * ignored; autokeys may be absent. ERR_BADDATA for a name that is no field or a value that does
   * not fit.
   */
  encode(values: RecordValues): Buffer;
  /**
   * Bytes of a key as in the record, whole or a leading part: from a scalar, a list of values of
   * the leading segments, an object of leading fields, or the bytes themselves. Text is not padded
   * at the end. ERR_INVKVAL when a value does not fit, ERR_INVPKEY when leading parts are missing,
   * ERR_BADKEY when there is no such key.
   */
  encodeKey(keyNumber: number, values: unknown): Buffer;
}

const BLANK = 0x20;
/** Names listed in a message about a wrong one. */
const NAMES_SHOWN_MAX = 30;

/** Prepares a definition, which must have passed validateSpec. */
export function compileRecordCodec(spec: FileSpec): RecordCodec {
  const codecs = spec.fields.map(accessField);
  const byName = new Map(codecs.map((codec) => [codec.field.name, codec]));
  const template = Buffer.alloc(spec.record.size, BLANK);
  for (const codec of codecs) if (codec.field.overlay !== true) codec.fill(template);
  const keyCodecs = spec.keys.map((key) => compileKeyCodec(key, byName, spec.record.size));
  const bytesMin = spec.record.format === 'variable' ? keyReach(spec) : spec.record.size;
  const isText = isMostlyText(spec);
  /** The record that is being decoded. */
  const whole: RecordText = { text: '', start: 0 };
  // A copy of an object that has all the names is made faster than one that learns them one by one.
  const blank = Object.fromEntries(codecs.map(({ field }) => [field.name, undefined]));

  return {
    decode(bytes, start = 0, end = bytes.length) {
      const values: { [field: string]: unknown } = { ...blank };
      if (isText) {
        whole.text = bytes.toString('latin1', start, end);
        whole.start = start;
      }
      const text = isText ? whole : undefined;
      for (const { field, read } of codecs) values[field.name] = read(bytes, start, end, text);
      return values;
    },
    encode(values) {
      const target = Buffer.from(template);
      let last: FieldAccess | undefined;
      for (const name of Object.keys(values)) {
        const codec = byName.get(name);
        if (codec === undefined) throw noSuchField(name, spec.fields);
        const value = values[name];
        if (value === undefined || value === null || codec.field.overlay === true) continue;
        codec.write(value, target);
        if (last === undefined || codec.end > last.end) last = codec;
      }
      return bytesMin === target.length ? target : cutVariable(target, last, bytesMin);
    },
    encodeKey(keyNumber, values) {
      const codec = keyCodecs[keyNumber];
      if (codec !== undefined) return codec.encode(values);
      throw new RsyndError(
        'ERR_BADKEY',
        `there is no key ${keyNumber}, the file has ${keyCodecs.length}, numbered from 0`,
      );
    },
  };
}

/** Records up to so long are made text at once: a field cut out of it may keep all of it in memory. */
const TEXT_BYTES_MAX = 1024;

/** True when it pays to make the whole record text first and to cut fields out of that. */
function isMostlyText({ fields, record }: FileSpec): boolean {
  const texts = fields.filter(
    ({ type, length }) =>
      type === 'alpha' || type === 'date' || type === 'time' || (type === 'decimal' && length > 1),
  );
  const bytes = texts.reduce((sum, { length }) => sum + length, 0);
  return texts.length > 1 && record.size <= TEXT_BYTES_MAX && 2 * bytes >= record.size;
}

/** A record shorter than this misses a key that must be there. */
const keyReach = (spec: FileSpec): number =>
  spec.keys
    .filter((key) => key.nullKey?.kind !== 'short')
    .flatMap((key) => key.segments)
    .reduce((reach, segment) => Math.max(reach, segment.offset + segment.length), 1);

function cutVariable(record: Buffer, last: FieldAccess | undefined, bytesMin: number): Buffer {
  if (last === undefined) return record.subarray(0, bytesMin);
  const end =
    last.field.type === 'alpha' ? trimmedEnd(record, last.field.offset, last.end) : last.end;
  return record.subarray(0, Math.max(bytesMin, end));
}

/** Says which fields there are, so that a misspelt name is found at a glance. */
function noSuchField(name: string, fields: readonly FieldSpec[]): RsyndError {
  if (fields.length === 0) {
    return new RsyndError('ERR_BADDATA', 'the definition names no fields, use records as bytes');
  }
  const shown = fields.slice(0, NAMES_SHOWN_MAX).map((field) => field.name);
  const more = fields.length > shown.length ? `, … (${fields.length} in all)` : '';
  const quoted = JSON.stringify(name.slice(0, 64));
  const names = `${shown.join(', ')}${more}`;
  return new RsyndError('ERR_BADDATA', `there is no field ${quoted}; the fields are ${names}`);
}
