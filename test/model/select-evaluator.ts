// What a condition means, written down a second time: on decoded values, one record at a time, with the
// three truths true, false and null (a value that is invalid). Slow and plain on purpose, and apart from
// bind.ts and the predicates of the server, which are judged by it.

import {
  dateDigits,
  isDateFormat,
  isTimeFormat,
  timeDigits,
} from '../../shared/record/date-format.js';
import { accessField } from '../../shared/record/field-access.js';
import type { FieldSpec, FileSpec } from '../../shared/record/file-spec.js';
import type { Expression, Operand, Scalar } from '../../shared/select/expression.js';

/** Does the record match? The expression must be one that bindExpression takes. */
export const matches = (expression: Expression, record: Buffer, spec: FileSpec): boolean =>
  truthOf(expression, record, spec) === true;

type Truth = boolean | null;

function truthOf(expression: Expression, record: Buffer, spec: FileSpec): Truth {
  switch (expression.op) {
    case 'and':
      return worst(expression.terms.map((term) => truthOf(term, record, spec)));
    case 'or': {
      const truth = worst(expression.terms.map((term) => opposite(truthOf(term, record, spec))));
      return opposite(truth);
    }
    case 'not':
      return opposite(truthOf(expression.term, record, spec));
    case 'isInvalid':
      return decode(fieldOf(expression.operand, spec), record) === undefined;
    case 'isBlank': {
      const value = decode(fieldOf(expression.operand, spec), record);
      return value === undefined ? null : isEmpty(value);
    }
    default: {
      if (expression.op === 'in' && expression.values.length === 0) return false;
      const field = fieldOf(expression.operand, spec);
      const value = decode(field, record);
      return value === undefined ? null : holds(expression, field, value);
    }
  }
}

const opposite = (truth: Truth): Truth => (truth === null ? null : !truth);

function worst(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false;
  return truths.includes(null) ? null : true;
}

/** What is compared: text, numbers as fractions, dates as digits, flags, bytes. */
type Value = string | Fraction | boolean | Buffer;
interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

/** The operand as a field without elements of its own. */
function fieldOf(operand: Operand, spec: FileSpec): FieldSpec {
  if (!('field' in operand)) {
    return { name: 'rec', type: 'alpha', offset: operand.start - 1, length: operand.length };
  }
  const exact = spec.fields.find((field) => field.name === operand.field);
  const alike = spec.fields.find(
    (field) => field.name.toLowerCase() === operand.field.toLowerCase(),
  );
  const found = exact ?? alike;
  if (found === undefined) throw new TypeError(`no field ${operand.field}`);
  const { dimension = [], ...field } = found;
  let element = 0;
  for (const [depth, size] of dimension.entries()) {
    element = element * size + (operand.index?.[depth] ?? 1) - 1;
  }
  return { ...field, offset: field.offset + element * field.length };
}

/** The value in the record; undefined when it is invalid. */
function decode(field: FieldSpec, record: Buffer): Value | undefined {
  let value: unknown;
  try {
    value = accessField(field).read(record, 0, record.length);
  } catch {
    return undefined;
  }
  const { type, format, length } = field;
  if (type === 'decimal' || type === 'integer' || type === 'unsigned') {
    return fraction(String(value));
  }
  if (value instanceof Buffer) return Buffer.concat([value, Buffer.alloc(length)], length);
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') throw new TypeError(`field ${field.name} reads as ${value}`);
  if (value === '' || format === undefined) return value;
  if (isDateFormat(format)) return dateDigits(value, format);
  return isTimeFormat(format) ? timeDigits(value, format) : value;
}

type Condition = Exclude<
  Expression,
  { readonly op: 'and' | 'or' | 'not' | 'isInvalid' | 'isBlank' }
>;

