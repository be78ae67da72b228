// Values, sort keys and aggregates of server/select, each against plain arithmetic on decoded values.

import fc from 'fast-check';
import t, { type Test } from 'tap';
import { AVERAGE_PLACES, compileAggregates } from '../../../server/select/aggregate.js';
import { compilePredicate } from '../../../server/select/predicate.js';
import { compileGroupKey, compileSortKey } from '../../../server/select/sort-key.js';
import { compileValue } from '../../../server/select/value.js';
import { accessField } from '../../../shared/record/field-access.js';
import type { FieldSpec, FileSpec } from '../../../shared/record/file-spec.js';
import { bindExpression } from '../../../shared/select/bind.js';
import { bindOperand } from '../../../shared/select/bind-operand.js';
import type { BoundOperand } from '../../../shared/select/bound.js';
import type { Scalar } from '../../../shared/select/expression.js';
import type { AggregateFunction } from '../../../shared/select/query.js';
import { recordArbitrary, specArbitrary } from '../../model/random-expression.js';

const seed = Date.now() % 2 ** 31;

function surrounded(record: Buffer): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.concat([Buffer.alloc(7, '9'), record, Buffer.alloc(40, '1')]);
  return { bytes, start: 7, end: 7 + record.length };
}

/** A definition, records of it, and each scalar field as operand. */
const filesArbitrary = specArbitrary.chain((spec) =>
  fc.record({
    spec: fc.constant(spec),
    records: fc.array(recordArbitrary(spec), { minLength: 2, maxLength: 12 }),
  }),
);

const scalarFields = (spec: FileSpec): FieldSpec[] =>
  spec.fields.filter(({ dimension }) => dimension === undefined);

const operandOf = (field: FieldSpec, spec: FileSpec): BoundOperand =>
  bindOperand({ field: field.name }, spec);

/** What the SDK's codec reads; undefined when it refuses the bytes. */
function decoded(field: FieldSpec, record: Buffer): unknown {
  try {
    return accessField(field).read(record, 0, record.length);
  } catch {
    return undefined;
  }
}

const isInvalid = (field: FieldSpec, record: Buffer, spec: FileSpec): boolean => {
  const where = { op: 'isInvalid', operand: { field: field.name } } as const;
  return compilePredicate(bindExpression(where, spec))(record, 0, record.length);
};

t.test('reads the values that the field codec of the SDK reads', async (t) => {
  t.comment(`seed ${seed}`);
  let read = 0;
  fc.assert(
    fc.property(filesArbitrary, ({ spec, records }) => {
      for (const field of scalarFields(spec)) {
        const readValue = compileValue(operandOf(field, spec));
        for (const record of records) {
          const { bytes, start, end } = surrounded(record);
          const expected = isInvalid(field, record, spec) ? null : decoded(field, record);
          fc.pre(expected !== undefined);
          const value = readValue(bytes, start, end);
          read++;
          const isEqual = Buffer.isBuffer(expected)
            ? value instanceof Uint8Array && expected.equals(value)
            : Object.is(value, expected) || value === expected;
          if (!isEqual) throw new Error(`${field.type} ${String(value)}, not ${String(expected)}`);
        }
      }
    }),
    { seed, numRuns: 500 },
  );
  t.ok(read > 5000, `${read} values`);
});

/** A value as a number, text or bytes that order as the field does. */
function comparable(field: FieldSpec, value: unknown): bigint | string {
  if (field.type === 'decimal') return BigInt(String(value).replace('.', ''));
  if (field.type === 'alpha') return String(value).padEnd(field.length);
  if (Buffer.isBuffer(value)) {
    return Buffer.concat([value, Buffer.alloc(field.length)], field.length).toString('latin1');
  }
  return typeof value === 'string' ? value : BigInt(value as number | bigint | boolean);
}

/** Invalid values first. */
function orderOf(field: FieldSpec, a: Buffer, b: Buffer, spec: FileSpec): number {
  const [left, right] = [a, b].map((record) =>
    isInvalid(field, record, spec) ? undefined : comparable(field, decoded(field, record)),
  );
  if (left === undefined || right === undefined) {
    return Number(left !== undefined) - Number(right !== undefined);
  }
  return left < right ? -1 : left > right ? 1 : 0;
}

