// What the builder hands out: a condition that can be put together with others. It holds its expression
// and nothing else.

import { combine } from './combine.js';
import type { Expression } from './expression.js';
import { nameOfKind } from './scalar.js';
import { selectError } from './select-error.js';

/** One condition. Frozen: `and`, `or`, `not` make new ones. */
export class Condition {
  readonly expression: Expression;

  constructor(expression: Expression) {
    this.expression = expression;
    Object.freeze(this);
  }

  /** True where this and all others are. */
  and(...others: readonly Condition[]): Condition {
    return and(this, ...others);
  }

  /** True where this or one of the others is. */
  or(...others: readonly Condition[]): Condition {
    return or(this, ...others);
  }

  /** True where this is false. Where it is neither (a value that is invalid), this is not true either. */
  not(): Condition {
    return not(this);
  }
}

/** True where all conditions are. */
export const and = (...conditions: readonly Condition[]): Condition => join('and', conditions);

/** True where one of the conditions is. */
export const or = (...conditions: readonly Condition[]): Condition => join('or', conditions);

/** The opposite of a condition. */
export const not = (condition: Condition): Condition =>
  new Condition({ op: 'not', term: expressionIn(condition, 'not') });

function join(op: 'and' | 'or', conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) throw selectError(`${op}() takes conditions`);
  const terms = conditions.map((condition) => expressionIn(condition, op));
  return new Condition(combine(op, terms));
}

/** Without types anything may come, and `&&` and `||` give what nobody meant. */
function expressionIn(condition: unknown, op: string): Expression {
  if (condition instanceof Condition) return condition.expression;
  throw selectError(
    `${op} takes conditions such as f.total.gte('100.00'), not ${nameOfKind(condition)}`,
  );
}
