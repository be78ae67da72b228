// One whole field of a record, read and written where it stands: a scalar, or an array nested as
// its dimension says. Called by field-codec.ts for records and key-codec.ts for keys.

import type { RecordText } from './decimal.js';
import { fieldError } from './field-error.js';
import type { FieldSpec } from './file-spec.js';
import { compileScalar, type ScalarCodec, trimmedEnd } from './scalar-codec.js';

/** One field with all its elements. */
export interface FieldAccess {
  readonly field: FieldSpec;
  /** First byte behind the field. */
  readonly end: number;
  /** Of the record `bytes[start, end)`. `text`: it as latin1, if the caller has that; see ScalarCodec. */
  read(bytes: Buffer, start: number, end: number, text?: RecordText): unknown;
  write(value: unknown, target: Buffer): void;
  fill(target: Buffer): void;
}

/** Prepares a field, which must have passed validateSpec. */
export function accessField(field: FieldSpec): FieldAccess {
  const scalar = compileScalar(field);
  const dimension = field.dimension ?? [];
  const count = dimension.reduce((product, size) => product * size, 1);
  const end = field.offset + field.length * count;
  const fill = (target: Buffer): void => {
    target.fill(scalar.fillByte, field.offset, end);
  };
  if (dimension.length === 0) {
    return {
      field,
      end,
      fill,
      read: (bytes, start, end, text) =>
        readElement({ field, scalar }, bytes, start + field.offset, end, text),
      write: (value, target) => scalar.write(value, target, field.offset),
    };
  }
  return {
    field,
    end,
    fill,
    read: (bytes, start, recordEnd) =>
      readArray({ field, scalar, dimension }, bytes, start + field.offset, recordEnd, 0),
    write(value, target) {
      fill(target);
      writeArray({ field, scalar, dimension }, value, target, field.offset, 0);
    },
  };
}

/** The element at `at` of a record that ends at `end`, perhaps before it. */
function readElement(
  { field, scalar }: Pick<ArrayShape, 'field' | 'scalar'>,
  bytes: Buffer,
  at: number,
  end: number,
  text?: RecordText,
): unknown {
  if (at + field.length <= end) return scalar.read(bytes, at, text);
  if (at >= end) return scalar.empty;
  if (field.type === 'alpha') return bytes.toString('latin1', at, trimmedEnd(bytes, at, end));
  return field.type === 'binary' ? Buffer.from(bytes.subarray(at, end)) : scalar.empty;
}

interface ArrayShape {
  readonly field: FieldSpec;
  readonly scalar: ScalarCodec;
  readonly dimension: readonly number[];
}

/** Bytes between neighbours at this depth of the array. */
const strideAt = ({ field, dimension }: ArrayShape, depth: number): number =>
  dimension.slice(depth + 1).reduce((product, size) => product * size, field.length);

function readArray(
  shape: ArrayShape,
  bytes: Buffer,
  at: number,
  end: number,
  depth: number,
): unknown {
  const stride = strideAt(shape, depth);
  const isInnermost = depth === shape.dimension.length - 1;
  return Array.from({ length: shape.dimension[depth] ?? 0 }, (_, index) =>
    isInnermost
      ? readElement(shape, bytes, at + index * stride, end)
      : readArray(shape, bytes, at + index * stride, end, depth + 1),
  );
}

function writeArray(
  shape: ArrayShape,
  value: unknown,
  target: Buffer,
  at: number,
  depth: number,
): void {
  const size = shape.dimension[depth] ?? 0;
  if (!Array.isArray(value)) {
    throw fieldError(shape.field.name, `takes an array of [${shape.dimension.join(', ')}]`);
  }
  if (value.length > size) {
    throw fieldError(shape.field.name, `holds ${size} elements, the value has ${value.length}`);
  }
  const stride = strideAt(shape, depth);
  const isInnermost = depth === shape.dimension.length - 1;
  for (const [index, element] of value.entries()) {
    if (element === undefined || element === null) continue;
    if (isInnermost) shape.scalar.write(element, target, at + index * stride);
    else writeArray(shape, element, target, at + index * stride, depth + 1);
  }
}
