// What comes of the bytes of a select: whole records, some of their fields, pairs of two files, groups.
// A shape is made when a query is run, from what the query asks and what the file is.

import { RsyndError } from '../../shared/base/error.js';
import type { RowsReply } from '../../shared/protocol/message.js';
import type { FieldSpec, FileSpec } from '../../shared/record/file-spec.js';
import { compileScalar } from '../../shared/record/scalar-codec.js';
import type { BoundOperand } from '../../shared/select/bound.js';
import type { Scalar } from '../../shared/select/expression.js';
import type { RecordShape } from '../channel/record-shape.js';
import type { QuerySource } from './query-source.js';

const BLANK = 0x20;

/** Makes something of the bytes of one record. */
export type BytesDecoder = Pick<RecordShape<unknown>, 'decode' | 'cut'>;

/** The fields a sparse query names, `names` as the caller wrote them, and where they are in the record. */
export interface SparseFields {
  readonly names: readonly string[];
  readonly operands: readonly BoundOperand[];
}

/** Some fields: an object of them on a typed channel, a record with blanks in between on a raw one. */
export function sparseRecords<R>(
  { spec, definition, name }: QuerySource<R>,
  sparse: SparseFields,
): BytesDecoder {
  const length = sparse.operands.reduce((sum, operand) => sum + operand.length, 0);
  const decode =
    definition === undefined
      ? spreadOver(spec.record.size, sparse.operands)
      : objectOf(sparse, definition);
  return {
    decode(bytes, start, end) {
      if (end - start === length) return decode(bytes, start);
      const why = `a sparse record of ${end - start} bytes, its fields have ${length}`;
      throw new RsyndError('ERR_PROTOCOL', why, { file: name });
    },
  };
}

/** A record of `size` bytes: the operands where they belong, blanks elsewhere. */
export function spreadOver(
  size: number,
  operands: readonly BoundOperand[],
): (bytes: Buffer, at?: number) => Buffer {
  return (bytes, at = 0) => {
    const record = Buffer.alloc(size, BLANK);
    let start = at;
    for (const { offset, length } of operands) {
      bytes.copy(record, offset, start, start + length);
      start += length;
    }
    return record;
  };
}

function objectOf({ names, operands }: SparseFields, definition: FileSpec) {
  let start = 0;
  const fields = operands.map((operand, index) => {
    const at = start;
    start += operand.length;
    const codec = compileScalar(fieldOf(operand, definition));
    return { name: names[index] ?? operand.text, at, codec };
  });
  return (bytes: Buffer, recordAt: number): { [name: string]: unknown } => {
    const values: { [name: string]: unknown } = {};
    for (const { name, at, codec } of fields) values[name] = codec.read(bytes, recordAt + at);
    return values;
  };
}

/** Values are those of the caller's definition where it has a field at that place. */
function fieldOf(
  { text, offset, length, ...operand }: BoundOperand,
  definition: FileSpec,
): FieldSpec {
  const own = definition.fields.find(
    (field) => field.offset === offset && field.length === length && field.type === operand.type,
  );
  const { type, precision, format } = own ?? operand;
  return {
    name: text,
    type,
    offset,
    length,
    ...(precision === undefined || precision === 0 ? {} : { precision }),
    ...(format === undefined ? {} : { format }),
  };
}

/** Objects of the groups in one frame, by the names of fields and aggregates. */
export function groupsOf(
  { rows }: RowsReply,
  names: readonly string[],
  file: string,
): { [name: string]: Scalar | null }[] {
  return rows.map((row) => {
    if (row.length !== names.length) {
      const why = `a group has ${row.length} values, asked were ${names.length}`;
      throw new RsyndError('ERR_PROTOCOL', why, { file });
    }
    return Object.fromEntries(names.map((name, index) => [name, row[index] ?? null]));
  });
}
