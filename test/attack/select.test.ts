// Questions that are chosen to hurt: rows larger than frames, conditions that take minutes for one record,
// plans that take longer than the scan, many streams at once. None of it may fill the server or keep it
// from everybody else.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Pace } from '../../server/select/pace.js';
import { planQuery } from '../../server/select/planner.js';
import { StreamTable } from '../../server/session/stream-table.js';
import {
  conditionStepsMax,
  groupingsPerSessionMax,
  groupRowBytesMax,
  patternTableBytesMax,
  planValuesMax,
  queryRowBytesMax,
  recordBytesMax,
  selectStepBytesMax,
  selectStepMs,
} from '../../shared/base/limits.js';
import { creditOfRows } from '../../shared/protocol/select.js';
import type { FileSpec, KeySpec } from '../../shared/record/file-spec.js';
import { bindQuery } from '../../shared/select/bind-query.js';
import type { Expression } from '../../shared/select/expression.js';
import type { SelectQuery } from '../../shared/select/query.js';
import { ask, begin, makeOrderRows, makeOrders, until } from '../model/select-harness.js';
import { makeGround, plainSpec, SessionHarness } from '../model/session-harness.js';

/** Records of up to a megabyte. */
const largeSpec = plainSpec({ record: { size: recordBytesMax, format: 'variable' } });

async function makeLarge(t: Test, sizes: readonly number[]): Promise<SessionHarness> {
  const ground = makeGround('lmdb');
  const session = new SessionHarness(ground.services);
  t.teardown(async () => {
    await session.close();
    await ground.close();
  });
  const path = join(t.testdir(), 'large.ism');
  await session.call({ verb: 'create', name: path, spec: largeSpec });
  await session.open(path);
  await session.open(path, {}, 2);
  for (const [index, size] of sizes.entries()) {
    const record = Buffer.alloc(size, 'x');
    record.write(String(index).padStart(4, '0'));
    await session.call({ verb: 'store', lock: 'none', record });
  }
  return session;
}

const refuses = (t: Test, query: SelectQuery, message: RegExp, spec = largeSpec): unknown =>
  t.throws(() => bindQuery(query, spec), { code: 'ERR_INVOPER', message });

const whole = `rec(1,${recordBytesMax})`;

t.test('a row has at most the bytes of a record, however often its fields are named', async (t) => {
  // 4,096 times a megabyte were four gigabytes for one row, and ended the server.
  const query = { fields: Array.from({ length: 4096 }, () => whole) };
  refuses(t, query, /fields of fields have 4294967296 bytes .* at most 1048576/);
  t.ok(bindQuery({ fields: [`rec(1,${queryRowBytesMax})`] }, largeSpec));
  refuses(t, { orderBy: [whole, 'rec(1,1)'] }, /fields of orderBy have 1048577 bytes/);
});

t.test('the values of a group fit a frame', async (t) => {
  // A group of more could not be sent, and its select would have gone on without a reader.
  const session = await makeLarge(t, [recordBytesMax]);
  const group = (bytes: number): SelectQuery => ({
    groupBy: {
      fields: [`rec(1,${bytes - 1})`],
      aggregates: [{ name: 'least', function: 'min', field: 'rec(1,1)' }],
    },
  });
  refuses(t, group(groupRowBytesMax + 1), /fields of groupBy have 524289 bytes/);
  const asked = await ask(session, group(groupRowBytesMax));
  t.equal(asked.selected.records, 1);
});

t.test('a pair that fits no frame ends its join with the way out', async (t) => {
  // Two records of a megabyte are more than a frame takes; fields of the first make room.
  const session = await makeLarge(t, [recordBytesMax]);
  const pairs = { kind: 'inner', channel: 2, on: [['rec(1,4)', 'rec(1,4)']] } as const;
  const asked = await ask(session, { join: pairs });
  t.match(asked.last, { verb: 'error', code: 'ERR_INVOPER', message: /pair .* choose fields/ });
  const fewer = await ask(session, { join: pairs, fields: ['rec(1,4)'] });
  t.equal(fewer.selected.records, 1);
  t.strictSame(session.unexpected, []);
});

const search = (op: 'like' | 'contains', length: number, value: string): Expression => ({
  op,
  operand: { start: 1, length },
  value,
});

t.test('a condition that takes too long for one record is refused', async (t) => {
  // Four patterns of 4,090 bytes kept the server for 1.4 s a record of a megabyte, and 4,096 are allowed.
  const words = conditionStepsMax / recordBytesMax;
  const text = (count: number): string => 'y'.repeat(32 * count);
  t.ok(bindQuery({ where: search('contains', recordBytesMax, text(words)) }, largeSpec));
  const longer = search('contains', recordBytesMax, `${text(words)}y`);
  refuses(t, { where: longer }, /take too long for one record/);
  const many = (op: 'like' | 'contains', value: string): Expression => ({
    op: 'or',
    terms: Array.from({ length: words + 1 }, (_, n) => search(op, recordBytesMax, `${value}${n}`)),
  });
  refuses(t, { where: many('contains', 'a') }, /take too long/);
  refuses(t, { where: many('like', '%_a%') }, /take too long/);
  refuses(t, { where: { op: 'not', term: many('like', '%a%') } }, /take too long/);
});

