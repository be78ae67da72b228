// Turns a bound condition into one function over the bytes of a record, once per query: closures over
// offsets, no objects, nothing allocated for a record. Called by the executor and, for `isInvalid`, by
// value.ts. What conditions mean is written down in shared/select/README.md and bound.ts.
//
// To add a condition: here, its cost beside it, in bind.ts, in the naive evaluator of the tests.

import type {
  BoundCondition,
  BoundExpression,
  BoundOperand,
  BoundValue,
} from '../../shared/select/bound.js';
import type { Comparison } from '../../shared/select/expression.js';
import { compileLike } from './like.js';
import {
  collationOf,
  compileStarts,
  compileTextComparison,
  compileTextIn,
  orderTest,
} from './predicate-text.js';
import { compileZonedEqual } from './predicate-zoned.js';
import type { Predicate } from './query-plan.js';
import { compileNumber, type NumberReader, numberOf } from './value-number.js';
import { compileWide } from './value-wide.js';

type Condition<Op extends BoundCondition['op']> = Extract<BoundCondition, { op: Op }>;

const always: Predicate = () => true;
const never: Predicate = () => false;

/** The predicate of a condition. It keeps nothing of the bytes it is shown and never throws. */
export function compilePredicate(where: BoundExpression): Predicate {
  switch (where.op) {
    case 'and':
      return joinAll(where.terms);
    case 'or':
      return joinAny(where.terms);
    case 'constant':
      return where.value ? always : never;
    case 'compare':
      return compileComparison(where);
    case 'in':
      return compileIn(where);
    case 'like':
      return compileLike(where);
    case 'contains': {
      const pattern = ['any', { literal: where.bytes }, 'any'] as const;
      return compileLike({ ...where, op: 'like', pattern });
    }
    case 'starts':
      return compileStarts(where);
    case 'isInvalid':
      return compileIsInvalid(where);
    case 'isBlank':
      return compileIsBlank(where);
  }
}

/** Roughly how long a condition takes; those that take less are asked first. */
function costOf(where: BoundExpression): number {
  switch (where.op) {
    case 'and':
    case 'or':
      return where.terms.reduce((sum, term) => sum + costOf(term), 1);
    case 'constant':
      return 0;
    case 'compare':
      return where.operand.type === 'alpha' && where.comparison === '=' ? 1 : 2;
    case 'in':
      return 4 + Math.log2(where.values.length);
    case 'like':
    case 'contains':
      return 8 + where.operand.length / 4;
    default:
      return 2;
  }
}

const cheapestFirst = (terms: readonly BoundExpression[]): Predicate[] =>
  [...terms].sort((a, b) => costOf(a) - costOf(b)).map(compilePredicate);

function joinAll(terms: readonly BoundExpression[]): Predicate {
  const all = cheapestFirst(terms);
  const [first = always, second = always, third = always] = all;
  if (all.length <= 1) return first;
  if (all.length === 2)
    return (bytes, start, end) => first(bytes, start, end) && second(bytes, start, end);
  if (all.length === 3) {
    return (bytes, start, end) =>
      first(bytes, start, end) && second(bytes, start, end) && third(bytes, start, end);
  }
  return (bytes, start, end) => {
    for (const isMatch of all) if (!isMatch(bytes, start, end)) return false;
    return true;
  };
}

function joinAny(terms: readonly BoundExpression[]): Predicate {
  const all = cheapestFirst(terms);
  const [first = never, second = never] = all;
  if (all.length <= 1) return first;
  if (all.length === 2)
    return (bytes, start, end) => first(bytes, start, end) || second(bytes, start, end);
  return (bytes, start, end) => {
    for (const isMatch of all) if (isMatch(bytes, start, end)) return true;
    return false;
  };
}

function compileComparison(condition: Condition<'compare'>): Predicate {
  const { operand, value, nocase } = condition;
  if (value.kind === 'text' || value.kind === 'bytes') {
    const collation = collationOf(operand, nocase);
    return compileTextComparison(operand, condition.comparison, value.bytes, collation);
  }
  const comparison = comparisonWith(condition.comparison, value);
  if (comparison === 'invalid') return never;
  if (comparison === 'valid') return compileIsValid(operand);
  if (operand.type === 'decimal' && comparison === '=' && value.kind === 'number') {
    return compileZonedEqual(operand, value.unscaled);
  }
  const read = compileNumber(operand);
  if (read !== undefined) return compareNumber(read, comparison, numberOf(value));
  const isMatch = orderTest(comparison);
  const compare = compileWide(
    operand,
    value.kind === 'number' ? [value.unscaled] : unscaledOf([value]),
  );
  return (bytes, start, end) => isMatch(compare(bytes, start, end, 0));
}

