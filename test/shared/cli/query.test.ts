// What people and scripts see of a query: tables with columns, JSON, JSON Lines, CSV, plans; and what the
// options of a command line come to.

import { Command } from 'commander';
import t, { type Test } from 'tap';
import {
  tableCellCharsMax,
  tableCellCharsMin,
  tableRowsMeasuredMax,
} from '../../../shared/base/limits.js';
import {
  addQueryOptions,
  answerQuery,
  type QueriedFile,
  type QueryOptions,
  queryOf,
} from '../../../shared/cli/query-command.js';
import type { TextSink } from '../../../shared/cli/query-output.js';
import { tableLines } from '../../../shared/cli/table.js';
import { sinkOf } from '../../../shared/cli/text-sink.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import type { Plan } from '../../../shared/select/query.js';

const SPEC: FileSpec = {
  record: { size: 20, format: 'fixed' },
  keys: [],
  fields: [
    { name: 'number', type: 'decimal', offset: 0, length: 4 },
    { name: 'name', type: 'alpha', offset: 4, length: 6 },
    { name: 'total', type: 'decimal', offset: 10, length: 6, precision: 2 },
    { name: 'lots', type: 'decimal', offset: 16, length: 2, dimension: [2] },
  ],
  networkEncrypt: false,
  text: '',
  attributes: {},
};
const RAW: FileSpec = { ...SPEC, fields: [] };

const RECORDS = ['0001anna  0001000102', '0012b"o,b 00000A0304', '0003\x1b[2J\n\t0012340506'];
const PLAN: Plan = {
  key: { number: 1, name: 'NAME' },
  ranges: ["name = 'a'", "name = 'b'"],
  filter: 'total > 1',
  order: 'key',
  estimate: 12,
  advice: 'a key on total',
};

async function* each<T>(values: readonly T[]): AsyncGenerator<T, void> {
  yield* values;
}

const fileOf = (records: readonly string[], spec = SPEC): QueriedFile => ({
  spec,
  layout: 'whole',
  records: () => each(records.map((record) => Buffer.from(record, 'latin1'))),
  groups: () => each([['anna', 3, '1.50', 9_007_199_254_740_993n, null]]),
  count: async () => records.length,
  explain: async () => PLAN,
});

async function shown(
  file: QueriedFile,
  question: string,
  options: QueryOptions = {},
  lineChars?: number,
): Promise<string> {
  const pieces: string[] = [];
  const sink: TextSink = {
    lineChars,
    write: async (text) => {
      pieces.push(text);
    },
  };
  await answerQuery(file, queryOf(question, options), options, sink);
  return pieces.join('');
}

t.test('a table has columns, numbers at the right, and no control characters', async (t) => {
  t.equal(
    await shown(fileOf(RECORDS), ''),
    [
      'number  name          total  lots',
      '------  -----------  ------  -----',
      '     1  anna           1.00  [1,2]',
      '    12  b"o,b        00000A  [3,4]',
      '     3  \\x1b[2J\\n\\t   12.34  [5,6]',
      '',
    ].join('\n'),
  );
});

t.test('JSON, JSON Lines and CSV have the values as they are', async (t) => {
  const objects = [
    { number: 1, name: 'anna', total: '1.00', lots: [1, 2] },
    { number: 12, name: 'b"o,b', total: '00000A', lots: [3, 4] },
    { number: 3, name: '\x1b[2J\n\t', total: '12.34', lots: [5, 6] },
  ];
  t.strictSame(JSON.parse(await shown(fileOf(RECORDS), '', { json: true })), objects);
  t.strictSame(JSON.parse(await shown(fileOf([]), '', { json: true })), []);
  const lines = (await shown(fileOf(RECORDS), '', { jsonl: true })).trimEnd().split('\n');
  t.strictSame(
    lines.map((line) => JSON.parse(line)),
    objects,
  );
  const csv = await shown(fileOf(RECORDS.slice(0, 2)), '', { csv: true });
  t.equal(csv, 'number,name,total,lots\n1,anna,1.00,"[1,2]"\n12,"b""o,b",00000A,"[3,4]"\n');
});

t.test('fields asked for are the columns, of whole records and of packed ones', async (t) => {
  const options = { csv: true, fields: 'total, lots[2],rec(1,2)' };
  const whole = await shown(fileOf(RECORDS.slice(0, 1)), '', options);
  t.equal(whole, 'total,lots[2],"rec(1,2)"\n1.00,2,00\n');
  const packed: QueriedFile = { ...fileOf(['0001000200']), layout: 'packed' };
  t.equal(await shown(packed, '', options), whole);
});

t.test('a file without field names shows its records as text', async (t) => {
  t.equal(await shown(fileOf(['ab\x07'], RAW), ''), 'record\n------\nab\\x07\n');
  t.equal(await shown(fileOf(['ab '], RAW), '', { jsonl: true }), '{"record":"ab "}\n');
});

