// Questions checked against a file: what fields take, what is refused and how it is said, and the form in
// which it is carried out.

import t, { type Test } from 'tap';
import {
  expressionDepthMax,
  expressionNodesMax,
  fieldsPerFileMax,
  inValuesMax,
  queryAggregatesMax,
  queryOrdersMax,
  queryValueBytesMax,
} from '../../../shared/base/limits.js';
import type { FieldSpec, FileSpec } from '../../../shared/record/file-spec.js';
import { bindExpression } from '../../../shared/select/bind.js';
import { bindName, bindQuery } from '../../../shared/select/bind-query.js';
import type { BoundExpression } from '../../../shared/select/bound.js';
import { dateRank, isDateRankInvalid, timeRank } from '../../../shared/select/date-rank.js';
import type { Expression } from '../../../shared/select/expression.js';
import { parseExpression } from '../../../shared/select/parse.js';
import type { SelectQuery } from '../../../shared/select/query.js';

const fields: readonly FieldSpec[] = [
  { name: 'STATE', type: 'alpha', offset: 0, length: 2 },
  { name: 'TOTAL', type: 'decimal', offset: 2, length: 10, precision: 2 },
  { name: 'COUNT', type: 'integer', offset: 12, length: 2 },
  { name: 'ORDERED', type: 'date', offset: 14, length: 8, format: 'YYYYMMDD' },
  { name: 'SHORT', type: 'date', offset: 22, length: 6, format: 'YYMMDD' },
  { name: 'AT', type: 'time', offset: 28, length: 4, format: 'HHMM' },
  { name: 'PAID', type: 'boolean', offset: 32, length: 1 },
  { name: 'DIGEST', type: 'binary', offset: 33, length: 4 },
  { name: 'PHONE', type: 'alpha', offset: 37, length: 3, dimension: [2, 3] },
];
const segment = { offset: 0, length: 2, type: 'alpha', order: 'ascending' } as const;
const spec: FileSpec = {
  record: { size: 60, format: 'fixed' },
  keys: [
    { name: 'PRIMARY', segments: [segment], dups: 'fifo', modifiable: false },
    { name: 'BY_STATE', segments: [segment], dups: 'fifo', modifiable: true },
  ],
  fields,
  networkEncrypt: false,
  text: '',
  attributes: {},
};

const bind = (text: string): BoundExpression => bindExpression(parseExpression(text), spec);

const number = (unscaled: bigint) => ({ kind: 'number', unscaled, exact: true });
const compare = (comparison: string, value: object) => ({ op: 'compare', comparison, value });
const constant = (value: boolean) => ({ op: 'constant', value });

t.test('values take the form their field compares in', async (t) => {
  const cases: readonly (readonly [string, object])[] = [
    ["state = 'CA  '", compare('=', { kind: 'text', bytes: Buffer.from('CA') })],
    ["nocase(state) = 'c\u00e9'", compare('=', { bytes: Buffer.from('C\u00c9', 'latin1') })],
    ["state = 'longer than it'", compare('=', { kind: 'text' })],
    ['total = 100', compare('=', number(10_000n))],
    ['total = 100.0', compare('=', number(10_000n))],
    ["total = '-0.07'", compare('=', number(-7n))],
    [
      'total = 99999999999999999999999999.99',
      compare('=', number(9_999_999_999_999_999_999_999_999_999n)),
    ],
    ['total > 1.005', compare('>', number(100n))],
    ['total >= 1.005', compare('>', number(100n))],
    ['total < 1.005', compare('<=', number(100n))],
    ['total < -1.005', compare('<=', number(-101n))],
    ['total = 1.005', constant(false)],
    ['total <> 1.005', { op: 'isInvalid', negated: true }],
    ['total in (1.005)', constant(false)],
    ['total not in (1.005)', { op: 'isInvalid', negated: true }],
    ['count <> 1.5', constant(true)],
    ["count >= '-40000'", compare('>=', number(-40_000n))],
    [
      "ordered = '2017-01-31'",
      compare('=', { kind: 'digits', digits: '20170131', rank: 20_170_131 }),
    ],
    ["ordered = ''", compare('=', { digits: '', rank: 0 })],
    ["ordered = '00000000'", compare('=', { digits: '', rank: 0 })],
    ["short = '1999-12-31'", compare('=', { digits: '991231', rank: 991_231 })],
    ["at = '00:00'", compare('=', { digits: '0000', rank: 1 })],
    ["at = ''", compare('=', { digits: '', rank: 0 })],
    ['paid <> true', compare('=', { kind: 'flag', value: false })],
    ['paid < true', compare('=', { kind: 'flag', value: false })],
    ['paid >= false', constant(true)],
    ["digest = x'01'", compare('=', { kind: 'bytes', bytes: Buffer.from([1, 0, 0, 0]) })],
    ["rec(3,2) = x'0001'", compare('=', { kind: 'text', bytes: Buffer.from([0, 1]) })],
  ];
  for (const [text, expected] of cases) t.match(bind(text), expected, text);
});

