// The columns a query's answer is shown in: fields of the file, the fields it asked for, or a group's values.
// For isutl and rsynctl, which know a file by its own definition and not by types.

import { isRsyndError } from '../base/error.js';
import { accessField } from '../record/field-access.js';
import type { FieldSpec, FieldType, FileSpec } from '../record/file-spec.js';
import { compileScalar } from '../record/scalar-codec.js';
import { bindName } from '../select/bind-query.js';
import type { BoundOperand } from '../select/bound.js';
import type { Aggregate, Grouping, SelectQuery } from '../select/query.js';
import type { TableColumn } from './table.js';

/** A column of records, and how it is read off one. */
export interface RecordColumn extends TableColumn {
  /** Bytes that are no value of the field come as the text they are. */
  read(record: Buffer): unknown;
}

/** `packed`: the fields asked for, one after another. `whole`: each where it is in the record. */
export type RecordLayout = 'packed' | 'whole';

/** Of records: the fields asked for, else all, else the record as text. ERR_INVOPER. */
export function recordColumns(
  spec: FileSpec,
  { fields }: SelectQuery,
  layout: RecordLayout,
): readonly RecordColumn[] {
  if (fields !== undefined) return askedColumns(fields, spec, layout);
  const own = spec.fields.filter(({ overlay }) => overlay !== true);
  return own.length === 0 ? [WHOLE_RECORD] : own.map(fieldColumn);
}

/** Of groups: the fields they are made by, then the aggregates. ERR_INVOPER. */
export function groupColumns(
  { fields, aggregates }: Grouping,
  spec: FileSpec,
): readonly TableColumn[] {
  const isNumber = (name: string) => isNumeric(bindName(name, spec).type);
  return [
    ...fields.map((name) => ({ name, isNumeric: isNumber(name) })),
    ...aggregates.map((aggregate) => ({
      name: aggregate.name,
      isNumeric: isTotal(aggregate) || (aggregate.field !== undefined && isNumber(aggregate.field)),
    })),
  ];
}

const isTotal = ({ function: asked }: Aggregate): boolean =>
  asked === 'count' || asked === 'sum' || asked === 'avg';

const isNumeric = (type: FieldType): boolean =>
  type === 'decimal' || type === 'integer' || type === 'unsigned';

const WHOLE_RECORD: RecordColumn = {
  name: 'record',
  isNumeric: false,
  read: (record) => record.toString('latin1'),
};

function fieldColumn(field: FieldSpec): RecordColumn {
  const access = accessField(field);
  const count = (field.dimension ?? []).reduce((product, size) => product * size, 1);
  const end = field.offset + count * field.length;
  return {
    name: field.name,
    isNumeric: isNumeric(field.type) && field.dimension === undefined,
    read: (record) =>
      readOr(() => access.read(record, 0, record.length), record, field.offset, end),
  };
}

function askedColumns(
  names: readonly string[],
  spec: FileSpec,
  layout: RecordLayout,
): readonly RecordColumn[] {
  let packedAt = 0;
  return names.map((name) => {
    const operand = bindName(name, spec);
    const at = layout === 'packed' ? packedAt : operand.offset;
    packedAt += operand.length;
    const codec = compileScalar(fieldOf(operand));
    const end = at + operand.length;
    return {
      name,
      isNumeric: isNumeric(operand.type),
      read: (record) => readOr(() => codec.read(record, at), record, at, end),
    };
  });
}

function fieldOf({ text, offset, length, type, precision, format }: BoundOperand): FieldSpec {
  return {
    name: text,
    type,
    offset,
    length,
    ...(precision === 0 ? {} : { precision }),
    ...(format === undefined ? {} : { format }),
  };
}

/** A question may be about just those records whose bytes are no value. */
function readOr(read: () => unknown, record: Buffer, start: number, end: number): unknown {
  try {
    return read();
  } catch (error) {
    if (!isRsyndError(error)) throw error;
    return record.toString('latin1', start, end);
  }
}
