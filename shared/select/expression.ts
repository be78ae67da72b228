// What a select asks of a record: the one expression tree behind three faces, the typed builder
// (builder.ts), text (parse.ts) and the wire (wire.ts). A tree names fields and holds values; a value can
// never become a name, an operator or anything else. bind.ts checks a tree against a file.
//
// To add an operator: here, in bind.ts, in each face, in the README, in the naive evaluator of the tests.

/** A value of a condition. Decimals are text ('100.00'), so that they stay exact; dates are text too. */
export type Scalar = string | number | bigint | boolean | Uint8Array;

/** What a condition looks at. */
export type Operand =
  /** A field of the definition; `index` is the element of an array field, each from 1. */
  | { readonly field: string; readonly index?: readonly number[] }
  /** Bytes of the record as text, `start` from 1: for files without field names. */
  | { readonly start: number; readonly length: number };

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>=';

/** `nocase`: text compares without regard to case. */
export type Expression =
  | { readonly op: 'and' | 'or'; readonly terms: readonly Expression[] }
  | { readonly op: 'not'; readonly term: Expression }
  | {
      readonly op: Comparison;
      readonly operand: Operand;
      readonly value: Scalar;
      readonly nocase?: boolean;
    }
  | {
      readonly op: 'between';
      readonly operand: Operand;
      readonly low: Scalar;
      readonly high: Scalar;
      readonly nocase?: boolean;
    }
  | {
      readonly op: 'in';
      readonly operand: Operand;
      readonly values: readonly Scalar[];
      readonly nocase?: boolean;
    }
  /** `like`: `%` any text, `_` one character, `\` takes the next as it is. Text operands only. */
  | {
      readonly op: 'like' | 'contains' | 'starts';
      readonly operand: Operand;
      readonly value: string;
      readonly nocase?: boolean;
    }
  /** `isInvalid`: the bytes are no value of the field. `isBlank`: they hold its empty value. */
  | { readonly op: 'isInvalid' | 'isBlank'; readonly operand: Operand };
