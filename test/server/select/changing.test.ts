// Selects that lock and selects that delete: what they lock, what they leave, and what others may do
// meanwhile.

import t, { type Test } from 'tap';
import type { Request } from '../../../shared/protocol/message.js';
import {
  ask,
  begin,
  makeOrderRows,
  makeOrders,
  type OrderFile,
  orderText,
  until,
} from '../../model/select-harness.js';
import { SessionHarness } from '../../model/session-harness.js';

const ENGINES = ['lmdb', 'memory'] as const;
type EngineName = (typeof ENGINES)[number];

function both(name: string, check: (t: Test, engine: EngineName) => Promise<void>) {
  for (const engine of ENGINES) t.test(`${engine}: ${name}`, (t) => check(t, engine));
}

const readId = (id: number, lock: 'auto' | 'none' = 'auto', waitMs = 0): Request => ({
  verb: 'read',
  target: { by: 'key', key: 0, value: Buffer.from(String(id).padStart(6, '0')), match: 'eq' },
  lock,
  waitMs,
});
const get = (id: number): Request => ({
  verb: 'get',
  key: 0,
  value: Buffer.from(String(id).padStart(6, '0')),
});

async function makeOther(t: Test, { ground, path }: OrderFile): Promise<SessionHarness> {
  const other = new SessionHarness(ground.services, { owner: 2 });
  await other.open(path);
  t.teardown(() => other.close());
  return other;
}

const orders = makeOrderRows(60);
const ids = (texts: readonly string[]): number[] => texts.map((text) => Number(text.slice(0, 6)));
/** Ids of the orders of California, in order: 1, 6, 11 … */
const californian = orders.filter(({ state }) => state === 'CA').map(({ id }) => id);
const ofCalifornia = { where: "state = 'CA'", using: 0 };

both('gives one locked record a credit; write, delete and unlock go between', async (t, engine) => {
  const file = await makeOrders(t, engine, orders);
  const { session } = file;
  const other = await makeOther(t, file);
  const asked = begin(session, ofCalifornia, { locking: true, credit: 0 });
  const next = async (): Promise<number> => {
    const before = asked.locked.length;
    asked.credit(1);
    await until(() => asked.locked.length > before || asked.last !== undefined);
    return ids(asked.locked).at(-1) ?? 0;
  };
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  t.equal(asked.locked.length, 0, 'nothing without credit');
  t.equal(await next(), 1);
  t.equal(await other.tell(readId(1)), 'ERR_LOCKED');
  const [first] = orders;
  if (first === undefined) throw new TypeError('there are many');
  const record = Buffer.from(orderText({ ...first, note: 'changed' }));
  t.equal(await session.tell({ verb: 'write', record }), 'stored', 'it is the current record');
  t.equal(await other.tell(readId(1)), 'record', 'and free after the write');
  t.equal(await next(), 6);
  t.equal(await session.tell({ verb: 'delete' }), 'done');
  t.equal(await next(), 11);
  t.equal(await session.tell({ verb: 'unlock' }), 'done');
  t.equal(await other.tell(readId(11)), 'record');
  t.equal(await next(), 16);
  t.equal(await next(), 21);
  t.equal(await other.tell(readId(16)), 'record', 'the next one freed it');
  asked.credit(1000);
  await asked.ended();
  t.strictSame(ids(asked.locked), californian);
  t.match(asked.selected, { records: californian.length });
  const last = californian.at(-1) ?? 0;
  t.equal(await other.tell(readId(last)), 'record', 'as does the end');
  t.equal(await session.tell(get(6)), 'absent');
  t.strictSame(session.unexpected, []);
});

both('locks in the order asked for', async (t, engine) => {
  const { session } = await makeOrders(t, engine, orders);
  const query = { where: 'total > 1.00', orderBy: ['-total'], limit: 7 };
  const plain = await ask(session, query);
  const asked = await ask(session, query, { locking: true });
  t.strictSame(asked.locked, plain.texts);
  t.equal(asked.selected.records, 7);
});

both('cancel and close free the record, a record of another read stays', async (t, engine) => {
  const file = await makeOrders(t, engine, orders);
  const { session } = file;
  const other = await makeOther(t, file);
  const one = begin(session, ofCalifornia, { locking: true, credit: 1 });
  await until(() => one.locked.length === 1);
  t.equal(await other.tell(readId(1)), 'ERR_LOCKED');
  one.cancel();
  t.equal((await one.ended()).outcome, 'ERR_ABORTED');
  t.equal(await other.tell(readId(1)), 'record');
  await other.call({ verb: 'unlock' });
  const two = begin(session, ofCalifornia, { locking: true, credit: 1 });
  await until(() => two.locked.length === 1);
  t.equal(await session.tell(readId(33)), 'record');
  two.cancel();
  await two.ended();
  t.equal(await other.tell(readId(33)), 'ERR_LOCKED', 'it was not the select that locked it');
  const three = begin(session, ofCalifornia, { locking: true, credit: 1 });
  await until(() => three.locked.length === 1);
  t.equal(await session.tell({ verb: 'close' }), 'done');
  t.equal(three.outcome, 'ERR_ABORTED');
  t.equal(await other.tell(readId(1)), 'record');
  t.strictSame(session.unexpected, []);
});

