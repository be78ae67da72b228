// An expression after it was checked against a file: fields are places in the record, values are in the
// form their field compares in, `not` is pushed down to the conditions (so that a condition on an invalid
// value, which is neither true nor false, never matches), `between` is two comparisons. bind.ts makes it,
// server/select compiles it to a predicate and plans by it. Nothing in it can be wrong any more.

import type { FieldType } from '../record/file-spec.js';
import type { Comparison } from './expression.js';
import type { AggregateFunction } from './query.js';

/** Some bytes of the record and what they mean. */
export interface BoundOperand {
  /** As the caller would write it: `total`, `phone[2]`, `rec(5,3)`. For messages and plans. */
  readonly text: string;
  /** 0-based. */
  readonly offset: number;
  readonly length: number;
  /** `alpha` for `rec(…)`. */
  readonly type: FieldType;
  /** Implied decimal places; 0 but for decimals. */
  readonly precision: number;
  /** Storage of a date or time. */
  readonly format?: string;
}

/** A value in the form its operand compares in. */
export type BoundValue =
  /** alpha: latin1 bytes without trailing blanks; folded when the condition is `nocase`. */
  | { readonly kind: 'text'; readonly bytes: Buffer }
  /**
   * decimal, integer, unsigned: the value times 10^precision, rounded down. `exact` is false when that
   * lost something: then no stored number equals it, and `<` means `<=`. bind.ts turns comparisons with
   * such values into others, so that those of a BoundExpression are exact.
   */
  | { readonly kind: 'number'; readonly unscaled: bigint; readonly exact: boolean }
  /** date, time: digits as stored, '' for none; `rank` orders them (see date-rank.ts). */
  | { readonly kind: 'digits'; readonly digits: string; readonly rank: number }
  | { readonly kind: 'flag'; readonly value: boolean }
  /** binary: as many bytes as the operand has. */
  | { readonly kind: 'bytes'; readonly bytes: Buffer };

/** One piece of a `like` pattern: literal text, `_`, or `%`. */
export type LikePart = { readonly literal: Buffer } | 'one' | 'any';

export type BoundExpression =
  | { readonly op: 'and' | 'or'; readonly terms: readonly BoundExpression[] }
  /** What a condition came to that needs no record: `in` of nothing, `and` of nothing. */
  | { readonly op: 'constant'; readonly value: boolean }
  | BoundCondition;

/** A condition on one operand. It is false for a value that is invalid, negated or not. */
export type BoundCondition =
  | {
      readonly op: 'compare';
      readonly operand: BoundOperand;
      readonly comparison: Comparison;
      readonly value: BoundValue;
      readonly nocase: boolean;
    }
  | {
      readonly op: 'in';
      readonly operand: BoundOperand;
      /** Without duplicates, at least one. */
      readonly values: readonly BoundValue[];
      readonly nocase: boolean;
      readonly negated: boolean;
    }
  | {
      readonly op: 'like';
      readonly operand: BoundOperand;
      /** No two 'any' in a row. Literals are folded when `nocase`. */
      readonly pattern: readonly LikePart[];
      readonly nocase: boolean;
      readonly negated: boolean;
    }
  | {
      readonly op: 'contains' | 'starts';
      readonly operand: BoundOperand;
      /** Folded when `nocase`; never empty. */
      readonly bytes: Buffer;
      readonly nocase: boolean;
      readonly negated: boolean;
    }
  | {
      readonly op: 'isInvalid' | 'isBlank';
      readonly operand: BoundOperand;
      readonly negated: boolean;
    };

/** One term of an order. */
export interface BoundOrder {
  readonly operand: BoundOperand;
  readonly descending: boolean;
}

export interface BoundAggregate {
  readonly name: string;
  readonly function: AggregateFunction;
  /** Absent with `count` only. `sum` and `avg`: a number; `min` and `max`: anything but binary. */
  readonly operand?: BoundOperand;
}

/** A whole query after it was checked against the file (bindQuery in bind-query.ts). */
export interface BoundQuery {
  readonly where: BoundExpression;
  /** Key number. */
  readonly using?: number;
  readonly orderBy: readonly BoundOrder[];
  /** Absent: the whole record travels. */
  readonly fields?: readonly BoundOperand[];
  readonly groupBy?: {
    readonly fields: readonly BoundOperand[];
    readonly aggregates: readonly BoundAggregate[];
  };
  readonly limit?: number;
  readonly maxScan?: number;
  readonly maxMs?: number;
}
