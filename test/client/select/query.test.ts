// Queries against a server that answers as a test says: what is sent, what comes of the answers, how a
// run ends, and what is refused before anything is sent.

import t, { type Test } from 'tap';
import {
  alpha,
  type Channel,
  connect,
  decimal,
  defineFile,
  implied,
  integer,
  open,
  type RecordOf,
} from '../../../client/index.js';
import { streamCreditBytes } from '../../../shared/base/limits.js';
import type { Reply, SelectRequest } from '../../../shared/protocol/message.js';
import { type Asked, type FakeServer, rfaOf, startFake } from '../fake-server.js';

const orders = defineFile({
  fields: { number: decimal(4), state: alpha(2), total: implied(6, 2), big: integer(8) },
  keys: { number: { parts: ['number'] }, byState: { parts: ['state'], dups: 'fifo' } },
});
type Order = RecordOf<typeof orders>;

/** `0001CA000100` and eight bytes of a number. */
const bytesOf = (number: number, state: string, cents: number, big = 0n): Buffer => {
  const record = Buffer.alloc(20);
  record.write(`${String(number).padStart(4, '0')}${state}${String(cents).padStart(6, '0')}`);
  record.writeBigInt64LE(big, 12);
  return record;
};

const dataOf = (...records: Buffer[]): Reply => ({
  verb: 'data',
  recordLength: records[0]?.length ?? 0,
  records: Buffer.concat(records),
});

const lengthsAnd = (...records: Buffer[]): Reply => ({
  verb: 'data',
  recordLength: 0,
  records: Buffer.concat(
    records.flatMap((record) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(record.length);
      return [length, record];
    }),
  ),
});

const selected = (records: number, scanned = 100): Reply => ({
  verb: 'selected',
  records,
  scanned,
});

/** Each select is answered by the next list of replies; further ones by nothing. */
async function serve(t: Test, ...answers: (readonly Reply[])[]): Promise<FakeServer> {
  return startFake(t, {
    answer: ({ request, reply }) => {
      if (request.verb === 'open') {
        reply({ verb: 'open', spec: orders.spec });
        return true;
      }
      if (request.verb !== 'select') return false;
      for (const each of answers.shift() ?? []) reply(each);
      return true;
    },
  });
}

async function typed(t: Test, fake: FakeServer, mode: 'input' | 'update' = 'input') {
  const channel = await open(`orders@${fake.address}`, {
    encrypt: false,
    definition: orders,
    mode,
  });
  t.teardown(() => channel.close());
  return channel;
}

async function raw(t: Test, fake: FakeServer): Promise<Channel<Buffer>> {
  const channel = await open(`orders@${fake.address}`, { encrypt: false });
  t.teardown(() => channel.close());
  return channel;
}

const selectsOf = (fake: FakeServer): SelectRequest[] =>
  fake.asked.flatMap(({ request }) => (request.verb === 'select' ? [request] : []));

t.test('everything a query is told is sent, and nothing before it is run', async (t) => {
  const fake = await serve(t, [selected(0)]);
  const channel = await typed(t, fake);
  const query = channel
    .select((f) => f.state.eq('CA'))
    .where((f) => f.total.gte('100.00'))
    .using('byState')
    .orderBy('-total', 'number')
    .sparse('number', 'total')
    .limit(5)
    .maxScan(1000)
    .maxMs(50)
    .resume(Buffer.from('token'));
  t.equal(selectsOf(fake).length, 0);
  t.strictSame(await query.toArray(), []);
  t.match(selectsOf(fake), [
    {
      action: 'read',
      locking: false,
      credit: streamCreditBytes,
      query: {
        where: {
          op: 'and',
          terms: [
            { op: '=', operand: { field: 'state' }, value: 'CA' },
            { op: '>=', operand: { field: 'total' }, value: '100.00' },
          ],
        },
        orderBy: ['-total', 'number'],
        fields: ['number', 'total'],
        limit: 5,
        maxScan: 1000,
        maxMs: 50,
        resume: Uint8Array.from(Buffer.from('token')),
      },
    },
  ]);
  t.match(selectsOf(fake)[0]?.query.using, /byState|1/);
});

