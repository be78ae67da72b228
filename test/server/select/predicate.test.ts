import fc from 'fast-check';
import t, { type Test } from 'tap';
import { compilePattern } from '../../../server/select/like.js';
import { compilePredicate } from '../../../server/select/predicate.js';
import { foldTable } from '../../../server/select/predicate-text.js';
import { inValuesMax } from '../../../shared/base/limits.js';
import type { FieldSpec, FileSpec } from '../../../shared/record/file-spec.js';
import { bindExpression } from '../../../shared/select/bind.js';
import type { Expression } from '../../../shared/select/expression.js';
import { parseLike } from '../../../shared/select/like-pattern.js';
import { caseArbitrary } from '../../model/random-expression.js';
import { matches } from '../../model/select-evaluator.js';

const seed = Date.now() % 2 ** 31;

/** The record in the middle of other bytes, as scans show it. */
function surrounded(record: Buffer): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.concat([Buffer.alloc(7, '9'), record, Buffer.alloc(40, '1')]);
  return { bytes, start: 7, end: 7 + record.length };
}

const specOf = (fields: readonly FieldSpec[]): FileSpec => ({
  record: { size: 128, format: 'variable' },
  keys: [],
  fields,
  networkEncrypt: false,
  text: '',
  attributes: {},
});

