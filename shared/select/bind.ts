// Checks an expression against a file and gives it the form that is carried out (bound.ts). Called by the
// server before a query runs, and by the SDK so that a mistake is found before anything is sent.
//
// `not` is pushed down to the conditions: on a value that is invalid neither a condition nor its opposite
// is true. Parts that need no record are worked out here.

import { unreachable } from '../base/error.js';
import type { FileSpec } from '../record/file-spec.js';
import { bindOperand, canBeInvalid, isText } from './bind-operand.js';
import { bindText, bindValue, identityOf } from './bind-value.js';
import type {
  BoundCondition,
  BoundExpression,
  BoundOperand,
  BoundValue,
  LikePart,
} from './bound.js';
import { checkEffort } from './check-effort.js';
import { checkExpression } from './check-expression.js';
import type { Comparison, Expression, Scalar } from './expression.js';
import { parseLike } from './like-pattern.js';
import { selectError } from './select-error.js';

const OPPOSITE: { readonly [comparison in Comparison]: Comparison } = {
  '=': '<>',
  '<>': '=',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
};

const constant = (value: boolean): BoundExpression => ({ op: 'constant', value });

/** The condition for records of the file; every record without one. ERR_INVOPER for what does not fit. */
export function bindExpression(where: Expression | undefined, spec: FileSpec): BoundExpression {
  if (where === undefined) return constant(true);
  checkExpression(where);
  const bound = bindPart(where, spec, false);
  checkEffort(bound);
  return bound;
}

/** The opposite of it when `negated`. */
function bindPart(expression: Expression, spec: FileSpec, negated: boolean): BoundExpression {
  switch (expression.op) {
    case 'and':
    case 'or': {
      const terms = expression.terms.map((term) => bindPart(term, spec, negated));
      return joined((expression.op === 'and') === negated ? 'or' : 'and', terms);
    }
    case 'not':
      return bindPart(expression.term, spec, !negated);
    case 'isInvalid':
    case 'isBlank':
      return bindState(expression.op, bindOperand(expression.operand, spec), negated);
    default:
      return bindCondition(expression, spec, negated);
  }
}

type ValueCondition = Exclude<
  Expression,
  { readonly op: 'and' | 'or' | 'not' | 'isInvalid' | 'isBlank' }
>;

function bindCondition(
  condition: ValueCondition,
  spec: FileSpec,
  negated: boolean,
): BoundExpression {
  const operand = bindOperand(condition.operand, spec);
  const nocase = condition.nocase === true;
  if (nocase && !isText(operand)) {
    throw selectError(`${operand.text} is ${operand.type}, nocase is for text`);
  }
  const subject = { operand, nocase, negated };
  switch (condition.op) {
    case 'between':
      return bindBetween(subject, condition.low, condition.high);
    case 'in':
      return bindIn(subject, condition.values);
    case 'like':
      requireText(operand, condition.op);
      return bindLike(subject, condition.value);
    case 'contains':
    case 'starts':
      requireText(operand, condition.op);
      return bindSearch(condition.op, subject, condition.value);
    default:
      if (!Object.hasOwn(OPPOSITE, condition.op))
        throw selectError('a condition has no known operator');
      return compare(subject, condition.op, bindValue(condition.value, operand, nocase));
  }
}

/** What every condition on a value says. */
interface Subject {
  readonly operand: BoundOperand;
  readonly nocase: boolean;
  readonly negated: boolean;
}

function bindState(
  op: 'isInvalid' | 'isBlank',
  operand: BoundOperand,
  negated: boolean,
): BoundExpression {
  if (op === 'isInvalid' && !canBeInvalid(operand)) return constant(negated);
  return { op, operand, negated };
}

function bindBetween(subject: Subject, low: Scalar, high: Scalar): BoundExpression {
  const { operand, nocase, negated } = subject;
  const least = compare(subject, '>=', bindValue(low, operand, nocase));
  const most = compare(subject, '<=', bindValue(high, operand, nocase));
  return joined(negated ? 'or' : 'and', [least, most]);
}

