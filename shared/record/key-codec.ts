// Key values as programs give them turned into bytes as in the record, whole or a leading part.
// Called by field-codec.ts; collate.ts makes index bytes of them later, on the side that has the
// file.
//
// A key's bytes are found by writing the given fields where they stand in a record and cutting the
// segments out of it. Of every byte of that record we know a state:
//
//   NONE     no field given reaches here: a leading part of the key ends before it
//   GIVEN    part of a value
//   PADDING  blanks behind a text that is shorter than its field: dropped when they end the key,
//            so that text may be a leading part ('Smi')

import { isRsyndError, RsyndError } from '../base/error.js';
import type { FieldAccess } from './field-access.js';
import type { KeySpec, SegmentSpec } from './file-spec.js';
import { isLatin1 } from './scalar-codec.js';

export interface KeyCodec {
  /** See RecordCodec.encodeKey. */
  encode(values: unknown): Buffer;
}

const NONE = 0;
const GIVEN = 1;
const PADDING = 2;
const BLANK = 0x20;

interface KeyContext {
  readonly key: KeySpec;
  readonly fields: ReadonlyMap<string, FieldAccess>;
  readonly recordBytes: number;
  /** The field each segment lies in, if any: what a value in a list is converted by. */
  readonly segmentFields: readonly (FieldAccess | undefined)[];
}

/** Prepares a key; `fields` by name, `recordBytes` the longest record. */
export function compileKeyCodec(
  key: KeySpec,
  fields: ReadonlyMap<string, FieldAccess>,
  recordBytes: number,
): KeyCodec {
  const segmentFields = key.segments.map((segment) => fieldOfSegment(segment, fields));
  const context: KeyContext = { key, fields, recordBytes, segmentFields };
  return {
    encode(values) {
      if (values instanceof Uint8Array) return Buffer.from(values);
      if (Array.isArray(values)) return encodeList(context, values);
      if (typeof values === 'object' && values !== null) return encodeFields(context, values);
      return encodeList(context, [values]);
    },
  };
}

/**
 * The field that is exactly the segment, else the smallest it lies in; overlays only when no other.
 */
function fieldOfSegment(
  segment: SegmentSpec,
  fields: ReadonlyMap<string, FieldAccess>,
): FieldAccess | undefined {
  const end = segment.offset + segment.length;
  const around = [...fields.values()].filter(
    (codec) =>
      codec.field.dimension === undefined &&
      codec.field.offset <= segment.offset &&
      codec.end >= end,
  );
  const rank = ({ field }: FieldAccess): number =>
    field.length * 2 + (field.overlay === true ? 1 : 0);
  return around.sort((a, b) => rank(a) - rank(b))[0];
}

/** Values of the leading segments. A text that is the last one stays as short as it is. */
function encodeList(context: KeyContext, values: readonly unknown[]): Buffer {
  const { key } = context;
  if (values.length === 0) throw missingPart(key, 0);
  if (values.length > key.segments.length) {
    throw invalidValue(key, `has ${key.segments.length} parts, ${values.length} were given`);
  }
  const parts = values.map((value, index) => {
    const segment = key.segments[index];
    if (segment === undefined || value === undefined || value === null) {
      throw missingPart(key, index);
    }
    const isLast = index === values.length - 1;
    return encodeSegment(key, segment, context.segmentFields[index], value, isLast);
  });
  return Buffer.concat(parts);
}

function encodeSegment(
  key: KeySpec,
  segment: SegmentSpec,
  codec: FieldAccess | undefined,
  value: unknown,
  isLast: boolean,
): Buffer {
  if (value instanceof Uint8Array) return encodeBytes(key, segment, value, isLast);
  if (typeof value === 'string' && (codec === undefined || codec.field.type === 'alpha')) {
    return encodeText(key, segment, value, isLast);
  }
  if (codec === undefined) {
    throw invalidValue(
      key,
      'has a part that is no field of the definition: give it as text or bytes',
    );
  }
  const image = Buffer.alloc(codec.end, BLANK);
  writeField(key, codec, value, image);
  return image.subarray(segment.offset, segment.offset + segment.length);
}

