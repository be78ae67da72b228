// A connection through its life: connecting, many calls at once, streams, and every way it can end. Over real
// sockets against a fake server; what a call means is tested with the channels.

import { once } from 'node:events';
import t, { type Test } from 'tap';
import { startCall } from '../../../client/connection/call.js';
import { Exchange, type Waiter } from '../../../client/connection/exchange.js';
import { connect, isRsyndError, open, RsyndError } from '../../../client/index.js';
import {
  frameBytesMax,
  requestsInFlightMax,
  streamCreditBytes,
} from '../../../shared/base/limits.js';
import type { Request } from '../../../shared/protocol/message.js';
import { type Asked, type FakeOptions, rfaOf, startFake, startRaw } from '../fake-server.js';

const IN_CLEAR = { encrypt: false } as const;

async function errorOf(work: Promise<unknown>): Promise<RsyndError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (isRsyndError(error)) return error;
  throw new Error('it should have failed with an RsyndError', { cause: error });
}

/** A channel over a connection of its own to a fake. */
async function openFake(t: Test, options: FakeOptions, more: object = {}) {
  const fake = await startFake(t, options);
  const connection = await connect(fake.address, { ...IN_CLEAR, ...more });
  t.teardown(() => connection.close());
  return { fake, connection, channel: await connection.open('x', { mode: 'update' }) };
}

const record = (text: string) => Buffer.from(text.padEnd(8), 'latin1');

const answerGet = ({ request, reply }: Asked): boolean => {
  if (request.verb !== 'get') return false;
  const bytes = record(Buffer.from(request.value).toString('latin1'));
  reply({ verb: 'record', rfa: rfaOf(1), crc: 1, locked: false, record: bytes });
  return true;
};

const ignoring =
  (...verbs: Request['verb'][]) =>
  ({ request }: Asked): boolean =>
    verbs.includes(request.verb);

