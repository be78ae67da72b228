// Keys as defineFile() takes them and as reads take their values; turned into KeySpecs over
// laid-out fields. Called by file-definition.ts; the client's channel uses KeyOf.

import { RsyndError } from '../base/error.js';
import type { FieldDefinition } from './field.js';
import {
  type FieldSpec,
  isAutokeyType,
  type KeySpec,
  type NullKeySpec,
  type SegmentOrder,
  type SegmentSpec,
  type SegmentType,
} from './file-spec.js';

/** A field of a key, or some bytes of it. `N` are the names of the file's fields. */
export interface KeyPart<N extends string = string> {
  readonly field: N;
  /** @default 'ascending' */
  readonly order?: SegmentOrder;
  /** Compare without regard to case; text only. @default as the field says: nocase() or not */
  readonly nocase?: boolean;
  /** 1-based first byte within the field; text, bytes, dates and times only. @default 1 */
  readonly start?: number;
  /** Bytes from `start` on. @default the rest of the field */
  readonly length?: number;
}

/** One key of a file; the first one defined is the primary key, number 0. */
export interface KeyDefinition<N extends string = string> {
  /** 1-8 fields, the leading one first. */
  readonly parts: readonly (N | KeyPart<N>)[];
  /** false: duplicates are refused; 'fifo': a new one comes last; 'lifo': first. @default false */
  readonly dups?: 'fifo' | 'lifo' | false;
  /** Whether a write may change the key. @default false */
  readonly modifiable?: boolean;
  /** Which records the index leaves out. @default none */
  readonly nullKey?: NullKeySpec['kind'] | NullKeySpec;
  /** First number of the key's sequence. @default 1 */
  readonly seed?: number;
}

/** A value for one part of a key. */
export type KeyScalar = string | number | bigint | boolean | Uint8Array;

/**
 * What a read takes as key: on records as bytes, text (latin1) or bytes; on typed records a scalar,
 * a list of the leading parts, or an object of the leading fields.
 */
export type KeyOf<R> = R extends Uint8Array
  ? string | Buffer
  : KeyScalar | readonly KeyScalar[] | Partial<R>;

/** A field with its place and the builder's word on how keys compare it. */
export interface PlacedField {
  readonly spec: FieldSpec;
  readonly definition: FieldDefinition<unknown>;
}

/**
 * Turns a key definition into its specification. ERR_BADDEF for parts that are no fields or bytes.
 */
export function keySpecOf(
  name: string,
  definition: KeyDefinition,
  fields: ReadonlyMap<string, PlacedField>,
): KeySpec {
  const { dups = false, modifiable = false, nullKey } = definition;
  const segments = definition.parts.map((part) =>
    segmentOf(name, typeof part === 'string' ? { field: part } : part, fields),
  );
  return {
    name,
    segments,
    dups: dups === false ? 'none' : dups,
    modifiable,
    ...(nullKey !== undefined && {
      nullKey: typeof nullKey === 'string' ? { kind: nullKey } : nullKey,
    }),
  };
}

function segmentOf(
  keyName: string,
  part: KeyPart,
  fields: ReadonlyMap<string, PlacedField>,
): SegmentSpec {
  const field = fields.get(part.field);
  if (field === undefined) {
    const names = [...fields.keys()].join(', ');
    throw badPart(keyName, part, `is no field of the file; the fields are ${names}`);
  }
  const { spec, definition } = field;
  const start = part.start ?? 1;
  const length = part.length ?? spec.length - start + 1;
  const isWhole = start === 1 && length === spec.length;
  if (!isWhole && !['alpha', 'binary', 'date', 'time'].includes(spec.type)) {
    throw badPart(keyName, part, `is ${spec.type}: a key takes it whole`);
  }
  if (!Number.isInteger(start) || start < 1 || !(length >= 1) || start + length - 1 > spec.length) {
    throw badPart(keyName, part, `has ${spec.length} bytes: start and length leave it`);
  }
  return {
    offset: spec.offset + start - 1,
    length,
    type: segmentTypeOf(keyName, part, definition),
    order: part.order ?? 'ascending',
  };
}

function segmentTypeOf(
  keyName: string,
  part: KeyPart,
  { type, segmentType }: FieldDefinition<unknown>,
): SegmentType {
  if (part.nocase === undefined) return segmentType;
  if (type !== 'alpha') throw badPart(keyName, part, `is ${type}: only text compares case-blind`);
  return part.nocase ? 'nocase' : 'alpha';
}

/**
 * A file fills each autokey field once. Where a second key names the field, that key orders it as
 * the integer it is. `taken` holds the offsets of those met before and is added to.
 */
export function withoutSecondAutokeys(key: KeySpec, taken: Set<number>): KeySpec {
  const segments = key.segments.map((segment): SegmentSpec => {
    if (!isAutokeyType(segment.type)) return segment;
    if (taken.has(segment.offset)) return { ...segment, type: 'integer' };
    taken.add(segment.offset);
    return segment;
  });
  return { ...key, segments };
}

const badPart = (keyName: string, part: KeyPart, why: string): RsyndError =>
  new RsyndError('ERR_BADDEF', `key ${keyName}: part ${String(part.field)} ${why}`);