t.test('a query is not changed by the calls on it', async (t) => {
  const fake = await serve(t, [selected(0)], [selected(0)]);
  const channel = await typed(t, fake);
  const all = channel.select();
  await all.where("state = 'CA'").limit(1).toArray();
  await all.toArray();
  t.match(selectsOf(fake)[0]?.query, { where: "state = 'CA'", limit: 1 });
  t.strictSame(selectsOf(fake)[1]?.query, {});
});

t.test('two texts are joined as trees, so that neither can end within the other', async (t) => {
  const fake = await serve(t, [selected(0)]);
  const channel = await typed(t, fake);
  await channel.select("state = 'CA' or state = 'OR'").where('total > 1').toArray();
  t.match(selectsOf(fake)[0]?.query.where, { op: 'and', terms: [{ op: 'or' }, { op: '>' }] });
  t.throws(() => channel.select("state = 'CA') or (1").where('total > 1'), {
    code: 'ERR_INVOPER',
  });
});

t.test('records come as the channel has them: objects or bytes', async (t) => {
  const records = [bytesOf(1, 'CA', 10_050, 7n), bytesOf(2, 'OR', 5)];
  const answer = [dataOf(...records), selected(2, 4724)];
  const fake = await serve(t, answer, answer);
  const query = (await typed(t, fake)).select();
  t.strictSame(await query.toArray(), [
    { number: 1, state: 'CA', total: '100.50', big: 7n },
    { number: 2, state: 'OR', total: '0.05', big: 0n },
  ]);
  t.strictSame(query.stats, { scanned: 4724, returned: 2, bytes: 40 });
  t.strictSame(await (await raw(t, fake)).select().toArray(), records);
});

t.test('batches are the records of a frame as a list, in the order they came', async (t) => {
  const three = [bytesOf(1, 'CA', 100), bytesOf(2, 'CA', 200), bytesOf(3, 'OR', 300)] as const;
  const frames = [dataOf(three[0], three[1]), dataOf(three[2]), selected(3)];
  const fake = await serve(t, frames, frames);
  const numbers: number[][] = [];
  const query = (await typed(t, fake)).select();
  for await (const records of query.batches()) numbers.push(records.map(({ number }) => number));
  t.strictSame(numbers, [[1, 2], [3]]);
  t.equal(query.stats.returned, 3);
  const bytes: Buffer[][] = [];
  for await (const records of (await raw(t, fake)).select().batches()) bytes.push(records);
  t.strictSame(bytes, [[three[0], three[1]], [three[2]]]);
});

t.test('a batch has what comes before a record that cannot be decoded', async (t) => {
  const bad = Buffer.from(bytesOf(2, 'CA', 200));
  bad.write('none');
  const fake = await serve(t, [dataOf(bytesOf(1, 'CA', 100), bad, bytesOf(3, 'OR', 300))]);
  const seen: Order[] = [];
  const all = async (): Promise<void> => {
    for await (const records of (await typed(t, fake)).select().batches()) seen.push(...records);
  };
  await t.rejects(all(), { code: 'ERR_BADDATA', message: /record number 2/ });
  t.strictSame(
    seen.map(({ number }) => number),
    [1],
  );
});

t.test('groups and pairs come in batches too, and before an error what there is', async (t) => {
  const rows = Array.from({ length: 300 }, (_, index) => ['CA', index] as const);
  const bad = { code: 'ERR_DAMAGED', message: 'a block is bad', retryable: false } as const;
  const fake = await serve(t, [
    { verb: 'rows', rows },
    { verb: 'error', ...bad },
  ]);
  const sizes: number[] = [];
  const all = async (): Promise<void> => {
    const query = (await typed(t, fake)).select().groupBy(['state'], { n: ['count'] });
    for await (const groups of query.batches()) sizes.push(groups.length);
  };
  await t.rejects(all(), { code: 'ERR_DAMAGED' });
  t.strictSame(sizes, [256, 44]);
});

