// The typed builder: f => f.state.in(['CA', 'OR']).and(f.total.gte('100.00')). The SDK calls expressionOf
// with whatever its user gave as a condition; what comes out can be sent.

import type { FieldSpec, FileSpec } from '../record/file-spec.js';
import { bindExpression } from './bind.js';
import { checkExpression } from './check-expression.js';
import { checkText } from './check-text.js';
import { Condition } from './condition.js';
import type { Expression } from './expression.js';
import {
  type AnyReference,
  type FieldReference,
  type OnCondition,
  OperandReference,
} from './field-reference.js';
import { findField, noSuchField } from './find-field.js';
import { nameOfKind } from './scalar.js';
import { selectError } from './select-error.js';

/** A condition on records `R`, written as a function of their fields. */
export type Where<R> = (fields: WhereFields<R>) => Condition;

/** There for the records of every file. A field of one of these names is had by `field(name)`. */
export interface FieldFinder {
  /** Bytes of the record as text; `start` from 1. */
  rec(start: number, length: number): AnyReference;
  /** The field of that name, when the name is only known at run time. */
  field(name: string): AnyReference;
}

/** The fields of a record: typed for records with a definition, any name for records as bytes. */
export type WhereFields<R> = R extends Uint8Array
  ? { readonly [name: string]: AnyReference } & FieldFinder
  : { readonly [N in Exclude<keyof R, keyof FieldFinder>]: FieldReference<R[N]> } & FieldFinder;

/**
 * A condition in any form as it is sent: text stays text (the server parses it), the others are checked
 * against the file. ERR_INVOPER for what does not fit.
 */
export function expressionOf<R>(
  where: Where<R> | Expression | string,
  spec: FileSpec,
): Expression | string {
  if (typeof where === 'string') {
    checkText(where);
    return where;
  }
  if (typeof where !== 'function' && !Object.hasOwn(Object(where), 'op')) {
    throw selectError(`a condition is a function or text, not ${nameOfKind(where)}`);
  }
  const expression = typeof where === 'function' ? buildExpression(where, spec.fields) : where;
  bindExpression(expression, spec);
  return expression;
}

/** The expression a function of the fields makes. ERR_INVOPER when it names another field or makes none. */
export function buildExpression<R>(where: Where<R>, fields: readonly FieldSpec[]): Expression {
  const made = new Set<Expression>();
  const condition: unknown = where(whereFields<R>(fields, (expression) => made.add(expression)));
  if (condition instanceof Condition) {
    forgetUsed(made, condition.expression);
    if (made.size === 0) return checkExpression(condition.expression);
    throw selectError(
      'a condition was made and is not part of what the function returned: && and || do not join ' +
        'conditions, write a.and(b) and a.or(b)',
    );
  }
  throw selectError(
    `a condition was expected, such as f.total.gte('100.00'), not ${nameOfKind(condition)}`,
  );
}

/** Takes what the tree holds out of what was made. A tree is no deeper than its function had patience. */
function forgetUsed(made: Set<Expression>, root: Expression): void {
  const open = [root];
  for (let next = open.pop(); next !== undefined && made.size > 0; next = open.pop()) {
    made.delete(next);
    if ('terms' in next) for (const term of next.terms) open.push(term);
    else if ('term' in next) open.push(next.term);
  }
}

/**
 * An object with a reference for each field. A Proxy, because names are found without regard to case and a
 * wrong one must be told; what JavaScript itself looks for (symbols, `then`) is not there.
 */
function whereFields<R>(fields: readonly FieldSpec[], onCondition: OnCondition): WhereFields<R> {
  const refer = (name: string): OperandReference => {
    if (findField(fields, name) === undefined) throw noSuchField(fields, name);
    return new OperandReference({ field: name }, onCondition);
  };
  const finder: FieldFinder = {
    rec: (start, length) => new OperandReference({ start, length }, onCondition),
    field: (name) => refer(String(name)),
  };
  const found = (name: string | symbol): unknown => {
    if (typeof name === 'symbol') return undefined;
    if (name === 'rec' || name === 'field') return finder[name];
    if (ASKED_BY_JAVASCRIPT.has(name) && findField(fields, name) === undefined) return undefined;
    return refer(name);
  };
  const target: object = Object.freeze(Object.create(null));
  // The Proxy answers for every field of the definition that R was made from.
  return new Proxy(target, { get: (_, name) => found(name) }) as WhereFields<R>;
}

/** Names looked for by `await`, JSON and printing. */
const ASKED_BY_JAVASCRIPT: ReadonlySet<string> = new Set(['then', 'toJSON', 'inspect']);