t.test('connecting fails with the code that fits, inside the budget', async (t) => {
  const silent = await startRaw(t, () => {});
  const mute = await startRaw(t, (socket) => socket.on('data', () => {}));
  const web = await startRaw(t, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const gone = await startFake(t);
  await gone.close();
  const cases: [string, string, object, string, RegExp][] = [
    ['nobody listens', gone.address, {}, 'ERR_NOSERVER', /not running on 127.0.0.1/],
    ['unknown host', 'no-such-host.invalid', {}, 'ERR_BADHOST', /"no-such-host.invalid"/],
    ['silent', `127.0.0.1:${silent}`, { timeoutMs: 60 }, 'ERR_TIMEOUT', /60 ms/],
    ['silent, TLS', `127.0.0.1:${mute}`, { timeoutMs: 60, encrypt: true }, 'ERR_TIMEOUT', /./],
    ['silent, plain', `127.0.0.1:${mute}`, { timeoutMs: 60, ...IN_CLEAR }, 'ERR_TIMEOUT', /./],
    ['not ours', `127.0.0.1:${web}`, IN_CLEAR, 'ERR_PROTOCOL', /does not answer as an rsynd/],
  ];
  for (const [name, address, options, code, message] of cases) {
    const error = await errorOf(connect(address, options));
    t.equal(error.code, code, name);
    t.match(error.message, message, name);
    t.ok(error.host, `${name}: names the host`);
  }
  const other = await startFake(t, {
    answer: ({ reply }) => {
      reply({ verb: 'hello', protocol: 9, software: 'x', heartbeatMs: 0 });
      return true;
    },
  });
  t.match((await errorOf(connect(other.address))).message, /protocol 9, this client 1/);
});

t.test('a refused login is passed on, and nothing is left open', async (t) => {
  const message = 'Bad username, login rejected on x: nobody is called so';
  const fake = await startFake(t, {
    answer: ({ request, reply }) => {
      if (request.verb !== 'login') return false;
      reply({ verb: 'error', code: 'ERR_BADUSER', message, retryable: false });
      return true;
    },
  });
  const error = await errorOf(connect(fake.address, { user: 'shop', password: 'secret' }));
  t.equal(error.code, 'ERR_BADUSER');
  t.equal(error.message, message);
  const { request, connection } = await fake.seen('login');
  t.match(request, { user: 'shop', password: 'secret' });
  if (!connection.socket.destroyed) await once(connection.socket, 'close');
});

t.test('calls of one turn leave in one write, and replies find their call by id', async (t) => {
  const held: Asked[] = [];
  const { fake, channel } = await openFake(t, {
    answer: (asked) => {
      if (asked.request.verb !== 'get') return false;
      // Answered backwards, so that only the id can tell.
      if (held.push(asked) === 50) for (const one of held.reverse()) answerGet(one);
      return true;
    },
  });
  const chunks = fake.connections[0]?.received ?? [];
  const before = chunks.length;
  const keys = Array.from({ length: 50 }, (_, index) => String(index));
  const got = await Promise.all(keys.map((key) => channel.get(key)));
  t.strictSame(got.map(String), keys.map(record).map(String));
  t.equal(chunks.length - before, 1, 'one write');
});

t.test('calls beyond those in flight wait instead of failing', async (t) => {
  const held: Asked[] = [];
  let most = 0;
  let isReleased = false;
  const { fake, channel } = await openFake(t, {
    answer: (asked) => {
      if (asked.request.verb !== 'get') return false;
      if (isReleased) return answerGet(asked);
      held.push(asked);
      most = held.length;
      // The answer to a ping comes behind everything that was sent before it.
      if (most === requestsInFlightMax) asked.connection.reply({ verb: 'ping' }, 0, 0);
      return true;
    },
  });
  const all = Promise.all(Array.from({ length: 3000 }, (_, n) => channel.get(String(n))));
  await fake.seen('ping');
  t.equal(most, requestsInFlightMax);
  isReleased = true;
  for (const asked of held) answerGet(asked);
  t.equal((await all).length, 3000);
});

t.test('a socket that takes nothing holds requests back, in order, until it does', async (t) => {
  const { fake, channel } = await openFake(t, {
    answer: ({ request, reply }) => {
      if (request.verb !== 'store') return false;
      reply({ verb: 'stored', rfa: rfaOf(request.record[0] ?? 0), crc: 1, locked: false });
      return true;
    },
  });
  const socket = fake.connections[0]?.socket;
  socket?.pause();
  const stores = Array.from({ length: 48 }, (_, n) => channel.store(Buffer.alloc(2 ** 20, n)));
  setImmediate(() => setImmediate(() => socket?.resume()));
  const rfas = await Promise.all(stores);
  t.strictSame(
    rfas.map((rfa) => rfa[5]),
    rfas.map((_, n) => n),
  );
});

t.test('the exchange sends only while there is room, and forgets what is withdrawn', async (t) => {
  const sent: Request[] = [];
  const transport = {
    isCongested: false,
    send(_channel: number, _id: number, request: Request) {
      sent.push(request);
      this.isCongested = sent.length >= 2;
    },
  };
  const exchange = new Exchange(transport);
  const failures: string[] = [];
  const waiter = (key: number): Waiter => ({
    id: 0,
    channel: 1,
    deadlineAt: Number.POSITIVE_INFINITY,
    request: { verb: 'get', key, value: Buffer.alloc(0) },
    take: () => true,
    expire: () => undefined,
    fail: (error) => failures.push(`${key} ${error.code}`),
  });
  const [one, two, three, four] = [waiter(1), waiter(2), waiter(3), waiter(4)];
  for (const each of [one, two, three, four]) exchange.submit(each);
  const sentKeys = () => sent.map((request) => ('key' in request ? request.key : request.verb));
  t.strictSame(sentKeys(), [1, 2], 'the rest waits');
  exchange.withdraw(three);
  transport.isCongested = false;
  exchange.resume();
  t.strictSame(sentKeys(), [1, 2, 4], 'what was withdrawn never leaves');
  exchange.withdraw(one);
  t.strictSame(sentKeys(), [1, 2, 4, 'cancel'], 'what has left is cancelled');
  t.throws(() => exchange.receive(1, 99, { verb: 'done' }), { code: 'ERR_PROTOCOL' });
  exchange.fail(await errorOf(connect('[bad')));
  t.strictSame(failures, ['1 ERR_BADHOST', '2 ERR_BADHOST', '4 ERR_BADHOST']);
});

t.test('calls share a timer, and each has its own deadline', async (t) => {
  const exchange = new Exchange({ isCongested: false, send: () => undefined });
  const call = (timeoutMs: number) =>
    errorOf(startCall(exchange, '', { verb: 'close' }, 1, { timeoutMs }));
  let isPatientOver = false;
  const patient = call(3_600_000).finally(() => {
    isPatientOver = true;
  });
  t.equal((await call(5)).code, 'ERR_TIMEOUT', 'an earlier deadline than the one waited for');
  const errors = await Promise.all([call(15), call(5), call(10)]);
  t.ok(errors.every(({ code }) => code === 'ERR_TIMEOUT'));
  t.equal(isPatientOver, false, 'the later one is still waited for');
  exchange.fail(new RsyndError('ERR_NETPROB', 'gone'));
  t.equal((await patient).code, 'ERR_NETPROB');
});

t.test('a call that takes too long is cancelled, and the connection stays good', async (t) => {
  const { fake, channel } = await openFake(t, {
    answer: (asked) => {
      if (asked.request.verb === 'read') return true;
      return answerGet(asked);
    },
  });
  const error = await errorOf(channel.read('1', { timeoutMs: 30 }));
  t.equal(error.code, 'ERR_TIMEOUT');
  t.equal(error.retryable, true);
  t.equal(error.file, 'x');
  const cancel = await fake.seen('cancel');
  const read = await fake.seen('read');
  t.equal(cancel.id, read.id, 'the server is told');
  read.reply({ verb: 'record', rfa: rfaOf(1), crc: 1, locked: true, record: record('1') });
  const unlock = await fake.seen('unlock');
  t.match(unlock.request, { verb: 'unlock', rfa: rfaOf(1) }, 'a lock that came late is freed');
  t.equal(String(await channel.get('2')), String(record('2')));
});

t.test('the wait for a lock comes on top of the budget', async (t) => {
  const { channel } = await openFake(t, {
    answer: ({ request, reply }) => {
      if (request.verb !== 'read') return false;
      const answer = { rfa: rfaOf(1), crc: 1, locked: true, record: record('1') };
      setTimeout(() => reply({ verb: 'record', ...answer }), 40);
      return true;
    },
  });
  t.equal(String(await channel.read('1', { timeoutMs: 5, waitMs: 10_000 })), String(record('1')));
});

t.test('a change that was not answered says that it may have happened', async (t) => {
  const { channel } = await openFake(t, { answer: ignoring('store', 'write') });
  for (const call of [
    channel.store(record('1'), { timeoutMs: 10 }),
    channel.write(record('1'), { timeoutMs: 10 }),
  ]) {
    t.match((await errorOf(call)).message, /may have been carried out/);
  }
});

t.test('a signal gives up one call, or all of a channel', async (t) => {
  const controller = new AbortController();
  const fake = await startFake(t, { answer: ignoring('read', 'scan') });
  const channel = await open(`x@${fake.address}`, { ...IN_CLEAR, signal: controller.signal });
  const own = new AbortController();
  const first = channel.read('1', { signal: own.signal });
  const others = [channel.read('2'), channel.read('3'), channel[Symbol.asyncIterator]().next()];
  await fake.seen('scan');
  own.abort(new Error('enough'));
  const error = await errorOf(first);
  t.equal(error.code, 'ERR_ABORTED');
  t.match(error.cause, { message: 'enough' });
  controller.abort();
  for (const other of others) t.equal((await errorOf(other)).code, 'ERR_ABORTED');
  t.equal((await errorOf(channel.get('1'))).code, 'ERR_ABORTED', 'later calls too');
  await fake.seen('cancel', 4);
  await channel.close();
  const early = open(`x@${fake.address}`, { ...IN_CLEAR, signal: AbortSignal.abort() });
  t.equal((await errorOf(early)).code, 'ERR_ABORTED');
});

t.test('a hundred calls or opens under one signal cause no warning', async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const { fake, channel } = await openFake(t, { answer: answerGet });
  const { signal } = new AbortController();
  const hundred = Array.from({ length: 100 }, (_, n) => String(n));
  await Promise.all(hundred.map((key) => channel.get(key, { signal })));
  const options = { ...IN_CLEAR, signal };
  const channels = await Promise.all(hundred.map(() => open(`x@${fake.address}`, options)));
  await Promise.all(channels.map((each) => each.close()));
  await new Promise(setImmediate);
  t.strictSame(warnings, []);
});

