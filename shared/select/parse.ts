// Text of questions to trees. The server calls it for conditions that arrive as text, the tools for whole
// questions. The grammar is grammar.peggy; a text is looked over (check-text.ts) before it is parsed.
//
//   where state in ('CA','OR') and total >= 100.00
//   select number, total where state = 'CA' order by total desc, number limit 10
//   state <> '' group by state: count, sum(total) as total using 1

import { checkExpression } from './check-expression.js';
import { checkText } from './check-text.js';
import { combine, negateIf } from './combine.js';
import { explainSyntax } from './explain-syntax.js';
import type { Expression, Operand, Scalar } from './expression.js';
import { parse as parseRule, type StartRule, SyntaxError as TextError } from './grammar.js';
import { printOperand } from './print.js';
import type { Aggregate, AggregateFunction, SelectQuery } from './query.js';
import { scalarOf, wholeNumber } from './scalar.js';
import { selectError } from './select-error.js';

/** The condition of a text, with or without `where` in front. ERR_INVOPER with a caret where it is wrong. */
export function parseExpression(text: string): Expression {
  // The grammar's `Expression` builds nothing but expressions.
  return checkExpression(parseText(text, 'Expression') as Expression);
}

/**
 * The question of a text: `[select fields | aggregates] [where] condition` and then, in any order, each at
 * most once, `group by`, `order by`, `using`, `limit`. ERR_INVOPER as parseExpression.
 */
export function parseQuery(text: string): SelectQuery {
  const parts = parseText(text, 'Query') as QueryParts;
  if (parts.where !== null) checkExpression(parts.where);
  return {
    ...(parts.where !== null && { where: parts.where }),
    ...selected(parts),
    ...clausesOf(parts.clauses),
  };
}

/** `total`, `phone[2]`, `rec(5,3)`. ERR_INVOPER as parseExpression. */
export const parseOperand = (text: string): Operand => parseText(text, 'OperandAlone') as Operand;

/** A term of an order: an operand, with `-` in front for descending. ERR_INVOPER as parseExpression. */
export const parseOrder = (text: string): OrderTerm => parseText(text, 'OrderTerm') as OrderTerm;

export interface OrderTerm {
  readonly operand: Operand;
  readonly descending: boolean;
}

function parseText(text: string, startRule: StartRule): unknown {
  checkText(text);
  try {
    return parseRule(text, { startRule, make: MAKE });
  } catch (error) {
    if (error instanceof TextError) throw selectError(explainSyntax(text, error));
    throw error;
  }
}

// ---- what the grammar builds with

interface Subject {
  readonly operand: Operand;
  readonly nocase?: true;
}
/** The rest of a condition as the grammar read it: `op` and its values, `negated` by a `not` inside. */
type Test = { readonly negated?: boolean } & { readonly op: Expression['op'] };

const MAKE = {
  combine,
  negateIf,
  condition({ operand, nocase }: Subject, { negated = false, ...test }: Test): Expression {
    const isState = test.op === 'isInvalid' || test.op === 'isBlank';
    if (isState && nocase)
      throw selectError(`\`is\` takes no nocase, write ${printOperand(operand)} is …`);
    const condition = { ...test, operand, ...(nocase && { nocase }) } as Expression;
    return negateIf(negated, condition);
  },
  bytes: (hex: string): Scalar => scalarOf(Buffer.from(hex, 'hex'), 'bytes'),
  /** Digits with a point stay text, so that they stay exact. */
  number(digits: string): Scalar {
    scalarOf(digits, 'a number');
    return digits.includes('.') ? digits : wholeNumber(BigInt(digits));
  },
  aggregate(fn: AggregateFunction, operand: Operand, name: string | null): Aggregate {
    const field = printOperand(operand);
    return { name: name ?? `${fn}(${field})`, function: fn, field };
  },
};

// ---- whole questions

type Clause =
  | {
      readonly name: 'group by';
      readonly fields: readonly Operand[];
      readonly aggregates: readonly Aggregate[];
    }
  | { readonly name: 'order by'; readonly orders: readonly OrderTerm[] }
  | { readonly name: 'using'; readonly key: number | string }
  | { readonly name: 'limit'; readonly limit: number };

interface QueryParts {
  readonly what: {
    readonly fields?: readonly Operand[];
    readonly aggregates?: readonly Aggregate[];
  } | null;
  readonly where: Expression | null;
  readonly clauses: readonly Clause[];
}

/** `select count` without `group by` makes one group of all records. */
function selected({ what, clauses }: QueryParts): SelectQuery {
  if (what?.fields !== undefined) return { fields: what.fields.map(printOperand) };
  if (what?.aggregates === undefined) return {};
  if (clauses.some((clause) => clause.name === 'group by')) {
    throw selectError('name what to compute behind `group by`: group by state: count, sum(total)');
  }
  return { groupBy: { fields: [], aggregates: what.aggregates } };
}

function clausesOf(clauses: readonly Clause[]): SelectQuery {
  const query: { -readonly [name in keyof SelectQuery]: SelectQuery[name] } = {};
  const seen = new Set<string>();
  for (const clause of clauses) {
    if (seen.has(clause.name)) throw selectError(`\`${clause.name}\` stands there twice`);
    seen.add(clause.name);
    if (clause.name === 'using') query.using = clause.key;
    if (clause.name === 'limit') query.limit = clause.limit;
    if (clause.name === 'order by') query.orderBy = clause.orders.map(printOrder);
    if (clause.name === 'group by') {
      query.groupBy = { fields: clause.fields.map(printOperand), aggregates: clause.aggregates };
    }
  }
  return query;
}

const printOrder = ({ operand, descending }: OrderTerm): string =>
  `${descending ? '-' : ''}${printOperand(operand)}`;