t.test('leaving a loop over batches cancels the work on the server', async (t) => {
  const fake = await serve(t, [dataOf(bytesOf(1, 'CA', 100))]);
  for await (const records of (await typed(t, fake)).select().batches()) {
    t.equal(records.length, 1);
    break;
  }
  await fake.seen('cancel');
});

t.test('sparse gives objects of just these fields, or records with blanks between', async (t) => {
  const answer = [dataOf(Buffer.from('010050CA'), Buffer.from('000005OR')), selected(2)];
  const fake = await serve(t, answer, answer);
  const rows = await (await typed(t, fake)).select().sparse('total', 'state').toArray();
  t.strictSame(rows, [
    { total: '100.50', state: 'CA' },
    { total: '0.05', state: 'OR' },
  ]);
  const first: { total: string; state: string } | undefined = rows[0];
  t.ok(first);
  const [record] = await (await raw(t, fake)).select().sparse('total', 'state').toArray();
  t.equal(record?.toString('latin1'), `    CA010050${' '.repeat(8)}`);
});

t.test('groups are objects with the fields and the aggregates', async (t) => {
  const fake = await serve(t, [
    { verb: 'rows', rows: [['CA', 3, '1250.50', 9_007_199_254_740_993n]] },
    { verb: 'rows', rows: [['OR', 1, null, null]] },
    selected(2),
  ]);
  const query = (await typed(t, fake)).select().groupBy(['state'], {
    n: ['count'],
    sum: ['sum', 'total'],
    most: ['max', 'big'],
  });
  const groups = await query.toArray();
  t.strictSame(groups, [
    { state: 'CA', n: 3, sum: '1250.50', most: 9_007_199_254_740_993n },
    { state: 'OR', n: 1, sum: null, most: null },
  ]);
  const n: number | undefined = groups[0]?.n;
  t.equal(n, 3);
  t.strictSame(selectsOf(fake)[0]?.query.groupBy, {
    fields: ['state'],
    aggregates: [
      { name: 'n', function: 'count' },
      { name: 'sum', function: 'sum', field: 'total' },
      { name: 'most', function: 'max', field: 'big' },
    ],
  });
});

t.test('a join gives pairs; left ones may lack their partner', async (t) => {
  const one = bytesOf(1, 'CA', 1);
  const two = bytesOf(2, 'CA', 2);
  const fake = await serve(
    t,
    [lengthsAnd(one, two, two, one), selected(2)],
    [lengthsAnd(one, Buffer.alloc(0)), selected(1)],
    [lengthsAnd(one, Buffer.alloc(0)), selected(1)],
    [lengthsAnd(one), selected(1)],
  );
  await using connection = await connect(fake.address, { encrypt: false });
  const left = await connection.open('orders', { definition: orders });
  const right = await connection.open('orders', { definition: orders });
  const pairs = await left.select().join(right, { number: 'number' }).toArray();
  t.match(pairs, [
    [{ number: 1 }, { number: 2 }],
    [{ number: 2 }, { number: 1 }],
  ]);
  const partners = right.select((f) => f.state.eq('CA'));
  const outer: [Order, Order | undefined][] = await left
    .select()
    .join(partners, { number: 'number' }, 'left')
    .toArray();
  t.match(outer, [[{ number: 1 }, undefined]]);
  t.match(selectsOf(fake)[1]?.query.join, {
    kind: 'left',
    channel: 2,
    on: [['number', 'number']],
    where: { op: '=' },
  });
  const inner = () => left.select().join(right, { number: 'number' }).toArray();
  await t.rejects(inner(), { code: 'ERR_PROTOCOL', message: /half of a pair/ });
  await t.rejects(inner(), { code: 'ERR_PROTOCOL', message: /1 were sent, 0 came/ });
});

