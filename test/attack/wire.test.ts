// What strangers and users may send to a running daemon: nothing of it may end, hang or fill the daemon,
// or keep others' records locked.

import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import type { Request } from '../../shared/protocol/message.js';
import { PREAMBLE } from '../../shared/protocol/version.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import { writeCertificate } from '../fixture/certificate.js';
import { type RunningDaemon, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import {
  frame,
  keyOf,
  openUpdate,
  outcomeOf,
  plainSpec,
  readLocked,
  recordOf,
  requestFrame,
  Stranger,
} from './stranger.js';

const MEBIBYTE = 1024 * 1024;
const hello: Request = { verb: 'hello', protocol: 1, software: 'stranger' };

/** A plain daemon over an empty directory. */
const startPlain = (t: Test): Promise<RunningDaemon> =>
  startDaemon(t, ['-n', '-u', 'shop', '-d', temporaryDirectory(t)]);

/** Makes a file with a few records and opens it as channel 1. */
async function openOrders(t: Test, port: number, recordBytes = 16): Promise<Stranger> {
  const owner = await Stranger.loggedIn(t, port);
  const format = recordBytes === 16 ? 'fixed' : 'variable';
  const spec = plainSpec({ record: { size: recordBytes, format } });
  await owner.ask({ verb: 'create', name: 'orders', spec });
  await owner.ask(openUpdate('orders'), 1);
  for (let number = 0; number < 4; number++) {
    await owner.ask({ verb: 'store', lock: 'none', record: recordOf(number, recordBytes) }, 1);
  }
  return owner;
}

/** A spec with as many keys as there may be, or so many. */
function wideSpec(keys: number): FileSpec {
  const spec = plainSpec();
  const [key] = spec.keys;
  if (key === undefined) throw new TypeError('the plain spec has a key');
  const named = (_: unknown, number: number) => ({
    ...key,
    name: `K${number}`,
    dups: 'fifo' as const,
  });
  return { ...spec, keys: Array.from({ length: keys }, named) };
}

/** Peak of the daemon's memory so far. */
function peakMemory({ process: { pid } }: RunningDaemon): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** Waits until a number has stopped changing. */
async function settled(look: () => number): Promise<number> {
  let last = Number.NaN;
  for (let same = 0; same < 20; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = look();
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return last;
}

t.test('bytes that are no frame get one error and the end of the connection', async (t) => {
  const daemon = await startPlain(t);
  const cases: readonly (readonly [string, Buffer])[] = [
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a length of 4 GiB', Buffer.concat([PREAMBLE, Buffer.alloc(4, 0xff)])],
    ['a length of 0', Buffer.concat([PREAMBLE, Buffer.alloc(4)])],
    ['a length below the header', Buffer.concat([PREAMBLE, Buffer.from([0, 0, 0, 7])])],
    ['more than a stranger may send', Buffer.concat([PREAMBLE, Buffer.from([0, 0, 0x10, 1])])],
    ['flags', Buffer.concat([PREAMBLE, Buffer.from('000000080301000000000001', 'hex')])],
    ['an unknown verb', Buffer.concat([PREAMBLE, frame(0x77, 0, 1)])],
    ['a verb of replies', Buffer.concat([PREAMBLE, frame(0x81, 0, 1)])],
    ['a body cut short', Buffer.concat([PREAMBLE, frame(0x20, 1, 1)])],
    ['a body too long', Buffer.concat([PREAMBLE, frame(0x03, 0, 1, Buffer.alloc(1))])],
  ];
  for (const [name, bytes] of cases) {
    const stranger = Stranger.connect(t, daemon.port);
    stranger.write(bytes);
    const { channel, id, ...said } = await stranger.next();
    t.match([said, channel, id], [{ verb: 'error', code: 'ERR_PROTOCOL' }, 0, 0], name);
    await stranger.closed();
    t.same(stranger.heard, [], `${name}: nothing else is said`);
  }
});

t.test('no verb does anything before hello and login, and both come once', async (t) => {
  const daemon = await startPlain(t);
  const verbs: readonly Request[] = [
    { verb: 'create', name: 'orders', spec: plainSpec() },
    openUpdate('orders'),
    { verb: 'close' },
    { verb: 'isinfo', request: 'SIZE', key: 0 },
    readLocked(1, 0),
    { verb: 'store', lock: 'none', record: recordOf(1) },
    { verb: 'scan', order: 0, direction: 'forward', credit: 1 },
  ];
  const stranger = Stranger.connect(t, daemon.port);
  stranger.write(PREAMBLE);
  for (const request of [{ verb: 'login' } as const, ...verbs]) {
    t.equal(await stranger.outcome(request, 1), 'ERR_PROTOCOL', `${request.verb} before hello`);
  }
  t.equal(await stranger.outcome(hello), 'hello');
  for (const request of [hello, ...verbs]) {
    t.equal(await stranger.outcome(request, 1), 'ERR_PROTOCOL', `${request.verb} before login`);
  }
  stranger.write(
    requestFrame({ verb: 'login' }, 0, 1),
    requestFrame({ verb: 'login' }, 0, 2),
    requestFrame({ verb: 'create', name: 'orders', spec: plainSpec() }, 0, 3),
  );
  const outcomes = [1, 2, 3].map((id) => stranger.next((heard) => heard.id === id));
  const said = (await Promise.all(outcomes)).map(outcomeOf);
  t.strictSame(said, ['login', 'ERR_PROTOCOL', 'ERR_PROTOCOL'], 'nothing slips in with the login');
  t.equal(await stranger.outcome({ verb: 'login' }), 'ERR_PROTOCOL', 'no second login');
  t.equal(await stranger.outcome(openUpdate('orders'), 1), 'ERR_FNF', 'none of it made a file');
});

t.test('the first request after the login may be as long as any', async (t) => {
  const daemon = await startPlain(t);
  const stranger = await Stranger.loggedIn(t, daemon.port);
  const spec = wideSpec(200);
  t.equal(await stranger.outcome({ verb: 'create', name: 'wide', spec }), 'done');
});

t.test('hostile definitions and batches are refused for what they are', async (t) => {
  const daemon = await startPlain(t);
  const bodies: readonly (readonly [string, number, string])[] = [
    ['a list of 4 billion', 0x11, '92a178ddffffffff'],
    ['a map of 4 billion', 0x11, '92a178dfffffffff'],
    ['lists in lists', 0x11, `92a178${'91'.repeat(5000)}c0`],
    ['a million of nothing', 0x11, `92a178dd000f4240${'c0'.repeat(1_000_000)}`],
    ['a prototype', 0x11, '92a17881a95f5f70726f746f5f5f80'],
    ['a record of 4 GiB', 0x25, 'ffffffff78'],
    ['more records than a batch has', 0x25, '00000000'.repeat(32_769)],
  ];
  for (const [name, verb, body] of bodies) {
    const stranger = await Stranger.loggedIn(t, daemon.port);
    stranger.write(frame(verb, 0, 7, Buffer.from(body, 'hex')));
    t.equal(outcomeOf(await stranger.next()), 'ERR_PROTOCOL', name);
    await stranger.closed();
  }
});

t.test('an id in use is refused, and the locks of a session that is gone are free', async (t) => {
  const daemon = await startPlain(t);
  const owner = await openOrders(t, daemon.port);
  t.equal(await owner.outcome(readLocked(1, 0), 1), 'record');
  const stranger = await Stranger.loggedIn(t, daemon.port);
  for (const channel of [1, 2, 3]) await stranger.ask(openUpdate('orders'), channel);
  t.equal(await stranger.outcome(readLocked(2, 0, 'manual'), 1), 'record');
  t.equal(await stranger.outcome(readLocked(3, 0, 'manual'), 2), 'record');

  stranger.send(readLocked(1, 600_000), 1, 77);
  stranger.send(readLocked(1, 600_000), 2, 77);
  t.equal(outcomeOf(await stranger.next()), 'ERR_PROTOCOL', 'a second wait under one id');
  stranger.send({ verb: 'store', lock: 'none', record: recordOf(9) }, 3, 77);
  t.equal(outcomeOf(await stranger.next()), 'stored', 'what does not wait does no harm');
  stranger.send({ verb: 'scan', order: 0, direction: 'forward', credit: 0 }, 3, 88);
  stranger.send({ verb: 'scan', order: 0, direction: 'forward', credit: 0 }, 3, 88);
  t.equal(outcomeOf(await stranger.next()), 'ERR_PROTOCOL', 'a second scan under one id');

  stranger.socket.destroy();
  await owner.ask(openUpdate('orders'), 2);
  t.equal(await owner.outcome(readLocked(2, 5000), 2), 'record', 'the lock of the first waiter');
  t.equal(await owner.outcome(readLocked(3, 5000), 2), 'record', 'the lock of the second');
});

t.test('large requests and replies behind a lock do not fill the daemon', async (t) => {
  const daemon = await startPlain(t);
  const owner = await openOrders(t, daemon.port, MEBIBYTE);
  const before = peakMemory(daemon);

  t.equal(await owner.outcome(readLocked(1, 0), 1), 'record');
  const writer = await Stranger.loggedIn(t, daemon.port);
  await writer.ask(openUpdate('orders'), 1);
  writer.send(readLocked(1, 600_000), 1, 1);
  const store = { verb: 'store', lock: 'none', record: recordOf(5, MEBIBYTE) } as const;
  for (let id = 2; id < 130; id++) writer.send(store, 1, id);
  const left = await settled(() => writer.socket.writableLength);
  t.ok(left > 64 * MEBIBYTE, 'most of 128 MiB of stores stay with the client');
  writer.socket.destroy();

  const reader = await Stranger.loggedIn(t, daemon.port);
  await reader.ask(openUpdate('orders'), 1);
  reader.send(readLocked(1, 600_000), 1, 1);
  const get = { verb: 'get', key: 0, value: keyOf(2) } as const;
  for (let id = 2; id < 202; id++) reader.send(get, 1, id);
  await owner.ask({ verb: 'ping' });
  reader.socket.pause();
  t.equal(await owner.outcome({ verb: 'unlock' }, 1), 'done');
  await settled(() => peakMemory(daemon));
  t.ok(peakMemory(daemon) - before < 100 * MEBIBYTE, '200 MiB of replies are not made at once');
  reader.socket.resume();
  await reader.next((heard) => heard.id === 201);
  t.equal(reader.heard.filter(({ verb }) => verb === 'record').length, 200, 'all come in the end');
});

t.test('long definitions of many opens are made as they are taken', async (t) => {
  const daemon = await startPlain(t);
  const owner = await Stranger.loggedIn(t, daemon.port);
  const fields = Array.from({ length: 2000 }, (_, number) => ({
    name: `F${number}`,
    type: 'alpha' as const,
    offset: 0,
    length: 1,
    overlay: true,
    description: 'd'.repeat(480),
  }));
  t.equal(
    await owner.outcome({ verb: 'create', name: 'wordy', spec: plainSpec({ fields }) }),
    'done',
  );
  const before = peakMemory(daemon);
  const reader = await Stranger.loggedIn(t, daemon.port);
  reader.socket.pause();
  for (let channel = 1; channel <= 200; channel++) {
    reader.send(openUpdate('wordy'), channel, channel);
  }
  await settled(() => peakMemory(daemon));
  t.equal(await owner.outcome({ verb: 'ping' }), 'pong', 'others go on');
  t.ok(peakMemory(daemon) - before < 100 * MEBIBYTE, '200 MiB of definitions are not held');
  reader.socket.destroy();
  await daemon.logLine(({ msg, session }) => msg === 'session ended' && session === 2);
});

/** Questions that take the server many turns. */
const FLOOD = 10_000;

t.test('a flood of slow questions lets others have their turn', async (t) => {
  const daemon = await startPlain(t);
  const [flooder, other] = [
    await Stranger.loggedIn(t, daemon.port),
    await Stranger.loggedIn(t, daemon.port),
  ];
  const spec = wideSpec(255);
  await flooder.ask({ verb: 'create', name: 'wide', spec });
  await flooder.ask(openUpdate('wide'), 1);
  const question = { verb: 'isinfo', request: 'DEPTH', key: 0 } as const;
  const frames = Array.from({ length: FLOOD }, (_, index) => requestFrame(question, 1, index + 1));
  flooder.write(...frames);
  await flooder.next(({ id }) => id === 1);
  t.equal(await other.outcome({ verb: 'ping' }), 'pong');
  t.notOk(
    flooder.heard.some(({ id }) => id === FLOOD),
    'answered in the middle of the flood',
  );
  await flooder.next(({ id }) => id === FLOOD);
});

t.test('a batch nobody waits for any more ends with its session', async (t) => {
  const daemon = await startPlain(t);
  const stranger = await Stranger.loggedIn(t, daemon.port);
  const spec = wideSpec(255);
  await stranger.ask({ verb: 'create', name: 'wide', spec });
  await stranger.ask(openUpdate('wide'), 1);
  const record = Buffer.concat([Buffer.from([0, 0, 0, 16]), recordOf(1)]);
  const batch = Buffer.concat(Array.from({ length: 32_768 }, () => record));
  stranger.write(frame(0x25, 1, 1, batch), frame(0x25, 1, 2, batch));
  const other = await Stranger.loggedIn(t, daemon.port);
  stranger.socket.destroy();
  await daemon.logLine(({ msg, session }) => msg === 'session ended' && session === 1);
  t.equal(await other.outcome(openUpdate('wide'), 1), 'open');
  const told = await other.ask({ verb: 'isinfo', request: 'NUMRECS', key: 0 }, 1);
  t.ok(told.verb === 'value' && Number(told.value) < 32_768, 'it stopped at a commit');
});

t.test('nobody renegotiates, and the log says nothing it should not', async (t) => {
  const directory = temporaryDirectory(t, 'data');
  const { bundle, ca } = await writeCertificate(directory);
  const daemon = await startDaemon(t, [
    ...['-encrypt', '-n', '-u', 'shop', '--log-level', 'trace'],
    ...[`-cert=${bundle}`, '-d', `${directory}/data`],
  ]);
  const socket = connectTls({
    port: daemon.port,
    host: 'localhost',
    ca: readFileSync(ca),
    maxVersion: 'TLSv1.2',
  });
  t.teardown(() => socket.destroy());
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const renegotiated = await new Promise<Error | null>((resolve) => {
    socket.once('error', resolve);
    socket.renegotiate({}, resolve);
  });
  t.ok(renegotiated instanceof Error, 'renegotiation is refused');

  const fresh = connectTls({ port: daemon.port, host: 'localhost', ca: readFileSync(ca) });
  t.teardown(() => fresh.destroy());
  fresh.on('error', () => undefined);
  await new Promise((resolve) => fresh.once('secureConnect', resolve));
  const software = 'x"\n{"level":60,"msg":"injected"}\u001b[31m';
  fresh.write(PREAMBLE);
  fresh.write(requestFrame({ verb: 'hello', protocol: 1, software }, 0, 1));
  await new Promise((resolve) => fresh.once('data', resolve));
  fresh.write(requestFrame({ verb: 'login', user: 'mary\n{}', password: 'S3CRET' }, 0, 2));
  await new Promise((resolve) => fresh.once('data', resolve));
  fresh.write(frame(0x77, 0, 1));
  await daemon.logLine(({ msg, user }) => msg === 'session ended' && user === 'shop');
  t.notMatch(JSON.stringify(daemon.log), /S3CRET|injected|mary/);
});