t.test(
  'when the server dies every call and stream rejects, and so does what follows',
  async (t) => {
    const { fake, connection, channel } = await openFake(t, { answer: ignoring('get', 'scan') });
    const calls = [channel.get('1'), channel.get('2'), channel[Symbol.asyncIterator]().next()];
    const last = await fake.seen('scan');
    last.connection.socket.destroy();
    for (const call of calls) {
      const error = await errorOf(call);
      t.equal(error.code, 'ERR_NETPROB');
      t.match(error.message, /^Network problem reaching server 127.0.0.1/);
      t.equal(error.retryable, true);
    }
    t.equal((await errorOf(channel.get('3'))).code, 'ERR_NETPROB');
    t.equal((await errorOf(connection.open('y'))).code, 'ERR_NETPROB');
    await channel.close();
    await connection.close();
  },
);

const garbage: [string, (asked: Asked) => void, string][] = [
  [
    'no frame',
    ({ connection }) => connection.socket.write('nonsense of all kinds'),
    'ERR_PROTOCOL',
  ],
  [
    'a reply nobody asked for',
    ({ connection }) => connection.reply({ verb: 'done' }, 1, 4711),
    'ERR_PROTOCOL',
  ],
  [
    'a reply on another channel',
    ({ connection, id }) => connection.reply({ verb: 'absent' }, 77, id),
    'ERR_PROTOCOL',
  ],
  [
    'last words',
    ({ connection }) =>
      connection.reply(
        { verb: 'error', code: 'ERR_TIMEOUT', message: 'server stops', retryable: true },
        0,
        0,
      ),
    'ERR_TIMEOUT',
  ],
];