/**
 * The comparison to make with a value that was rounded down: what is less than 1.5 is at most 1. No
 * number equals it, so that `=` is never true and `<>` is for all that is valid.
 */
function comparisonWith(
  comparison: Comparison,
  value: BoundValue,
): Comparison | 'valid' | 'invalid' {
  if (value.kind !== 'number' || value.exact) return comparison;
  if (comparison === '=') return 'invalid';
  if (comparison === '<>') return 'valid';
  return comparison.startsWith('<') ? '<=' : '>';
}

/** NaN, which stands for what is invalid, matches none. */
function compareNumber(read: NumberReader, comparison: Comparison, wanted: number): Predicate {
  switch (comparison) {
    case '=':
      return (bytes, start, end) => read(bytes, start, end) === wanted;
    case '<>':
      return (bytes, start, end) => {
        const value = read(bytes, start, end);
        return value < wanted || value > wanted;
      };
    case '<':
      return (bytes, start, end) => read(bytes, start, end) < wanted;
    case '<=':
      return (bytes, start, end) => read(bytes, start, end) <= wanted;
    case '>':
      return (bytes, start, end) => read(bytes, start, end) > wanted;
    case '>=':
      return (bytes, start, end) => read(bytes, start, end) >= wanted;
  }
}

const unscaledOf = (values: readonly BoundValue[]): bigint[] =>
  values.flatMap((value) => (value.kind === 'number' && value.exact ? [value.unscaled] : []));

const isExact = (value: BoundValue): boolean => value.kind !== 'number' || value.exact;

function compileIn({ operand, values, nocase, negated }: Condition<'in'>): Predicate {
  if (operand.type === 'alpha' || operand.type === 'binary') {
    const texts = values.flatMap((value) => ('bytes' in value ? [value.bytes] : []));
    return compileTextIn(operand, texts, collationOf(operand, nocase), negated);
  }
  const read = compileNumber(operand);
  if (read !== undefined) return findNumber(read, values.filter(isExact).map(numberOf), negated);
  return findWide(operand, unscaledOf(values), negated);
}

function findNumber(read: NumberReader, values: readonly number[], negated: boolean): Predicate {
  const sorted = Float64Array.from(values).sort();
  return (bytes, start, end) => {
    const value = read(bytes, start, end);
    if (Number.isNaN(value)) return false;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sorted[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return (sorted[low] === value) !== negated;
  };
}

function findWide(operand: BoundOperand, values: readonly bigint[], negated: boolean): Predicate {
  const isValid = compileIsValid(operand);
  const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const compare = compileWide(operand, sorted);
  return (bytes, start, end) => {
    if (!isValid(bytes, start, end)) return false;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compare(bytes, start, end, middle);
      if (order === 0) return !negated;
      if (order > 0) low = middle + 1;
      else high = middle;
    }
    return negated;
  };
}

/** Do the bytes hold a value? Text, bytes, integers and booleans always do. */
export function compileIsValid(operand: BoundOperand): Predicate {
  const read = compileNumber(operand);
  if (read !== undefined) {
    return (bytes, start, end) => !Number.isNaN(read(bytes, start, end));
  }
  if (operand.type !== 'decimal') return always;
  const compare = compileWide(operand, [0n]);
  return (bytes, start, end) => !Number.isNaN(compare(bytes, start, end, 0));
}

function compileIsInvalid({ operand, negated }: Condition<'isInvalid' | 'isBlank'>): Predicate {
  const isValid = compileIsValid(operand);
  return negated ? isValid : (bytes, start, end) => !isValid(bytes, start, end);
}

/** The empty value: nothing but blanks (bytes: zeros), no date, 0, false. */
function compileIsBlank({ operand, negated }: Condition<'isInvalid' | 'isBlank'>): Predicate {
  const comparison = negated ? '<>' : '=';
  const read = compileNumber(operand);
  if (read !== undefined) return compareNumber(read, comparison, 0);
  if (operand.type === 'alpha' || operand.type === 'binary') {
    const empty = new Uint8Array();
    return compileTextComparison(operand, comparison, empty, collationOf(operand, false));
  }
  const isMatch = orderTest(comparison);
  const compare = compileWide(operand, [0n]);
  return (bytes, start, end) => isMatch(compare(bytes, start, end, 0));
}
