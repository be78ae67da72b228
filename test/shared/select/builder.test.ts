// The typed builder: the tree it makes, what it refuses at once, and what a stranger to types may do to it.

import t, { type Test } from 'tap';
import {
  alpha,
  binary,
  boolean,
  date,
  decimal,
  implied,
  integer,
} from '../../../shared/record/field.js';
import { defineFile, type RecordOf, specOf } from '../../../shared/record/file-definition.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import {
  buildExpression,
  expressionOf,
  type Where,
  type WhereFields,
} from '../../../shared/select/builder.js';
import { and, type Condition, not, or } from '../../../shared/select/condition.js';
import { parseExpression } from '../../../shared/select/parse.js';

const orders = defineFile({
  fields: {
    number: decimal(6),
    state: alpha(2),
    total: implied(12, 2),
    ordered: date(),
    seq: integer(8),
    paid: boolean(),
    digest: binary(4),
  },
  keys: { number: { parts: ['number'] } },
});
type Order = RecordOf<typeof orders>;
const spec = specOf(orders);

const raw: FileSpec = {
  ...spec,
  fields: [
    { name: 'STATE', type: 'alpha', offset: 0, length: 2 },
    { name: 'PHONE', type: 'alpha', offset: 2, length: 4, dimension: [3] },
    { name: 'then', type: 'alpha', offset: 14, length: 1 },
    { name: '__proto__', type: 'alpha', offset: 15, length: 1 },
  ],
};

/** Builder and text make the same tree. */
const check = (t: Test, where: Where<Order>, text: string): void => {
  t.strictSame(expressionOf(where, spec), parseExpression(text), text);
};

const checkRaw = (t: Test, where: Where<Buffer>, text: string): void => {
  t.strictSame(expressionOf(where, raw), parseExpression(text), text);
};

t.test('builder and text make the same tree', async (t) => {
  check(
    t,
    (f) => f.state.in(['CA', 'OR']).and(f.total.gte('100.00')),
    "state in ('CA','OR') and total >= 100.00",
  );
  check(
    t,
    (f) => f.number.eq(5).or(f.number.ne(6), f.number.lt(7n)),
    'number=5 or number<>6 or number<7',
  );
  check(t, (f) => f.seq.lte(2n ** 63n - 1n).not(), 'not seq <= 9223372036854775807');
  check(t, (f) => f.total.between('-0.50', '1'), "total between -0.50 and '1'");
  check(
    t,
    (f) => f.total.gt('1').and(f.number.gt(1).and(f.seq.gt(1))),
    "total > '1' and number > 1 and seq > 1",
  );
  check(
    t,
    (f) => f.state.nocase.like('c%').and(f.state.contains("'")),
    "nocase(state) like 'c%' and state contains ''''",
  );
  check(
    t,
    (f) => f.state.starts('C').and(f.ordered.isInvalid()),
    "state starts 'C' and ordered is invalid",
  );
  check(t, (f) => f.ordered.isBlank().not(), 'ordered is not blank');
  check(t, (f) => f.paid.eq(true), 'paid = true');
  check(t, (f) => f.digest.eq(Buffer.from([0, 255])), "digest = x'00FF'");
  check(t, (f) => f.rec(2, 3).eq('abc'), "rec(2,3) = 'abc'");
  check(
    t,
    (f) => not(or(f.number.eq(1), and(f.number.eq(2), f.paid.eq(false)))),
    'not (number = 1 or number = 2 and paid = false)',
  );
  check(t, (f) => f.state.in([]), 'state in ()');
  checkRaw(t, (f) => f.STATE?.eq('CA') ?? f.rec(1, 1).eq('x'), "STATE = 'CA'");
  checkRaw(t, (f) => f.field('state').nocase.eq('ca'), "nocase(state) = 'ca'");
  checkRaw(t, (f) => f.field('PHONE').element(2).starts('1'), "PHONE[2] starts '1'");
});