for (const [name, send, code] of garbage) {
  t.test(`${name} ends the connection for all who wait`, async (t) => {
    const { channel } = await openFake(t, {
      answer: (asked) => {
        if (asked.request.verb === 'get') send(asked);
        return asked.request.verb === 'get';
      },
    });
    const [one, two] = await Promise.all([errorOf(channel.get('1')), errorOf(channel.get('2'))]);
    t.equal(one.code, code);
    t.equal(two.code, code);
  });
}

t.test('a reply of the wrong kind fails its call only', async (t) => {
  const { channel } = await openFake(t, {
    answer: (asked) => {
      if (asked.request.verb === 'reads') asked.reply({ verb: 'done' });
      return asked.request.verb === 'reads' || answerGet(asked);
    },
  });
  t.equal((await errorOf(channel.reads())).code, 'ERR_PROTOCOL');
  t.ok(await channel.get('1'));
});

t.test('a server that falls silent is given up after two beats', async (t) => {
  const { fake, channel } = await openFake(t, {
    heartbeatMs: 80,
    answer: ignoring('ping', 'get'),
  });
  const error = await errorOf(channel.get('1'));
  t.equal(error.code, 'ERR_NETPROB');
  t.match(error.message, /nothing was heard of it for \d+ ms/);
  t.match((await fake.seen('ping')).request, { verb: 'ping' }, 'it was asked first');
});