t.test('makes sort keys that order as the values do, invalid ones first', async (t) => {
  t.comment(`seed ${seed}`);
  let compared = 0;
  fc.assert(
    fc.property(
      filesArbitrary,
      fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
      (file, down) => {
        const { spec, records } = file;
        const fields = scalarFields(spec);
        const key = compileSortKey(
          fields.map((field, at) => ({
            operand: operandOf(field, spec),
            descending: down[at] === true,
          })),
        );
        const keyOf = (record: Buffer): Buffer => {
          const { bytes, start, end } = surrounded(record);
          const target = Buffer.alloc(key.bytes + 2, 0x55);
          key.write(bytes, start, end, target, 1);
          if (target[0] !== 0x55 || target.at(-1) !== 0x55)
            throw new Error('writes beside its key');
          return target.subarray(1, -1);
        };
        const expect = (a: Buffer, b: Buffer): number => {
          for (const [at, field] of fields.entries()) {
            const order = orderOf(field, a, b, spec);
            if (order !== 0) return down[at] === true ? -order : order;
          }
          return 0;
        };
        for (const a of records) {
          for (const b of records) {
            compared++;
            if (Buffer.compare(keyOf(a), keyOf(b)) !== Math.sign(expect(a, b))) return false;
          }
        }
        return true;
      },
    ),
    { seed, numRuns: 300 },
  );
  t.ok(compared > 5000, `${compared} pairs`);
});

const operand = (type: BoundOperand['type'], length: number, precision = 0): BoundOperand => ({
  text: 'f',
  offset: 0,
  length,
  type,
  precision,
  ...(type === 'date' ? { format: 'YYYYMMDD' } : {}),
});

t.test('gives equal values one group key', async (t) => {
  const same = (type: BoundOperand['type'], length: number, ...stored: string[]): void => {
    const key = compileGroupKey([operand(type, length)]);
    const keys = stored.map((text) => {
      const target = Buffer.alloc(key.bytes);
      const record = Buffer.from(text, 'latin1');
      key.write(record, 0, record.length, target, 0);
      return target.toString('hex');
    });
    t.equal(new Set(keys).size, 1, `${type}: ${stored.join(' | ')}`);
  };
  same('decimal', 3, '100', '100');
  same('decimal', 5, '  100', '00100');
  same('decimal', 3, '000', '00p', '   ', '');
  same('decimal', 3, 'abc', '1?2', '00\xff');
  same('decimal', 3, '00q', '  q');
  same('alpha', 4, 'ab  ', 'ab');
  same('date', 8, '00000000', '        ', '');
  same('date', 8, '20170231', 'nonsense');
  same('boolean', 1, '0', ' ', '\0');
  same('boolean', 1, '1', 'T');
});

/** Results of all functions over one field of records. */
function aggregate(
  of: BoundOperand,
  records: readonly Buffer[],
  functions: readonly AggregateFunction[] = ['count', 'sum', 'min', 'max', 'avg'],
): (Scalar | null)[] {
  const running = compileAggregates(
    functions.map((name) => ({ name, function: name, operand: of })),
  ).make();
  for (const record of records) {
    const { bytes, start, end } = surrounded(record);
    running.add(bytes, start, end);
  }
  return running.result();
}

const zoned = (value: bigint, length: number): Buffer => {
  const digits = Buffer.from(String(value < 0n ? -value : value).padStart(length, '0'));
  if (value < 0n) digits[length - 1] = (digits[length - 1] ?? 0) | 0x40;
  return digits;
};

function placed(value: bigint, places: number): string {
  const digits = String(value < 0n ? -value : value).padStart(places + 1, '0');
  const point = digits.length - places;
  const text = places === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return value < 0n ? `-${text}` : text;
}

