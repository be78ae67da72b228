// What selects answer, over sessions and both engines: records, counts, budgets and how they end. Which
// records match an expression is tested with the predicates, which way is gone with the planner.

import t, { type Test } from 'tap';
import { RsyndError } from '../../../shared/base/error.js';
import { topRecordsMax } from '../../../shared/base/limits.js';
import type { SelectQuery } from '../../../shared/select/query.js';
import { FaultyEngine } from '../../model/faulty-engine.js';
import { makeRandom } from '../../model/random.js';
import {
  ask,
  begin,
  makeOrderRows,
  makeOrders,
  type Order,
  orderText,
  until,
} from '../../model/select-harness.js';
import { SessionHarness } from '../../model/session-harness.js';

const ENGINES = ['lmdb', 'memory'] as const;

function both(name: string, check: (t: Test, engine: (typeof ENGINES)[number]) => Promise<void>) {
  for (const engine of ENGINES) t.test(`${engine}: ${name}`, (t) => check(t, engine));
}

const sorted = (orders: readonly Order[], by: (a: Order, b: Order) => number): string[] =>
  [...orders].sort(by).map(orderText);

both('gives the records that match, whole or some fields of them', async (t, engine) => {
  const orders = makeOrderRows(500);
  const { session } = await makeOrders(t, engine, orders);
  const all = await ask(session, {});
  t.strictSame(all.texts.sort(), orders.map(orderText));
  t.match(all.selected, { records: 500, scanned: 500 });
  const some = await ask(session, { where: "state = 'CA'", fields: ['total', 'id'], using: 0 });
  const wanted = orders
    .filter(({ state }) => state === 'CA')
    .map((o) => String(o.total).padStart(8, '0') + String(o.id).padStart(6, '0'));
  t.strictSame(some.texts, wanted);
  t.equal(some.data[0]?.recordLength, 14);
  const counted = await ask(session, { where: 'total >= 50.00' }, { action: 'count', credit: 0 });
  t.equal(counted.selected.records, orders.filter(({ total }) => total >= 5000).length);
  t.equal(counted.data.length, 0);
});

both('a limit ends the work', async (t, engine) => {
  const orders = makeOrderRows(3000);
  const { session } = await makeOrders(t, engine, orders);
  const few = await ask(session, { using: 0, where: "state = 'OR'", limit: 3 });
  t.equal(few.records.length, 3);
  t.ok(few.selected.scanned < 30, `${few.selected.scanned} looked at`);
  const counted = await ask(session, { where: "state = 'OR'", limit: 7 }, { action: 'count' });
  t.equal(counted.selected.records, 7);
});

both('orders by a key, by the first few, and by all', async (t, engine) => {
  const orders = makeOrderRows(2500);
  const { session } = await makeOrders(t, engine, orders);
  const byTotal = sorted(orders, (a, b) => b.total - a.total || a.id - b.id);
  const query: SelectQuery = { orderBy: ['-total', 'id'] };
  t.strictSame((await ask(session, query)).texts, byTotal);
  const top = await ask(session, { ...query, limit: 10 });
  t.strictSame(top.texts, byTotal.slice(0, 10));
  t.equal(top.selected.scanned, 2500);
  const many = await ask(session, { ...query, limit: topRecordsMax + 1 });
  t.strictSame(many.texts, byTotal.slice(0, topRecordsMax + 1), 'past the bound of the heap');
  const byKey = await ask(session, { orderBy: ['-id'] });
  t.strictSame(
    byKey.texts,
    sorted(orders, (a, b) => b.id - a.id),
  );
});

both('equals filter and sort over all records, whatever is asked', async (t, engine) => {
  const seed = Date.now() % 1_000_000;
  t.comment(`seed ${seed}`);
  const random = makeRandom(seed);
  const orders = makeOrderRows(400);
  const { session } = await makeOrders(t, engine, orders);
  for (let round = 0; round < 60; round++) {
    const low = random(100_000);
    const state = ['CA', 'OR', 'WA'][random(3)] ?? 'CA';
    const withState = random(2) === 0;
    const where = `total >= ${(low / 100).toFixed(2)}${withState ? ` and state = '${state}'` : ''}`;
    const descending = random(2) === 0;
    const limit = random(3) === 0 ? 1 + random(50) : undefined;
    const orderBy = [descending ? '-total' : 'total', 'id'];
    const query = { where, orderBy, ...(limit === undefined ? {} : { limit }) };
    const wanted = orders.filter((o) => o.total >= low && (!withState || o.state === state));
    const texts = sorted(
      wanted,
      (a, b) => (descending ? b.total - a.total : a.total - b.total) || a.id - b.id,
    );
    const asked = await ask(session, query);
    t.strictSame(asked.texts, texts.slice(0, limit), JSON.stringify(query));
  }
});