t.test('a ping of the server is answered', async (t) => {
  const { fake, channel } = await openFake(t, { answer: answerGet });
  fake.connections[0]?.reply({ verb: 'ping' }, 0, 0);
  await fake.seen('ping');
  t.ok(await channel.get('1'));
});

/** Sends `frames` data frames of 64 KiB, as far as there is credit, and counts what was granted. */
function streamer(frames: number) {
  const state = { credit: 0, sent: 0, granted: 0, isCancelled: false };
  const bytes = Buffer.alloc(64 * 1024, 'x');
  const pump = ({ connection, channel, id }: Asked) => {
    const reply = (one: Parameters<typeof connection.reply>[0]) =>
      connection.reply(one, channel, id);
    while (state.credit > 0 && state.sent < frames && !state.isCancelled) {
      state.credit -= bytes.length;
      state.sent++;
      reply({ verb: 'data', recordLength: 8, records: bytes });
    }
    if (state.sent < frames && !state.isCancelled) return;
    if (state.isCancelled)
      reply({ verb: 'error', code: 'ERR_ABORTED', message: '', retryable: false });
    else reply({ verb: 'end', records: frames * 8192 });
  };
  const answer = (asked: Asked): boolean => {
    const { request } = asked;
    if (request.verb === 'cancel') state.isCancelled = true;
    else if (request.verb === 'scan') state.credit = request.credit;
    else if (request.verb === 'credit') state.credit += request.bytes;
    else return false;
    if (request.verb === 'credit') state.granted += request.bytes;
    pump(asked);
    return true;
  };
  return { state, answer };
}

t.test('a stream brings all records, and credit follows what is taken', async (t) => {
  const { state, answer } = streamer(100);
  const { channel } = await openFake(t, { answer });
  let count = 0;
  for await (const bytes of channel) {
    count++;
    if (bytes.length !== 8) t.fail('a record has 8 bytes');
  }
  t.equal(count, 100 * 8192);
  t.ok(state.granted > 0 && state.granted <= 100 * 65_536, 'never more credit than was taken');
});

t.test('a reader that stops holds the server up, and leaving cancels its scan', async (t) => {
  const { state, answer } = streamer(1000);
  const { fake, channel } = await openFake(t, {
    answer: (asked) => answer(asked) || answerGet(asked),
  });
  let seen = 0;
  for await (const _ of channel) {
    if (++seen < 10) continue;
    // A whole round trip later the server has sent what it had credit for, and not more.
    await channel.get('1');
    t.ok(state.sent * 65_536 <= streamCreditBytes + 65_536, `${state.sent} frames`);
    break;
  }
  await fake.seen('cancel');
  t.ok(await channel.get('2'), 'the connection stays good');
});

t.test('a stream that breaks off gives what came, then the error', async (t) => {
  const { channel } = await openFake(t, {
    answer: (asked) => {
      if (asked.request.verb !== 'scan') return false;
      asked.reply({
        verb: 'data',
        recordLength: 0,
        records: Buffer.from('\0\0\0\x02ab\0\0\0\x01c'),
      });
      asked.reply({
        verb: 'error',
        code: 'ERR_DAMAGED',
        message: 'File is damaged',
        retryable: false,
      });
      return true;
    },
  });
  const got: string[] = [];
  const error = await errorOf(
    (async () => {
      for await (const bytes of channel) got.push(String(bytes));
    })(),
  );
  t.strictSame(got, ['ab', 'c']);
  t.equal(error.code, 'ERR_DAMAGED');
});

