// JSON Lines: one object a record, by field name. A record whose bytes its fields cannot carry, or of a
// file without fields, is `{"$record": "<base64>"}`, so that this format carries every record there is.
//
//   {"NUMBER":17,"NAME":"Oak","PRICE":"12.50","SHIPPED":null,"SIZES":[1,2,3]}

import { RsyndError } from '../../../shared/base/error.js';
import { textRowBytesMax } from '../../../shared/base/limits.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import { nearestWord } from '../../../shared/record/keyword.js';
import type { Row, RowReader, RowWriter } from '../row.js';
import { type CellValue, decodeBase64 } from './cell.js';
import { readLines } from './line-reader.js';
import { RecordCells } from './record-cells.js';

/** The key of a record given as its bytes. Never changes: it is in people's files. */
const RAW_RECORD = '$record';

/** A field's value: a scalar, or nested lists for an array. */
type Nested = CellValue | undefined | readonly Nested[];

export function jsonlReader(spec: FileSpec): RowReader {
  const codec = new JsonRecords(spec);
  return async function* read(input) {
    for await (const { line, bytes } of readLines(input, textRowBytesMax)) {
      if (bytes === undefined) {
        const why = `the line is longer than ${textRowBytesMax} bytes`;
        yield { line, error: new RsyndError('ERR_BADDATA', why) };
      } else if (bytes.length > 0) yield makeRow(bytes, line, codec);
    }
  };
}

function makeRow(bytes: Buffer, line: number, codec: JsonRecords): Row {
  try {
    return { line, record: codec.toRecord(parseObject(bytes.toString('utf8'))) };
  } catch (error) {
    if (error instanceof RsyndError) return { line, error };
    throw error;
  }
}

function parseObject(text: string): { readonly [name: string]: unknown } {
  const value = parseJson(text.replace(/^\uFEFF/, ''));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as { readonly [name: string]: unknown };
  }
  throw new RsyndError('ERR_BADDATA', 'the line is not a JSON object');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RsyndError('ERR_BADDATA', 'the line is not JSON'); // its text would show record content
  }
}

export function jsonlWriter(spec: FileSpec): RowWriter {
  const codec = new JsonRecords(spec);
  return { head: '', write: (record) => `${JSON.stringify(codec.toObject(record))}\n` };
}

class JsonRecords {
  readonly #spec: FileSpec;
  readonly #cells: RecordCells;
  readonly #firstCell = new Map<string, number>();
  readonly #overlays: ReadonlySet<string>;

  constructor(spec: FileSpec) {
    this.#spec = spec;
    this.#cells = new RecordCells(spec);
    this.#overlays = new Set(spec.fields.filter(({ overlay }) => overlay).map(({ name }) => name));
    let index = 0;
    for (const { field, cells } of this.#cells.fields) {
      this.#firstCell.set(field.name, index);
      index += cells.length;
    }
  }

  toObject(record: Buffer): { [name: string]: unknown } {
    const raw = { [RAW_RECORD]: record.toString('base64') };
    if (this.#spec.fields.length === 0) return raw;
    try {
      return this.#nest(this.#cells.read(record));
    } catch (error) {
      // Bytes that are no values of their fields go as they are.
      if (error instanceof RsyndError) return raw;
      throw error;
    }
  }

  toRecord(object: { readonly [name: string]: unknown }): Buffer {
    if (RAW_RECORD in object) return rawRecord(object);
    const given = Object.entries(object).flatMap(([name, value]) => this.#flatten(name, value));
    return this.#cells.write(given);
  }

  #nest(values: readonly (CellValue | undefined)[]): { [name: string]: unknown } {
    const object: { [name: string]: unknown } = {};
    for (const { field, cells } of this.#cells.fields) {
      const first = this.#firstCell.get(field.name) ?? 0;
      const own = values.slice(first, first + cells.length);
      const value = nest(own, field.dimension ?? []);
      if (value !== undefined) object[field.name] = value;
    }
    return object;
  }

  #flatten(name: string, value: unknown): (readonly [number, unknown])[] {
    const first = this.#firstCell.get(name);
    if (first === undefined) {
      if (this.#overlays.has(name)) return [];
      throw this.#noSuchField(name);
    }
    const field = this.#cells.cells[first]?.field;
    const dimension = this.#spec.fields.find((each) => each.name === name)?.dimension ?? [];
    if (field === undefined) return [];
    return flatten(value, dimension, name).map((cell, index) => [first + index, cell] as const);
  }

  #noSuchField(name: string): RsyndError {
    const names = [...this.#firstCell.keys()];
    const near = nearestWord(name.toUpperCase(), names);
    const hint = near === undefined ? '' : `, did you mean ${near}`;
    return new RsyndError('ERR_BADDATA', `there is no field ${JSON.stringify(name)}${hint}`);
  }
}

function rawRecord(object: { readonly [name: string]: unknown }): Buffer {
  const { [RAW_RECORD]: text, ...others } = object;
  const record = typeof text === 'string' ? decodeBase64(text) : undefined;
  if (record !== undefined && Object.keys(others).length === 0) return record;
  throw new RsyndError('ERR_BADDATA', `"${RAW_RECORD}" takes base64 and stands alone`);
}

/** A list in row-major order as nested lists. */
function nest(values: readonly (CellValue | undefined)[], dimension: readonly number[]): Nested {
  const [size, ...inner] = dimension;
  if (size === undefined) return values[0];
  const stride = values.length / size;
  return Array.from({ length: size }, (_, index) =>
    nest(values.slice(index * stride, (index + 1) * stride), inner),
  );
}

/** Nested lists as one list in row-major order; all elements must be there. */
function flatten(value: unknown, dimension: readonly number[], name: string): unknown[] {
  const [size, ...inner] = dimension;
  if (size === undefined) return [value];
  if (!Array.isArray(value) || value.length !== size) {
    throw new RsyndError('ERR_BADDATA', `field ${name} takes a list of ${dimension.join(' by ')}`);
  }
  return value.flatMap((element: unknown) => flatten(element, inner, name));
}
