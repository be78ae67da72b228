// What the calls of a channel ask of the server and make of its answers, over a fake; then the same door over
// the real engine of this process, with typed records.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  alpha,
  type Channel,
  connect,
  decimal,
  defineFile,
  getfa,
  implied,
  integer,
  isamc,
  isinfo,
  type OpenOptions,
  open,
  type RecordOf,
} from '../../client/index.js';
import {
  recordsPerFrameMax,
  storeManyBatchBytes,
  storeManyBatchesInFlightMax,
} from '../../shared/base/limits.js';
import type { Reply, Request } from '../../shared/protocol/message.js';
import { makeGrfa } from '../../shared/record/rfa.js';
import { type Asked, rfaOf, startFake } from './fake-server.js';

const record = (text: string) => Buffer.from(text.padEnd(8), 'latin1');
const found = (number: number, more: object = {}): Reply => ({
  verb: 'record',
  rfa: rfaOf(number),
  crc: number,
  locked: true,
  record: record(String(number)),
  ...more,
});

async function openFake(t: Test, answer: (asked: Asked) => Reply | undefined, more: OpenOptions) {
  const fake = await startFake(t, {
    answer: (asked) => {
      const reply = answer(asked);
      if (reply !== undefined) asked.reply(reply);
      return reply !== undefined;
    },
  });
  const connection = await connect(fake.address, { encrypt: false });
  t.teardown(() => connection.close());
  const channel = await connection.open('x', more);
  const asked = (): Request | undefined => fake.asked.at(-1)?.request;
  return { fake, connection, channel, asked };
}

t.test('each call asks what it says, with the defaults of its mode', async (t) => {
  const answer = ({ request }: Asked): Reply | undefined => {
    if (request.verb === 'find' || request.verb === 'store' || request.verb === 'write') {
      return { verb: 'stored', rfa: rfaOf(1), crc: 1, locked: false };
    }
    if (request.verb === 'isinfo') return { verb: 'value', value: 2 };
    return ['read', 'reads', 'get'].includes(request.verb) ? found(1) : undefined;
  };
  const { channel, asked } = await openFake(t, answer, { mode: 'update' });
  const cases: [() => Promise<unknown>, object][] = [
    [
      () => channel.read('ab'),
      { verb: 'read', target: { by: 'key', key: 0, match: 'eq' }, lock: 'auto', waitMs: 0 },
    ],
    [
      () =>
        channel.read(Buffer.from('ab'), { key: 'name', match: 'gen', lock: 'manual', waitMs: 9 }),
      { verb: 'read', target: { by: 'key', key: 1, match: 'gen' }, lock: 'manual', waitMs: 9 },
    ],
    [() => channel.read({ first: true }), { target: { by: 'first', key: 0 } }],
    [() => channel.read({ last: true }, { key: 1 }), { target: { by: 'last', key: 1 } }],
    [() => channel.read({ rfa: rfaOf(7) }), { target: { by: 'rfa', address: rfaOf(7) } }],
    [() => channel.reads(), { verb: 'reads', direction: 'forward', lock: 'auto' }],
    [() => channel.reads({ direction: 'reverse', lock: 'none' }), { direction: 'reverse' }],
    [() => channel.find('ab'), { verb: 'find', lock: 'none' }],
    [() => channel.get('\xe9', { key: 'Name' }), { verb: 'get', key: 1, value: Buffer.of(0xe9) }],
    [() => channel.store(record('1')), { verb: 'store', lock: 'none' }],
    [() => channel.write(record('1'), { rfa: rfaOf(3) }), { verb: 'write', address: rfaOf(3) }],
    [() => channel.unlock(makeGrfa(rfaOf(3), 1)), { verb: 'unlock', rfa: rfaOf(3) }],
    [() => channel.isinfo('DUPS', 'name', 2), { verb: 'isinfo', key: 1, segment: 2 }],
  ];
  for (const [call, expected] of cases) {
    await call();
    t.match(asked(), expected);
  }
  const input = await openFake(t, answer, {});
  await input.channel.read('ab');
  t.match(input.asked(), { lock: 'none' }, 'input channels do not lock');
  const loose = await openFake(t, answer, { mode: 'update', lock: 'none' });
  await loose.channel.reads();
  t.match(loose.asked(), { lock: 'none' });
});

