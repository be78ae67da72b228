// Questions as they travel: what comes back is what went, through MessagePack too; and lists from a stranger
// are refused with ERR_PROTOCOL and nothing else.

import fc from 'fast-check';
import t, { type Test } from 'tap';
import { isRsyndError } from '../../../shared/base/error.js';
import {
  expressionDepthMax,
  inValuesMax,
  queryAggregatesMax,
  queryOrdersMax,
  queryTextCharsMax,
  queryValueBytesMax,
  resumeBytesMax,
} from '../../../shared/base/limits.js';
import { packControl, unpackControl } from '../../../shared/protocol/control-message.js';
import type { Expression } from '../../../shared/select/expression.js';
import type { SelectQuery } from '../../../shared/select/query.js';
import { packExpression, unpackExpression } from '../../../shared/select/wire.js';
import { packQuery, unpackQuery } from '../../../shared/select/wire-query.js';

const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
t.comment(`seed ${seed}`);

const a = { field: 'a' };
const leaf: Expression = { op: '=', operand: a, value: 1 };

const nested = (depth: number): Expression => {
  const levels = Array.from({ length: depth - 1 });
  return levels.reduce<Expression>((term) => ({ op: 'not', term }), leaf);
};

t.test('an expression is one flat list', async (t) => {
  const expression: Expression = {
    op: 'and',
    terms: [
      { op: 'in', operand: { field: 'phone', index: [2] }, values: ['x', 2n ** 64n], nocase: true },
      {
        op: 'not',
        term: {
          op: 'between',
          operand: { start: 5, length: 3 },
          low: 'a',
          high: Uint8Array.of(1, 255),
        },
      },
      { op: 'isBlank', operand: a },
    ],
  };
  const list = [1, 3, 21, 'phone', 1, 2, true, 2, 'x', null, 'n', '18446744073709551616'];
  list.push(3, 20, 5, 3, false, 'a', null, 'x', '01ff', 31, 'a', 0);
  t.strictSame(packExpression(expression), list);
  t.strictSame(unpackExpression(list), expression);
});

const whole: SelectQuery = {
  where: { op: '=', operand: a, value: 2n ** 60n },
  using: 'KEY1',
  orderBy: ['-a', 'rec(1,2)'],
  groupBy: {
    fields: ['a'],
    aggregates: [
      { name: 'n', function: 'count' },
      { name: 'most', function: 'max', field: 'b' },
    ],
  },
  join: { kind: 'left', channel: 7, on: [['a', 'b']], where: 'b = 1' },
  limit: 1,
  maxScan: 2,
  maxMs: 3,
  resume: Uint8Array.of(0, 254),
};

t.test('a query comes back from MessagePack as it went', async (t) => {
  for (const query of [
    whole,
    {},
    { where: 'a = 1' },
    { using: 0, fields: ['a'] },
  ] as SelectQuery[]) {
    const body = packControl('select', [packQuery(query)]);
    t.strictSame(unpackQuery(unpackControl('select', body).any('query')), query);
  }
});

const refused = (t: Test, work: () => unknown, message: RegExp): void => {
  t.throws(work, { code: 'ERR_PROTOCOL', message });
};

