// Expressions as they travel: one flat list, each part before what it is made of, so that no depth of a
// tree becomes depth of a message. Called by wire-query.ts and the codec of `select`.
//
//   expression = 1 and | 2 or, count, expression…
//              | 3 not, expression
//              | 10 = | 11 <> | 12 < | 13 <= | 14 > | 15 >=, operand, nocase, value
//              | 20 between, operand, nocase, value, value
//              | 21 in, operand, nocase, count, value…
//              | 22 like | 23 contains | 24 starts, operand, nocase, text
//              | 30 isInvalid | 31 isBlank, operand
//   operand    = name (text), count, element…      a field; without elements no array
//              | start (number from 1), length     bytes of the record
//   value      = text | number | true | false
//              | nil, 'n', digits                   bigint: MessagePack integers become numbers
//              | nil, 'x', hex                      bytes: control messages carry no binary
//
// On the wire: never renumber, never reuse. To add an operator see expression.ts.

import { unreachable } from '../base/error.js';
import {
  definitionNameCharsMax,
  expressionDepthMax,
  expressionNodesMax,
  fieldDimensionsMax,
  inValuesMax,
  queryValueBytesMax,
  recordBytesMax,
} from '../base/limits.js';
import { checkExpression } from './check-expression.js';
import type { Expression, Operand, Scalar } from './expression.js';
import { selectViolation, WireReader } from './wire-reader.js';

const NUMBERS: { readonly [op in Expression['op']]: number } = {
  and: 1,
  or: 2,
  not: 3,
  '=': 10,
  '<>': 11,
  '<': 12,
  '<=': 13,
  '>': 14,
  '>=': 15,
  between: 20,
  in: 21,
  like: 22,
  contains: 23,
  starts: 24,
  isInvalid: 30,
  isBlank: 31,
};
const OPS = new Map(
  (Object.keys(NUMBERS) as Expression['op'][]).map((op) => [NUMBERS[op], op] as const),
);
const TAG_BIGINT = 'n';
const TAG_BYTES = 'x';
const DIGITS = /^-?\d+$/;
const HEX = /^(?:[0-9a-f]{2})*$/;

/** The list of an expression. ERR_INVOPER when it is larger than an expression may be. */
export function packExpression(expression: Expression): unknown[] {
  checkExpression(expression);
  const list: unknown[] = [];
  putExpression(list, expression);
  return list;
}

/** The expression of a list. ERR_PROTOCOL naming what is wrong with it. */
export function unpackExpression(value: unknown): Expression {
  const reader = new WireReader(value, 'the condition');
  const expression = takeExpression({ reader, nodes: 0 }, 1);
  reader.end();
  return expression;
}

function putExpression(list: unknown[], expression: Expression): void {
  list.push(NUMBERS[expression.op]);
  switch (expression.op) {
    case 'and':
    case 'or':
      list.push(expression.terms.length);
      for (const term of expression.terms) putExpression(list, term);
      return;
    case 'not':
      putExpression(list, expression.term);
      return;
    case 'isInvalid':
    case 'isBlank':
      putOperand(list, expression.operand);
      return;
    default:
      putOperand(list, expression.operand);
      list.push(expression.nocase === true);
      putValues(list, expression);
  }
}

type ValueCondition = Extract<Expression, { readonly nocase?: boolean }>;

function putValues(list: unknown[], condition: ValueCondition): void {
  switch (condition.op) {
    case 'between':
      putValue(list, condition.low);
      putValue(list, condition.high);
      return;
    case 'in':
      list.push(condition.values.length);
      for (const value of condition.values) putValue(list, value);
      return;
    default:
      putValue(list, condition.value);
  }
}

function putOperand(list: unknown[], operand: Operand): void {
  if ('field' in operand) {
    list.push(operand.field, operand.index?.length ?? 0, ...(operand.index ?? []));
  } else {
    list.push(operand.start, operand.length);
  }
}

