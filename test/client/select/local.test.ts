// Queries over the real engine of this process: what the fake cannot show, that both sides mean the same.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  alpha,
  date,
  decimal,
  defineFile,
  implied,
  integer,
  isamc,
  not,
  open,
  type RecordOf,
} from '../../../client/index.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const orderFile = defineFile({
  fields: {
    number: decimal(6),
    customer: decimal(4),
    state: alpha(2),
    total: implied(12, 2),
    ordered: date('YYYYMMDD'),
    seq: integer(8),
  },
  keys: {
    number: { parts: ['number'] },
    customer: { parts: ['customer'], dups: 'fifo', modifiable: true },
  },
});
const customerFile = defineFile({
  fields: { id: decimal(4), name: alpha(20) },
  keys: { id: { parts: ['id'] } },
});
type Order = RecordOf<typeof orderFile>;

const STATES = ['CA', 'OR', 'WA'];
const order = (number: number): Order => ({
  number,
  customer: number % 7,
  state: STATES[number % 3] ?? '',
  total: `${number}.50`,
  ordered: `202401${String(1 + (number % 28)).padStart(2, '0')}`,
  seq: BigInt(number) * 1_000_000_007n,
});

async function openBoth(t: Test, mode: 'input' | 'update' = 'input') {
  const directory = temporaryDirectory(t);
  const [orderPath, customerPath] = [join(directory, 'orders'), join(directory, 'customers')];
  await isamc(orderPath, orderFile);
  await isamc(customerPath, customerFile);
  const writer = await open(orderPath, { mode: 'update', definition: orderFile });
  await writer.storeMany(Array.from({ length: 100 }, (_, index) => order(index + 1)));
  await writer.close();
  const buyers = await open(customerPath, { mode: 'update', definition: customerFile });
  for (const id of [1, 2, 3, 4, 5]) await buyers.store({ id, name: `buyer ${id}` });
  await buyers.close();
  const orders = await open(orderPath, { mode, definition: orderFile });
  const customers = await open(customerPath, { definition: customerFile });
  const raw = await open(orderPath);
  t.teardown(() => Promise.all([orders.close(), customers.close(), raw.close()]));
  return { orders, customers, raw, orderPath };
}

t.test('builder and text find the same, typed and raw', async (t) => {
  const { orders, raw } = await openBoth(t);
  const wanted = Array.from({ length: 100 }, (_, index) => order(index + 1)).filter(
    ({ state, total }) => state === 'CA' && Number(total) >= 50,
  );
  t.ok(wanted.length > 10);
  const query = orders.select((f) => f.state.eq('CA').and(f.total.gte('50')));
  t.strictSame(await query.orderBy('number').toArray(), wanted);
  const text = "state = 'CA' and total >= 50";
  t.strictSame(await orders.select(text).orderBy('number').toArray(), wanted);
  const records = await raw.select(text).orderBy('number').toArray();
  t.strictSame(
    records.map((record) => Number(record.toString('latin1', 0, 6))),
    wanted.map(({ number }) => number),
  );
  const byBytes = raw.select((f) => f.rec(11, 2).eq('CA')).where('total >= 50');
  t.equal(await byBytes.count(), wanted.length);
  t.equal(await orders.select((f) => not(f.state.in(['CA', 'OR']))).count(), 33);
  t.strictSame(
    (await orders.select().orderBy('-number').limit(2).toArray()).map((o) => o.number),
    [100, 99],
  );
  t.equal((await orders.select('number = 7').first())?.seq, 7_000_000_049n);
});

t.test('sparse records have just their fields, raw ones blanks elsewhere', async (t) => {
  const { orders, raw } = await openBoth(t);
  const sparse = await orders.select('number = 7').sparse('seq', 'state', 'ordered').toArray();
  t.strictSame(sparse, [{ seq: 7_000_000_049n, state: 'OR', ordered: '20240108' }]);
  const [record] = await raw.select('number = 7').sparse('state').toArray();
  t.equal(record?.toString('latin1').trim(), 'OR');
  t.equal(record?.toString('latin1').indexOf('OR'), 10);
  t.equal(record?.length, 40);
});

t.test('groups have exact sums and the fields of their definition', async (t) => {
  const { orders, raw } = await openBoth(t);
  const groups = await orders
    .select()
    .groupBy(['state'], {
      n: ['count'],
      sum: ['sum', 'total'],
      last: ['max', 'ordered'],
      top: ['max', 'seq'],
    })
    .orderBy('state')
    .toArray();
  t.match(groups, [
    { state: 'CA', n: 33, sum: '1699.50', top: 99_000_000_693n },
    { state: 'OR', n: 34 },
    { state: 'WA', n: 33 },
  ]);
  const [all] = await raw
    .select('number > 1000')
    .groupBy([], { n: ['count'], most: ['max', 'total'] })
    .toArray();
  t.strictSame(all, { n: 0, most: null });
});

