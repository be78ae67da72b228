// Conversations: what comes when, what waits for what, how it ends. Which record a verb answers is
// compared with a model in test/integration.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Credentials } from '../../../server/access/peer-identity.js';
import type { Services } from '../../../server/operation/open.js';
import { RsyndError } from '../../../shared/base/error.js';
import {
  channelsPerSessionMax,
  lockWaitMsMax,
  loginAttemptsPerConnectionMax,
  scansPerSessionMax,
} from '../../../shared/base/limits.js';
import type { Reply, Request } from '../../../shared/protocol/message.js';
import { PROTOCOL_VERSION } from '../../../shared/protocol/version.js';
import { FaultyEngine } from '../../model/faulty-engine.js';
import { makeGround, plainSpec, SessionHarness, splitData } from '../../model/session-harness.js';

const hello: Request = { verb: 'hello', protocol: PROTOCOL_VERSION, software: 'test' };
const login: Request = { verb: 'login', user: 'shop' };
const first = { verb: 'read', target: { by: 'first', key: 0 }, lock: 'auto', waitMs: 0 } as const;
const next = { verb: 'reads', direction: 'forward', lock: 'auto', waitMs: 0 } as const;
const patient = { ...first, waitMs: 60_000 };
const store = (text: string): Request => ({
  verb: 'store',
  record: Buffer.from(text),
  lock: 'none',
});
const write = (text: string): Request => ({ verb: 'write', record: Buffer.from(text) });
const byKey = (value: string): Request => ({ verb: 'get', key: 0, value: Buffer.from(value) });
const allCredit = { verb: 'scan', order: 0, direction: 'forward', credit: 2 ** 22 } as const;

const isError = (reply: Reply): reply is Extract<Reply, { verb: 'error' }> =>
  reply.verb === 'error';
const textOf = (reply: Reply): string =>
  reply.verb === 'record' ? String(reply.record) : isError(reply) ? reply.code : reply.verb;

const makePair = (services: Services): [SessionHarness, SessionHarness] => [
  new SessionHarness(services, { owner: 1 }),
  new SessionHarness(services, { owner: 2 }),
];

/** A file of two records, AAAA0001 and BBBB0001, in memory, where every answer comes later. */
async function makeFile(
  t: Test,
): Promise<{ path: string; services: Services; faulty: FaultyEngine }> {
  const ground = makeGround('memory');
  const faulty = new FaultyEngine(ground.services.engine);
  const services = { ...ground.services, engine: faulty.engine };
  const path = join(t.testdir(), 'file.ism');
  const maker = new SessionHarness(services, { owner: 1000 });
  await maker.call({ verb: 'create', name: path, spec: plainSpec() });
  await maker.open(path);
  await maker.call(store('AAAA0001'));
  await maker.call(store('BBBB0001'));
  await maker.close();
  t.teardown(() => ground.close());
  return { path, services, faulty };
}