both('waits for credit, and a cancel ends it', async (t, engine) => {
  const { session } = await makeOrders(t, engine, makeOrderRows(9000));
  const waiting = begin(session, {}, { credit: 0 });
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  t.equal(waiting.replies.length, 0, 'nothing without credit');
  waiting.credit(1);
  await until(() => waiting.data.length === 1);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  t.equal(waiting.data.length, 1, 'a frame spent it');
  waiting.cancel();
  t.equal((await waiting.ended()).outcome, 'ERR_ABORTED');
  const sorting = begin(session, { orderBy: ['total'] });
  sorting.cancel();
  t.equal((await sorting.ended()).outcome, 'ERR_ABORTED');
  const closed = begin(session, {}, { credit: 0 });
  t.equal(await session.tell({ verb: 'close' }), 'done');
  t.equal(closed.outcome, 'ERR_ABORTED', 'closing the channel ends it first');
  t.strictSame(session.unexpected, []);
});

both('two selects and a scan share a session', async (t, engine) => {
  const orders = makeOrderRows(3000);
  const { session } = await makeOrders(t, engine, orders);
  const one = begin(session, { where: "state = 'CA'" });
  const two = begin(session, { orderBy: ['total'] });
  const scan = session.scan('stored');
  t.equal((await one.ended()).records.length, 600);
  t.equal((await two.ended()).records.length, 3000);
  t.equal((await scan).records.length, 3000);
});

both('a budget stops it, and the rest comes by resuming', async (t, engine) => {
  const orders = makeOrderRows(1000);
  const { session } = await makeOrders(t, engine, orders);
  const queries: SelectQuery[] = [
    { where: "note <> 'note 5'", maxScan: 90 },
    { where: "state in ('CA','WA') and total > 1.00", maxScan: 70, limit: 250 },
    { orderBy: ['-id'], maxScan: 333 },
  ];
  for (const query of queries) {
    const { maxScan, ...whole } = query;
    const wanted = (await ask(session, whole)).texts;
    const got: string[] = [];
    let legs = 0;
    for (let resume: Uint8Array | undefined; ; legs++) {
      const asked = await ask(session, resume === undefined ? query : { ...query, resume });
      got.push(...asked.texts);
      const { stopped, scanned, plan } = asked.selected;
      t.ok(scanned <= (maxScan ?? 0), `${scanned} looked at`);
      if (stopped === undefined) break;
      t.equal(stopped.budget, 'maxScan');
      t.ok(plan, 'says how it went');
      resume = stopped.resume;
    }
    t.strictSame(got, wanted, JSON.stringify(query));
    t.ok(legs > 2);
  }
});

both('a token is of its own query alone', async (t, engine) => {
  const { session } = await makeOrders(t, engine, makeOrderRows(200));
  const query = { where: 'total > 1.00', maxScan: 10 };
  const { stopped } = (await ask(session, query)).selected;
  const resume = Buffer.from(stopped?.resume ?? []);
  t.equal((await ask(session, { ...query, maxScan: 20, resume })).outcome, 'selected');
  const others = [
    { ...query, where: 'total > 2.00', resume },
    { ...query, using: 1, resume },
    { ...query, resume: resume.subarray(1) },
    { ...query, resume: Buffer.alloc(0) },
    { ...query, resume: Buffer.alloc(5000, 1) },
  ];
  for (const other of others) t.equal((await ask(session, other)).outcome, 'ERR_INVOPER');
  for (let at = 0; at < resume.length; at++) {
    const bent = Buffer.from(resume);
    bent[at] = (bent[at] ?? 0) ^ 1;
    t.equal((await ask(session, { ...query, resume: bent })).outcome, 'ERR_INVOPER');
  }
  const counting = await ask(session, { ...query, resume }, { action: 'count' });
  t.equal(counting.outcome, 'ERR_INVOPER');
});

both('a budget ends what is sorted or grouped with an error', async (t, engine) => {
  const { session } = await makeOrders(t, engine, makeOrderRows(500));
  const aggregates = [{ name: 'n', function: 'count' }] as const;
  const queries: SelectQuery[] = [
    { orderBy: ['total'], maxScan: 100 },
    { orderBy: ['total'], maxScan: 100, limit: 5 },
    { groupBy: { fields: ['state'], aggregates }, maxScan: 100 },
  ];
  for (const query of queries) {
    const { last } = await ask(session, query);
    t.match(last, { verb: 'error', code: 'ERR_BUDGET', message: /cannot be resumed.*maxScan/ });
  }
  const enough = await ask(session, { orderBy: ['total'], maxScan: 501, limit: 5 });
  t.equal(enough.records.length, 5);
});