t.test('numbers that are not whole become their shortest decimal text', async (t) => {
  const values = [0.1, -2.5, 1e-7, 1.5e-10, 1e21, -0, 5n, 123456789.125];
  const expected = ['0.1', '-2.5', '0.0000001', '0.00000000015', 10n ** 21n, 0, 5, '123456789.125'];
  const expression = buildExpression<Buffer>((f) => f.rec(1, 1).in(values), raw.fields);
  t.match(expression, { op: 'in', values: expected });
});

t.test('what is no scalar is refused at once, naming the field', async (t) => {
  const circular: { self?: object } = {};
  circular.self = circular;
  const strangers: unknown[] = [
    { $gt: '' },
    ['a'],
    null,
    undefined,
    () => 1,
    Symbol('s'),
    Number.NaN,
    Number.POSITIVE_INFINITY,
    new Date(0),
    circular,
    new String('a'),
    Object.create(null),
  ];
  for (const stranger of strangers) {
    const value = stranger as string;
    for (const attempt of [
      (f) => f.state.eq(value),
      (f) => f.state.in(['CA', value]),
      (f) => f.state.between('A', value),
      (f) => f.state.like(value),
      (f) => f.state.nocase.starts(value),
    ] satisfies Where<Order>[]) {
      t.throws(() => expressionOf<Order>(attempt, spec), {
        code: 'ERR_INVOPER',
        message: /select: state.* takes /,
      });
    }
  }
  t.throws(() => expressionOf<Order>((f) => f.state.in('CA' as never), spec), {
    message: 'Invalid operation: select: state.in() takes a list of values, not text',
  });
});

t.test('conditions are frozen and take conditions only', async (t) => {
  let kept: Condition | undefined;
  expressionOf<Order>((f) => {
    kept = f.state.eq('CA');
    return kept.and(f.number.eq(1));
  }, spec);
  t.ok(Object.isFrozen(kept));
  t.match(kept?.expression, { op: '=' }, 'and() makes a new one');
  for (const wrong of [true, undefined, 'state = 1', { expression: kept?.expression }]) {
    t.throws(() => expressionOf<Order>((f) => f.state.eq('x').and(wrong as never), spec), {
      code: 'ERR_INVOPER',
      message: /and takes conditions such as/,
    });
    t.throws(() => expressionOf<Order>(() => wrong as never, spec), {
      message: /a condition was expected/,
    });
  }
  t.throws(() => and(), { message: /and\(\) takes conditions/ });
});

t.test('a value handed over is a copy', async (t) => {
  const bytes = Buffer.from([1, 2, 3, 4]);
  const expression = expressionOf<Order>((f) => f.digest.eq(bytes), spec);
  bytes.fill(0);
  t.match(expression, { value: Uint8Array.from([1, 2, 3, 4]) });
});

t.test('an unknown field is told with those there are', async (t) => {
  const message =
    'Invalid operation: select: there is no field "stat"; the fields are STATE, PHONE, then, __proto__';
  t.throws(() => expressionOf<Buffer>((f) => f.field('stat').eq('x'), raw), {
    code: 'ERR_INVOPER',
    message,
  });
  t.throws(() => expressionOf<Buffer>((f) => (f.stat ?? f.rec(1, 1)).eq('x'), raw), { message });
  const bare = { ...raw, fields: [] };
  t.throws(() => expressionOf<Buffer>((f) => f.field('a').eq('x'), bare), {
    message: /the file names no fields, so not "a"; use rec\(start, length\)/,
  });
});

t.test('names are found without regard to case only when that is one', async (t) => {
  const twice: FileSpec = {
    ...raw,
    fields: [
      { name: 'Ab', type: 'alpha', offset: 0, length: 1 },
      { name: 'aB', type: 'alpha', offset: 1, length: 1 },
    ],
  };
  t.ok(expressionOf<Buffer>((f) => f.field('aB').eq('x'), twice));
  t.throws(() => expressionOf<Buffer>((f) => f.field('ab').eq('x'), twice), {
    message: /no field "ab"/,
  });
});

