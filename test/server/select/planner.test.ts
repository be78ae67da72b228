// Which way a question takes through a file, and what `explain` says of it. That plans lose no record is
// shown in planner-property.test.ts.

import t from 'tap';
import { explainFilter } from '../../../server/select/explain.js';
import { nullIndexKey } from '../../../server/select/key-range-left-out.js';
import { planQuery } from '../../../server/select/planner.js';
import type { QueryPlan } from '../../../server/select/query-plan.js';
import {
  keyRangesMax,
  planAlternativesMax,
  planRangesShownMax,
  planTextCharsMax,
  planValuesShownMax,
  topRecordsMax,
} from '../../../shared/base/limits.js';
import { compileKey } from '../../../shared/record/collate.js';
import type {
  FieldSpec,
  FileSpec,
  KeySpec,
  SegmentSpec,
} from '../../../shared/record/file-spec.js';
import { bindExpression } from '../../../shared/select/bind.js';
import { bindQuery } from '../../../shared/select/bind-query.js';
import { parseExpression } from '../../../shared/select/parse.js';
import type { SelectQuery } from '../../../shared/select/query.js';

const FIELDS: FieldSpec[] = [
  { name: 'id', type: 'decimal', offset: 0, length: 6 },
  { name: 'state', type: 'alpha', offset: 6, length: 2 },
  { name: 'total', type: 'decimal', offset: 8, length: 9, precision: 2 },
  { name: 'name', type: 'alpha', offset: 17, length: 20 },
  { name: 'city', type: 'alpha', offset: 37, length: 15 },
  { name: 'ordered', type: 'date', offset: 52, length: 8, format: 'YYYYMMDD' },
  { name: 'seq', type: 'integer', offset: 60, length: 8 },
  { name: 'code', type: 'alpha', offset: 68, length: 4 },
];

function over(name: string, type: SegmentSpec['type'], order: SegmentSpec['order'] = 'ascending') {
  const field = FIELDS.find((each) => each.name === name);
  if (field === undefined) throw new TypeError(name);
  return { offset: field.offset, length: field.length, type, order };
}

const keyOf = (name: string, segments: SegmentSpec[], more: Partial<KeySpec> = {}): KeySpec => ({
  name,
  segments,
  dups: 'fifo',
  modifiable: true,
  ...more,
});

const SPEC: FileSpec = {
  record: { size: 72, format: 'fixed' },
  keys: [
    keyOf('ID', [over('id', 'decimal')], { dups: 'none', modifiable: false }),
    keyOf('STATE', [over('state', 'alpha'), over('total', 'decimal', 'descending')]),
    keyOf('NAME', [over('name', 'nocase')]),
    keyOf('ORDERED', [over('ordered', 'alpha', 'descending')]),
    keyOf('SEQ', [over('seq', 'sequence')], { dups: 'none' }),
    keyOf('CODE', [over('code', 'alpha')], { nullKey: { kind: 'replicate' } }),
  ],
  fields: FIELDS,
  networkEncrypt: false,
  text: '',
  attributes: {},
};

const RECORDS = 100_000;

const plan = (query: SelectQuery | string, spec: FileSpec = SPEC): QueryPlan =>
  planQuery(
    { spec },
    bindQuery(typeof query === 'string' ? { where: query } : query, spec),
    RECORDS,
  );

const shown = (query: SelectQuery | string, spec?: FileSpec): string => {
  const { key, ranges, order } = plan(query, spec).shown;
  return `${key?.name ?? 'stored'}: ${ranges.join(' | ')} [${order}]`;
};

