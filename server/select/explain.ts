// Bound conditions in words, for `explain` and for messages about what a query did: values as the user
// would write them, fields as he named them. Called by the planner. It decides nothing.

import { unreachable } from '../../shared/base/error.js';
import { planTextCharsMax, planValuesShownMax } from '../../shared/base/limits.js';
import { formatDecimal } from '../../shared/record/decimal.js';
import type {
  BoundCondition,
  BoundExpression,
  BoundOperand,
  BoundValue,
  LikePart,
} from '../../shared/select/bound.js';
import { printScalar } from '../../shared/select/print.js';

/** A whole condition, at most about `planTextCharsMax` characters; '' for the one that is always true. */
export function explainFilter(where: BoundExpression): string {
  if (where.op === 'constant') return where.value ? '' : 'false';
  const text = printTerm(where, planTextCharsMax);
  return text.length > planTextCharsMax ? `${text.slice(0, planTextCharsMax)} …` : text;
}

/** Stops adding terms once `room` characters are used: nobody reads more. */
function printTerm(where: BoundExpression, room: number): string {
  switch (where.op) {
    case 'constant':
      return String(where.value);
    case 'and':
    case 'or': {
      let text = '';
      for (const term of where.terms) {
        if (text.length > room) break;
        const isList = term.op === 'and' || term.op === 'or';
        const inner = printTerm(term, room - text.length);
        const separator = text === '' ? '' : ` ${where.op} `;
        text += separator + (isList ? `(${inner})` : inner);
      }
      return text;
    }
    default:
      return printCondition(where);
  }
}

/** One condition: `state = 'CA'`. */
export function printCondition(condition: BoundCondition): string {
  const { operand } = condition;
  switch (condition.op) {
    case 'compare':
      return `${subjectOf(condition)} ${printComparison(condition)}`;
    case 'in': {
      const shown = condition.values.slice(0, planValuesShownMax);
      const list = shown.map((value) => printValue(value, operand)).join(', ');
      const more = condition.values.length - shown.length;
      const rest = more > 0 ? `, … ${more} more` : '';
      return `${subjectOf(condition)} ${unless(condition.negated)}in (${list}${rest})`;
    }
    case 'like':
      return `${subjectOf(condition)} ${unless(condition.negated)}like ${printPattern(condition.pattern)}`;
    case 'contains':
    case 'starts': {
      const text = printText(condition.bytes);
      return `${subjectOf(condition)} ${unless(condition.negated)}${condition.op} ${text}`;
    }
    case 'isInvalid':
      return `${operand.text} is ${unless(condition.negated)}invalid`;
    case 'isBlank':
      return `${operand.text} is ${unless(condition.negated)}blank`;
    default:
      return unreachable(condition);
  }
}

const unless = (negated: boolean): string => (negated ? 'not ' : '');

const subjectOf = (condition: Exclude<BoundCondition, { op: 'isInvalid' | 'isBlank' }>): string =>
  condition.nocase ? `nocase(${condition.operand.text})` : condition.operand.text;

function printComparison(condition: Extract<BoundCondition, { op: 'compare' }>): string {
  const { comparison, operand, value } = condition;
  return `${comparison} ${printValue(value, operand)}`;
}

function printValue(value: BoundValue, operand: BoundOperand): string {
  switch (value.kind) {
    case 'text':
      return printText(value.bytes);
    case 'bytes':
      return printScalar(value.bytes);
    case 'number':
      return printNumber(value.unscaled, operand.precision);
    case 'digits':
      return `'${dashed(value.digits, operand.format)}'`;
    case 'flag':
      return String(value.value);
    default:
      return unreachable(value);
  }
}

function printNumber(unscaled: bigint, precision: number): string {
  const negative = unscaled < 0n;
  const digits = (negative ? -unscaled : unscaled).toString();
  return formatDecimal({ negative, digits, scale: precision });
}

const dashed = (digits: string, format: string | undefined): string =>
  format === 'YYYYMMDD' && digits !== ''
    ? `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`
    : digits;

const printText = (bytes: Buffer): string => printScalar(bytes.toString('latin1'));

function printPattern(pattern: readonly LikePart[]): string {
  const parts = pattern.map((part) => {
    if (part === 'any') return '%';
    if (part === 'one') return '_';
    return part.literal.toString('latin1').replace(/[\\%_]/g, '\\$&');
  });
  return printScalar(parts.join(''));
}