t.test('the tables of patterns are bounded', async (t) => {
  // Each word of a pattern takes a kilobyte: a question of two megabytes made tables of a hundred.
  const bytesEach = 2 * 1024;
  const numbered = (_: unknown, n: number) => search('contains', 128, `${n}`.padStart(64, 'y'));
  const many = (length: number): Expression => ({
    op: 'or',
    terms: Array.from({ length }, numbered),
  });
  const most = patternTableBytesMax / bytesEach;
  t.ok(bindQuery({ where: many(most) }, largeSpec));
  refuses(t, { where: many(most + 1) }, /take too long/);
});

t.test(
  'a step is bounded by what its records could cost, not by what those before did',
  async (t) => {
    // Ten thousand tiny records taught a scan to look at 8,192 at once; then came those of a megabyte.
    const pace = new Pace(recordBytesMax);
    t.equal(pace.records, selectStepBytesMax / recordBytesMax);
    for (let step = 0; step < 20; step++) pace.note(performance.now(), 8);
    t.ok(pace.records <= selectStepBytesMax / recordBytesMax, `${pace.records} records`);
    t.equal(new Pace(Number.MAX_SAFE_INTEGER).records, 1);
    const cheap = new Pace(200);
    for (let step = 0; step < 20; step++) cheap.note(performance.now() + selectStepMs / 2, 8192);
    t.equal(cheap.records, 8192, 'which costs ordinary files nothing');
  },
);

t.test('a plan over 255 keys and 16,384 values is made at once', async (t) => {
  // Every key was narrowed by every value: 23 s in which nobody else was answered.
  const key = (_: unknown, number: number): KeySpec => ({
    name: `K${number}`,
    segments: [{ offset: 0, length: 8, type: 'alpha', order: 'ascending' }],
    dups: 'fifo',
    modifiable: true,
  });
  const spec: FileSpec = plainSpec({ keys: Array.from({ length: 255 }, key) });
  const values = Array.from({ length: planValuesMax / 2 }, (_, n) => String(n));
  const where: Expression = { op: 'in', operand: { start: 1, length: 8 }, values };
  const query = bindQuery({ where }, spec);
  const before = performance.now();
  const plan = planQuery({ spec }, query, 1_000_000);
  const tookMs = performance.now() - before;
  t.match(plan, { order: 0, ranges: { length: values.length } });
  t.ok(tookMs < 3_000, `${tookMs.toFixed()} ms`);
});

t.test('what explain shows of joined ranges is short', async (t) => {
  // Ranges that overlap were told one after another, in a plan too long for its frame.
  const between = (_: unknown, n: number): Expression => {
    const operand = { start: 1, length: 4 };
    return { op: 'between', operand, low: `a${n}`, high: `b${n}` };
  };
  const where: Expression = { op: 'or', terms: Array.from({ length: 4000 }, between) };
  const { shown } = planQuery({ spec: plainSpec() }, bindQuery({ where }, plainSpec()), 1000);
  t.ok(JSON.stringify(shown).length < 16 * 1024, `${JSON.stringify(shown).length} characters`);
});

t.test('groups go on for as long as their reader gives back what he counted', async (t) => {
  // The server counted a byte more for each number than the client did, until no credit was left.
  const { session } = await makeOrders(t, 'lmdb', makeOrderRows(5000));
  const aggregates = Array.from({ length: 40 }, (_, n) => ({
    name: `n${n}`,
    function: 'count' as const,
  }));
  const credit = 96 * 1024;
  const asked = begin(session, { groupBy: { fields: ['id'], aggregates } }, { credit });
  let counted = 0;
  await until(() => {
    const all = creditOfRows(
      asked.rows.length > counted ? asked.rows.slice(counted).map(scalars) : [],
    );
    counted = asked.rows.length;
    if (all > 0) asked.credit(all);
    return asked.last !== undefined;
  });
  t.equal(asked.selected.records, 5000);
});

/** Groups of this test hold numbers only. */
const scalars = (row: readonly unknown[]): number[] => row.map(Number);

t.test('a session with many streams takes one step a turn, as others do', async (t) => {
  // Sixty-four selects at once took sixty-four steps before anybody else was heard.
  let steps = 0;
  const output = { reply: () => undefined, isCongested: false, onceDrained: () => undefined };
  const table = new StreamTable(output, () => undefined, t.error);
  const source = { needsLane: false, step: () => ({ cost: steps++ * 0 }), close: () => undefined };
  for (let id = 1; id <= 64; id++) {
    const stream = { id, channel: 1, others: [], credit: 1, verb: 'select', isLarge: false };
    table.start({ ...stream, make: () => source });
  }
  t.equal(steps, 64, 'each begins in its own request');
  for (let turn = 1; turn <= 200; turn++) await new Promise(setImmediate);
  t.ok(steps > 64 + 100 && steps <= 64 + 201, `${steps - 64} steps in 200 turns`);
  table.abandon();
  await table.stopChannel(1);
});

t.test('a session holds so many groupings at a time, and one that ends makes room', async (t) => {
  // Sixty-four of them, whose rows nobody took, held two gigabytes of groups.
  const { session } = await makeOrders(t, 'lmdb', makeOrderRows(100));
  const query: SelectQuery = { groupBy: { fields: ['state'], aggregates: [] } };
  const all = Array.from({ length: groupingsPerSessionMax }, () =>
    begin(session, query, { credit: 0 }),
  );
  t.equal((await ask(session, query)).outcome, 'ERR_CHNEXC');
  t.equal((await ask(session, { orderBy: ['note'] })).outcome, 'selected', 'others may start');
  for (const one of all.slice(0, 1)) one.cancel();
  t.equal((await ask(session, query)).outcome, 'selected');
});