t.test('the key with the longest equality, then a range, is gone by', async (t) => {
  const cases: [string, string][] = [
    ['id = 12', 'ID: id = 12 [none]'],
    ["state = 'CA'", "STATE: state = 'CA' [none]"],
    ["state = 'CA' and total >= 100", "STATE: state = 'CA', total >= 100.00 [none]"],
    ["total >= 100 and state = 'CA' and city = 'X'", "STATE: state = 'CA', total >= 100.00 [none]"],
    ["state >= 'CA' and total >= 100", "STATE: state >= 'CA' [none]"],
    ['id > 5 and id <= 9', 'ID: id > 5, id <= 9 [none]'],
    ['id between 5 and 9 and id > 2', 'ID: id >= 5, id <= 9 [none]'],
    ["state starts 'C'", "STATE: state starts 'C' [none]"],
    ["state like 'C%'", "STATE: state like 'C%' [none]"],
    ["nocase(name) = 'smith'", "NAME: nocase(name) = 'SMITH' [none]"],
    ["nocase(name) >= 'smith'", "NAME: nocase(name) >= 'SMITH' [none]"],
    ["name = 'Smith'", "NAME: name = 'Smith' [none]"],
    ["name starts 'Smi'", "NAME: name starts 'Smi' [none]"],
    ["ordered >= '2020-01-31'", "ORDERED: ordered >= '2020-01-31' [none]"],
    ['seq < 7', 'SEQ: seq < 7 [none]'],
    ["state = 'CA' and id = 12", 'ID: id = 12 [none]'],
    ["rec(7,2) = 'CA'", "STATE: rec(7,2) = 'CA' [none]"],
    ["rec(1,6) = '000012'", "ID: rec(1,6) = '000012' [none]"],
  ];
  for (const [where, expected] of cases) t.equal(shown(where), expected, where);
});

t.test('what no key can narrow reads the file as it is stored', async (t) => {
  const cases = [
    "city = 'X'",
    "nocase(state) = 'ca'",
    "name >= 'Smith'",
    "state <> 'CA'",
    "not (state = 'CA')",
    "state like '%A'",
    "state contains 'A'",
    'total = 5',
    "state = 'CA' or city = 'X'",
    "rec(1,6) > '000012'",
    "ordered = ''",
    'id is invalid',
  ];
  for (const where of cases) {
    const found = plan(where);
    t.equal(found.order, 'stored', where);
    t.equal(found.ranges.length, 1, where);
    t.equal(found.shown.estimate, RECORDS, where);
  }
});

t.test('in and or over one key are several ranges, in the order of the walk', async (t) => {
  const cases: [string, string][] = [
    ['id in (9, 3, 5)', 'ID: id = 3 | id = 5 | id = 9 [none]'],
    ['id = 9 or id = 3', 'ID: id = 3 | id = 9 [none]'],
    ['id < 3 or id > 9', 'ID: id < 3 | id > 9 [none]'],
    ['id < 5 or id = 3', 'ID: id < 5 [none]'],
    [
      'id between 1 and 5 or id between 3 and 9',
      'ID: (id >= 1, id <= 5 or id >= 3, id <= 9) [none]',
    ],
    [
      "state in ('CA', 'NY') and total > 5",
      "STATE: state = 'CA', total > 5.00 | state = 'NY', total > 5.00 [none]",
    ],
    [
      "(state = 'CA' and total > 5) or (state = 'NY' and total < 3)",
      "STATE: state = 'CA', total > 5.00 | state = 'NY', total < 3.00 [none]",
    ],
    [
      "state = 'CA' and total in (1, 2)",
      "STATE: state = 'CA', total = 2.00 | state = 'CA', total = 1.00 [none]",
    ],
  ];
  for (const [where, expected] of cases) t.equal(shown(where), expected, where);
});

t.test('nothing is looked at when nothing can match', async (t) => {
  for (const where of [
    'id = 0.5',
    'id = 1234567',
    'id > 5 and id < 5',
    "state = 'CAX'",
    'id in ()',
  ]) {
    const found = plan(where);
    t.same([found.ranges, found.shown.estimate, found.sort], [[], 0, 'none'], where);
  }
  t.equal(plan('id < 1234567').ranges.length, 1, 'what is past the field on the other side is all');
  t.equal(shown('id < 0.5'), 'ID: id <= 0 [none]', 'a fraction lies between two');
});