t.test('computes sums and averages exactly over decimals of any width', async (t) => {
  t.comment(`seed ${seed}`);
  const widths = fc.constantFrom(6, 15, 16, 28).chain((length) =>
    fc.record({
      length: fc.constant(length),
      places: fc.constantFrom(0, 2, 5),
      values: fc.array(
        fc.bigInt({ min: 1n - 10n ** BigInt(length), max: 10n ** BigInt(length) - 1n }),
        {
          minLength: 1,
          maxLength: 40,
        },
      ),
    }),
  );
  fc.assert(
    fc.property(widths, ({ length, places, values }) => {
      const results = aggregate(operand('decimal', length, places), [
        ...values.map((value) => zoned(value, length)),
        Buffer.alloc(length, '?'),
      ]);
      const sum = values.reduce((total, value) => total + value, 0n);
      const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      const [count, total, least, most, average] = results.map(String);
      const scaled = (sum < 0n ? -sum : sum) * 10n ** BigInt(AVERAGE_PLACES);
      const n = BigInt(values.length);
      const rounded = scaled / n + ((scaled % n) * 2n >= n ? 1n : 0n);
      t.equal(count, String(values.length));
      const expected = [sum, sorted[0] ?? 0n, sorted.at(-1) ?? 0n].map((value) =>
        placed(value, places),
      );
      if ([total, least, most].join() !== expected.join())
        throw new Error(`${total}, not ${expected}`);
      return average === placed(sum < 0n ? -rounded : rounded, places + AVERAGE_PLACES);
    }),
    { seed, numRuns: 300 },
  );
});

const check = (t: Test, found: readonly unknown[], expected: readonly unknown[]): void => {
  t.strictSame(found, expected);
};

t.test('gives each result in the form of its field', async (t) => {
  const decimals = ['0100', '0050', 'xxxx', '0001'].map((text) => Buffer.from(text));
  check(t, aggregate(operand('decimal', 4, 2), decimals), [
    3,
    '1.51',
    '0.01',
    '1.00',
    '0.50333333',
  ]);
  check(t, aggregate(operand('decimal', 4), decimals), [3, 151, 1, 100, '50.333333']);
  const wide = [2n ** 62n, 2n ** 62n, -5n].map((value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  });
  const [, sum, least, most] = aggregate(operand('integer', 8), wide);
  check(t, [sum, least, most], [2n ** 63n - 5n, -5n, 2n ** 62n]);
  const dates = ['20170131', '20170231', '20161231'].map((text) => Buffer.from(text));
  check(t, aggregate(operand('date', 8), dates, ['count', 'min', 'max']), [
    2,
    '20161231',
    '20170131',
  ]);
  const texts = ['b ', 'a', 'c'].map((text) => Buffer.from(text));
  check(t, aggregate(operand('alpha', 3), texts, ['min', 'max']), ['a', 'c']);
  check(t, aggregate(operand('decimal', 4), [Buffer.from('none')]), [0, null, null, null, null]);
  check(t, aggregate(operand('decimal', 4), []), [0, null, null, null, null]);
  const all = compileAggregates([{ name: 'n', function: 'count' }]).make();
  all.add(Buffer.alloc(3), 0, 3);
  check(t, all.result(), [1]);
});

t.test('keeps a sum of numbers exact past 2**53', async (t) => {
  const most = 10n ** 15n - 1n;
  const records = Array.from({ length: 5000 }, () => zoned(most, 15));
  const [sum] = aggregate(operand('decimal', 15), records, ['sum']);
  t.equal(sum, 5000n * most);
  const [down] = aggregate(
    operand('decimal', 15),
    [...records, ...records.map(() => zoned(-most, 15))],
    ['sum'],
  );
  t.equal(down, 0);
  t.equal(
    aggregate(
      operand('decimal', 3),
      ['1', '2'].map((d) => Buffer.from(`00${d}`)),
      ['avg'],
    )[0],
    '1.500000',
  );
  const half = [zoned(-1n, 7), ...Array.from({ length: 1 }, () => zoned(0n, 7))];
  t.equal(aggregate(operand('decimal', 7, 7), half, ['avg'])[0], '-0.0000000500000');
});