/** One comparison, or its opposite. */
function compare(subject: Subject, asked: Comparison, value: BoundValue): BoundExpression {
  const { operand, nocase, negated } = subject;
  const comparison = negated ? OPPOSITE[asked] : asked;
  if (value.kind === 'flag') return compareFlag(operand, comparison, value.value);
  if (value.kind === 'number' && !value.exact) {
    return compareBetween(operand, comparison, value.unscaled);
  }
  return { op: 'compare', operand, comparison, value, nocase };
}

/**
 * Comparison with a number that lies between two the field can hold, of which `lower` is one: it equals
 * none, what is less is at most `lower`, and what is greater is greater than `lower`.
 */
function compareBetween(
  operand: BoundOperand,
  comparison: Comparison,
  lower: bigint,
): BoundExpression {
  if (comparison === '=') return constant(false);
  if (comparison === '<>') return bindState('isInvalid', operand, true);
  const value: BoundValue = { kind: 'number', unscaled: lower, exact: true };
  const isBelow = comparison === '<' || comparison === '<=';
  return { op: 'compare', operand, comparison: isBelow ? '<=' : '>', value, nocase: false };
}

/** false comes before true; there is nothing else, so that every comparison is `=` or needs no record. */
function compareFlag(
  operand: BoundOperand,
  comparison: Comparison,
  flag: boolean,
): BoundExpression {
  const accepted = [false, true].filter((stored) =>
    holds(comparison, Number(stored) - Number(flag)),
  );
  const [only] = accepted;
  if (only === undefined || accepted.length === 2) return constant(only !== undefined);
  return {
    op: 'compare',
    operand,
    comparison: '=',
    value: { kind: 'flag', value: only },
    nocase: false,
  };
}

function holds(comparison: Comparison, order: number): boolean {
  switch (comparison) {
    case '=':
      return order === 0;
    case '<>':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    default:
      return unreachable(comparison);
  }
}

/** Values that no stored number equals are left out; without any value nothing is `in`. */
function bindIn(subject: Subject, values: readonly Scalar[]): BoundExpression {
  const { operand, nocase, negated } = subject;
  const bound = values.map((value) => bindValue(value, operand, nocase));
  const possible = bound.filter((value) => value.kind !== 'number' || value.exact);
  const distinct = [...new Map(possible.map((value) => [identityOf(value), value])).values()];
  if (distinct.length > 0) return { op: 'in', operand, values: distinct, nocase, negated };
  return bound.length > 0 && negated ? bindState('isInvalid', operand, true) : constant(negated);
}

function bindLike(subject: Subject, value: string): BoundExpression {
  const pattern: readonly LikePart[] = parseLike(bindText(value, subject.operand, subject.nocase));
  const condition: BoundCondition = { op: 'like', ...subject, pattern };
  return condition;
}

/** Every text contains, and starts with, the empty one. */
function bindSearch(op: 'contains' | 'starts', subject: Subject, value: string): BoundExpression {
  const bytes = bindText(value, subject.operand, subject.nocase);
  return bytes.length === 0 ? constant(!subject.negated) : { op, ...subject, bytes };
}

function requireText(operand: BoundOperand, op: string): void {
  if (isText(operand)) return;
  throw selectError(`${operand.text} is ${operand.type}, \`${op}\` is for text`);
}

/** Terms put together; those that are certain are worked out. */
function joined(op: 'and' | 'or', terms: readonly BoundExpression[]): BoundExpression {
  const decides = op === 'or';
  const open: BoundExpression[] = [];
  for (const term of terms) {
    if (term.op !== 'constant') open.push(term);
    else if (term.value === decides) return constant(decides);
  }
  const [only] = open;
  if (only === undefined) return constant(!decides);
  return open.length === 1 ? only : { op, terms: open };
}
