// defineFile(): a file described in TypeScript, so that its records have types. The result carries
// the common form of definitions (file-spec.ts) and, for the compiler, the types of the fields. It
// opens and creates nothing.

import { RsyndError } from '../base/error.js';
import type { FieldDefinition, ValueOf } from './field.js';
import type { FieldSpec, FileAttributes, FileSpec, KeySpec, RecordFormat } from './file-spec.js';
import { type KeyDefinition, keySpecOf, type PlacedField, withoutSecondAutokeys } from './key.js';
import { validateSpec } from './validate-spec.js';

/** Fields by name, in the order they stand in the record. */
export type FieldMap = { readonly [name: string]: FieldDefinition<unknown> };

export interface FileOptions<F extends FieldMap> {
  /** Laid out one behind the other in this order. */
  readonly fields: F;
  /** 1-255 keys by name; the first is the primary key. */
  readonly keys: { readonly [name: string]: KeyDefinition<Extract<keyof F, string>> };
  /** The file insists on encryption on every remote route. @default false */
  readonly networkEncrypt?: boolean;
  /** Records differ in length; the fields give the longest. @default false */
  readonly variable?: boolean;
  /** Bytes of a record, when it is longer than its fields. @default the sum of the fields */
  readonly recordSize?: number;
  /** Free text for the header. @default '' */
  readonly text?: string;
  /** Limits and words kept for other tools, see FileAttributes. @default {} */
  readonly attributes?: FileAttributes;
}

/** A file with typed records. Frozen. */
export interface FileDefinition<F extends FieldMap = FieldMap> {
  readonly fields: F;
  readonly spec: FileSpec;
}

/** The type of a definition's records. */
export type RecordOf<D> =
  D extends FileDefinition<infer F> ? { [N in keyof F]: ValueOf<F[N]> } : never;

/**
 * Defines a file. ERR_BADDEF when fields, keys and record contradict each other or leave the limits
 * of a file.
 */
export function defineFile<F extends FieldMap>(options: FileOptions<F>): FileDefinition<F> {
  const fields = placeFields(options.fields);
  const fieldBytes = fields.reduce((sum, { spec }) => sum + spec.length, 0);
  const format: RecordFormat = options.variable === true ? 'variable' : 'fixed';
  const seeds = seedsOf(options.keys);
  const spec: FileSpec = {
    record: { size: options.recordSize ?? fieldBytes, format },
    keys: keySpecs(options.keys, fields),
    fields: fields.map((field) => field.spec),
    networkEncrypt: options.networkEncrypt ?? false,
    text: options.text ?? '',
    attributes: { ...options.attributes },
    ...(Object.keys(seeds).length > 0 && { seeds }),
  };
  validateSpec(spec);
  // Parts of the caller's own objects are in it; those must neither change it nor be frozen.
  const own = structuredClone(spec);
  deepFreeze(own);
  return Object.freeze({ fields: options.fields, spec: own });
}

/** The common form of a definition. */
export const specOf = (definition: FileDefinition): FileSpec => definition.spec;

function placeFields(definitions: FieldMap): PlacedField[] {
  let offset = 0;
  return Object.entries(definitions).map(([name, definition]) => {
    refuseIndexName('field', name);
    const { type, length, precision, format } = definition;
    const spec: FieldSpec = {
      name,
      type,
      offset,
      length,
      ...(precision !== undefined && { precision }),
      ...(format !== undefined && { format }),
    };
    offset += length;
    return { spec, definition };
  });
}

function keySpecs(definitions: FileOptions<FieldMap>['keys'], fields: PlacedField[]): KeySpec[] {
  const byName = new Map(fields.map((field) => [field.spec.name, field]));
  const autokeyOffsets = new Set<number>();
  return Object.entries(definitions).map(([name, definition]) => {
    refuseIndexName('key', name);
    return withoutSecondAutokeys(keySpecOf(name, definition, byName), autokeyOffsets);
  });
}

/**
 * JavaScript moves names like '7' to the front of an object, so that their order is not what was
 * written.
 */
function refuseIndexName(kind: 'field' | 'key', name: string): void {
  if (/^\d+$/.test(name)) {
    throw new RsyndError('ERR_BADDEF', `${kind} ${name}: a name must not be a number`);
  }
}

function seedsOf(definitions: FileOptions<FieldMap>['keys']): { [keyNumber: number]: number } {
  const seeds: { [keyNumber: number]: number } = {};
  for (const [keyNumber, { seed }] of Object.values(definitions).entries()) {
    if (seed !== undefined) seeds[keyNumber] = seed;
  }
  return seeds;
}

function deepFreeze(value: object): void {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepFreeze(member);
  }
  Object.freeze(value);
}