t.test('using names the key, narrowed or whole', async (t) => {
  t.equal(shown({ where: "state = 'CA' and id = 5", using: 1 }), "STATE: state = 'CA' [none]");
  t.equal(shown({ where: 'id = 5', using: 'NAME' }), 'NAME:  [none]');
  const whole = plan({ using: 'NAME' });
  t.same(
    whole.ranges.map(({ from, until }) => [from.prefix.length, from.side, until.side]),
    [[0, 'before', 'after']],
  );
  t.equal(
    shown({ where: "code = ''", using: 'CODE' }),
    "CODE: code = '' [none]",
    'a null key shows what it has',
  );
});

t.test('a null key is gone by only where it leads to all that may match', async (t) => {
  t.equal(shown("code = 'AB'"), "CODE: code = 'AB' [none]");
  t.equal(plan("code = ''").order, 'stored');
  t.equal(plan("code <= 'AB'").order, 'stored');
  t.equal(shown("code > 'AB'"), "CODE: code > 'AB' [none]");
  t.equal(plan({ orderBy: ['code'], limit: 5 }).sort, 'top', 'nor for its order');
  const key = keyOf('SHORT', [over('code', 'alpha')], { nullKey: { kind: 'short' } });
  const variable: FileSpec = { ...SPEC, record: { size: 72, format: 'variable' }, keys: [key] };
  t.equal(
    plan("code = 'ABCD'", variable).order,
    0,
    'a value that fills the key needs the whole record',
  );
  t.equal(plan("code = 'AB'", variable).order, 'stored', 'a record cut behind AB may match');
  t.equal(
    plan("code = 'AB'", { ...variable, record: SPEC.record }).order,
    0,
    'fixed records are never short',
  );
});

t.test('the key of records left out is the one the index would have', async (t) => {
  const segments = [
    over('code', 'alpha', 'descending'),
    over('total', 'decimal'),
    over('seq', 'integer'),
  ];
  const cases: ['replicate' | 'noreplicate', string | undefined, string, string][] = [
    ['replicate', undefined, '    ', '000000000'],
    ['replicate', undefined, '    ', '  0     0'],
    ['replicate', 'AB', 'AAAA', 'AAAAAAAAA'],
    ['noreplicate', undefined, '    ', '         '],
    ['noreplicate', 'AB', 'AB  ', '000000000'],
    ['noreplicate', 'ABCD5', 'ABCD', '500000000'],
  ];
  for (const [kind, value, code, total] of cases) {
    const key = keyOf('K', segments, { nullKey: { kind, ...(value !== undefined && { value }) } });
    const record = Buffer.alloc(72);
    record.write(total, 8, 'latin1');
    record.write(code, 68, 'latin1');
    t.equal(compileKey(key).ofRecord(record), undefined, `${kind} ${value} is left out`);
    const indexed = compileKey(keyOf('K', segments)).ofRecord(record) ?? Buffer.alloc(0);
    t.ok(Buffer.compare(indexed, nullIndexKey(key)) === 0, 'and would stand there');
  }
});

t.test('order comes from the key where it is the same order', async (t) => {
  const cases: [SelectQuery, string, string?][] = [
    [{ where: 'id > 5', orderBy: ['id'] }, 'ID: id > 5 [key]'],
    [{ where: 'id > 5', orderBy: ['-id'] }, 'ID: id > 5 [key]', 'reverse'],
    [{ where: "state = 'CA'", orderBy: ['-total'] }, "STATE: state = 'CA' [key]"],
    [{ where: "state = 'CA'", orderBy: ['total'] }, "STATE: state = 'CA' [key]", 'reverse'],
    [{ where: "state = 'CA'", orderBy: ['state', '-total'] }, "STATE: state = 'CA' [key]"],
    [
      { where: "state in ('CA', 'NY')", orderBy: ['state', '-total'] },
      "STATE: state = 'CA' | state = 'NY' [key]",
    ],
    [
      { where: "state in ('CA', 'NY')", orderBy: ['-state', 'total'] },
      "STATE: state = 'NY' | state = 'CA' [key]",
      'reverse',
    ],
    [
      { where: "state in ('CA', 'NY')", orderBy: ['-total'] },
      "STATE: state = 'CA' | state = 'NY' [sort]",
    ],
    [{ where: "state = 'CA'", orderBy: ['state', 'total', 'id'] }, "STATE: state = 'CA' [sort]"],
    [{ where: "state > 'CA'", orderBy: ['state', 'total'] }, "STATE: state > 'CA' [sort]"],
    [{ where: "name = 'Smith'", orderBy: ['name'] }, "NAME: name = 'Smith' [key]"],
    [
      { where: "nocase(name) starts 'S'", orderBy: ['name'] },
      "NAME: nocase(name) starts 'S' [sort]",
    ],
    [
      { where: "ordered >= '2020-01-01'", orderBy: ['-ordered'] },
      "ORDERED: ordered >= '2020-01-01' [key]",
    ],
    [
      { where: "ordered >= '2020-01-01'", orderBy: ['ordered'] },
      "ORDERED: ordered >= '2020-01-01' [key]",
      'reverse',
    ],
  ];
  for (const [query, expected, direction = 'forward'] of cases) {
    t.equal(shown(query), expected, JSON.stringify(query));
    t.equal(plan(query).direction, direction);
  }
});