/** Which of the values `stored` in a field match, by number. */
function check(
  t: Test,
  field: Omit<FieldSpec, 'name' | 'offset'>,
  where: Expression,
  stored: readonly (string | Buffer)[],
  expected: readonly number[],
): void {
  const spec = specOf([{ ...field, name: 'f', offset: 2 }]);
  const isMatch = compilePredicate(bindExpression(where, spec));
  const found = stored.flatMap((value, number) => {
    const record = Buffer.concat([Buffer.from('##'), Buffer.from(value as string, 'latin1')]);
    const { bytes, start, end } = surrounded(record);
    return isMatch(bytes, start, end) ? [number] : [];
  });
  const asked = JSON.stringify(where, (_, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  t.same(found, expected, asked);
}

const operand = { field: 'f' };

t.test(
  'answers 2,000 random conditions on random records as the naive evaluator does',
  async (t) => {
    t.comment(`seed ${seed}`);
    let matched = 0;
    let asked = 0;
    fc.assert(
      fc.property(caseArbitrary(), ({ spec, expression, records }) => {
        const isMatch = compilePredicate(bindExpression(expression, spec));
        for (const record of records) {
          const { bytes, start, end } = surrounded(record);
          const answer = isMatch(bytes, start, end);
          asked++;
          if (answer) matched++;
          if (answer !== matches(expression, record, spec)) return false;
        }
        return true;
      }),
      { seed, numRuns: 2000 },
    );
    t.ok(matched > asked / 20 && matched < asked, `${matched} of ${asked} matched`);
  },
);

t.test('compares text padded with blanks', async (t) => {
  const field = { type: 'alpha', length: 4 } as const;
  const stored = ['ab  ', 'ab\x01 ', 'AB  ', 'b', '', 'ab c'];
  check(t, field, { op: '=', operand, value: 'ab ' }, stored, [0]);
  check(t, field, { op: '<', operand, value: 'ab' }, stored, [1, 2, 4]);
  check(t, field, { op: '>=', operand, value: 'ab' }, stored, [0, 3, 5]);
  check(t, field, { op: '=', operand, value: 'aB', nocase: true }, stored, [0, 2]);
  check(t, field, { op: 'in', operand, values: ['', 'b', 'q'] }, stored, [3, 4]);
  check(t, field, { op: 'in', operand, values: ['AB', 'B'], nocase: true }, stored, [0, 2, 3]);
  check(t, field, { op: 'isBlank', operand }, stored, [4]);
  check(t, field, { op: 'starts', operand, value: 'ab ' }, stored, [5]);
  check(t, field, { op: 'contains', operand, value: ' ' }, stored, [5]);
  check(t, field, { op: '=', operand, value: 'ab  and more' }, stored, []);
});

t.test('finds long pieces of a pattern without regard to case', async (t) => {
  const field = { type: 'alpha', length: 60 } as const;
  const piece = 'Stra\u00dfe und G\u00e4rten am ALTEN Fluss 42';
  const stored = [
    `x${piece}y`,
    `x${piece.toUpperCase().replace('SS', '\u00df')}y`,
    `x${piece}`,
    'y',
  ];
  const inside = { op: 'like', operand, value: `_%${piece}%y` } as const;
  check(t, field, inside, stored, [0]);
  check(t, field, { ...inside, nocase: true }, stored, [0, 1]);
  const holes = piece.replaceAll('e', '_');
  check(t, field, { op: 'like', operand, value: `%${holes}%` }, stored, [0, 2]);
  check(t, field, { op: 'contains', operand, value: 'ALTEN fl', nocase: true }, stored, [0, 1, 2]);
  const tooLong = { op: 'like', operand, value: `%${'_'.repeat(61)}%` } as const;
  check(t, field, tooLong, stored, []);
  check(t, field, { op: 'not', term: tooLong }, stored, [0, 1, 2, 3]);
});

t.test('compares numbers exactly, however wide', async (t) => {
  const money = { type: 'decimal', length: 28, precision: 2 } as const;
  const zoned = (digits: string): string => digits.padStart(28, '0');
  const stored = [
    zoned('10000'),
    zoned('10001'),
    zoned('1000p'),
    zoned('?'),
    zoned('p'),
    ' '.repeat(28),
  ];
  check(t, money, { op: '=', operand, value: '100.0' }, stored, [0]);
  check(t, money, { op: '>', operand, value: '100.005' }, stored, [1]);
  check(t, money, { op: '<>', operand, value: '100.005' }, stored, [0, 1, 2, 4, 5]);
  check(t, money, { op: '<', operand, value: 0 }, stored, [2]);
  check(t, money, { op: '=', operand, value: 0 }, stored, [4, 5]);
  check(t, money, { op: '<', operand, value: 10n ** 40n }, stored, [0, 1, 2, 4, 5]);
  check(t, money, { op: 'isInvalid', operand }, stored, [3]);
  check(
    t,
    money,
    { op: 'not', term: { op: 'in', operand, values: ['100'] } },
    stored,
    [1, 2, 4, 5],
  );
  const wide = { type: 'integer', length: 8 } as const;
  const int = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  };
  const integers = [-(2n ** 63n), -1n, 0n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n].map(int);
  check(t, wide, { op: '=', operand, value: 2n ** 53n + 1n }, integers, [4]);
  check(t, wide, { op: '<', operand, value: -1n }, integers, [0]);
  check(t, wide, { op: '<=', operand, value: 2n ** 70n }, integers, [0, 1, 2, 3, 4, 5]);
  check(t, wide, { op: 'in', operand, values: [-1n, 2n ** 53n] }, integers, [1, 3]);
});

t.test('leaves invalid dates out, whatever is asked of them', async (t) => {
  const date = { type: 'date', length: 8, format: 'YYYYMMDD' } as const;
  const stored = ['20170131', '20170231', '00000000', '        ', 'no date!', '2017'];
  check(t, date, { op: '<', operand, value: '2018-01-01' }, stored, [0, 2, 3, 5]);
  check(t, date, { op: '<>', operand, value: '2018-01-01' }, stored, [0, 2, 3, 5]);
  check(
    t,
    date,
    { op: 'not', term: { op: '=', operand, value: '2018-01-01' } },
    stored,
    [0, 2, 3, 5],
  );
  check(t, date, { op: 'isBlank', operand }, stored, [2, 3, 5]);
  check(t, date, { op: 'isInvalid', operand }, stored, [1, 4]);
  check(t, date, { op: 'not', term: { op: 'isInvalid', operand } }, stored, [0, 2, 3, 5]);
});

t.test('finds the values of the longest `in` by bisection', async (t) => {
  const last = 2 * (inValuesMax - 1);
  const all = Array.from({ length: inValuesMax }, (_, n) => 2 * n);
  const values = all.map((n) => `K${String(n).padStart(7, '0')}`);
  const stored = [0, 1, last, last + 1, 1000].map((n) => String(n).padStart(7, '0'));
  const texts = stored.map((digits) => `K${digits}`);
  check(t, { type: 'alpha', length: 8 }, { op: 'in', operand, values }, texts, [0, 2, 4]);
  const decimal = { type: 'decimal', length: 7 } as const;
  check(t, decimal, { op: 'in', operand, values: all }, [...stored, '000100p'], [0, 2, 4]);
});

/** Bytes looked at to match a text. */
function stepsOf(pattern: string, text: string): number {
  let steps = 0;
  const bytes = new Proxy(Buffer.from(text, 'latin1'), {
    get(target, name) {
      steps++;
      return Reflect.get(target, name, target);
    },
  });
  compilePattern(parseLike(Buffer.from(pattern, 'latin1')), foldTable(false))(
    bytes,
    0,
    text.length,
  );
  return steps;
}

t.test('looks at each byte a bounded number of times for `like`', async (t) => {
  const long = 'ab'.repeat(20);
  const patterns = [
    `${'%'.repeat(5000)}a`,
    '%a%a%a%a%a%a%a%b',
    '%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab%',
    `%${'a'.repeat(500)}b%`,
    `%${'a_'.repeat(50)}b%`,
    '%_______________________________b%',
    `%${long}%${long}%c`,
  ];
  for (const pattern of patterns) {
    for (const text of ['a', 'ab']) {
      const short = stepsOf(pattern, text.repeat(4000).slice(0, 4000));
      const twice = stepsOf(pattern, text.repeat(8000).slice(0, 8000));
      const name = pattern.slice(0, 40);
      t.ok(twice <= 2 * short + 200, `${name} on ${text}…: ${short} steps, then ${twice}`);
      t.ok(twice <= 5 * 8000 + pattern.length, 'a few steps a byte');
    }
  }
});

t.test('matches patterns as they are read, in pieces of any length', async (t) => {
  t.comment(`seed ${seed}`);
  const piece = fc.constantFrom(
    '%',
    '_',
    'a',
    'b',
    'ab',
    'aab',
    'abababab',
    'a_b',
    '%_',
    'aaaaaaaaaaaaaaaa',
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 9 }),
      fc.array(fc.constantFrom('a', 'b', 'ab', 'aab', 'aaaaaaaaaaaaaaaa'), { maxLength: 12 }),
      (pieces, texts) => {
        const text = texts.join('');
        const pattern = pieces.join('');
        const source = pattern.replaceAll('%', '.*').replaceAll('_', '.');
        const isLike = compilePattern(parseLike(Buffer.from(pattern)), foldTable(false));
        const bytes = Buffer.from(`a${text}b`);
        return isLike(bytes, 1, 1 + text.length) === new RegExp(`^${source}$`).test(text);
      },
    ),
    { seed, numRuns: 5000 },
  );
});