t.test('what JavaScript itself looks for does no harm, and no name is inherited', async (t) => {
  await t.resolves(async () => {
    await expressionOf<Order>((f) => {
      t.equal(Reflect.get(f, 'then'), undefined);
      t.equal(Reflect.get(f, Symbol.toPrimitive), undefined);
      t.equal(Reflect.get(f, 'toJSON'), undefined);
      t.equal(JSON.stringify(f), '{}');
      t.throws(() => Reflect.get(f, 'constructor'), { code: 'ERR_INVOPER' });
      t.throws(() => Reflect.get(f, '__proto__'), { code: 'ERR_INVOPER' });
      t.throws(() => Reflect.get(f, 'hasOwnProperty'), { code: 'ERR_INVOPER' });
      t.notOk(Reflect.set(f, 'state', 1));
      return f.state.eq('x');
    }, spec);
  });
  checkRaw(t, (f) => f.field('then').eq('x'), "then = 'x'");
  checkRaw(t, (f) => f.field('__proto__').eq('x'), "__proto__ = 'x'");
});

type Argument<N extends 'state' | 'number' | 'total' | 'seq' | 'paid' | 'digest'> = Parameters<
  WhereFields<Order>[N]['eq']
>[0];
type Takes<A, V> = [V] extends [A] ? true : false;

t.test('types follow the values of the fields', async (t) => {
  // Judged by the compiler: a wrong line here does not build.
  const taken: [
    Takes<Argument<'state'>, string>,
    Takes<Argument<'number'>, number>,
    Takes<Argument<'total'>, string>,
    Takes<Argument<'seq'>, bigint>,
    Takes<Argument<'seq'>, number>,
    Takes<Argument<'paid'>, true>,
    Takes<Argument<'digest'>, Buffer>,
  ] = [true, true, true, true, true, true, true];
  const refused: [
    Takes<Argument<'state'>, number>,
    Takes<Argument<'number'>, string>,
    Takes<Argument<'total'>, { gt: string }>,
    Takes<Argument<'paid'>, string>,
    Takes<Argument<'digest'>, string>,
    'like' extends keyof WhereFields<Order>['number'] ? true : false,
    'like' extends keyof WhereFields<Order>['paid'] ? true : false,
  ] = [false, false, false, false, false, false, false];
  t.ok(taken.every(Boolean) && !refused.some(Boolean));
});

t.test('without types the file refuses what its fields do not take', async (t) => {
  const wrong: Where<Order>[] = [
    (f) => f.state.eq(5 as never),
    (f) => f.number.eq('five' as never),
    (f) => f.paid.eq('maybe' as never),
    (f) => f.digest.eq('text' as never),
    (f) => f.ordered.eq(20170131 as never),
    (f) => f.ordered.eq('2017-02-30'),
  ];
  const message = / is (alpha|decimal|boolean|binary|date) and takes .*, not /;
  for (const where of wrong) {
    t.throws(() => expressionOf(where, spec), { code: 'ERR_INVOPER', message });
  }
  for (const where of [5, null, {}, [], { operand: { field: 'state' } }]) {
    t.throws(() => expressionOf<Order>(where as never, spec), {
      code: 'ERR_INVOPER',
      message: /a condition is a function or text, not /,
    });
  }
  const bogus = { op: 'sort of', operand: { field: 'state' }, value: 'x' };
  t.throws(() => expressionOf<Order>(bogus as never, spec), { message: /no known operator/ });
});

t.test('text stays text, and is looked over', async (t) => {
  t.equal(expressionOf<Order>("state = 'CA'", spec), "state = 'CA'");
  t.throws(() => expressionOf<Order>('('.repeat(100), spec), { message: /nests at most 64 deep/ });
});

t.test('a condition that && or || threw away is noticed', async (t) => {
  const lost: Where<Buffer> = (f) => f.rec(1, 2).eq('CA') && f.rec(3, 2).eq('x');
  t.throws(() => expressionOf(lost, spec), {
    code: 'ERR_INVOPER',
    message: /&& and \|\| do not join conditions/,
  });
  const kept: Where<Buffer> = (f) => f.rec(1, 2).eq('CA').and(f.rec(3, 2).eq('x').not());
  t.ok(expressionOf(kept, spec));
});