t.test('joins pair records; left ones keep those without a partner', async (t) => {
  const { orders, customers } = await openBoth(t);
  const query = orders.select((f) => f.number.lte(14)).orderBy('number');
  const inner = await query.join(customers, { customer: 'id' }).toArray();
  t.strictSame(
    inner.map(([own, buyer]) => [own.number, buyer.name]),
    [1, 2, 3, 4, 5, 8, 9, 10, 11, 12].map((n) => [n, `buyer ${n % 7}`]),
  );
  const left = await query.join(customers, { customer: 'id' }, 'left').toArray();
  t.equal(left.length, 14);
  t.equal(left[5]?.[1], undefined);
  const some = customers.select((f) => f.name.starts('buyer 2'));
  t.match(await query.join(some, { customer: 'id' }).toArray(), [
    [{ number: 2 }, { id: 2 }],
    [{ number: 9 }, { id: 2 }],
  ]);
  const sparse = query.sparse('number', 'state').join(customers, { customer: 'id' });
  t.strictSame((await sparse.limit(1).toArray())[0], [
    { number: 1, state: 'OR' },
    { id: 1, name: 'buyer 1' },
  ]);
  const wrong = query.join(customers, { customer: 'name' });
  await t.rejects(wrong.toArray(), { code: 'ERR_INVOPER' });
});

t.test(
  'lock() makes each record the current, locked one; write and delete work on it',
  async (t) => {
    const { orders, raw, orderPath } = await openBoth(t, 'update');
    await using other = await open(orderPath, { mode: 'update', definition: orderFile });
    const seen: number[] = [];
    for await (const each of orders.select('number <= 3').orderBy('number').lock()) {
      seen.push(each.number);
      t.equal(orders.current?.locked, true);
      await t.rejects(other.read(each.number), { code: 'ERR_LOCKED' });
      if (each.number === 1) await orders.write({ ...each, state: 'NV' });
      if (each.number === 2) await orders.delete();
    }
    t.strictSame(seen, [1, 2, 3]);
    t.equal(orders.current?.locked, false);
    await other.read(3);
    await other.unlock();
    t.equal(await raw.select("state = 'NV'").count(), 1);
    t.equal(await raw.select().count(), 99);
  },
);

t.test('a locked record is failed on, skipped, or waited for', async (t) => {
  const { orders, orderPath } = await openBoth(t, 'update');
  await using other = await open(orderPath, { mode: 'update', definition: orderFile });
  await other.read(2);
  const query = orders.select('number <= 3').orderBy('number');
  await t.rejects(query.lock().toArray(), { code: 'ERR_LOCKED' });
  const skipped = await query.lock({ onLocked: 'skip' }).toArray();
  t.strictSame(
    skipped.map(({ number }) => number),
    [1, 3],
  );
  const waiting = query.lock({ onLocked: 'wait', waitMs: 10_000 })[Symbol.asyncIterator]();
  t.match(await waiting.next(), { value: { number: 1 } });
  const second = waiting.next();
  await other.unlock();
  t.match(await second, { value: { number: 2 } });
  await waiting.return?.();
  t.equal((await other.read(2)).number, 2, 'leaving the loop frees it');
});

t.test('delete() removes what matches and says how many', async (t) => {
  const { orders, raw } = await openBoth(t, 'update');
  const query = orders.select((f) => f.state.eq('CA'));
  t.equal(await query.delete(), 33);
  t.equal(await query.count(), 0);
  t.equal(await raw.select().count(), 67);
  await t.rejects(raw.select().delete(), { code: 'ERR_FILOPT' });
});

t.test('explain names the key; using() decides it', async (t) => {
  const { orders } = await openBoth(t);
  const plan = await orders.select((f) => f.customer.eq(3).and(f.state.eq('CA'))).explain();
  t.match(plan, { key: { number: 1, name: /customer/i }, filter: /state/, order: 'none' });
  t.match(await orders.select('customer = 3').using('number').explain(), { key: { number: 0 } });
  await t.rejects(orders.select('customer = ').count(), {
    code: 'ERR_INVOPER',
    message: /\^|expected/,
  });
});

t.test('a select does not move the position', async (t) => {
  const { orders } = await openBoth(t);
  await orders.read(10);
  await orders.select("state = 'CA'").toArray();
  t.equal((await orders.reads())?.number, 11);
  t.equal(orders.current?.locked, false);
});
