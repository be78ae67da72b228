// Groups: which there are, what is computed over them, in which order they come, how many there may be.

import t, { type Test } from 'tap';
import { Grouping } from '../../../server/select/grouping.js';
import { RecordWalk } from '../../../server/select/record-walk.js';
import { RunSorter } from '../../../server/select/sorter.js';
import { Work } from '../../../server/select/work.js';
import { bindQuery } from '../../../shared/select/bind-query.js';
import type { Grouping as GroupBy } from '../../../shared/select/query.js';
import {
  ask,
  begin,
  makeOrderRows,
  makeOrders,
  type Order,
  until,
} from '../../model/select-harness.js';

const ENGINES = ['lmdb', 'memory'] as const;

const money = (cents: number): string => (cents / 100).toFixed(2);
const sum = (orders: readonly Order[]): number => orders.reduce((all, { total }) => all + total, 0);

function groupsOf(orders: readonly Order[]): Map<string, Order[]> {
  const groups = new Map<string, Order[]>();
  for (const order of orders) {
    const group = groups.get(order.state) ?? [];
    group.push(order);
    groups.set(order.state, group);
  }
  return groups;
}

const byState: GroupBy = {
  fields: ['state'],
  aggregates: [
    { name: 'n', function: 'count' },
    { name: 'all', function: 'sum', field: 'total' },
    { name: 'least', function: 'min', field: 'id' },
    { name: 'last', function: 'max', field: 'note' },
  ],
};

async function checkGroups(t: Test, engine: (typeof ENGINES)[number]): Promise<void> {
  const orders = makeOrderRows(700);
  const { session } = await makeOrders(t, engine, orders);
  const groups = groupsOf(orders.filter(({ total }) => total >= 10_000));
  const rows = [...groups].map(([state, members]) => [
    state,
    members.length,
    money(sum(members)),
    Math.min(...members.map(({ id }) => id)),
    members
      .map(({ note }) => note)
      .sort()
      .at(-1),
  ]);
  rows.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
  const where = 'total >= 100.00';
  const asked = await ask(session, { where, groupBy: byState });
  t.strictSame(asked.rows, rows, 'in the order of their fields');
  t.match(asked.selected, { records: rows.length, scanned: 700 });
  const reverse = await ask(session, { where, groupBy: byState, orderBy: ['-state'], limit: 2 });
  t.strictSame(reverse.rows, [...rows].reverse().slice(0, 2));
  t.equal(reverse.selected.records, 2);
  const one = await ask(session, { groupBy: { ...byState, fields: [] } });
  t.strictSame(one.rows[0]?.slice(0, 2), [700, money(sum(orders))], 'without fields all are one');
  const none = await ask(session, { where: 'id = 999999', groupBy: { ...byState, fields: [] } });
  t.strictSame(none.rows, [[0, null, null, null]], 'even if there is none');
  t.strictSame((await ask(session, { where: 'id = 999999', groupBy: byState })).rows, []);
  t.equal((await ask(session, { groupBy: byState, orderBy: ['id'] })).outcome, 'ERR_INVOPER');
}

for (const engine of ENGINES) {
  t.test(`${engine}: groups come in order with what is computed over them`, (t) =>
    checkGroups(t, engine),
  );
}

t.test('many groups come in batches, as credit allows', async (t) => {
  const orders = makeOrderRows(9000);
  const { session } = await makeOrders(t, 'lmdb', orders);
  const groupBy: GroupBy = { fields: ['id', 'note'], aggregates: [] };
  const asked = begin(session, { groupBy }, { credit: 1 });
  await until(() => asked.replies.length > 0);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  t.equal(asked.replies.length, 1, 'one batch spent the credit');
  t.ok(asked.rows.length < 9000);
  asked.credit(8 * 1024 * 1024);
  t.strictSame(
    (await asked.ended()).rows,
    orders.map(({ id, note }) => [id, note]),
  );
  const cancelled = begin(session, { groupBy });
  cancelled.cancel();
  t.equal((await cancelled.ended()).outcome, 'ERR_ABORTED');
});

t.test('more groups than may be in memory are refused with the way out', async (t) => {
  const { ground, path, directory } = await makeOrders(t, 'lmdb', makeOrderRows(500));
  const stored = await ground.services.engine.open(path);
  const { groupBy, orderBy } = bindQuery(
    { groupBy: { fields: ['id'], aggregates: [] } },
    stored.spec,
  );
  const everything = { prefix: Buffer.alloc(0) };
  const range = {
    from: { ...everything, side: 'before' },
    until: { ...everything, side: 'after' },
  } as const;
  const plan = { order: 'stored', direction: 'forward', ranges: [range] } as const;
  if (groupBy === undefined) throw new TypeError('it groups');
  for (const [groupsMax, isRefused] of [
    [499, true],
    [500, false],
  ] as const) {
    const grouping = new Grouping({
      walk: new RecordWalk(stored, plan, undefined),
      work: new Work({}, 1),
      groupBy,
      orderBy,
      groupsMax,
      limit: Number.POSITIVE_INFINITY,
      before: 0,
      identity: '',
      plan: { ranges: [], filter: '', order: 'none', estimate: 0 },
      makeSorter: (keyBytes) =>
        new RunSorter({ keyBytes, directory, memoryBytesMax: 1024, runsMax: 99 }),
    });
    const run = async (): Promise<void> => {
      while ((await grouping.step()).last === undefined);
    };
    if (isRefused) await t.rejects(run(), { code: 'ERR_INVOPER', message: /fewer fields/ });
    else await t.resolves(run(), 'as many as may be');
    await grouping.close();
  }
  await stored.close();
});