t.test('a join across connections is refused, and so is more than a condition', async (t) => {
  const fake = await serve(t);
  const channel = await typed(t, fake);
  await using connection = await connect(fake.address, { encrypt: false });
  const other = await connection.open('orders', { definition: orders });
  t.throws(() => channel.select().join(other, { number: 'number' }), {
    code: 'ERR_INVOPER',
    message: /one connection/,
  });
  t.throws(() => other.select().join(other.select().limit(1), { number: 'number' }), {
    message: /a condition, and nothing else/,
  });
  t.throws(() => other.select().join(other, { number: 'nummer' }), {
    message: /no field "nummer"/,
  });
});

t.test('count, delete and explain are one answer each', async (t) => {
  const plan = { ranges: ["state = 'CA'"], filter: '', order: 'none', estimate: 3 } as const;
  const fake = await serve(
    t,
    [selected(3)],
    [selected(2)],
    [{ ...selected(0), plan } as Reply],
    [selected(0)],
  );
  const channel = await typed(t, fake, 'update');
  const query = channel.select("state = 'CA'");
  t.equal(await query.count(), 3);
  t.strictSame(query.stats, { scanned: 100, returned: 3, bytes: 0 });
  t.equal(await query.delete(), 2);
  t.strictSame(await query.explain(), plan);
  await t.rejects(query.explain(), { code: 'ERR_PROTOCOL' });
  t.strictSame(
    selectsOf(fake).map(({ action }) => action),
    ['count', 'delete', 'explain', 'explain'],
  );
});

t.test('first asks for one', async (t) => {
  const fake = await serve(t, [dataOf(bytesOf(9, 'CA', 1)), selected(1)], [selected(0)]);
  const channel = await typed(t, fake);
  t.match(await channel.select().limit(7).first(), { number: 9 });
  t.equal(selectsOf(fake)[0]?.query.limit, 1);
  t.equal(await channel.select().first(), undefined);
});

t.test('a budget that ends it is ERR_BUDGET with the way on, after what came', async (t) => {
  const stopped = { budget: 'maxScan', resume: Buffer.from('here') } as const;
  const plan = {
    ranges: [],
    filter: 'x',
    order: 'none',
    estimate: 9,
    advice: 'a key on state',
  } as const;
  const end: Reply = { verb: 'selected', records: 1, scanned: 50, stopped, plan };
  const fake = await serve(t, [dataOf(bytesOf(1, 'CA', 1)), end], [end]);
  const channel = await typed(t, fake);
  const query = channel.select().maxScan(50);
  const numbers: number[] = [];
  const error = await (async () => {
    for await (const { number } of query) numbers.push(number);
    return undefined;
  })().catch((thrown: unknown) => thrown);
  t.strictSame(numbers, [1]);
  t.match(error, {
    code: 'ERR_BUDGET',
    resume: Buffer.from('here'),
    retryable: true,
    message: /Query budget is used: .*maxScan.*50 records were looked at.*a key on state.*resume/,
  });
  t.equal(query.stats.scanned, 50);
  await t.rejects(query.count(), { code: 'ERR_BUDGET' });
});

t.test('leaving the loop cancels the work on the server', async (t) => {
  const fake = await serve(t, [dataOf(bytesOf(1, 'CA', 1), bytesOf(2, 'CA', 1))]);
  const channel = await typed(t, fake);
  for await (const record of channel.select()) {
    t.equal(record.number, 1);
    break;
  }
  const cancel = await fake.seen('cancel');
  t.equal(cancel.id, (await fake.seen('select')).id);
});

t.test('the signal of a query ends it on the server too', async (t) => {
  const fake = await serve(t, [dataOf(bytesOf(1, 'CA', 1))], []);
  const channel = await typed(t, fake);
  const controller = new AbortController();
  const query = channel.select().signal(controller.signal);
  const reading = query.toArray();
  await fake.seen('select');
  controller.abort();
  await t.rejects(reading, { code: 'ERR_ABORTED' });
  await fake.seen('cancel');
  await t.rejects(query.count(), { code: 'ERR_ABORTED' });
  t.throws(() => channel.select().signal({} as AbortSignal), TypeError);
});