function encodeText(key: KeySpec, segment: SegmentSpec, value: string, isLast: boolean): Buffer {
  const text = value.length > segment.length ? value.replace(/ +$/, '') : value;
  if (!isLatin1(text)) throw invalidValue(key, 'takes only characters of latin1 (ISO 8859-1)');
  return encodeBytes(key, segment, Buffer.from(text, 'latin1'), isLast);
}

function encodeBytes(
  key: KeySpec,
  segment: SegmentSpec,
  value: Uint8Array,
  isLast: boolean,
): Buffer {
  if (value.length > segment.length) {
    throw invalidValue(key, `has ${segment.length} bytes here, the value ${value.length}`);
  }
  if (isLast) return Buffer.from(value);
  const padded = Buffer.alloc(segment.length, BLANK);
  padded.set(value);
  return padded;
}

/** An object of fields: those that the leading bytes of the key lie in. */
function encodeFields(context: KeyContext, values: object): Buffer {
  const { key, fields } = context;
  const image = Buffer.alloc(context.recordBytes, BLANK);
  const states = new Uint8Array(context.recordBytes);
  for (const [name, value] of Object.entries(values)) {
    const codec = fields.get(name);
    if (codec === undefined || !isOfKey(key, codec)) {
      throw invalidValue(key, `has no field ${JSON.stringify(name.slice(0, 64))}`);
    }
    if (value === undefined || value === null) continue;
    writeField(key, codec, value, image);
    markField(codec, value, states);
  }
  return leadingPart(key, image, states);
}

const isOfKey = (key: KeySpec, { field, end }: FieldAccess): boolean =>
  key.segments.some(
    (segment) => segment.offset < end && field.offset < segment.offset + segment.length,
  );

function markField({ field, end }: FieldAccess, value: unknown, states: Uint8Array): void {
  states.fill(GIVEN, field.offset, end);
  if (field.type !== 'alpha' || typeof value !== 'string') return;
  states.fill(PADDING, field.offset + Math.min(value.length, field.length), end);
}

function leadingPart(key: KeySpec, image: Buffer, states: Uint8Array): Buffer {
  const cut = (bytes: Uint8Array) =>
    Buffer.concat(
      key.segments.map(({ offset, length }) => bytes.subarray(offset, offset + length)),
    );
  const keyStates = cut(states);
  const gap = keyStates.indexOf(NONE);
  const end = gap === -1 ? keyStates.length : gap;
  if (end === 0 || keyStates.subarray(end).some((state) => state !== NONE)) {
    throw missingPart(key, segmentAt(key, end));
  }
  let last = end;
  while (last > 0 && keyStates[last - 1] === PADDING) last--;
  return cut(image).subarray(0, last);
}

function segmentAt(key: KeySpec, byte: number): number {
  let end = 0;
  return key.segments.findIndex((segment) => {
    end += segment.length;
    return byte < end;
  });
}

/** A value that does not fit its field does not fit the key: the same words, the code of keys. */
function writeField(key: KeySpec, codec: FieldAccess, value: unknown, image: Buffer): void {
  try {
    codec.write(value, image);
  } catch (error) {
    if (!isRsyndError(error, 'ERR_BADDATA')) throw error;
    const why = error.message.replace(/^Bad data: /, '');
    throw new RsyndError('ERR_INVKVAL', `key ${key.name}: ${why}`, { cause: error });
  }
}

const invalidValue = (key: KeySpec, why: string): RsyndError =>
  new RsyndError('ERR_INVKVAL', `key ${key.name} ${why}`);

const missingPart = (key: KeySpec, index: number): RsyndError =>
  new RsyndError(
    'ERR_INVPKEY',
    `key ${key.name} needs its part ${index + 1}: a partial key is made of the leading parts`,
  );
