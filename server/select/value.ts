// Reads one operand of a record as the value the SDK's field codec gives: for groups, aggregates and rows
// that are shown. Called for records that matched, so it may allocate. Predicates do not use it.

import { compileScalar, type ScalarCodec, trimmedEnd } from '../../shared/record/scalar-codec.js';
import type { BoundOperand } from '../../shared/select/bound.js';
import type { Scalar } from '../../shared/select/expression.js';
import { compileIsValid } from './predicate.js';

/** The operand's value in the record `bytes[start, end)`; null when its bytes are no value. */
export type ValueReader = (bytes: Buffer, start: number, end: number) => Scalar | null;

/** The reader of an operand. Past the end of a short record it gives the field's empty value. */
export function compileValue(operand: BoundOperand): ValueReader {
  const codec = codecOf(operand);
  const isValid = compileIsValid(operand);
  const { offset, length } = operand;
  return (bytes, start, end) => {
    const from = start + offset;
    if (from + length > end) return readShort(operand, codec, bytes.subarray(from, end));
    return isValid(bytes, start, end) ? scalarOf(codec.read(bytes, from)) : null;
  };
}

function codecOf({ text, type, length, precision, format }: BoundOperand): ScalarCodec {
  return compileScalar({
    name: text,
    type,
    offset: 0,
    length,
    ...(type === 'decimal' ? { precision } : {}),
    ...(format === undefined ? {} : { format }),
  });
}

/** What is there of text and bytes the record ends in; nothing of a number. As field-access.ts does. */
function readShort({ type }: BoundOperand, { empty }: ScalarCodec, rest: Buffer): Scalar | null {
  if (type === 'alpha') return rest.toString('latin1', 0, trimmedEnd(rest, 0, rest.length));
  return type === 'binary' ? Buffer.from(rest) : scalarOf(empty);
}

/** What codecs give is one of these; anything else is none. */
function scalarOf(value: unknown): Scalar | null {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
      return value;
    default:
      return value instanceof Uint8Array ? value : null;
  }
}