both('a record locked by others fails it, is left out, or is waited for', async (t, engine) => {
  const file = await makeOrders(t, engine, orders);
  const { session } = file;
  const other = await makeOther(t, file);
  await other.call(readId(11));
  const failed = await ask(session, ofCalifornia, { locking: true });
  t.strictSame([ids(failed.locked), failed.outcome], [[1, 6], 'ERR_LOCKED']);
  t.equal(await other.tell(readId(6)), 'record', 'what it had locked is free');
  await other.call(readId(11));
  const skipped = await ask(session, ofCalifornia, { locking: true, onLocked: 'skip' });
  t.strictSame(
    ids(skipped.locked),
    californian.filter((id) => id !== 11),
  );
  const patient = { locking: true, onLocked: 'wait', waitMs: 60_000 } as const;
  const waiting = begin(session, ofCalifornia, patient);
  await until(() => waiting.locked.length === 2);
  const changed = { id: 11, state: 'ZZ', total: 1, note: '' };
  await other.call({ verb: 'write', record: Buffer.from(orderText(changed)) });
  await waiting.ended();
  t.strictSame(
    ids(waiting.locked),
    californian.filter((id) => id !== 11),
    'behind the lock it does not match any more',
  );
  t.equal(await other.tell(readId(11)), 'record', 'and was given back');
  await other.call(readId(21));
  const cancelled = begin(session, ofCalifornia, patient);
  await until(() => cancelled.locked.length === 3);
  cancelled.cancel();
  t.equal((await cancelled.ended()).outcome, 'ERR_ABORTED', 'a wait ends at once');
  const leaving = begin(session, ofCalifornia, patient);
  await until(() => leaving.locked.length === 3);
  await session.close();
  t.equal(await other.tell(readId(16)), 'record', 'a client that went leaves no lock');
});

both('deletes what matches and says how many', async (t, engine) => {
  const many = makeOrderRows(500);
  const file = await makeOrders(t, engine, many);
  const { session } = file;
  const asked = await ask(session, { where: "state = 'CA'" }, { action: 'delete', credit: 0 });
  t.match(asked.selected, { records: 100, scanned: 100 }, 'by its key');
  const some = await ask(session, { orderBy: ['-total'], limit: 5 }, { action: 'delete' });
  t.equal(some.selected.records, 5);
  const left = many
    .filter(({ state }) => state !== 'CA')
    .sort((a, b) => b.total - a.total)
    .slice(5);
  t.strictSame(
    ids((await ask(session, { orderBy: ['id'] })).texts),
    left.map(({ id }) => id).sort((a, b) => a - b),
  );
  const rest = { where: "note <> 'x'", maxScan: 100 };
  let deleted = 0;
  for (let resume: Uint8Array | undefined; ; ) {
    const query = resume === undefined ? rest : { ...rest, resume };
    const { records, stopped } = (await ask(session, query, { action: 'delete' })).selected;
    deleted += records;
    if (stopped === undefined) break;
    resume = stopped.resume;
  }
  t.equal(deleted, left.length);
  t.equal((await ask(session, {}, { action: 'count' })).selected.records, 0);
  t.strictSame(session.unexpected, []);
});

both('a delete meets locked records three ways', async (t, engine) => {
  const file = await makeOrders(t, engine, orders);
  const { session } = file;
  const other = await makeOther(t, file);
  await other.call(readId(11));
  const failed = await ask(session, ofCalifornia, { action: 'delete' });
  t.match(failed.last, { code: 'ERR_LOCKED', message: /2 records were deleted before/ });
  const skipped = await ask(session, ofCalifornia, { action: 'delete', onLocked: 'skip' });
  t.equal(skipped.selected.records, californian.length - 3);
  await session.call(readId(2));
  const patient = { action: 'delete', onLocked: 'wait', waitMs: 60_000 } as const;
  const waiting = begin(session, { using: 0 }, patient);
  t.equal(await session.tell({ verb: 'ping' }), 'pong');
  await other.call({ verb: 'unlock' });
  const { records } = (await waiting.ended()).selected;
  t.equal(records, 60 - californian.length + 1, 'those of this very channel included');
  t.equal(await session.tell({ verb: 'write', record: Buffer.alloc(30) }), 'ERR_NOCURR');
  t.equal((await ask(session, {}, { action: 'count' })).selected.records, 0);
});

t.test('a delete lets requests of its channel and of others have their turn', async (t) => {
  const file = await makeOrders(t, 'lmdb', makeOrderRows(4000));
  const { session } = file;
  const other = await makeOther(t, file);
  const asked = begin(session, {}, { action: 'delete' });
  let turns = 0;
  while (asked.last === undefined) {
    await session.call(get(1));
    await other.call(get(1));
    // Answers of LMDB are there at once: without this the test would never let go.
    await new Promise(setImmediate);
    turns++;
  }
  t.equal(asked.selected.records, 4000);
  t.ok(turns > 50, `${turns} turns`);
});