/** Calls as a program without types makes them. */
function unknownOptions(channel: Channel): [Promise<unknown>, { code: string; message: RegExp }][] {
  const wrong: { [name: string]: never } = JSON.parse('{"wiat":3}');
  const because = (call: string, names: string) => ({
    code: 'ERR_INVARG',
    message: new RegExp(`"wiat" is no option of ${call}\\(\\); there are ${names}$`),
  });
  const read = 'key, match, lock, waitMs, timeoutMs, signal';
  return [
    [channel.read('1', wrong), because('read', read)],
    [channel.find('1', wrong), because('find', read)],
    [channel.reads(wrong), because('reads', 'direction, lock, waitMs, timeoutMs, signal')],
    [channel.get('1', wrong), because('get', 'key, timeoutMs, signal')],
    [channel.store(record('1'), wrong), because('store', 'lock, timeoutMs, signal')],
    [channel.write(record('1'), wrong), because('write', 'rfa, timeoutMs, signal')],
  ];
}

t.test('what cannot be meant is refused before it is sent', async (t) => {
  const { fake, channel } = await openFake(t, () => undefined, { mode: 'update' });
  const before = fake.asked.length;
  const cases: [Promise<unknown>, { code: string; message?: RegExp } | typeof TypeError][] = [
    [channel.read('a', { key: 'nope' }), { code: 'ERR_BADKEY', message: /0 ID, 1 NAME/ }],
    [channel.read('a', { key: 2 }), { code: 'ERR_BADKEY' }],
    [channel.isinfo('SIZE', -1), { code: 'ERR_BADKEY' }],
    [channel.read('\u20ac'), { code: 'ERR_INVKVAL' }],
    [channel.read('a', { waitMs: -1 }), { code: 'ERR_INVARG' }],
    [channel.read({ rfa: Buffer.alloc(3) }), { code: 'ERR_INVALRFA' }],
    ...unknownOptions(channel),
    [channel.getfa('NOPE'), { code: 'ERR_INVARG', message: /SLE, SLC, NETCRYPT/ }],
    [channel.read(1 as unknown as string), TypeError],
    [channel.store('x' as unknown as Buffer), TypeError],
  ];
  for (const [call, expected] of cases) await t.rejects(call, expected);
  t.equal(fake.asked.length, before);
});

t.test('current follows reads, writes, unlocks and misses', async (t) => {
  let next: Reply = found(1);
  const { channel } = await openFake(
    t,
    ({ request }) => {
      if (request.verb === 'read' || request.verb === 'reads') return next;
      if (request.verb !== 'write' && request.verb !== 'find') return undefined;
      return { verb: 'stored', rfa: rfaOf(1), crc: 99, locked: false };
    },
    { mode: 'update' },
  );
  t.equal(channel.current, undefined);
  await channel.read('1');
  t.strictSame(channel.current, { rfa: rfaOf(1), grfa: makeGrfa(rfaOf(1), 1), locked: true });
  await channel.write(record('1'));
  t.match(channel.current, { grfa: makeGrfa(rfaOf(1), 99), locked: false });
  await channel.read('1');
  await channel.unlock();
  t.equal(channel.current?.locked, false);
  await channel.read('1', { lock: 'manual' });
  await channel.unlock();
  t.equal(channel.current?.locked, true, 'a manual lock stays');
  await channel.unlock(rfaOf(1));
  t.equal(channel.current?.locked, false);
  await channel.delete();
  t.equal(channel.current, undefined);
  await channel.find('1');
  t.match(channel.current, { rfa: rfaOf(1) });
  next = { verb: 'absent' };
  t.equal(await channel.reads(), undefined);
  t.equal(channel.current, undefined, 'nothing is current at an end');
  next = found(2);
  await channel.reads();
  t.match(channel.current, { rfa: rfaOf(2) });
  const message = 'Record not found: key 0';
  next = { verb: 'error', code: 'ERR_RNF', message, retryable: false };
  await t.rejects(channel.read('9'), { code: 'ERR_RNF', errno: 64, message, file: 'x' });
  t.equal(channel.current, undefined, 'nor after a miss');
});

