// What a question names, as a place in the record. Called by bind.ts for conditions and bind-query.ts for
// orders, projections and groups.

import { unreachable } from '../base/error.js';
import type { FieldSpec, FileSpec } from '../record/file-spec.js';
import type { BoundOperand } from './bound.js';
import type { Operand } from './expression.js';
import { findField, noSuchField } from './find-field.js';
import { printOperand } from './print.js';
import { selectError } from './select-error.js';

/** The place of an operand. ERR_INVOPER when the file has no such field, element or bytes. */
export function bindOperand(operand: Operand, spec: FileSpec): BoundOperand {
  if (!('field' in operand)) return bindBytes(operand, spec);
  const field = findField(spec.fields, operand.field);
  if (field === undefined) throw noSuchField(spec.fields, operand.field);
  return {
    text: printOperand(operand),
    offset: field.offset + elementNumber(field, operand.index) * field.length,
    length: field.length,
    type: field.type,
    precision: field.precision ?? 0,
    ...(field.format !== undefined && { format: field.format }),
  };
}

/** Is it text, on which `like`, `contains`, `starts` and `nocase` work? */
export const isText = (operand: BoundOperand): boolean => operand.type === 'alpha';

/** Can values of the operand be added? */
export const isNumeric = (operand: BoundOperand): boolean =>
  operand.type === 'decimal' || operand.type === 'integer' || operand.type === 'unsigned';

/** Can bytes of the operand be no value of it? */
export function canBeInvalid(operand: BoundOperand): boolean {
  switch (operand.type) {
    case 'decimal':
    case 'date':
    case 'time':
      return true;
    case 'alpha':
    case 'integer':
    case 'unsigned':
    case 'boolean':
    case 'binary':
      return false;
    default:
      return unreachable(operand.type);
  }
}

function bindBytes(operand: { start: number; length: number }, spec: FileSpec): BoundOperand {
  const { start, length } = operand;
  const { size } = spec.record;
  const isInside = Number.isInteger(start) && Number.isInteger(length) && start >= 1 && length >= 1;
  if (!isInside || start + length - 1 > size) {
    throw selectError(`rec(${start},${length}): the record has bytes 1 to ${size}`);
  }
  return { text: printOperand(operand), offset: start - 1, length, type: 'alpha', precision: 0 };
}

/** Elements before the one meant, in row-major order. */
function elementNumber(field: FieldSpec, index: readonly number[] | undefined): number {
  const { name, dimension } = field;
  if (dimension === undefined || dimension.length === 0) {
    if (index === undefined) return 0;
    throw selectError(`field ${name} is no array, leave [${index.join(',')}] away`);
  }
  const shape = `[${dimension.join(',')}]`;
  if (index === undefined || index.length !== dimension.length) {
    const first = `${name}[${dimension.map(() => 1).join(',')}]`;
    throw selectError(`field ${name} is an array of ${shape}: name one element, as in ${first}`);
  }
  return index.reduce((number, position, depth) => {
    const size = dimension[depth] ?? 0;
    if (Number.isInteger(position) && position >= 1 && position <= size) {
      return number * size + position - 1;
    }
    throw selectError(`field ${name} has elements 1 to ${shape}, not [${index.join(',')}]`);
  }, 0);
}
