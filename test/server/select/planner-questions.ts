// Questions about random files, for planner-property.test.ts: fields over the places of the records, conditions
// on them with values the records have, orders that keys may give. Much of it is about what keys begin with.

import { compileValue } from '../../../server/select/value.js';
import { isRsyndError } from '../../../shared/base/error.js';
import type {
  FieldSpec,
  FieldType,
  FileSpec,
  KeySpec,
  SegmentType,
} from '../../../shared/record/file-spec.js';
import { bindExpression } from '../../../shared/select/bind.js';
import { bindOperand } from '../../../shared/select/bind-operand.js';
import type { BoundExpression, BoundOrder, BoundQuery } from '../../../shared/select/bound.js';
import type { Expression, Scalar } from '../../../shared/select/expression.js';

/** Numbers from a seed: a query is too deep a thing to shrink. */
export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }
  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new TypeError('nothing to pick from');
    return picked;
  }
  happens(percent: number): boolean {
    return this.below(100) < percent;
  }
}

/** Bytes a question may be about. */
export interface Place {
  readonly offset: number;
  readonly length: number;
  readonly type: SegmentType | FieldType;
}

const SUITABLE: { readonly [type: string]: FieldType } = {
  nocase: 'alpha',
  sequence: 'integer',
  timestamp: 'integer',
  ctimestamp: 'integer',
};
const OTHERS: readonly FieldType[] = ['alpha', 'decimal', 'binary', 'date', 'time', 'boolean'];
const FORMATS: { readonly [type: string]: string } = {
  date8: 'YYYYMMDD',
  date6: 'YYMMDD',
  date7: 'YYYYJJJ',
  date4: 'YYPP',
  time4: 'HHMM',
  time6: 'HHMMSS',
};

/** Fields over the places of the records, mostly of the type that suits, often several over one. */
export function fieldsOver(places: readonly Place[], dice: Dice, size: number): FieldSpec[] {
  return [...places, ...places, ...places].map((place, number) =>
    fieldOver(place, `f${number}`, dice, size),
  );
}

function fieldOver(place: Place, name: string, dice: Dice, size: number): FieldSpec {
  const { offset } = place;
  const suited = SUITABLE[place.type] ?? (place.type as FieldType);
  const integers: readonly FieldType[] = place.length <= 8 ? ['integer', 'unsigned'] : [];
  const type = dice.happens(80) ? suited : dice.pick([...OTHERS, ...integers]);
  const stretch = type === 'alpha' && dice.happens(15) ? dice.pick([-1, 1, 3]) : 0;
  const length = Math.max(1, Math.min(place.length + stretch, size - offset));
  const format = FORMATS[`${type}${length}`];
  const precision = Math.min(offset % 3, length);
  return {
    name,
    offset,
    length,
    type,
    ...(type === 'decimal' && { precision }),
    ...(format !== undefined && { format }),
  };
}

const TEXTS = [
  '',
  'A',
  'a',
  'B',
  'AB',
  'ab',
  'b',
  'A1',
  'a1',
  'é',
  'É',
  'ÿ',
  '\0',
  'A\0',
  'ABCDEFGHIJKL',
  '0',
  '12',
];
const NUMBERS = [
  0,
  1,
  -1,
  2,
  5,
  12,
  -12,
  '0.5',
  '-0.5',
  '1.25',
  127,
  128,
  -128,
  255,
  256,
  9,
  99,
  -99,
  99_999,
  100_000,
  -100_000,
  2 ** 40,
  '12345678901234567890123',
];
const DATES = [
  '',
  '20200229',
  '20191231',
  '2020-01-01',
  '00010101',
  '99991231',
  '2359',
  '0000',
  '1230',
  '2401',
  '200131',
  '123',
  '00000',
  '000',
  '1',
];

export class Questions {
  readonly #dice: Dice;
  readonly #spec: FileSpec;
  readonly #records: readonly Buffer[];

  constructor(dice: Dice, spec: FileSpec, records: readonly Buffer[]) {
    this.#dice = dice;
    this.#spec = spec;
    this.#records = records;
  }