t.test(
  '`not` is pushed down, `between` is two comparisons, the certain is worked out',
  async (t) => {
    t.match(bind("not (state = 'A' and (total < 1 or not paid = true))"), {
      op: 'or',
      terms: [
        compare('<>', {}),
        { op: 'and', terms: [compare('>=', number(100n)), compare('=', { value: true })] },
      ],
    });
    t.match(bind('total not between 1 and 2'), {
      op: 'or',
      terms: [compare('<', number(100n)), compare('>', number(200n))],
    });
    t.match(bind("not not state in ('a', 'b', 'a ', 'a')"), {
      op: 'in',
      values: { length: 2 },
      negated: false,
    });
    t.match(bind('total in (1, 1.0, 1.005, 2)'), { values: [number(100n), number(200n)] });
    t.match(bind('state in ()'), constant(false));
    t.match(bind('state not in ()'), constant(true));
    t.match(bind("state starts ''"), constant(true));
    t.match(bind("state not contains ''"), constant(false));
    t.match(bind('state is invalid'), constant(false));
    t.match(bind('total is not invalid'), { op: 'isInvalid', negated: true });
    t.match(bind("true and (state = 'A' or false)"), compare('=', {}));
    t.match(bind("state = 'A' or count is not invalid"), constant(true));
    t.match(bindExpression(undefined, spec), constant(true));
    t.match(bindExpression({ op: 'or', terms: [] }, spec), constant(false));
  },
);

t.test('patterns come apart', async (t) => {
  const literal = (text: string) => ({ literal: Buffer.from(text) });
  const cases: readonly (readonly [string, readonly unknown[]])[] = [
    ['', []],
    ['abc', [literal('abc')]],
    ['%%_%a_%%', ['one', 'any', literal('a'), 'one', 'any']],
    ['\\%\\_\\\\x%', [literal('%_\\x'), 'any']],
  ];
  for (const [pattern, parts] of cases)
    t.strictSame(Reflect.get(bind(`state like '${pattern}'`), 'pattern'), parts);
  t.match(bind("nocase(state) like 'a_b'"), {
    pattern: [literal('A'), 'one', literal('B')],
    nocase: true,
  });
});

const refuse = (t: Test, text: string, message: string): void => {
  t.throws(
    () => bind(text),
    { code: 'ERR_INVOPER', message: `Invalid operation: select: ${message}` },
    text,
  );
};

t.test('what the file does not have or take is refused with the way out', async (t) => {
  refuse(
    t,
    "stat = 'A'",
    `there is no field "stat"; the fields are ${fields.map(({ name }) => name).join(', ')}`,
  );
  refuse(t, 'state = 5', 'state is alpha and takes text, not a number');
  refuse(t, "state = '\u20ac'", 'state takes only characters of latin1 (ISO 8859-1)');
  refuse(
    t,
    "total = 'abc'",
    "total is decimal and takes a number, as in 12 or '12.50', not this text",
  );
  refuse(
    t,
    "total = ''",
    "total is decimal and takes a number, as in 12 or '12.50', not this text",
  );
  refuse(
    t,
    'total = true',
    "total is decimal and takes a number, as in 12 or '12.50', not a boolean",
  );
  refuse(
    t,
    "ordered = '2017-02-29'",
    "ordered is date and takes a date as text: YYYYMMDD, '2017-01-31' or '', not this text",
  );
  refuse(
    t,
    'ordered = 20170131',
    "ordered is date and takes a date as text: YYYYMMDD, '2017-01-31' or '', not a number",
  );
  refuse(
    t,
    "at = '24:00'",
    "at is time and takes a time as text: HHMM, '23:59:00' or '', not this text",
  );
  refuse(t, 'paid = 2', 'paid is boolean and takes true or false, not a number');
  refuse(
    t,
    "digest = 'abcd'",
    "digest is binary and takes bytes: a Uint8Array, in text x'0aff', not this text",
  );
  refuse(t, "digest = x'0102030405'", 'digest holds 4 bytes, the value has 5');
  refuse(t, "total like '1%'", 'total is decimal, `like` is for text');
  refuse(t, "digest contains 'a'", 'digest is binary, `contains` is for text');
  refuse(t, 'nocase(total) = 1', 'total is decimal, nocase is for text');
  refuse(
    t,
    "state like 'a\\'",
    'a `like` pattern ends with \\, which takes the next character as it is',
  );
  refuse(t, "phone = 'a'", 'field PHONE is an array of [2,3]: name one element, as in PHONE[1,1]');
  refuse(
    t,
    "phone[1] = 'a'",
    'field PHONE is an array of [2,3]: name one element, as in PHONE[1,1]',
  );
  refuse(t, "phone[1,4] = 'a'", 'field PHONE has elements 1 to [2,3], not [1,4]');
  refuse(t, "state[1] = 'a'", 'field STATE is no array, leave [1] away');
  refuse(t, "rec(60,2) = 'a'", 'rec(60,2): the record has bytes 1 to 60');
  for (const start of [0, 1.5, -1, Number.NaN]) {
    const operand = { start, length: 1 };
    t.throws(() => bindExpression({ op: 'isBlank', operand }, spec), {
      message: /the record has bytes 1 to 60/,
    });
  }
});