both('a budget of time stops it too', async (t, engine) => {
  const { session } = await makeOrders(t, engine, makeOrderRows(12_000));
  // So dear that no machine gets through in a millisecond.
  const dear = Array.from({ length: 200 }, (_, n) => `note like '%a%e%_${n}%zz'`).join(' or ');
  const asked = await ask(session, { where: dear, maxMs: 1 });
  t.equal(asked.selected.stopped?.budget, 'maxMs');
});

both('explain reads nothing', async (t, engine) => {
  const { session } = await makeOrders(t, engine, makeOrderRows(50));
  const asked = await ask(session, { where: 'id = 7' }, { action: 'explain', credit: 0 });
  t.match(asked.selected, { records: 0, scanned: 0, plan: { key: { number: 0, name: 'ID' } } });
});

both('refuses what makes no sense before it reads', async (t, engine) => {
  const { session, path } = await makeOrders(t, engine, makeOrderRows(5));
  const groupBy = { fields: ['state'], aggregates: [] };
  const join = { kind: 'inner', channel: 1, on: [['id', 'id']] } as const;
  const refused = async (...[query, change]: [SelectQuery, Parameters<typeof ask>[2]?]) =>
    (await ask(session, query, change)).outcome;
  t.equal(await refused({ where: 'nothing = 1' }), 'ERR_INVOPER');
  t.equal(await refused({ groupBy }, { action: 'delete' }), 'ERR_INVOPER');
  t.equal(await refused({ groupBy }, { action: 'count' }), 'ERR_INVOPER');
  t.equal(await refused({ join }, { action: 'delete' }), 'ERR_INVOPER');
  t.equal(await refused({ join }, { locking: true }), 'ERR_INVOPER');
  t.equal(await refused({ fields: ['id'] }, { locking: true }), 'ERR_INVOPER');
  t.equal(await refused({}, { action: 'count', locking: true }), 'ERR_INVOPER');
  t.equal(await refused({ join: { ...join, channel: 9 } }), 'ERR_NOOPEN');
  t.equal(await refused({}, { waitMs: 2 ** 40 }), 'ERR_INVARG');
  await session.call({ verb: 'close' });
  t.equal(await refused({}), 'ERR_NOOPEN');
  await session.open(path, { mode: 'input' });
  t.equal(await refused({}, { action: 'delete' }), 'ERR_FILOPT');
  t.equal(await refused({}, { locking: true }), 'ERR_FILOPT');
  await session.call({ verb: 'close' });
  await session.open(path, { lock: 'none' });
  t.equal(await refused({}, { action: 'delete' }), 'ERR_FILOPT');
  t.equal(await refused({}), 'selected');
  t.strictSame(session.unexpected, []);
});

t.test('damage ends a select with its error, and nothing of it is left', async (t) => {
  const { ground, path } = await makeOrders(t, 'memory', makeOrderRows(300));
  const faulty = new FaultyEngine(ground.services.engine);
  const session = new SessionHarness({ ...ground.services, engine: faulty.engine }, { owner: 3 });
  await session.open(path);
  faulty.faults.set('scan', new RsyndError('ERR_DAMAGED', 'a block has a bad checksum'));
  for (const change of [
    {},
    { action: 'count' },
    { action: 'delete' },
    { locking: true },
  ] as const) {
    t.equal((await ask(session, {}, change)).outcome, 'ERR_DAMAGED');
  }
  t.equal((await ask(session, { orderBy: ['total'] })).outcome, 'ERR_DAMAGED');
  faulty.faults.set('scan', new Error('of no kind that is known'));
  t.equal((await ask(session, {})).outcome, 'ERR_IOFAIL');
  t.equal(session.unexpected.splice(0).length, 1);
  faulty.faults.clear();
  t.equal((await ask(session, {})).records.length, 300, 'the channel is as good as before');
  await session.close();
  t.equal(faulty.openFiles, 0);
});

t.test('a session that ends waits for the step under way before it closes the file', async (t) => {
  const { ground, path } = await makeOrders(t, 'memory', makeOrderRows(300));
  const faulty = new FaultyEngine(ground.services.engine);
  const session = new SessionHarness({ ...ground.services, engine: faulty.engine }, { owner: 3 });
  const steps: string[] = [];
  await session.open(path);
  let open = (): void => undefined;
  faulty.gates.set('scan', new Promise((resolve) => (open = resolve)));
  faulty.onStep = (name) => void steps.push(name);
  const plain = begin(session, {});
  const locking = begin(session, {}, { locking: true });
  await until(() => steps.filter((name) => name === 'scan').length === 2);
  const closing = session.close();
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  t.notOk(steps.includes('close'), 'not while a step is under way');
  open();
  await closing;
  t.equal(steps.filter((name) => name === 'scan').length, 2, 'there was no other step');
  t.equal(steps.at(-1), 'close');
  t.strictSame([...plain.replies, ...locking.replies], [], 'nobody is told');
  t.equal(faulty.openFiles, 0);
});