t.test('groups show their fields, then their aggregates', async (t) => {
  const question =
    'group by name: count as n, sum(total) as sum, max(number) as most, avg(total) as avg';
  t.strictSame(JSON.parse(await shown(fileOf([]), question, { jsonl: true })), {
    name: 'anna',
    n: 3,
    sum: '1.50',
    most: '9007199254740993',
    avg: null,
  });
  const table = (await shown(fileOf([]), question)).split('\n');
  t.equal(table[0], 'name  n   sum              most  avg');
  t.equal(table[2], 'anna  3  1.50  9007199254740993');
});

t.test('a count is a number, a plan a fact a line', async (t) => {
  t.equal(await shown(fileOf(RECORDS), 'number > 0', { count: true }), '3\n');
  t.equal(await shown(fileOf(RECORDS), '', { count: true, json: true }), '{"count":3}\n');
  t.equal(
    await shown(fileOf([]), 'number > 0', { explain: true }),
    [
      'key       1 NAME',
      "range     name = 'a'",
      "range     name = 'b'",
      'filter    total > 1',
      'order     that of the key',
      'estimate  12 records to look at',
      'advice    a key on total',
      '',
    ].join('\n'),
  );
  t.strictSame(JSON.parse(await shown(fileOf([]), '', { explain: true, json: true })), PLAN);
});

t.test('options say more than the text, and in its place', async (t) => {
  const query = queryOf('where number > 3 order by name limit 9', {
    limit: '2',
    orderBy: 'number,-total',
    using: '1',
    fields: 'number,lots[1],rec(1,2)',
  });
  t.match(query, {
    where: { op: '>' },
    limit: 2,
    orderBy: ['number', '-total'],
    using: 1,
    fields: ['number', 'lots[1]', 'rec(1,2)'],
  });
  t.strictSame(queryOf('  ', { using: 'NAME' }), { using: 'NAME' });
  for (const [options, message] of [
    [{ limit: '0' }, /--limit is a whole number from 1/],
    [{ limit: 'x' }, /--limit/],
    [{ fields: 'a,,b' }, /--fields takes names/],
    [{ json: true, csv: true }, /--json and --csv exclude/],
    [{ count: true, explain: true }, /--count and --explain exclude/],
  ] as const) {
    t.throws(() => queryOf('', options), { code: 'ERR_INVARG', message });
  }
  t.throws(() => queryOf('number =', {}), { code: 'ERR_INVOPER', message: /\^/ });
});

t.test('the options of a command are those of a query', async (t) => {
  const command = addQueryOptions(new Command('x')).action(() => {});
  command.parse(['a = 1', '--order-by', 'b', '--csv'], { from: 'user' });
  t.strictSame(command.args, ['a = 1']);
  t.strictSame(command.opts(), { orderBy: 'b', csv: true });
  t.match(command.helpInformation(), /--explain/);
});

async function tableOf(
  rows: readonly (readonly string[])[],
  columns: number,
  lineChars?: number,
): Promise<string[]> {
  const heads = Array.from({ length: columns }, (_, n) => ({ name: `c${n}`, isNumeric: false }));
  const lines: string[] = [];
  for await (const line of tableLines(heads, each(rows), { lineChars })) lines.push(line.trimEnd());
  return lines;
}

t.test('wide text is cut on terminals only', async (t) => {
  const wide = 'w'.repeat(300);
  t.equal((await tableOf([[wide]], 1))[2], wide);
  t.equal((await tableOf([[wide]], 1, 1000))[2], `${'w'.repeat(tableCellCharsMax - 1)}…`);
  const [, , row] = await tableOf([[wide, 'short', wide]], 3, 60);
  t.equal(row?.length, 60);
  t.match(row, /^w+… {2}short {2}w+…$/);
  const narrow = await tableOf([Array.from({ length: 10 }, () => wide)], 10, 20);
  t.equal(narrow[2]?.split('  ')[0]?.length, tableCellCharsMin, 'no column gets narrower');
});

t.test('only the first rows are held back to see how wide columns are', async (t) => {
  const rows = Array.from({ length: tableRowsMeasuredMax }, () => ['x']);
  const late = await tableOf([...rows, ['longer than the others']], 1);
  t.equal(late[1], '--', 'as wide as the name');
  t.equal(late.at(-1), 'longer than the others');
  let asked = 0;
  const endless = (async function* () {
    for (;;) {
      asked++;
      yield ['x'];
    }
  })();
  for await (const line of tableLines([{ name: 'c', isNumeric: true }], endless)) {
    t.match(line, /c/);
    break;
  }
  t.equal(asked, tableRowsMeasuredMax);
});

async function brokenPipe(t: Test): Promise<void> {
  const sink = sinkOf({
    write: (_: unknown, done?: unknown) => {
      if (typeof done === 'function') done(new Error('EPIPE'));
      return false;
    },
  });
  await t.rejects(sink.write('x'), { code: 'ERR_IOFAIL', message: /closed before its end/ });
}

t.test('a reader that has gone ends the work', brokenPipe);
