// Reading of values that may be anything: what MessagePack from a stranger was decoded to. Every
// member is asked for by name and kind; what is not asked for is dropped. Called by
// validate-spec.ts.

import { RsyndError } from '../base/error.js';

/** ERR_BADDEF that reads "WHERE: WHY". */
export const definitionError = (where: string, why: string): RsyndError =>
  new RsyndError('ERR_BADDEF', `${where}: ${why}`);

/** A map whose members are checked as they are read. `where` names it in messages. */
export class UntrustedMap {
  readonly #members: object;
  readonly where: string;

  /** ERR_BADDEF when the value is no map. */
  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw definitionError(where, 'is no map of names and values');
    }
    this.#members = value;
    this.where = where;
  }

  names(): string[] {
    return Object.keys(this.#members);
  }

  /** Absent, undefined and null are the same. */
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** The member as it is; own members only. */
  get(name: string): unknown {
    if (!Object.hasOwn(this.#members, name)) return undefined;
    const value: unknown = Object.getOwnPropertyDescriptor(this.#members, name)?.value;
    return value ?? undefined;
  }

  integer(name: string, min: number, max: number): number {
    const value = this.get(name);
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    throw definitionError(this.where, `${name} must be a whole number from ${min} to ${max}`);
  }

  boolean(name: string): boolean {
    const value = this.get(name);
    if (typeof value === 'boolean') return value;
    throw definitionError(this.where, `${name} must be true or false`);
  }

  /** Text of latin1 characters. */
  text(name: string, charsMax: number): string {
    const value = this.get(name);
    if (typeof value === 'string' && value.length <= charsMax) return value;
    throw definitionError(this.where, `${name} must be text of at most ${charsMax} characters`);
  }

  /** One of the words of a union type. */
  word<W extends string>(name: string, words: readonly W[]): W {
    const value = this.get(name);
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) {
      throw definitionError(this.where, `${name} must be one of ${words.join(', ')}`);
    }
    return word;
  }

  list(name: string, countMin: number, countMax: number): readonly unknown[] {
    const value = this.get(name);
    if (Array.isArray(value) && value.length >= countMin && value.length <= countMax) return value;
    throw definitionError(this.where, `${name} must be a list of ${countMin} to ${countMax}`);
  }

  /** `{ [name]: read(name) }` when the member is there, `{}` when not: to be spread. */
  optional<N extends string, V>(name: N, read: (name: N) => V): { readonly [name in N]?: V } {
    if (!this.has(name)) return {};
    const member: { [name in N]?: V } = {};
    member[name] = read(name);
    return member;
  }
}
