// A field, or bytes of the record, as the builder gives it: f.total, f.phone.element(2), f.rec(5, 3). Its
// methods make conditions. Values are looked at when they are given, so that a mistake shows where it is.

import { Condition } from './condition.js';
import type { Comparison, Expression, Operand, Scalar } from './expression.js';
import { printOperand } from './print.js';
import { nameOfKind, scalarOf, textOf } from './scalar.js';
import { selectError } from './select-error.js';

/** What a condition on a field of values `V` may compare with. */
export type Comparable<V> = unknown extends V
  ? Scalar
  : V extends string
    ? string
    : V extends number | bigint
      ? number | bigint
      : V extends boolean
        ? boolean
        : V extends Uint8Array
          ? Uint8Array
          : never;

/** Conditions every field has. `V` is what they take. */
export interface ValueReference<V> {
  eq(value: V): Condition;
  ne(value: V): Condition;
  lt(value: V): Condition;
  lte(value: V): Condition;
  gt(value: V): Condition;
  gte(value: V): Condition;
  /** From `low` to `high`, both included. */
  between(low: V, high: V): Condition;
  /** One of the values; none when the list is empty. */
  in(values: readonly V[]): Condition;
  /** The bytes are no value of the field: letters in a number, a 31st of April. */
  isInvalid(): Condition;
  /** The field holds its empty value: blanks, zero, no date. */
  isBlank(): Condition;
}

/** Conditions on text. */
export interface TextReference<V> extends ValueReference<V> {
  /** `%` any text, `_` one character, `\` takes the next as it is. */
  like(pattern: string): Condition;
  contains(text: string): Condition;
  starts(text: string): Condition;
  /** The same field without regard to case. */
  readonly nocase: TextReference<V>;
}

/** The reference of a field whose values are `V`. */
export type FieldReference<V> = [V] extends [readonly (infer E)[]]
  ? { element(...index: readonly number[]): FieldReference<ScalarOf<E>> }
  : [V] extends [boolean]
    ? ValueReference<boolean>
    : [string] extends [V]
      ? TextReference<Comparable<V>>
      : ValueReference<Comparable<V>>;

type ScalarOf<E> = E extends readonly (infer I)[] ? ScalarOf<I> : E;

/** A field whose type is not known when the program is written. */
export interface AnyReference extends TextReference<Scalar> {
  /** One element of an array field, each number from 1. */
  element(...index: readonly number[]): AnyReference;
  readonly nocase: AnyReference;
}

/** Told of each condition that is made, so that one that is made and not used is noticed. */
export type OnCondition = (expression: Expression) => void;

/** The one implementation of all references. */
export class OperandReference implements AnyReference {
  readonly #operand: Operand;
  readonly #onCondition: OnCondition;
  readonly #nocase: boolean;

  constructor(operand: Operand, onCondition: OnCondition, nocase = false) {
    this.#operand = operand;
    this.#onCondition = onCondition;
    this.#nocase = nocase;
    Object.freeze(this);
  }

  get nocase(): OperandReference {
    return new OperandReference(this.#operand, this.#onCondition, true);
  }

  element(...index: readonly number[]): OperandReference {
    const operand = this.#operand;
    if (!('field' in operand)) throw selectError('rec(…) has no elements, name other bytes');
    const isNumbered = index.length > 0 && index.every((one) => Number.isInteger(one) && one >= 1);
    if (!isNumbered) throw selectError(`${operand.field}.element() takes numbers from 1`);
    const element = { field: operand.field, index: [...index] };
    return new OperandReference(element, this.#onCondition, this.#nocase);
  }

  eq(value: Scalar): Condition {
    return this.#compare('=', value);
  }

  ne(value: Scalar): Condition {
    return this.#compare('<>', value);
  }

  lt(value: Scalar): Condition {
    return this.#compare('<', value);
  }

  lte(value: Scalar): Condition {
    return this.#compare('<=', value);
  }

  gt(value: Scalar): Condition {
    return this.#compare('>', value);
  }

  gte(value: Scalar): Condition {
    return this.#compare('>=', value);
  }

  between(low: Scalar, high: Scalar): Condition {
    return this.#make({ op: 'between', ...this.#subject(), ...this.#bounds(low, high) });
  }

  in(values: readonly Scalar[]): Condition {
    const name = `${printOperand(this.#operand)}.in()`;
    if (!Array.isArray(values)) {
      throw selectError(`${name} takes a list of values, not ${nameOfKind(values)}`);
    }
    const list = values.map((value: unknown) => scalarOf(value, name));
    return this.#make({ op: 'in', ...this.#subject(), values: list });
  }

  like(pattern: string): Condition {
    return this.#search('like', pattern);
  }

  contains(text: string): Condition {
    return this.#search('contains', text);
  }

  starts(text: string): Condition {
    return this.#search('starts', text);
  }

  isInvalid(): Condition {
    return this.#make({ op: 'isInvalid', operand: this.#operand });
  }

  isBlank(): Condition {
    return this.#make({ op: 'isBlank', operand: this.#operand });
  }

  #compare(op: Comparison, value: Scalar): Condition {
    const checked = scalarOf(value, printOperand(this.#operand));
    return this.#make({ op, ...this.#subject(), value: checked });
  }

  #search(op: 'like' | 'contains' | 'starts', text: string): Condition {
    const value = textOf(text, `${printOperand(this.#operand)}.${op}()`);
    return this.#make({ op, ...this.#subject(), value });
  }

  #bounds(low: Scalar, high: Scalar): { low: Scalar; high: Scalar } {
    const name = `${printOperand(this.#operand)}.between()`;
    return { low: scalarOf(low, name), high: scalarOf(high, name) };
  }

  #subject(): { operand: Operand; nocase?: true } {
    return this.#nocase ? { operand: this.#operand, nocase: true } : { operand: this.#operand };
  }

  #make(expression: Expression): Condition {
    this.#onCondition(expression);
    return new Condition(expression);
  }
}
