// Trees as text that parse.ts reads back to the same tree. For messages, `explain`, and people. It quotes
// names that would not be read as names.

import { unreachable } from '../base/error.js';
import type { Expression, Operand, Scalar } from './expression.js';

const PLAIN_NAME = /^[A-Za-z_][\w$#]*(?:\.[A-Za-z_][\w$#]*)*$/;
/** Words that mean something at the place of a name; in the grammar too. */
const WORDS = new Set(
  (
    'and or not between in like contains starts is true false where nocase rec invalid blank ' +
    'select count sum min max avg as group order by asc desc using limit'
  ).split(' '),
);

/** The text of an expression. It must have passed checkExpression. */
export function printExpression(expression: Expression): string {
  switch (expression.op) {
    case 'and':
    case 'or':
      return printTerms(expression.op, expression.terms);
    case 'not':
      return `not ${printTerm(expression.term)}`;
    case 'isInvalid':
      return `${printOperand(expression.operand)} is invalid`;
    case 'isBlank':
      return `${printOperand(expression.operand)} is blank`;
    case 'between': {
      const bounds = `${printScalar(expression.low)} and ${printScalar(expression.high)}`;
      return `${printSubject(expression)} between ${bounds}`;
    }
    case 'in':
      return `${printSubject(expression)} in (${expression.values.map(printScalar).join(', ')})`;
    case 'like':
    case 'contains':
    case 'starts':
    case '=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return `${printSubject(expression)} ${expression.op} ${printScalar(expression.value)}`;
    default:
      return unreachable(expression);
  }
}

/** `total`, `phone[2]`, `rec(5,3)`. */
export function printOperand(operand: Operand): string {
  if (!('field' in operand)) return `rec(${operand.start},${operand.length})`;
  const index = operand.index === undefined ? '' : `[${operand.index.join(',')}]`;
  return `${printName(operand.field)}${index}`;
}

/** A name as it stands in a question: quoted where it would be taken for something else. */
export const printName = (name: string): string =>
  PLAIN_NAME.test(name) && !WORDS.has(name.toLowerCase().split('.')[0] ?? '')
    ? name
    : `"${name.replaceAll('"', '""')}"`;

/** A value as it stands in a question. */
export function printScalar(value: Scalar): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString('hex')}'`;
  return String(value);
}

/** `and` of nothing is true, `or` of nothing false. */
function printTerms(op: 'and' | 'or', terms: readonly Expression[]): string {
  if (terms.length === 0) return String(op === 'and');
  return terms.map(printTerm).join(` ${op} `);
}

/** A term inside another: in parentheses when it is itself put together. */
function printTerm(term: Expression): string {
  const isList = (term.op === 'and' || term.op === 'or') && term.terms.length > 0;
  return isList ? `(${printExpression(term)})` : printExpression(term);
}

const printSubject = (condition: {
  readonly operand: Operand;
  readonly nocase?: boolean;
}): string =>
  condition.nocase === true
    ? `nocase(${printOperand(condition.operand)})`
    : printOperand(condition.operand);