t.test('elements and bytes have their place', async (t) => {
  t.match(bindName('phone[1,1]', spec), { text: 'phone[1,1]', offset: 37, length: 3 });
  t.match(bindName('phone[2,3]', spec), { offset: 37 + 5 * 3 });
  t.match(bindName('rec(60,1)', spec), {
    text: 'rec(60,1)',
    offset: 59,
    length: 1,
    type: 'alpha',
    precision: 0,
  });
  t.match(bindName('TOTAL', spec), { type: 'decimal', precision: 2 });
});

t.test('a tree of any size is measured before it is gone down', async (t) => {
  const operand = { field: 'state' };
  const leaf = (): Expression => ({ op: 'isBlank', operand });
  const nested = (depth: number): Expression =>
    Array.from({ length: depth - 1 }).reduce<Expression>((term) => ({ op: 'not', term }), leaf());
  const wide = (nodes: number): Expression => ({
    op: 'and',
    terms: Array.from({ length: nodes - 1 }, leaf),
  });
  const many = (values: number): Expression => ({
    op: 'in',
    operand,
    values: Array(values).fill('A'),
  });
  const large = (bytes: number): Expression => ({ op: '=', operand, value: 'x'.repeat(bytes) });
  for (const [make, max, message] of [
    [nested, expressionDepthMax, /nests at most 64 deep/],
    [wide, expressionNodesMax, /at most 4096 parts/],
    [many, inValuesMax, /`in` takes at most 16384 values/],
    [large, queryValueBytesMax, /a value has at most 4096 bytes/],
  ] as const) {
    t.ok(bindExpression(make(max), spec));
    t.throws(() => bindExpression(make(max + 1), spec), { code: 'ERR_INVOPER', message });
  }
  t.throws(() => bindExpression(nested(1_000_000), spec), { code: 'ERR_INVOPER' });
});

t.test('whole queries', async (t) => {
  const query: SelectQuery = {
    where: "state = 'CA'",
    using: 'by_state',
    orderBy: ['-total', 'state'],
    groupBy: undefined as never,
    limit: 5,
    maxScan: 100,
    maxMs: 50,
  };
  t.match(bindQuery(query, spec), {
    where: compare('=', {}),
    using: 1,
    orderBy: [
      { operand: { text: 'total' }, descending: true },
      { operand: { text: 'state' }, descending: false },
    ],
    limit: 5,
    maxScan: 100,
    maxMs: 50,
  });
  t.strictSame(bindQuery({}, spec), { where: constant(true), orderBy: [] });
  t.match(bindQuery({ fields: ['total', 'phone[1,2]'] }, spec).fields, [
    { offset: 2 },
    { offset: 40 },
  ]);
  const aggregates = [
    { name: 'n', function: 'count' },
    { name: 'sum', function: 'sum', field: 'total' },
    { name: 'last', function: 'max', field: 'ordered' },
  ] as const;
  t.match(
    bindQuery({ groupBy: { fields: ['state'], aggregates }, orderBy: ['-STATE'] }, spec).groupBy,
    {
      fields: [{ text: 'state' }],
      aggregates: [{ name: 'n' }, { operand: { text: 'total' } }, { operand: { text: 'ordered' } }],
    },
  );
});

