// Text of questions: what it means, what is said of mistakes, and that no text costs more than linear time.

import t, { type Test } from 'tap';
import {
  expressionDepthMax,
  expressionNodesMax,
  inValuesMax,
  queryTextCharsMax,
  queryValueBytesMax,
} from '../../../shared/base/limits.js';
import type { Expression } from '../../../shared/select/expression.js';
import {
  parseExpression,
  parseOperand,
  parseOrder,
  parseQuery,
} from '../../../shared/select/parse.js';
import { printExpression, printOperand } from '../../../shared/select/print.js';
import type { SelectQuery } from '../../../shared/select/query.js';

const field = (name: string, ...index: number[]) =>
  index.length === 0 ? { field: name } : { field: name, index };
const is = (name: string, value: string | number): Expression => ({
  op: '=',
  operand: field(name),
  value,
});

t.test('conditions', async (t) => {
  const cases: readonly (readonly [string, Expression])[] = [
    ['a = 1', is('a', 1)],
    ['WHERE a = 1', is('a', 1)],
    ['a != 1', { op: '<>', operand: field('a'), value: 1 }],
    ['a>=-1.50', { op: '>=', operand: field('a'), value: '-1.50' }],
    ['a < +.5', { op: '<', operand: field('a'), value: '.5' }],
    ['a = 9007199254740993', { op: '=', operand: field('a'), value: 9007199254740993n }],
    ["a = 'it''s'", is('a', "it's")],
    ["a = ''", is('a', '')],
    ["a = x'0aFF'", { op: '=', operand: field('a'), value: Uint8Array.from([10, 255]) }],
    ['a = TRUE', { op: '=', operand: field('a'), value: true }],
    [
      'a not between 1 and 2',
      { op: 'not', term: { op: 'between', operand: field('a'), low: 1, high: 2 } },
    ],
    ["a IN ('x', 'y')", { op: 'in', operand: field('a'), values: ['x', 'y'] }],
    ['a not in ()', { op: 'not', term: { op: 'in', operand: field('a'), values: [] } }],
    ["nocase(a) like '%x'", { op: 'like', operand: field('a'), value: '%x', nocase: true }],
    ["a contains ' '", { op: 'contains', operand: field('a'), value: ' ' }],
    ["phone[2, 3] starts '0'", { op: 'starts', operand: field('phone', 2, 3), value: '0' }],
    ["rec( 5 , 3 ) = 'abc'", { op: '=', operand: { start: 5, length: 3 }, value: 'abc' }],
    ['a is invalid', { op: 'isInvalid', operand: field('a') }],
    ['a is NOT blank', { op: 'not', term: { op: 'isBlank', operand: field('a') } }],
    ['group.item = 1', is('group.item', 1)],
    ['"a ""b""" = 1', is('a "b"', 1)],
    ['order = 1 and count = 2', { op: 'and', terms: [is('order', 1), is('count', 2)] }],
    ['nocase = 1 and rec = 2', { op: 'and', terms: [is('nocase', 1), is('rec', 2)] }],
    [
      'a=1 or b=2 and not c=3',
      {
        op: 'or',
        terms: [is('a', 1), { op: 'and', terms: [is('b', 2), { op: 'not', term: is('c', 3) }] }],
      },
    ],
    ['(a=1 and b=2) and (c=3)', { op: 'and', terms: [is('a', 1), is('b', 2), is('c', 3)] }],
    ['true', { op: 'and', terms: [] }],
    ['not false', { op: 'not', term: { op: 'or', terms: [] } }],
    ['\n a\t=\r\n1 ', is('a', 1)],
  ];
  for (const [text, expression] of cases) {
    t.strictSame(parseExpression(text), expression, text);
    t.strictSame(parseExpression(printExpression(expression)), expression, `${text} and back`);
  }
});