t.test('a server that falls silent is ERR_TIMEOUT', async (t) => {
  const fake = await serve(t, [], []);
  const channel = await typed(t, fake);
  await t.rejects(channel.select().timeout(30).toArray(), { code: 'ERR_TIMEOUT' });
  await t.rejects(channel.select().timeout(30).count(), { code: 'ERR_TIMEOUT' });
});

t.test('a locking select has one record at a time, each the current one', async (t) => {
  const recordReply = (number: number): Reply => ({
    verb: 'record',
    rfa: rfaOf(number),
    crc: number,
    locked: true,
    record: bytesOf(number, 'CA', 1),
  });
  let select: Asked | undefined;
  const fake = await startFake(t, {
    answer: (asked) => {
      const { request, reply } = asked;
      if (request.verb === 'open') reply({ verb: 'open', spec: orders.spec });
      else if (request.verb === 'select') {
        select = asked;
        reply(recordReply(1));
      } else if (request.verb === 'credit') {
        const granted = fake.asked.filter((each) => each.request.verb === 'credit').length;
        select?.reply(granted < 2 ? recordReply(1 + granted) : selected(2));
      } else if (request.verb === 'write') {
        reply({ verb: 'stored', rfa: rfaOf(1), crc: 1, locked: false });
      } else return false;
      return true;
    },
  });
  const channel = await typed(t, fake, 'update');
  const query = channel.select().lock({ onLocked: 'wait', waitMs: 700 });
  const seen: unknown[] = [];
  for await (const order of query) {
    seen.push([order.number, channel.current?.rfa, channel.current?.locked]);
    const credits = fake.asked.filter(({ request }) => request.verb === 'credit').length;
    t.equal(credits, order.number - 1, 'the next was not asked for yet');
    if (order.number === 1) await channel.write(order);
  }
  t.strictSame(seen, [
    [1, rfaOf(1), true],
    [2, rfaOf(2), true],
  ]);
  t.equal(channel.current?.locked, false, 'the end frees the last');
  t.match(selectsOf(fake), [{ locking: true, onLocked: 'wait', waitMs: 700, credit: 1 }]);
  t.match(fake.asked.find(({ request }) => request.verb === 'credit')?.request, { bytes: 1 });
});

t.test('lock() is refused where it cannot be', async (t) => {
  const fake = await serve(t);
  const input = (await typed(t, fake)).select().lock();
  await t.rejects(input.toArray(), { code: 'ERR_INVOPER', message: /mode: 'update'/ });
  const update = (await typed(t, fake, 'update')).select();
  await t.rejects(update.sparse('state').lock().toArray(), { message: /whole records/ });
  t.throws(() => update.lock({ waitMs: -1 }), { code: 'ERR_INVOPER' });
  t.throws(() => update.lock({ onLocked: 'hope' as 'fail' }), { code: 'ERR_INVOPER' });
  t.equal(selectsOf(fake).length, 0);
});

t.test('what is wrong with a query is told before anything is sent', async (t) => {
  const fake = await serve(t);
  const channel = await raw(t, fake);
  const names = /there is no field "nmber".*number, state, total, big/;
  t.throws(() => channel.select((f) => f.nmber?.eq(1) as never), { message: names });
  const all = channel.select();
  await t.rejects(all.sparse('nmber').toArray(), { code: 'ERR_INVOPER', message: names });
  await t.rejects(all.orderBy('-nmber').count(), { message: names });
  await t.rejects(all.using('nokey').count(), { message: /there is no key nokey/ });
  await t.rejects(all.using(9).count(), { code: 'ERR_INVOPER' });
  await t.rejects(all.limit(0).count(), { message: /limit/ });
  await t.rejects(all.groupBy(['state'], { n: ['sum', 'state'] }).count(), { code: 'ERR_INVOPER' });
  t.equal(selectsOf(fake).length, 0);
  await channel.close();
  t.throws(() => channel.select(), { code: 'ERR_NOOPEN' });
  await t.rejects(all.count(), { code: 'ERR_NOOPEN' });
});