t.test('faults are named', async (t) => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /the condition is undefined, not a list/],
    [{ op: 'and' }, /the condition is an object, not a list/],
    [[], /the condition ends where an operator should be/],
    [['='], /an operator .* must be a whole number from 0 to 255, not text/],
    [[99], /operator 99 is not known/],
    [[3], /ends where an operator/],
    [[1, 5, 10], /says 5 terms, 1 elements are left/],
    [[1, 1e9], /the count of terms .* whole number from 0 to 4096/],
    [[10, 'a', 0, false, 1, 2], /has 1 elements too many/],
    [[10, 'a', 0, 0, 1], /nocase .* must be true or false, not a number/],
    [[10, 'a', 0, false, {}], /a value .* not an object/],
    [[10, 'a', 0, false, [1]], /a value .* not a list/],
    [[10, 'a', 0, false, Number.NaN], /a value .* not NaN/],
    [[10, 'a', 0, false, null, 'q', ''], /a kind that is not known/],
    [[10, 'a', 0, false, null, 'n', '1e5'], /a whole number is no digits/],
    [[10, 'a', 0, false, null, 'x', 'abc'], /no pairs of hex digits/],
    [[10, 'a', 0, false, 'x'.repeat(queryValueBytesMax + 1)], /a value has 4097 characters/],
    [[10, 'a'.repeat(129), 0, false, 1], /name of a field has 129 characters/],
    [[10, 'a', 9, ...Array(20).fill(1)], /the count of elements/],
    [[10, 'a', 1, 0, false, 1], /an element .* from 1/],
    [[10, 0, 1, false, 1], /the start of rec/],
    [[22, 'a', 0, false, 5], /the text .* must be text, not a number/],
    [[21, 'a', 0, false, inValuesMax + 1], /the count of values .* 16384/],
    [Array(expressionDepthMax).fill(3).concat(10, 'a', 0, false, 1), /nests deeper than 64/],
    [
      [
        1,
        2,
        1,
        4000,
        ...Array(4000).fill([31, 'a', 0]).flat(),
        1,
        200,
        ...Array(200).fill([31, 'a', 0]).flat(),
      ],
      /more than 4096 parts/,
    ],
  ];
  for (const [list, message] of cases) refused(t, () => unpackExpression(list), message);
  t.strictSame(
    unpackExpression(packExpression(nested(expressionDepthMax))),
    nested(expressionDepthMax),
  );
  t.throws(() => packExpression(nested(expressionDepthMax + 1)), { code: 'ERR_INVOPER' });
  t.throws(() => packExpression(nested(200_000)), { code: 'ERR_INVOPER' });
});

const NIL = { where: 0, using: 1, orderBy: 2, fields: 3, groupBy: 4, join: 5, limit: 6, resume: 9 };

t.test('faults of a query are named', async (t) => {
  const cases: readonly (readonly [keyof typeof NIL, unknown, RegExp])[] = [
    ['where', 5, /the condition is a number/],
    ['where', 'x'.repeat(queryTextCharsMax + 1), /at most 65536 characters/],
    ['using', -1, /using .* from 0 to 255/],
    ['using', true, /using .* a key number or name, not a boolean/],
    ['orderBy', 'a', /orderBy is text, not a list/],
    ['orderBy', Array(queryOrdersMax + 1).fill('a'), /orderBy has 65 names, at most 64/],
    ['fields', [1], /a name .* must be text/],
    ['groupBy', [0, queryAggregatesMax + 1], /the count of aggregates .* 256/],
    ['groupBy', [0, 1, 'n', 9, null], /a function .* from 0 to 4/],
    ['groupBy', [0, 0, 1], /groupBy has 1 elements too many/],
    ['join', [2, 1, 0, null], /the kind of join/],
    ['join', [0, 1, 1, 'a'], /ends where a field/],
    ['limit', 0, /limit .* whole number/],
    ['limit', 1.5, /limit/],
    ['resume', 'zz', /hex/],
    ['resume', 'ab'.repeat(resumeBytesMax + 1), /resume has/],
  ];
  for (const [name, value, message] of cases) {
    const list = packQuery({});
    list[NIL[name]] = value;
    refused(t, () => unpackQuery(list), message);
  }
  refused(t, () => unpackQuery([...packQuery({}), 1]), /the query has 1 elements too many/);
  refused(t, () => unpackQuery(packQuery({}).slice(0, 9)), /ends where resume/);
  refused(t, () => unpackQuery(null), /the query is null/);
});

t.test('any list is a query or ERR_PROTOCOL', async (t) => {
  const element = fc.oneof(
    fc.constantFrom<unknown>(
      1,
      2,
      3,
      10,
      20,
      21,
      22,
      30,
      'a',
      '',
      null,
      true,
      false,
      0,
      -1,
      1.5,
      'n',
      'x',
      '1',
      [],
    ),
    fc.anything(),
  );
  const isRefused = (work: () => unknown): boolean => {
    try {
      work();
    } catch (error) {
      return isRsyndError(error, 'ERR_PROTOCOL');
    }
    return true;
  };
  const property = fc.property(fc.array(element, { maxLength: 30 }), fc.nat(9), (list, place) => {
    const query = packQuery(whole);
    query[place] = list;
    return (
      isRefused(() => unpackExpression(list)) &&
      isRefused(() => unpackQuery(list)) &&
      isRefused(() => unpackQuery(query))
    );
  });
  t.doesNotThrow(() => fc.assert(property, { seed, numRuns: 5000 }));
  const packed = packQuery(whole);
  for (let cut = 0; cut < packed.length; cut++)
    refused(t, () => unpackQuery(packed.slice(0, cut)), /ends where/);
});