t.test('whole questions', async (t) => {
  const cases: readonly (readonly [string, SelectQuery])[] = [
    ['', {}],
    ['select *', {}],
    ['a = 1', { where: is('a', 1) }],
    ['select a, phone[2] where a = 1', { fields: ['a', 'phone[2]'], where: is('a', 1) }],
    ['order by total desc, -b, c asc, - d desc', { orderBy: ['-total', '-b', 'c', 'd'] }],
    [
      'a = 1 limit 5 using STATE order by rec(1,2)',
      { where: is('a', 1), limit: 5, using: 'STATE', orderBy: ['rec(1,2)'] },
    ],
    ['using 0', { using: 0 }],
    ['order = 5 order by "order"', { where: is('order', 5), orderBy: ['"order"'] }],
    ['limit = 3 limit 4', { where: is('limit', 3), limit: 4 }],
    [
      'select count',
      { groupBy: { fields: [], aggregates: [{ name: 'count', function: 'count' }] } },
    ],
    [
      'select count(*) as n, SUM(total) where a = 1',
      {
        where: is('a', 1),
        groupBy: {
          fields: [],
          aggregates: [
            { name: 'n', function: 'count' },
            { name: 'sum(total)', function: 'sum', field: 'total' },
          ],
        },
      },
    ],
    [
      'group by state, city: avg(total) as mean order by state',
      {
        groupBy: {
          fields: ['state', 'city'],
          aggregates: [{ name: 'mean', function: 'avg', field: 'total' }],
        },
        orderBy: ['state'],
      },
    ],
    ['group by state', { groupBy: { fields: ['state'], aggregates: [] } }],
  ];
  for (const [text, query] of cases) t.strictSame(parseQuery(text), query, text);
  for (const [text, message] of [
    ['limit 1 limit 2', /`limit` stands there twice/],
    ['limit 0', /a whole number from 1 at character 7/],
    ['select count group by a', /behind `group by`/],
    ['select', /expected/],
    ['a = 1; drop', /at character 6/],
  ] as const) {
    t.throws(() => parseQuery(text), { code: 'ERR_INVOPER', message }, text);
  }
});

t.test('names of fields, elements and bytes alone', async (t) => {
  t.strictSame(parseOperand('phone[1,2]'), field('phone', 1, 2));
  t.strictSame(parseOrder('- total'), { operand: field('total'), descending: true });
  for (const name of [
    'plain',
    'in',
    'odd name',
    '"',
    'Gro.up',
    'in.x',
    '1st',
    'naïve',
    'a.',
    '__proto__',
  ]) {
    t.strictSame(parseOperand(printOperand({ field: name })), { field: name }, name);
  }
  for (const text of ['', 'a b', 'a]', 'rec(0,1)', 'rec(1)', 'a[0]', 'a[1.5]', 'a desc', '-a']) {
    t.throws(() => parseOperand(text), { code: 'ERR_INVOPER' }, text);
  }
});

const fails = (t: Test, text: string, expected: readonly string[]): void => {
  t.throws(() => parseExpression(text), {
    code: 'ERR_INVOPER',
    message: `Invalid operation: select: ${expected.join('\n')}`,
  });
};

t.test('a mistake is shown with a caret and what was expected', async (t) => {
  fails(t, 'state = and total > 5', [
    "expected 'false', 'true', a number, bytes x'…' or text in '…' at character 9",
    'state = and total > 5',
    '        ^',
  ]);
  fails(t, 'a = 1 b = 2', [
    "expected 'and', 'or' or the end at character 7",
    'a = 1 b = 2',
    '      ^',
  ]);
  fails(t, '(a = 1', ["expected ')', 'and' or 'or' at the end", '(a = 1', '      ^']);
  fails(t, 'a\nis null', [
    "expected 'invalid', 'blank' or 'not' at character 6",
    'a is null',
    '     ^',
  ]);
  const far = `${'a = 1 or '.repeat(20)}b ~ 1${' or a = 1'.repeat(20)}`;
  t.throws(() => parseExpression(far), {
    message: `at character 183\n… a = 1 or a = 1 or a = 1 or b ~ 1 or a = 1 or a = 1 or a = 1…\n${' '.repeat(31)}^`,
  });
});

