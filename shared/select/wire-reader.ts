// Takes a list from a stranger apart, element by element. Every fault is an ERR_PROTOCOL that names what
// was expected and where; never a value. Used by wire.ts and wire-query.ts.

import { RsyndError } from '../base/error.js';
import { nameOfKind } from './scalar.js';

/** ERR_PROTOCOL about a select. */
export const selectViolation = (what: string): RsyndError =>
  new RsyndError('ERR_PROTOCOL', `select: ${what}`);

/** The elements of one list, in order. */
export class WireReader {
  readonly #elements: readonly unknown[];
  readonly #where: string;
  #index = 0;

  /** `where` names the list in messages. */
  constructor(value: unknown, where: string) {
    if (!Array.isArray(value))
      throw selectViolation(`${where} is ${nameOfKind(value)}, not a list`);
    this.#elements = value;
    this.#where = where;
  }

  get left(): number {
    return this.#elements.length - this.#index;
  }

  /** The next element without taking it. */
  peek(): unknown {
    return this.#elements[this.#index];
  }

  /** The next element as it is; nil is undefined. */
  any(what: string): unknown {
    if (this.left === 0) throw selectViolation(`${this.#where} ends where ${what} should be`);
    return this.#elements[this.#index++] ?? undefined;
  }

  text(what: string, charsMax: number): string {
    const value = this.any(what);
    if (typeof value !== 'string') return this.refuse(what, 'text', value);
    if (value.length <= charsMax) return value;
    throw selectViolation(`${what} has ${value.length} characters, at most ${charsMax} are taken`);
  }

  /** A whole number from `min` to `max`. */
  whole(what: string, min: number, max: number): number {
    const value = this.any(what);
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    return this.refuse(what, `a whole number from ${min} to ${max}`, value);
  }

  flag(what: string): boolean {
    const value = this.any(what);
    return typeof value === 'boolean' ? value : this.refuse(what, 'true or false', value);
  }

  /** How many items follow; each takes one element at least. */
  count(what: string, max: number): number {
    const count = this.whole(`the count of ${what}`, 0, max);
    if (count <= this.left) return count;
    throw selectViolation(`${this.#where} says ${count} ${what}, ${this.left} elements are left`);
  }

  /** Every element must have been taken. */
  end(): void {
    if (this.left > 0) throw selectViolation(`${this.#where} has ${this.left} elements too many`);
  }

  refuse(what: string, expected: string, value: unknown): never {
    throw selectViolation(
      `${what} (element ${this.#index} of ${this.#where}) must be ${expected}, not ${nameOfKind(value)}`,
    );
  }
}