t.test('an answer that makes no sense is ERR_PROTOCOL', async (t) => {
  const nonsense: readonly (readonly [readonly Reply[], RegExp])[] = [
    [[{ verb: 'rows', rows: [[1]] }], /rows came for records/],
    [[dataOf(bytesOf(1, 'CA', 1)), selected(2)], /2 were sent, 1 came/],
    [[{ verb: 'done' }], /a select answered by done/],
    [[{ verb: 'end', records: 0 }], /a select answered by end/],
    [
      [{ verb: 'record', rfa: rfaOf(1), crc: 1, locked: true, record: Buffer.alloc(20) }],
      /by record/,
    ],
  ];
  for (const [answer, message] of nonsense) {
    const fake = await serve(t, answer);
    const channel = await typed(t, fake);
    await t.rejects(channel.select().toArray(), { code: 'ERR_PROTOCOL', message });
  }
  const fake = await serve(
    t,
    [dataOf(Buffer.alloc(5))],
    [{ verb: 'rows', rows: [[1, 2, 3]] }],
    [dataOf(bytesOf(1, 'CA', 1))],
    [{ verb: 'done' }],
  );
  const channel = await typed(t, fake);
  await t.rejects(channel.select().sparse('state').toArray(), {
    message: /sparse record of 5 bytes, its fields have 2/,
  });
  const groups = channel.select().groupBy(['state'], { n: ['count'] });
  await t.rejects(groups.toArray(), { message: /a group has 3 values, asked were 2/ });
  await t.rejects(groups.toArray(), { message: /data came for groups/ });
  await t.rejects(channel.select().count(), { code: 'ERR_PROTOCOL' });
});

t.test('an error of the server ends the query with it', async (t) => {
  const error: Reply = {
    verb: 'error',
    code: 'ERR_INVOPER',
    message: 'Invalid operation: select: at 1: expected a field',
    retryable: false,
  };
  const fake = await serve(t, [dataOf(bytesOf(1, 'CA', 1)), error], [error]);
  const channel = await typed(t, fake);
  await t.rejects(channel.select('nothing').toArray(), {
    code: 'ERR_INVOPER',
    message: /expected/,
  });
  await t.rejects(channel.select('nothing').count(), { code: 'ERR_INVOPER' });
});

t.test('a reader that stops holds the server up after the credit it gave', async (t) => {
  const many = Buffer.concat(Array.from({ length: 3000 }, (_, n) => bytesOf(n, 'CA', 1)));
  const frame: Reply = { verb: 'data', recordLength: 20, records: many };
  const frames = Math.ceil(streamCreditBytes / many.length);
  const fake = await serve(
    t,
    Array.from({ length: frames }, () => frame),
  );
  const channel = await raw(t, fake);
  const records = channel.select()[Symbol.asyncIterator]();
  await records.next();
  t.equal(fake.asked.filter(({ request }) => request.verb === 'credit').length, 0);
  for (let n = 1; n < (3000 * frames) / 2 + 3000; n++) await records.next();
  const credit = await fake.seen('credit');
  t.ok(credit.request.verb === 'credit' && credit.request.bytes >= streamCreditBytes / 2);
  await records.return?.();
  await fake.seen('cancel');
});

t.test('more than the credit is refused, and so are crumbs', async (t) => {
  const frame: Reply = { verb: 'data', recordLength: 20, records: Buffer.alloc(1_000_000) };
  const fake = await serve(
    t,
    Array.from({ length: 5 }, () => frame),
  );
  const channel = await raw(t, fake);
  const reading = channel.select()[Symbol.asyncIterator]();
  await reading.next();
  await t.rejects(channel.isinfo('NUMRECS'), { code: 'ERR_PROTOCOL', message: /credit/ });
  const crumbs = await serve(t, [{ verb: 'rows', rows: [] }]);
  const groups = (await raw(t, crumbs)).select().groupBy(['state'], {});
  await t.rejects(groups.toArray(), { code: 'ERR_PROTOCOL', message: /crumbs/ });
});