t.test('control characters of a text do not reach the message', async (t) => {
  try {
    parseExpression('a = \u001b[31m\u0007 1');
    t.fail('was taken');
  } catch (error) {
    const isControl = (letter: string): boolean => letter < ' ' && letter !== '\n';
    t.notOk([...String(error)].some(isControl));
  }
});

t.test('values are never read as anything else', async (t) => {
  for (const value of [
    "' or 1=1 --",
    "x' or 'a'='a",
    '%',
    '\\',
    '$1',
    '"',
    ') or (a = 1',
    '\u0000',
  ]) {
    t.strictSame(parseExpression(printExpression(is('a', value))), is('a', value), value);
  }
});

const elapsedMs = (work: () => void): number => {
  const start = performance.now();
  work();
  return performance.now() - start;
};

t.test('hostile text is refused in linear time', async (t) => {
  const chars = queryTextCharsMax;
  const cases: readonly (readonly [string, RegExp])[] = [
    ['('.repeat(1_000_000), /at most 65536 characters, not 1000000/],
    ['('.repeat(chars), /nests at most 64 deep/],
    ['not '.repeat(chars / 4), /nests at most 64 deep/],
    ['not ('.repeat(chars / 5), /nests at most 64 deep/],
    [`a = ${'(('.repeat(chars / 4)}`, /nests at most 64 deep/],
    ["'".repeat(chars), /expected/],
    [`a = '${'x'.repeat(queryValueBytesMax + 1)}'`, /a value has at most 4096 bytes/],
    [`a = ${'1'.repeat(chars - 4)}`, /takes values of at most 4096 bytes/],
    ['a'.repeat(chars), /expected/],
    ['"'.repeat(chars - 1), /expected/],
    [' '.repeat(chars), /expected/],
    [`a like '${'%'.repeat(queryValueBytesMax)}a`, /expected/],
    [
      Array(expressionNodesMax + 1)
        .fill('a=1')
        .join(' or '),
      /at most 4096 parts/,
    ],
    [Array(13_000).fill('a=').join('or '), /expected|parts/],
    [
      `a in (${Array(inValuesMax + 1)
        .fill('1')
        .join()})`,
      /at most 16384 values, not 16385/,
    ],
  ];
  for (const [text, message] of cases) {
    const ms = elapsedMs(() =>
      t.throws(() => parseExpression(text), { code: 'ERR_INVOPER', message }),
    );
    t.ok(ms < 1000, `${text.slice(0, 12)} took ${ms.toFixed()} ms`);
    if (text.trim() !== '') t.throws(() => parseQuery(text), { code: 'ERR_INVOPER' });
  }
});

t.test('what is within the limits is taken, and long chains cost linear time', async (t) => {
  const chain = (terms: number): string => Array(terms).fill('a=1').join(' or ');
  t.match(parseExpression(chain(expressionNodesMax - 1)), { op: 'or' });
  t.ok(parseExpression(`${'('.repeat(expressionDepthMax)}a=1${')'.repeat(expressionDepthMax)}`));
  const deep = (depth: number): string => `${'not '.repeat(depth - 1)}a in (1)`;
  t.ok(parseExpression(deep(expressionDepthMax)));
  t.throws(() => parseExpression(deep(expressionDepthMax + 1)), {
    message: /nests at most 64 deep/,
  });
  t.ok(parseExpression(`a in (${Array(inValuesMax).fill('1').join()})`));
  t.ok(parseExpression(`a = '${'x'.repeat(queryValueBytesMax)}'`));
  parseExpression(chain(4000));
  const short = elapsedMs(() => parseExpression(chain(500)));
  const long = elapsedMs(() => parseExpression(chain(4000)));
  t.ok(
    long < 8 * 12 * Math.max(short, 1),
    `500 terms ${short.toFixed(1)} ms, 4000 ${long.toFixed(1)} ms`,
  );
});