t.test('storeMany sends bounded batches, and says how many were stored', async (t) => {
  const batches: number[] = [];
  const { channel } = await openFake(
    t,
    ({ request }) => {
      if (request.verb !== 'storeMany') return undefined;
      batches.push(request.records.length);
      const bad = request.records.findIndex((bytes) => bytes[0] === 0x21);
      if (bad < 0) return { verb: 'storedMany', stored: request.records.length };
      const message = 'Duplicate key specified: key 0';
      const error = { verb: 'error', code: 'ERR_NODUPS', message, retryable: false } as const;
      return { verb: 'storedMany', stored: bad, error };
    },
    { mode: 'update' },
  );
  function* many(count: number, bad: number) {
    for (let n = 1; n <= count; n++) yield record(n === bad ? '!' : 'x');
  }
  t.strictSame(await channel.storeMany(many(100_000, 0)), { stored: 100_000 });
  t.equal(
    batches.reduce((sum, size) => sum + size, 0),
    100_000,
  );
  t.ok(Math.max(...batches) <= recordsPerFrameMax, 'no more records than fit a frame');
  t.ok(Math.max(...batches) * record('x').length <= storeManyBatchBytes, 'nor bytes');
  t.strictSame(await channel.storeMany([]), { stored: 0 });
  batches.length = 0;
  await t.rejects(channel.storeMany(many(1_000_000, 10)), {
    code: 'ERR_NODUPS',
    message: /^Duplicate key specified: key 0 \(\d+ records were stored; record 10 of those given/,
  });
  t.ok(
    batches.length <= 1 + storeManyBatchesInFlightMax,
    'nothing more was sent than was on its way',
  );
  async function* broken() {
    yield record('1');
    throw new Error('source');
  }
  await t.rejects(channel.storeMany(broken()), { message: 'source' });
});

t.test('a closed channel says so, to every call', async (t) => {
  const { fake, channel, connection } = await openFake(t, () => undefined, { mode: 'update' });
  await Promise.all([channel.close(), channel.close()]);
  await channel.close();
  t.equal(fake.asked.filter(({ request }) => request.verb === 'close').length, 1);
  const calls: Promise<unknown>[] = [
    channel.read('1'),
    channel.reads(),
    channel.get('1'),
    channel.store(record('1')),
    channel.unlock(),
    channel.storeMany([]),
    channel.getfa('SLE'),
    channel.isinfo('SIZE'),
  ];
  for (const call of calls) await t.rejects(call, { code: 'ERR_NOOPEN' });
  t.throws(() => channel[Symbol.asyncIterator](), { code: 'ERR_NOOPEN' });
  t.equal(channel.current, undefined);
  {
    await using other = await connection.open('y');
    t.equal(await getfa(other, 'SPC'), 'y');
  }
  t.equal(fake.asked.at(-1)?.request.verb, 'close', 'await using closes');
});

const staff = defineFile({
  fields: { number: decimal(4), name: alpha(10), salary: implied(8, 2), points: integer(8) },
  keys: {
    number: { parts: ['number'] },
    name: { parts: ['name'], dups: 'fifo', modifiable: true },
  },
  networkEncrypt: true,
});
type Staff = RecordOf<typeof staff>;

const person = (number: number, name: string): Staff => ({
  number,
  name,
  salary: '1234.50',
  points: 2n ** 60n,
});

t.test('a local path opens the same engine in this process, in typed records', async (t) => {
  const path = join(t.testdir({}), 'staff.ism');
  await isamc(path, staff);
  await t.rejects(isamc(path, staff), { code: 'ERR_REPLAC' });
  await t.rejects(open(`${path}.not`), { code: 'ERR_FNF' });

  await using channel = await open(path, {
    mode: 'update',
    definition: staff,
    options: '/encrypt',
  });
  const people = [person(3, 'Cora'), person(1, 'Anna'), person(2, 'Anna')];
  t.strictSame(await channel.storeMany(people), { stored: 3 });
  const anna: Staff = await channel.read('Anna', { key: 'name' });
  t.strictSame(anna, person(1, 'Anna'), 'values come back exactly');
  t.equal(channel.current?.locked, true);
  await channel.write({ ...anna, name: 'Berta' });
  t.strictSame((await channel.reads())?.name, 'Anna');
  t.equal((await channel.get({ number: 3 }))?.name, 'Cora');
  t.equal(await channel.get(77), undefined);
  const names: string[] = [];
  for await (const { name } of channel) names.push(name);
  t.strictSame(names, ['Berta', 'Anna', 'Cora']);

  t.equal(await getfa(channel, 'SLE'), 0);
  t.equal(await getfa(channel, 'SLC'), '');
  t.equal(await getfa(channel, 'NETCRYPT'), 1);
  t.equal(await isinfo(channel, 'NETCRYPT'), 1);
  t.equal(await isinfo(channel, 'NUMRECS'), 3);

  await using raw = await open(path);
  t.match(String(await raw.read('0003')), /^0003Cora/);
  const other = defineFile({
    fields: { number: decimal(4) },
    keys: { number: { parts: ['number'] } },
  });
  await t.rejects(open(path, { definition: other }), {
    code: 'ERR_BADDEF',
    message: /4 bytes a rec/,
  });
});

t.test('a record that cannot be decoded is named', async (t) => {
  const path = join(t.testdir({}), 'staff.ism');
  await isamc(path, staff);
  {
    await using channel = await open(path, { mode: 'update', definition: staff });
    await channel.store(person(1, 'Anna'));
  }
  await using raw = await open(path, { mode: 'update' });
  const [first] = [await raw.read({ first: true }, { lock: 'none' })];
  const rfa = await raw.store(
    Buffer.from(`0002${String(first).slice(4, 14)}no price${'x'.repeat(8)}`),
  );
  await using channel = await open(path, { definition: staff });
  const byAddress = {
    code: 'ERR_BADDATA',
    file: path,
    message: new RegExp(`field salary .*\\(record RFA ${rfa.toString('hex')} of ${path}\\)$`),
  };
  await t.rejects(channel.read(2), byAddress);
  await t.rejects(channel.get(2), byAddress);
  await channel.find(2);
  await t.rejects(channel.reads(), byAddress);
  const seen: number[] = [];
  const all = (async () => {
    for await (const { number } of channel) seen.push(number);
  })();
  await t.rejects(all, { code: 'ERR_BADDATA', file: path, message: /\(record number 2 of / });
  t.strictSame(seen, [1]);
});

t.test('isamc says what a definition is', async (t) => {
  for (const wrong of ['nonsense', undefined, null, {}, { recordSize: 8 }, { spec: 1 }]) {
    await t.rejects(isamc('x@host', wrong as never), {
      code: 'ERR_INVARG',
      message: /a definition is what defineFile\(\) makes, or \{ recordSize, keys/,
    });
  }
});

t.test('isamc takes the classic strings', async (t) => {
  const path = join(t.testdir({}), 'classic.ism');
  const keys = ['START=1,LENGTH=4,NAME=id', 'START=5,LENGTH=4,NAME=name,DUPS'];
  await isamc(path, { options: 'NETWORK_ENCRYPT', recordSize: 8, keys });
  await using channel = await open(path, { mode: 'update' });
  await channel.store(record('0001anna'));
  t.equal(String(await channel.read('anna', { key: 'NAME' })), '0001anna');
  t.equal(await channel.getfa('NETCRYPT'), 1);
  await t.rejects(isamc(path, { recordSize: 8, keys: ['START=x'] }), { code: 'ERR_BADXDLS' });
});