function putValue(list: unknown[], value: Scalar): void {
  if (typeof value === 'bigint') list.push(null, TAG_BIGINT, value.toString());
  else if (value instanceof Uint8Array) {
    list.push(null, TAG_BYTES, Buffer.from(value).toString('hex'));
  } else list.push(value);
}

/** How far the reading of one expression is. */
interface Reading {
  readonly reader: WireReader;
  nodes: number;
}

function takeExpression(reading: Reading, depth: number): Expression {
  const { reader } = reading;
  if (depth > expressionDepthMax) {
    throw selectViolation(`the condition nests deeper than ${expressionDepthMax}`);
  }
  if (++reading.nodes > expressionNodesMax) {
    throw selectViolation(`the condition has more than ${expressionNodesMax} parts`);
  }
  const number = reader.whole('an operator', 0, 255);
  const op = OPS.get(number);
  switch (op) {
    case undefined:
      throw selectViolation(`operator ${number} is not known`);
    case 'and':
    case 'or': {
      const count = reader.count('terms', expressionNodesMax);
      return { op, terms: Array.from({ length: count }, () => takeExpression(reading, depth + 1)) };
    }
    case 'not':
      return { op, term: takeExpression(reading, depth + 1) };
    case 'isInvalid':
    case 'isBlank':
      return { op, operand: takeOperand(reader) };
    default:
      return takeCondition(reader, op);
  }
}

function takeCondition(reader: WireReader, op: ValueCondition['op']): Expression {
  const operand = takeOperand(reader);
  const nocase = reader.flag('nocase') ? { nocase: true } : {};
  switch (op) {
    case 'between':
      return { op, operand, low: takeValue(reader), high: takeValue(reader), ...nocase };
    case 'in': {
      const count = reader.count('values', inValuesMax);
      const values = Array.from({ length: count }, () => takeValue(reader));
      return { op, operand, values, ...nocase };
    }
    case 'like':
    case 'contains':
    case 'starts':
      return { op, operand, value: reader.text('the text', queryValueBytesMax), ...nocase };
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return { op, operand, value: takeValue(reader), ...nocase };
    default:
      return unreachable(op);
  }
}

function takeOperand(reader: WireReader): Operand {
  if (typeof reader.peek() === 'number') {
    const start = reader.whole('the start of rec', 1, recordBytesMax);
    return { start, length: reader.whole('the length of rec', 1, recordBytesMax) };
  }
  const field = reader.text('the name of a field', definitionNameCharsMax);
  const count = reader.count('elements', fieldDimensionsMax);
  if (count === 0) return { field };
  const index = Array.from({ length: count }, () => reader.whole('an element', 1, recordBytesMax));
  return { field, index };
}

function takeValue(reader: WireReader): Scalar {
  const value = reader.any('a value');
  if (value === undefined) return takeTagged(reader);
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value !== 'string') return reader.refuse('a value', 'text, number or flag', value);
  if (value.length <= queryValueBytesMax) return value;
  throw selectViolation(
    `a value has ${value.length} characters, at most ${queryValueBytesMax} are taken`,
  );
}

function takeTagged(reader: WireReader): Scalar {
  const tag = reader.text('the kind of a value', 1);
  if (tag === TAG_BIGINT) {
    const digits = reader.text('a whole number', queryValueBytesMax);
    if (DIGITS.test(digits)) return BigInt(digits);
    throw selectViolation('a whole number is no digits');
  }
  if (tag !== TAG_BYTES) throw selectViolation('a value is of a kind that is not known');
  return bytesOfHex(reader.text('bytes', 2 * queryValueBytesMax));
}

/** Bytes that travelled as hex digits. ERR_PROTOCOL when they are none. */
export function bytesOfHex(hex: string): Uint8Array {
  if (!HEX.test(hex)) throw selectViolation('bytes are no pairs of hex digits');
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
