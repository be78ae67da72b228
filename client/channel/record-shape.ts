// How records and keys of a channel turn into bytes and back: as they are (raw), or as objects of a
// definition (typed). The only difference between the two kinds of channels.

import { errorFromWire, isRsyndError, RsyndError } from '../../shared/base/error.js';
import { compileRecordCodec } from '../../shared/record/field-codec.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { Rfa } from '../../shared/record/rfa.js';

export interface RecordShape<R> {
  /** Of the record `bytes[start, end)`, whose bytes are nobody else's from then on. */
  decode(bytes: Buffer, start: number, end: number): R;
  /** Where records are their bytes. */
  readonly cut?: RecordCutter<R>;
  encode(record: R): Uint8Array;
  /** ERR_INVKVAL for what cannot be a value of that key. */
  encodeKey(keyNumber: number, value: unknown): Uint8Array;
}

/** All records of `bytes` from `start` on, of `length` bytes each: in one go, and so in half the time. */
export type RecordCutter<R> = (bytes: Buffer, start: number, length: number) => R[];

/** Records as their bytes. */
export const RAW_SHAPE: RecordShape<Buffer> = {
  decode: (bytes, start, end) => bytes.subarray(start, end),
  cut(bytes, start, length) {
    // To ask a Buffer for what is behind it costs as much as to make one.
    const { buffer, byteOffset } = bytes;
    const records = new Array<Buffer>((bytes.length - start) / length);
    let at = byteOffset + start;
    for (let n = 0; n < records.length; n++, at += length) {
      records[n] = Buffer.from(buffer, at, length);
    }
    return records;
  },
  encode(record) {
    if (record instanceof Uint8Array) return record;
    throw new TypeError(
      'a record of a raw channel is a Buffer; open with a definition for objects',
    );
  },
  encodeKey(_, value) {
    if (value instanceof Uint8Array) return value;
    if (typeof value !== 'string')
      throw new TypeError('a key of a raw channel is a string or Buffer');
    const bytes = latin1Bytes(value);
    if (bytes !== undefined) return bytes;
    throw new RsyndError(
      'ERR_INVKVAL',
      'it has characters beyond latin1; give such keys as a Buffer',
    );
  },
};

/**
 * Records as objects: the fields of the definition over the record and keys of the file as it is.
 * ERR_BADDEF when the two have records of different length.
 */
export function typedShape<R>(definition: FileSpec, file: FileSpec, name: string): RecordShape<R> {
  if (definition.record.size !== file.record.size) {
    const sizes = `${definition.record.size} bytes a record, the file has ${file.record.size}`;
    throw new RsyndError('ERR_BADDEF', `the definition says ${sizes}`, { file: name });
  }
  const codec = compileRecordCodec({ ...file, fields: definition.fields });
  return {
    // The definition is what the type of R was made from, which the compiler cannot follow.
    decode: (bytes, start, end) => codec.decode(bytes, start, end) as R,
    encode: (record) => codec.encode(record as { [field: string]: unknown }),
    encodeKey: (keyNumber, value) => codec.encodeKey(keyNumber, value),
  };
}

/** Makes the record `bytes[start, end)`, known by its address or by its number in an iteration. */
export type RecordDecoder<R> = (
  bytes: Buffer,
  start: number,
  end: number,
  record: Rfa | number,
) => R;

/** Decodes records of `file`; errors name the record. */
export const recordDecoder =
  <R>(shape: Pick<RecordShape<R>, 'decode'>, file: string): RecordDecoder<R> =>
  (bytes, start, end, record) => {
    try {
      return shape.decode(bytes, start, end);
    } catch (error) {
      if (!isRsyndError(error)) throw error;
      const which =
        typeof record === 'number' ? `number ${record}` : `RFA ${record.toString('hex')}`;
      const message = `${error.message} (record ${which} of ${file})`;
      throw errorFromWire(error.code, message, { file, cause: error });
    }
  };

/** Undefined when `text` has other characters. By hand: keys are short, and a library call is not. */
function latin1Bytes(text: string): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(text.length);
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0xff) return undefined;
    bytes[at] = code;
  }
  return bytes;
}

/** The same bytes. */
export function toBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