t.test('queries that contradict themselves or the file are refused', async (t) => {
  const one = { name: 'n', function: 'count' } as const;
  const join = { kind: 'inner', channel: 1, on: [['state', 'state']] } as const;
  const cases: readonly (readonly [object, RegExp])[] = [
    [
      { fields: ['state'], groupBy: { fields: ['state'], aggregates: [] } },
      /groups give their own fields/,
    ],
    [{ join, groupBy: { fields: [], aggregates: [one] } }, /pairs of a join are not grouped/],
    [{ join: { ...join, kind: 'outer' } }, /a join is 'inner' or 'left'/],
    [{ join: { ...join, on: [] } }, /1 to 8 pairs/],
    [{ join: { ...join, on: [['stat', 'x']] } }, /no field "stat"/],
    [{ groupBy: { fields: [], aggregates: [] } }, /takes fields, aggregates, or both/],
    [
      { groupBy: { fields: ['state'], aggregates: [{ ...one, name: 'state' }] } },
      /two values named state/,
    ],
    [
      { groupBy: { fields: ['state'], aggregates: [one] }, orderBy: ['total'] },
      /ordered by fields they are made by, not by total/,
    ],
    [{ groupBy: { fields: [], aggregates: [{ ...one, name: '' }] } }, /needs a name/],
    [{ groupBy: { fields: [], aggregates: [{ ...one, field: 'state' }] } }, /it takes no field/],
    [
      { groupBy: { fields: [], aggregates: [{ name: 's', function: 'sum' }] } },
      /sum takes a field/,
    ],
    [
      { groupBy: { fields: [], aggregates: [{ name: 's', function: 'sum', field: 'state' }] } },
      /state is alpha, sum is not for that/,
    ],
    [
      { groupBy: { fields: [], aggregates: [{ name: 's', function: 'min', field: 'digest' }] } },
      /digest is binary/,
    ],
    [
      { groupBy: { fields: [], aggregates: [{ name: 's', function: 'median', field: 'total' }] } },
      /computed are count, sum, min, max, avg/,
    ],
    [{ using: 'nokey' }, /there is no key nokey; the keys are 0 PRIMARY, 1 BY_STATE/],
    [{ using: 2 }, /there is no key 2/],
    [{ using: -1 }, /there is no key -1/],
    [{ limit: 0 }, /limit is a whole number from 1, not 0/],
    [{ maxScan: 1.5 }, /maxScan is a whole number/],
    [{ maxMs: Number.NaN }, /maxMs is a whole number/],
    [{ fields: [] }, /name the fields/],
    [{ fields: ['phone'] }, /name one element/],
    [{ fields: Array(fieldsPerFileMax + 1).fill('state') }, /fields takes at most 4096/],
    [{ orderBy: ['state desc'] }, /expected/],
    [{ orderBy: Array(queryOrdersMax + 1).fill('state') }, /orderBy takes at most 64/],
    [
      { groupBy: { fields: [], aggregates: Array(queryAggregatesMax + 1).fill(one) } },
      /groupBy takes at most 256/,
    ],
    [{ where: 'state =' }, /expected/],
    [{ where: 'state = 1' }, /takes text/],
  ];
  for (const [query, message] of cases) {
    t.throws(() => bindQuery(query, spec), { code: 'ERR_INVOPER', message }, message.source);
  }
});

t.test('ranks order stored dates and times, and tell what is none', async (t) => {
  const rankOf = (rank: typeof dateRank, format: string, text: string): number =>
    rank(Buffer.from(`x${text}x`), 1, { length: format.length, format });
  const dates: readonly (readonly [string, readonly string[]])[] = [
    ['YYYYMMDD', ['        ', '00000101', '19991231', '20000229', '20000301']],
    ['YYMMDD', ['000000', '000101', '170131', '991231']],
    ['YYYYJJJ', ['0000000', '2016366', '2017001']],
    ['YYPP', ['    ', '0001', '1799']],
  ];
  for (const [format, ascending] of dates) {
    const ranks = ascending.map((text) => rankOf(dateRank, format, text));
    t.strictSame(
      ranks,
      [...ranks].sort((a, b) => a - b),
    );
    t.equal(new Set(ranks).size, ranks.length);
    t.equal(ranks[0], 0);
  }
  for (const text of [
    '20170229',
    '20171301',
    '20170100',
    '2017 101',
    '2017013q',
    'abcdefgh',
    '19000229',
  ]) {
    t.ok(isDateRankInvalid(rankOf(dateRank, 'YYYYMMDD', text)), text);
  }
  t.ok(isDateRankInvalid(rankOf(dateRank, 'YYYYJJJ', '2017367')));
  const times = ['    ', '0000', '0001', '2359'].map((text) => rankOf(timeRank, 'HHMM', text));
  t.strictSame(times, [0, 1, 2, 2360]);
  for (const text of ['2400', '1260', ' 100', '-100'])
    t.ok(Number.isNaN(rankOf(timeRank, 'HHMM', text)), text);
  t.ok(Number.isNaN(rankOf(timeRank, 'HHMMSS', '120060')));
});