t.test(
  'letters in a number are no order of their own, so more fields behind it are sorted',
  async (t) => {
    const key = keyOf('TOTAL', [over('total', 'decimal'), over('id', 'decimal')]);
    const spec: FileSpec = { ...SPEC, keys: [key] };
    const orderBy = ['total', 'id'];
    t.equal(shown({ orderBy, limit: 5 }, spec), 'stored:  [top]');
    t.equal(shown({ orderBy: ['total'], limit: 5 }, spec), 'TOTAL:  [key]');
    t.equal(shown({ where: 'total > 0', orderBy }, spec), 'TOTAL: total > 0.00 [key]', 'a number');
  },
);

t.test('a whole file is gone through by a key for its order when that spares work', async (t) => {
  t.equal(shown({ orderBy: ['id'], limit: 10 }), 'ID:  [key]');
  t.equal(shown({ orderBy: ['id'] }), 'ID:  [key]');
  t.equal(shown({ where: "city = 'X'", orderBy: ['id'] }), 'stored:  [sort]', 'few to sort');
  t.equal(shown({ where: "city = 'X'", orderBy: ['id'], limit: 10 }), 'ID:  [key]');
  t.equal(shown({ orderBy: ['city'], limit: 10 }), 'stored:  [top]');
  t.equal(
    shown({ orderBy: ['city'], limit: topRecordsMax + 1 }),
    'stored:  [sort]',
    'too many for memory',
  );
  t.equal(
    shown({ orderBy: ['ordered'], limit: 10 }),
    'stored:  [top]',
    'what is no date stands elsewhere in the key',
  );
  t.equal(shown({ where: 'id > 5', orderBy: ['city'], limit: 10 }), 'ID: id > 5 [top]');
});

t.test('the estimate says how many records are looked at', async (t) => {
  const estimate = (query: SelectQuery | string) => plan(query).shown.estimate;
  t.equal(estimate('id = 5'), 1);
  t.equal(estimate('id in (1, 2, 3)'), 3);
  t.ok(estimate("state = 'CA'") < RECORDS / 20);
  t.ok(estimate("state = 'CA' and total > 5") < estimate("state = 'CA'"));
  t.ok(estimate('id > 5 and id < 9') < estimate('id > 5'));
  t.equal(estimate({ limit: 10 }), 10, 'what is not sorted stops at the limit');
  t.equal(estimate({ where: 'id > 5', limit: 10 }), 10);
  t.equal(estimate({ orderBy: ['city'], limit: 10 }), RECORDS);
  t.equal(
    estimate({ groupBy: { fields: ['city'], aggregates: [] }, limit: 10 }),
    RECORDS,
    'groups need all',
  );
});