/** A promise and how to settle it. */
function latch(): { promise: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

t.test('a session greets, then logs in, then works; anything else is ERR_PROTOCOL', async (t) => {
  const { path, services } = await makeFile(t);
  const open: Request = { verb: 'open', name: path, mode: 'input', share: 'all', lock: 'none' };
  const others: readonly Request[] = [open, first, byKey('AAAA'), { verb: 'close' }, allCredit];
  const session = new SessionHarness(services, { stranger: true });
  for (const request of [login, ...others]) {
    t.equal(await session.tell(request), 'ERR_PROTOCOL', `${request.verb} before hello`);
  }
  t.equal(await session.tell({ ...hello, protocol: 99 }), 'ERR_PROTOCOL', 'another protocol');
  t.match(await session.call(hello), { verb: 'hello', protocol: PROTOCOL_VERSION });
  for (const request of [hello, ...others]) {
    t.equal(await session.tell(request), 'ERR_PROTOCOL', `${request.verb} before login`);
  }
  t.equal(session.session.isReady, false);
  t.match(await session.call(login), { verb: 'login', user: 'shop' });
  t.equal(session.session.user, 'shop');
  t.equal(await session.tell(hello), 'ERR_PROTOCOL', 'a second hello');
  t.equal(await session.tell(login), 'ERR_PROTOCOL', 'a second login');
  t.equal(await session.tell(open), 'open');
  t.equal(session.session.pending, 0);
  await session.close();
});

t.test('a ping is answered in every state', async (t) => {
  const { services } = await makeFile(t);
  const session = new SessionHarness(services, { stranger: true });
  const pings = async () => t.equal(await session.tell({ verb: 'ping' }), 'pong');
  await pings();
  await session.call(hello);
  await pings();
  await session.call(login);
  await pings();
  await session.close();
});

t.test('a refused login may be tried again, and two at once make one', async (t) => {
  const { services } = await makeFile(t);
  const authenticate = async ({ user, password }: Credentials) => {
    if (password !== 'right') throw new RsyndError('ERR_BADUSER', 'no', { subject: 'test' });
    return user ?? 'nobody';
  };
  const session = new SessionHarness(services, { stranger: true, authenticate });
  await session.call(hello);
  t.equal(await session.tell({ ...login, password: 'wrong' }), 'ERR_BADUSER');
  const right: Request = { verb: 'login', user: 'shop', password: 'right' };
  const both = await Promise.all([session.tell(right), session.tell({ ...right, user: 'root' })]);
  t.strictSame(both, ['login', 'ERR_PROTOCOL']);
  t.equal(session.session.user, 'shop');
  await session.close();
});

t.test('a connection may try so many logins, then even the right one is refused', async (t) => {
  const { services } = await makeFile(t);
  let asked = 0;
  const authenticate = () => {
    asked++;
    throw new RsyndError('ERR_BADUSER', 'no', { subject: 'test' });
  };
  const session = new SessionHarness(services, { stranger: true, authenticate });
  await session.call(hello);
  for (let count = 0; count < loginAttemptsPerConnectionMax; count++) await session.call(login);
  const reply = await session.call(login);
  t.match(reply, { code: 'ERR_BADUSER', message: /connect again/ });
  t.equal(asked, loginAttemptsPerConnectionMax, 'nobody was asked about the last one');
  await session.close();
});

t.test('every request about a channel that is not open is ERR_NOOPEN', async (t) => {
  const { services } = await makeFile(t);
  const session = new SessionHarness(services);
  const requests: readonly Request[] = [
    { verb: 'close' },
    { verb: 'isinfo', request: 'SIZE', key: 0 },
    first,
    next,
    { verb: 'find', target: first.target, lock: 'none', waitMs: 0 },
    byKey('AAAA'),
    store('CCCC0001'),
    { verb: 'storeMany', records: [] },
    write('AAAA0002'),
    { verb: 'delete' },
    { verb: 'unlock' },
    allCredit,
  ];
  for (const request of requests)
    t.equal(await session.tell(request, 7), 'ERR_NOOPEN', request.verb);
  t.equal(session.session.channelCount, 0);
  await session.close();
});

t.test('a second open on a channel is refused and the first goes on', async (t) => {
  const { path, services } = await makeFile(t);
  const session = new SessionHarness(services);
  await session.open(path);
  t.match(await session.open(path), { verb: 'error', code: 'ERR_PROTOCOL' });
  t.equal(textOf(await session.call(first)), 'AAAA0001');
  t.equal(session.session.channelCount, 1);
  await session.close();
});

t.test('requests of one channel are carried out in order, however fast they come', async (t) => {
  const { path, services } = await makeFile(t);
  const session = new SessionHarness(services);
  const open = { verb: 'open', name: path, mode: 'update', share: 'all', lock: 'auto' } as const;
  const sequence: readonly [Request, string][] = [
    [open, 'open'],
    [first, 'AAAA0001'],
    [write('AAAA0002'), 'stored'],
    [byKey('AAAA'), 'AAAA0002'],
    [{ verb: 'close' }, 'done'],
    [next, 'ERR_NOOPEN'],
    [open, 'open'],
    [open, 'ERR_PROTOCOL'],
    [next, 'AAAA0002'],
    [next, 'BBBB0001'],
    [{ verb: 'close' }, 'done'],
    [{ verb: 'close' }, 'ERR_NOOPEN'],
    [{ ...open, name: `${path}.not` }, 'ERR_FNF'],
    [next, 'ERR_NOOPEN'],
    [open, 'open'],
    [first, 'AAAA0002'],
  ];
  const answers = await Promise.all(sequence.map(([request]) => session.call(request)));
  t.strictSame(
    answers.map(textOf),
    sequence.map(([, expected]) => expected),
  );
  t.strictSame(
    session.replies.map(({ id }) => id),
    sequence.map((_, index) => index + 1),
    'and answered in order',
  );
  t.equal(session.session.pending, 0);
  t.equal(session.session.channelCount, 1, 'a channel that is not open takes no room');
  await session.close();
});

t.test(
  'stores of one channel are under way together, and come before what follows them',
  async (t) => {
    const { path, services, faulty } = await makeFile(t);
    const session = new SessionHarness(services);
    await session.open(path);
    const gate = latch();
    faulty.gates.set('insert', gate.promise);
    const begun: string[] = [];
    faulty.onStep = (step) => void begun.push(step);
    const texts = ['CCCC0001', 'AAAA0002', 'DDDD0001'];
    const stores = texts.map((text) => session.call(store(text)));
    const behind = session.call(byKey('DDDD'));
    const stored = session.call(store('EEEE0001'));
    t.strictSame(begun, ['insert', 'insert', 'insert'], 'so that they can share a commit');
    gate.open();
    t.strictSame((await Promise.all(stores)).map(textOf), ['stored', 'ERR_NODUPS', 'stored']);
    t.equal(textOf(await behind), 'DDDD0001');
    t.equal(textOf(await stored), 'stored');
    t.equal(session.session.pending, 0);
    await session.close();
  },
);

t.test('a channel that waits for a lock does not hold up another', async (t) => {
  const { path, services } = await makeFile(t);
  const [holder, session] = makePair(services);
  await holder.open(path);
  await holder.call(first);
  await session.open(path, {}, 1);
  await session.open(path, {}, 2);
  const waiting = session.send(patient, 1);
  const behind = session.send(byKey('BBBB'), 1);
  t.equal(textOf(await session.call(byKey('AAAA'), 2)), 'AAAA0001');
  t.equal(session.session.pending, 2);
  await holder.call({ verb: 'unlock' });
  t.equal(textOf(await waiting.reply), 'AAAA0001');
  t.equal(textOf(await behind.reply), 'BBBB0001');
  await Promise.all([holder.close(), session.close()]);
});

t.test('a waiting read can be cancelled: ERR_ABORTED, and it holds nothing', async (t) => {
  const { path, services } = await makeFile(t);
  const [holder, session] = makePair(services);
  await holder.open(path);
  await holder.call(first);
  await session.open(path);
  for (const request of [patient, { ...next, waitMs: 60_000 }]) {
    const waiting = session.send(request);
    await session.call({ verb: 'ping' });
    session.session.handle({ verb: 'cancel' }, 1, waiting.id);
    t.equal(textOf(await waiting.reply), 'ERR_ABORTED', request.verb);
  }
  await holder.call({ verb: 'unlock' });
  t.match(await holder.call(first), { verb: 'record', locked: true }, 'nobody else has it');
  await holder.call({ verb: 'unlock' });
  t.equal(textOf(await session.call(next)), 'AAAA0001', 'the position has not moved');
  t.equal(session.session.pending, 0);
  await Promise.all([holder.close(), session.close()]);
});

t.test('a request that waits its turn can be cancelled; those behind it move up', async (t) => {
  const { path, services } = await makeFile(t);
  const session = new SessionHarness(services);
  await session.open(path);
  const stored = session.send(store('CCCC0001'));
  const between = session.send(byKey('CCCC'));
  const cancelled = session.send(store('DDDD0001'));
  const behind = session.send(byKey('DDDD'));
  session.session.handle({ verb: 'cancel' }, 1, cancelled.id);
  t.equal(textOf(await cancelled.reply), 'ERR_ABORTED');
  t.equal(textOf(await stored.reply), 'stored');
  t.equal(textOf(await between.reply), 'CCCC0001', 'a read waits for the store before it');
  t.equal(textOf(await behind.reply), 'absent', 'it was not carried out');
  session.session.handle({ verb: 'cancel' }, 1, 9999);
  session.session.handle({ verb: 'credit', bytes: 10 }, 1, 9999);
  t.equal(textOf(await session.call(byKey('CCCC'))), 'CCCC0001', 'unknown ids are ignored');
  await session.close();
});

t.test('waits have a bound, and end in their budget', async (t) => {
  const { path, services } = await makeFile(t);
  const [holder, session] = makePair(services);
  await holder.open(path);
  await holder.call(first);
  await session.open(path);
  t.equal(await session.tell({ ...first, waitMs: lockWaitMsMax + 1 }), 'ERR_INVARG');
  t.equal(await session.tell({ ...first, waitMs: 0 }), 'ERR_LOCKED');
  t.equal(await session.tell({ ...first, waitMs: 20 }), 'ERR_LOCKED');
  await Promise.all([holder.close(), session.close()]);
});

t.test(
  'two sessions that wait for each other: one gets ERR_DEADLOCK, the other its record',
  async (t) => {
    const { path, services } = await makeFile(t);
    const [one, two] = makePair(services);
    const last = { ...first, target: { by: 'last', key: 0 } } as const;
    await one.open(path);
    await two.open(path);
    await one.call({ ...first, lock: 'manual' });
    await two.call({ ...last, lock: 'manual' });
    const lost = (session: SessionHarness, request: Request) =>
      session.call(request).then((reply) => ({ reply, session }));
    const waiting = [lost(one, { ...last, waitMs: 60_000 }), lost(two, patient)];
    const { reply, session: loser } = await Promise.race(waiting);
    t.match(reply, { verb: 'error', code: 'ERR_DEADLOCK', retryable: true });
    t.match(reply, { message: /tester@1.*tester@2|tester@2.*tester@1/ }, 'naming both sides');
    await loser.close();
    const answers = await Promise.all(waiting);
    t.strictSame(answers.map((answer) => answer.reply.verb).sort(), ['error', 'record']);
    await Promise.all([one.close(), two.close()]);
  },
);

t.test('a session has at most so many channels, and one more once one is closed', async (t) => {
  const { path, services } = await makeFile(t);
  const session = new SessionHarness(services);
  const opens = Array.from({ length: channelsPerSessionMax }, (_, channel) =>
    session.open(path, { mode: 'input' }, channel),
  );
  t.ok((await Promise.all(opens)).every(({ verb }) => verb === 'open'));
  const refused = await session.open(path, { mode: 'input' }, channelsPerSessionMax);
  t.match(refused, { verb: 'error', code: 'ERR_CHNEXC', retryable: true });
  await session.call({ verb: 'close' }, 5);
  t.equal((await session.open(path, { mode: 'input' }, channelsPerSessionMax)).verb, 'open');
  await session.close();
});

t.test('a session has at most so many scans, and one more once one has ended', async (t) => {
  const { path, services } = await makeFile(t);
  const session = new SessionHarness(services);
  await session.open(path, { mode: 'input' });
  const stalled: Request = { ...allCredit, credit: 0 };
  const scans = Array.from({ length: scansPerSessionMax }, () => session.send(stalled));
  t.equal(await session.tell(allCredit), 'ERR_CHNEXC');
  const [one, two] = scans;
  if (one === undefined || two === undefined) throw new TypeError('there are many');
  session.session.handle({ verb: 'cancel' }, 1, one.id);
  t.equal(textOf(await one.reply), 'ERR_ABORTED');
  t.equal(await session.tell(allCredit), 'end');
  session.session.handle({ verb: 'credit', bytes: 100 }, 1, two.id);
  t.match(await two.reply, { verb: 'end', records: 2 });
  t.equal(await session.tell({ verb: 'close' }), 'done');
  const others = await Promise.all(scans.slice(2).map(({ reply }) => reply));
  t.ok(
    others.every((reply) => textOf(reply) === 'ERR_ABORTED'),
    'closing the channel ends the rest',
  );
  t.equal(session.session.pending, 0);
  await session.close();
});

t.test(
  'a scan makes as much as it has credit for, and nothing while output is stalled',
  async (t) => {
    const { path, services } = await makeFile(t);
    const session = new SessionHarness(services);
    await session.open(path);
    const large = Array.from({ length: 20_000 }, (_, n) =>
      Buffer.from(n.toString(36).toUpperCase().padStart(4, '0') + n.toString(36).padStart(4, '.')),
    );
    await session.call({ verb: 'storeMany', records: large });
    await session.call(first);
    const scan = session.send({ ...allCredit, order: 'stored', credit: 1 });
    const frames = () => session.dataOf(scan.id).length;
    while (frames() < 1) await session.call(byKey('AAAA'));
    for (let turn = 0; turn < 20; turn++) await session.call(byKey('AAAA'));
    t.equal(frames(), 1, 'credit is spent by the first frame');
    session.isCongested = true;
    session.session.handle({ verb: 'credit', bytes: 2 ** 22 }, 1, scan.id);
    for (let turn = 0; turn < 20; turn++) await session.call(byKey('AAAA'));
    t.equal(frames(), 1, 'a client that does not read gets no more');
    session.drain();
    t.match(await scan.reply, { verb: 'end', records: 20_002 });
    const records = session.dataOf(scan.id).flatMap(splitData);
    t.equal(new Set(records.map(String)).size, 20_002, 'every record came, once');
    t.equal(
      textOf(await session.call(write('AAAA0009'))),
      'ERR_KEYNOT',
      'the current record is still',
    );
    t.equal(textOf(await session.call(next)), '0001...1', 'the first one, as is the position');
    await session.close();
  },
);

t.test('closing a session frees its locks, claims, files and waits', async (t) => {
  const { path, services, faulty } = await makeFile(t);
  const [session, other] = makePair(services);
  await other.open(path);
  await session.open(path, { share: 'all' }, 1);
  await session.open(path, { share: 'all' }, 2);
  await session.call(first, 1);
  await session.call({ ...first, target: { by: 'last', key: 0 }, lock: 'manual' }, 2);
  const waiting = session.send(patient, 2);
  t.equal(await other.tell(first), 'ERR_LOCKED');
  const closing = session.close();
  t.equal(session.close(), closing, 'it closes once');
  await closing;
  t.equal(textOf(await waiting.reply), 'ERR_ABORTED');
  t.equal(session.session.channelCount, 0);
  t.equal(session.session.pending, 0);
  t.equal(await other.tell(first), 'record');
  t.equal(await other.tell(next), 'record');
  await other.call({ verb: 'close' });
  t.equal((await other.open(path, { share: 'exclusive' })).verb, 'open', 'no claim is left');
  session.session.handle(byKey('AAAA'), 1, 4711);
  t.notOk(
    session.replies.some(({ id }) => id === 4711),
    'and it takes nothing any more',
  );
  await other.close();
  t.equal(faulty.openFiles, 0);
});

t.test(
  'a change under way ends before its lock is freed; what waited behind it is dropped',
  async (t) => {
    const { path, services, faulty } = await makeFile(t);
    const [session, other] = makePair(services);
    await session.open(path);
    await other.open(path);
    await session.call(first);
    const gate = latch();
    faulty.gates.set('update', gate.promise);
    const writing = session.send(write('AAAA0002'));
    session.send(store('DDDD0001'));
    const closing = session.close();
    const waiting = other.call(patient);
    t.equal(await other.tell({ verb: 'ping' }), 'pong');
    gate.open();
    await closing;
    t.equal((await writing.reply).verb, 'stored');
    t.equal(textOf(await waiting), 'AAAA0002', 'the next holder of the lock sees the change');
    t.equal(textOf(await other.call(byKey('DDDD'))), 'absent');
    await other.close();
    t.equal(faulty.openFiles, 0);
  },
);

t.test('a file that is opened while its session ends is closed again', async (t) => {
  const { path, services, faulty } = await makeFile(t);
  const session = new SessionHarness(services);
  const opening = session.open(path, { share: 'exclusive' });
  await session.close();
  t.equal(textOf(await opening), 'ERR_ABORTED');
  t.equal(faulty.openFiles, 0);
  const other = new SessionHarness(services, { owner: 2 });
  t.equal((await other.open(path, { share: 'exclusive' })).verb, 'open');
  await other.close();
});

t.test('an unexpected error is ERR_IOFAIL to the client and told in full to the log', async (t) => {
  const { path, services, faulty } = await makeFile(t);
  const session = new SessionHarness(services);
  const secret = new Error('/srv/secret/path: record AAAA0001 of customer Miller');
  const cases: readonly (readonly [Parameters<typeof faulty.faults.set>[0], Request])[] = [
    ['find', byKey('AAAA')],
    ['seek', first],
    ['seek', next],
    ['fetch', first],
    ['insert', store('CCCC0001')],
    ['insertMany', { verb: 'storeMany', records: [Buffer.from('CCCC0001')] }],
    ['facts', { verb: 'isinfo', request: 'NUMRECS', key: 0 }],
    ['scan', allCredit],
    ['scan', { ...allCredit, order: 'stored' }],
    ['close', { verb: 'close' }],
    ['open', { verb: 'open', name: path, mode: 'input', share: 'all', lock: 'none' }],
  ];
  await session.open(path);
  for (const [step, request] of cases) {
    faulty.faults.set(step, secret);
    const reply = await session.call(request);
    faulty.faults.clear();
    t.match(reply, { verb: 'error', code: 'ERR_IOFAIL' }, `${request.verb} when ${step} fails`);
    t.notMatch(JSON.stringify(reply), /secret|Miller|AAAA|stack/);
    t.strictSame(session.unexpected.splice(0), [secret], 'the log has it');
  }
  t.equal(session.session.pending, 0);
  await session.close();
});

t.test('expected errors are no business of the log', async (t) => {
  const { path, services } = await makeFile(t);
  const session = new SessionHarness(services);
  await session.open(path);
  t.equal(await session.tell(store('AAAA0001')), 'ERR_NODUPS');
  t.equal(await session.tell({ ...allCredit, order: 9 }), 'ERR_BADKEY');
  t.strictSame(session.unexpected, []);
  await session.close();
});