  /** A question that the file takes. */
  query(): { readonly where: Expression; readonly query: BoundQuery } {
    const dice = this.#dice;
    for (;;) {
      const where: Expression = dice.happens(10) ? { op: 'and', terms: [] } : this.#where(2);
      const bound = bindOrUndefined(where, this.#spec);
      if (bound === undefined) continue;
      const query = {
        where: bound,
        orderBy: this.#orderBy(),
        ...(dice.happens(20) && { using: dice.below(this.#spec.keys.length) }),
        ...(dice.happens(30) && { limit: 1 + dice.below(20) }),
      };
      return { where, query };
    }
  }

  /** Often one that a key begins with. */
  #field(): FieldSpec {
    const dice = this.#dice;
    const { keys, fields } = this.#spec;
    const segment = dice.pick(keys).segments[dice.happens(70) ? 0 : 1];
    const over = fields.filter(({ offset }) => offset === segment?.offset);
    return dice.pick(over.length === 0 || dice.happens(40) ? fields : over);
  }

  #where(depth: number): Expression {
    const dice = this.#dice;
    const field = this.#field();
    if (depth === 0 || dice.happens(30)) return this.#condition(field);
    if (dice.happens(10)) return { op: 'not', term: this.#where(depth - 1) };
    if (dice.happens(15)) return this.#sameField(field);
    const op = dice.happens(60) ? 'and' : 'or';
    const terms = Array.from({ length: 2 + dice.below(3) }, () => this.#where(depth - 1));
    return { op, terms };
  }

  /** Several conditions on one field: their ranges meet. */
  #sameField(field: FieldSpec): Expression {
    const dice = this.#dice;
    const terms = Array.from({ length: 2 + dice.below(3) }, () => this.#condition(field));
    return { op: dice.happens(50) ? 'and' : 'or', terms };
  }

  #condition(field: FieldSpec): Expression {
    const dice = this.#dice;
    const operand = { field: field.name };
    const isText = field.type === 'alpha';
    const subject = { operand, ...(isText && dice.happens(35) && { nocase: true }) };
    const kind = dice.below(isText ? 11 : 8);
    if (kind < 5) {
      const op = dice.pick(['=', '=', '<', '<=', '>', '>=', '<>'] as const);
      return { op, ...subject, value: this.#value(field) };
    }
    if (kind === 5) {
      const values = Array.from({ length: 1 + dice.below(4) }, () => this.#value(field));
      return { op: 'in', ...subject, values };
    }
    if (kind === 6) {
      return { op: 'between', ...subject, low: this.#value(field), high: this.#value(field) };
    }
    if (kind === 7) return { op: dice.pick(['isInvalid', 'isBlank']), operand };
    const text = String(this.#value(field)).slice(0, 1 + dice.below(3)) || 'A';
    if (kind === 8) return { op: dice.pick(['starts', 'contains']), ...subject, value: text };
    const pattern = text.replace(/[\\%_]/g, '\\$&');
    const value = dice.pick([`${pattern}%`, pattern, `${pattern}_`, `%${pattern}`, `${pattern} %`]);
    return { op: 'like', ...subject, value };
  }

  /** A value of a record, so that something is found, or any. */
  #value(field: FieldSpec): Scalar {
    const dice = this.#dice;
    if (this.#records.length > 0 && dice.happens(60)) {
      const record = dice.pick(this.#records);
      const value = compileValue(bindOperand({ field: field.name }, this.#spec))(
        record,
        0,
        record.length,
      );
      if (value !== null) return value;
    }
    switch (field.type) {
      case 'alpha':
        return dice.pick(TEXTS);
      case 'date':
      case 'time':
        return dice.pick(DATES);
      case 'boolean':
        return dice.happens(50);
      case 'binary':
        return Buffer.from(dice.pick(TEXTS).slice(0, field.length), 'latin1');
      default:
        return dice.pick(NUMBERS);
    }
  }

  /** Often the segments of a key, so that its order may do. */
  #orderBy(): BoundOrder[] {
    const dice = this.#dice;
    const { keys, fields } = this.#spec;
    if (dice.happens(40)) return [];
    const { segments } = dice.pick(keys);
    const flip = dice.happens(40);
    const from = dice.below(2);
    const orders = segments.slice(from, from + 1 + dice.below(3)).flatMap((segment) => {
      const over = fields.filter(({ offset }) => offset === segment.offset);
      if (over.length === 0) return [];
      const operand = bindOperand({ field: dice.pick(over).name }, this.#spec);
      return [{ operand, descending: (segment.order === 'descending') !== flip }];
    });
    if (dice.happens(25)) {
      const operand = bindOperand({ field: dice.pick(fields).name }, this.#spec);
      orders.push({ operand, descending: dice.happens(50) });
    }
    return orders;
  }
}

function bindOrUndefined(where: Expression, spec: FileSpec): BoundExpression | undefined {
  try {
    return bindExpression(where, spec);
  } catch (error) {
    if (!isRsyndError(error, 'ERR_INVOPER')) throw error;
    return undefined;
  }
}

/** Dates, times and wide numbers over several types of segments, with bytes that are none of them. */
export function datesFile(dice: Dice): { spec: FileSpec; places: Place[]; records: Buffer[] } {
  const places: Place[] = [
    { offset: 0, length: 8, type: 'date' },
    { offset: 8, length: 6, type: 'date' },
    { offset: 14, length: 4, type: 'time' },
    { offset: 18, length: 20, type: 'decimal' },
    { offset: 38, length: 8, type: 'unsigned' },
  ];
  const types: SegmentType[] = ['alpha', 'decimal', 'nocase', 'alpha', 'decimal'];
  const segmentTypes = (place: Place): SegmentType =>
    place.type === 'unsigned'
      ? dice.pick(['unsigned', 'integer', 'alpha'])
      : place.type === 'decimal'
        ? 'decimal'
        : dice.pick(types);
  const keys = Array.from(
    { length: 5 },
    (_, number): KeySpec => ({
      name: `KEY${number}`,
      segments: Array.from({ length: 1 + dice.below(3) }, () => {
        const place = dice.pick(places);
        const { offset, length } = place;
        return {
          offset,
          length,
          type: segmentTypes(place),
          order: dice.pick(['ascending', 'descending']),
        };
      }),
      dups: 'fifo',
      modifiable: true,
      ...(dice.happens(20) && {
        nullKey: { kind: dice.pick(['replicate', 'noreplicate', 'short']) },
      }),
    }),
  );
  const day = [
    '20200229',
    '20200230',
    '        ',
    '00000000',
    '0000    ',
    '20191231',
    '2020 101',
    'zzzzzzzz',
    '00010101',
    '99991231',
  ];
  const short = ['200131', '991231', '      ', '000000', '  0000', '200230', 'abcdef', '000101'];
  const clock = ['2359', '0000', '    ', '1230', '2400', '12 0', 'x', '0001'];
  const wide = [
    '0',
    '1',
    '12345678901234567890',
    '1234567890123456789p',
    'y',
    'p',
    '',
    'junk',
    '99999999999999999999',
  ];
  const records = Array.from({ length: 60 }, () => {
    const number = Buffer.alloc(8);
    number.writeBigInt64LE(dice.pick([0n, 1n, -1n, 255n, 2n ** 62n, -(2n ** 63n), 100n]));
    const digits = dice.pick(wide);
    const text =
      dice.pick(day) +
      dice.pick(short) +
      dice.pick(clock).padEnd(4) +
      (digits === '' ? ' '.repeat(20) : digits.padStart(20, '0'));
    const record = Buffer.concat([Buffer.from(text, 'latin1'), number]);
    return dice.happens(10) ? record.subarray(0, 14 + dice.below(32)) : record;
  });
  const spec: FileSpec = {
    record: { size: 46, format: 'variable' },
    keys,
    fields: [],
    networkEncrypt: false,
    text: '',
    attributes: {},
  };
  return { spec, places, records };
}