function holds(condition: Condition, field: FieldSpec, stored: Value): boolean {
  const nocase = condition.nocase === true;
  const left = nocase ? folded(stored) : stored;
  const given = (value: Scalar): Value => {
    const asked = valueFor(field, value);
    return nocase ? folded(asked) : asked;
  };
  const order = (value: Scalar): number => orderOf(left, given(value));
  switch (condition.op) {
    case 'between':
      return order(condition.low) >= 0 && order(condition.high) <= 0;
    case 'in':
      return condition.values.some((value) => order(value) === 0);
    case 'like':
    case 'contains':
    case 'starts':
      return search(
        condition.op,
        String(left),
        String(nocase ? folded(condition.value) : condition.value),
      );
    case '=':
      return order(condition.value) === 0;
    case '<>':
      return order(condition.value) !== 0;
    case '<':
      return order(condition.value) < 0;
    case '<=':
      return order(condition.value) <= 0;
    case '>':
      return order(condition.value) > 0;
    case '>=':
      return order(condition.value) >= 0;
  }
}

function search(op: 'like' | 'contains' | 'starts', text: string, value: string): boolean {
  if (op === 'contains') return text.includes(value);
  return op === 'starts' ? text.startsWith(value) : isLike(text, value);
}

function isLike(text: string, pattern: string): boolean {
  if (pattern === '') return text === '';
  const rest = pattern.slice(1);
  if (pattern[0] === '%') {
    return isLike(text, rest) || (text !== '' && isLike(text.slice(1), pattern));
  }
  if (text === '') return false;
  if (pattern[0] === '_') return isLike(text.slice(1), rest);
  if (pattern[0] === '\\') return text[0] === rest[0] && isLike(text.slice(1), rest.slice(1));
  return text[0] === pattern[0] && isLike(text.slice(1), rest);
}

function isEmpty(value: Value): boolean {
  if (typeof value === 'string') return value === '';
  if (typeof value === 'boolean') return !value;
  return isFraction(value) ? value.over === 0n : value.every((byte) => byte === 0);
}

/** The value a user gave, as the field would hold it. */
function valueFor(field: FieldSpec, value: Scalar): Value {
  switch (field.type) {
    case 'alpha':
      return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
    case 'decimal':
    case 'integer':
    case 'unsigned':
      return fraction(String(value));
    case 'date':
    case 'time':
      return digitsFor(field, String(value));
    case 'boolean':
      return value === true || value === 'true' || Number(value) === 1;
    case 'binary':
      if (!(value instanceof Uint8Array)) throw new TypeError('a binary field takes bytes');
      return Buffer.concat([value, Buffer.alloc(field.length)], field.length);
  }
}

function digitsFor({ type, format }: FieldSpec, text: string): string {
  if (type === 'date' && /^0*$/.test(text)) return '';
  if (text === '' || format === undefined) return text;
  const digits = isDateFormat(format)
    ? dateDigits(text, format)
    : isTimeFormat(format)
      ? timeDigits(text, format)
      : undefined;
  if (digits === undefined) throw new TypeError(`${text} is no ${type}`);
  return digits;
}

function fraction(text: string): Fraction {
  const [, sign, whole = '', places = ''] = /^\s*([-+]?)(\d*)\.?(\d*)\s*$/.exec(text) ?? [];
  if (whole + places === '') throw new TypeError('no plain decimal');
  const magnitude = BigInt(whole + places);
  return { over: sign === '-' ? -magnitude : magnitude, under: 10n ** BigInt(places.length) };
}

const isFraction = (value: Value): value is Fraction =>
  typeof value === 'object' && 'over' in value;

function orderOf(left: Value, right: Value): number {
  if (typeof left === 'string' && typeof right === 'string') {
    const length = Math.max(left.length, right.length);
    return sign(left.padEnd(length), right.padEnd(length));
  }
  if (left instanceof Buffer && right instanceof Buffer) return Buffer.compare(left, right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  if (isFraction(left) && isFraction(right)) {
    return sign(left.over * right.under, right.over * left.under);
  }
  throw new TypeError('values of different kinds');
}

const sign = <V extends string | bigint>(left: V, right: V): number =>
  left < right ? -1 : left > right ? 1 : 0;

/** Capitals as latin1 has them: 'ß', 'ÿ', 'µ' and '÷' have none. */
function folded(value: Value): Value {
  if (typeof value !== 'string') throw new TypeError('nocase is for text');
  return value.replace(/[a-z\u00e0-\u00f6\u00f8-\u00fe]/g, (letter) => letter.toUpperCase());
}