t.test('advice names the field that needs a key, or the one that has it', async (t) => {
  const advice = (where: string, spec?: FileSpec) => plan(where, spec).shown.advice;
  t.equal(advice('id = 5'), undefined);
  t.equal(plan({}).shown.advice, undefined, 'who asks for all gets all');
  t.match(
    advice("city = 'X'"),
    /^no key begins with city: a key on it, or a condition on id, state, name or ordered, would narrow this$/,
  );
  t.match(
    advice("city contains 'X'"),
    /^only =, in, .* can use a key: a condition on id, state, name or ordered would narrow this$/,
  );
  t.match(advice("nocase(state) = 'ca'"), /key STATE begins with state, but it minds case/);
  t.match(advice("code = ''"), /key CODE begins with code, but it leaves out records/);
  t.match(advice("id = 5 or city = 'X'"), /each side of an `or`/);
  t.notMatch(advice("city = 'SECRET'"), 'SECRET', 'values stay out of it');
});

t.test('filters are shown as people write them, and read back to the same', async (t) => {
  const texts = [
    "state = 'CA' and (total >= 100.00 or name like 'a\\%b%')",
    "nocase(name) starts 'O''BRIEN'",
    "id in (1, 2) and city contains 'x'",
    "ordered <> '2020-02-29' and seq > -5",
    'total is invalid or city is blank',
    'city is not blank',
  ];
  for (const text of texts) {
    const filter = explainFilter(bindExpression(parseExpression(text), SPEC));
    t.equal(filter, text);
  }
  t.equal(plan({}).shown.filter, '');
});

t.test('plans of huge questions stay bounded', async (t) => {
  const values = Array.from({ length: keyRangesMax }, (_, index) => String(index));
  const list = { op: 'in', operand: { field: 'seq' }, values } as const;
  t.equal(plan({ where: list }).ranges.length, keyRangesMax);
  t.equal(plan({ where: list }).shown.ranges.length, planRangesShownMax + 1);
  t.match(plan({ where: list }).shown.ranges.at(-1), /^… \d+ more$/);
  t.match(
    plan({ where: list }).shown.filter,
    new RegExp(`… ${keyRangesMax - planValuesShownMax} more\\)$`),
  );
  const more = { op: '=', operand: { field: 'seq' }, value: keyRangesMax + 5 } as const;
  const covered = plan({ where: { op: 'or', terms: [list, more] } });
  t.equal(covered.ranges.length, 1, 'one more and one range covers them all');
  t.match(covered.shown.ranges[0], `between seq = 0 and seq = ${keyRangesMax + 5}`);

  const branch = (index: number) => `(state = '${index % 10}A' and total = ${index})`;
  const or = (count: number) =>
    Array.from({ length: count }, (_, index) => branch(index)).join(' or ');
  t.equal(plan(or(planAlternativesMax)).ranges.length, planAlternativesMax);
  t.equal(
    plan(or(planAlternativesMax + 1)).ranges.length,
    10 * (planAlternativesMax + 1),
    'each field by itself',
  );
  t.ok(plan(or(500)).shown.filter.length <= planTextCharsMax + 2);
});

t.test('digits under a key of text are found with zeros or with blanks in front', async (t) => {
  const textKey: FileSpec = { ...SPEC, keys: [keyOf('ID', [over('id', 'alpha')])] };
  const looked = (where: string): [number, number] => {
    const { ranges, shown: explained } = plan(where, textKey);
    return [ranges.length, explained.estimate];
  };
  t.equal(looked('id = 50')[0], 6, 'its own image, and one for each zero in it');
  t.ok(looked('id = 50')[1] < RECORDS / 10);
  t.equal(looked('id = 111111')[0], 1);
  t.strictSame(plan('id between 50 and 60', textKey).shown.ranges.length > 0, true);
  t.equal(plan('id between 50 and 60', textKey).order, 0);
  t.equal(plan('id in (1, 2)', textKey).order, 0);
  t.equal(plan('id < 50', textKey).order, 'stored', 'a number below zero may be anywhere');
  t.equal(plan('id > 0 and id < 50', textKey).order, 0);
  t.strictSame(plan('id = 1234567', textKey).ranges, [], 'more than the field can hold');
  t.strictSame(plan('id = 50', textKey).shown.ranges, ['id = 50'], 'one thing to say');
});