t.test('a server that sends beyond its credit is not listened to', async (t) => {
  const { channel } = await openFake(t, {
    answer: (asked) => {
      if (asked.request.verb !== 'scan') return false;
      const records = Buffer.alloc(2 ** 20);
      const framesMax = (streamCreditBytes + frameBytesMax) / records.length;
      for (let n = 0; n < framesMax + 2; n++)
        asked.reply({ verb: 'data', recordLength: 8, records });
      return true;
    },
  });
  const iterator = channel[Symbol.asyncIterator]();
  const error = await errorOf(
    (async () => {
      for (;;) {
        await iterator.next();
        await new Promise(setImmediate);
        await channel.isinfo('SIZE', 0, undefined);
      }
    })(),
  );
  t.equal(error.code, 'ERR_PROTOCOL');
});

t.test('opens of one process share a connection until the last is closed', async (t) => {
  const fake = await startFake(t, { answer: answerGet });
  const spec = `x@${fake.address}`;
  const [one, two] = await Promise.all([open(spec, IN_CLEAR), open(spec, IN_CLEAR)]);
  t.equal(fake.connections.length, 1, 'shared');
  const other = await open(spec, { ...IN_CLEAR, user: 'shop' });
  t.equal(fake.connections.length, 2, 'another user has his own');
  await one.close();
  await one.close();
  t.ok(await two.get('1'), 'still there for the second');
  await two.close();
  await other.close();
  const three = await open(spec, IN_CLEAR);
  t.equal(fake.connections.length, 3, 'connected anew');
  fake.connections[2]?.socket.destroy();
  t.equal((await errorOf(three.get('1'))).code, 'ERR_NETPROB');
  const four = await open(spec, IN_CLEAR);
  t.equal(fake.connections.length, 4, 'a dead connection is never used again');
  t.ok(await four.get('1'));
  t.equal((await errorOf(three.get('1'))).code, 'ERR_NETPROB', 'a channel does not come back');
  await three.close();
  await four.close();
});

t.test('who gives up waiting for a shared connection leaves it to the others', async (t) => {
  let answerHello = () => {};
  const fake = await startFake(t, {
    answer: ({ request, reply }) => {
      if (request.verb !== 'hello') return false;
      answerHello = () => reply({ verb: 'hello', protocol: 1, software: 'x', heartbeatMs: 0 });
      return true;
    },
  });
  const hasty = errorOf(open(`x@${fake.address}`, { ...IN_CLEAR, timeoutMs: 30 }));
  const patient = open(`x@${fake.address}`, IN_CLEAR);
  await fake.seen('hello');
  t.equal((await hasty).code, 'ERR_TIMEOUT');
  answerHello();
  const channel = await patient;
  t.equal(fake.connections.length, 1);
  await channel.close();
  const controller = new AbortController();
  const { signal } = controller;
  const alone = errorOf(open(`x@${fake.address}`, { ...IN_CLEAR, signal }));
  const { socket } = (await fake.seen('hello', 2)).connection;
  controller.abort();
  t.equal((await alone).code, 'ERR_ABORTED');
  if (!socket.destroyed) await once(socket, 'close');
  t.pass('nobody waits any more: the attempt is broken off');
});

t.test('a connection closed by its owner refuses what follows', async (t) => {
  const { connection, channel } = await openFake(t, { answer: ignoring('get') });
  const pending = channel.get('1');
  const [, error] = await Promise.all([connection.close(), errorOf(pending)]);
  t.equal(error.code, 'ERR_NOOPEN');
  await connection.close();
  t.equal((await errorOf(connection.open('x'))).code, 'ERR_NOOPEN');
  t.equal((await errorOf(channel.get('1'))).code, 'ERR_NOOPEN');
});

t.test('an open that was given up and succeeds late is closed again', async (t) => {
  const { fake, connection } = await openFake(t, {
    answer: ({ request }) => request.verb === 'open' && request.name === 'slow',
  });
  t.equal((await errorOf(connection.open('slow', { timeoutMs: 20 }))).code, 'ERR_TIMEOUT');
  const closed = await fake.seen('close');
  const opened = await fake.seen('open', 2);
  t.equal(closed.channel, opened.channel);
});
