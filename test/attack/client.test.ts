// The SDK against servers that lie, flood or stand in between: it ends with a clear error, holds little,
// and sends nothing in clear that was to be encrypted.

import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import {
  alpha,
  type ConnectOptions,
  connect,
  defineFile,
  isamc,
  open,
} from '../../client/index.js';
import { encodeReply } from '../../shared/protocol/codec.js';
import { FrameWriter } from '../../shared/protocol/frame-writer.js';
import type { Reply } from '../../shared/protocol/message.js';
import { type FakeServer, startFake, startRaw } from '../client/fake-server.js';
import { frame } from './stranger.js';

const inClear = { encrypt: false, timeoutMs: 5000 } as const;

function replyFrame(reply: Reply, channel: number, id: number): Buffer {
  const writer = new FrameWriter();
  encodeReply(writer, reply, channel, id);
  return Buffer.concat(writer.take());
}

/** A server that says these bytes to whatever comes first. */
const startSaying = (t: Test, bytes: Buffer): Promise<number> =>
  startRaw(t, (socket) => socket.once('data', () => socket.write(bytes)));

t.test('a greeting that is none is an error at once', async (t) => {
  const error = { verb: 'error', code: 'ERR_IOFAIL', retryable: false } as const;
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['garbage', Buffer.alloc(5000, 0x5a), 'ERR_PROTOCOL'],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'ERR_PROTOCOL'],
    ['a length of 0', Buffer.alloc(12), 'ERR_PROTOCOL'],
    ['a length of 4 GiB', Buffer.alloc(4, 0xff), 'ERR_PROTOCOL'],
    ['a request', frame(0x01, 0, 1), 'ERR_PROTOCOL'],
    ['a reply to nobody', replyFrame({ verb: 'pong' }, 0, 999), 'ERR_PROTOCOL'],
    ['an error', replyFrame({ ...error, message: 'no' }, 0, 0), 'ERR_IOFAIL'],
  ];
  for (const [name, bytes, code] of cases) {
    const port = await startSaying(t, bytes);
    await t.rejects(connect(`127.0.0.1:${port}`, inClear), { code }, name);
  }
});

t.test('a message of a server cannot command the terminal', async (t) => {
  const message = '\u001b[2J\u001b]0;title\u0007\u009b31m\rno such\nthing';
  const error = { verb: 'error', code: 'ERR_IOFAIL', message, retryable: false } as const;
  const port = await startSaying(t, replyFrame(error, 0, 0));
  const said: unknown = await connect(`127.0.0.1:${port}`, inClear).catch((error) => error);
  const seen = '\ufffd[2J\ufffd]0;title\ufffd\ufffd31m\ufffdno such\nthing';
  t.match(said, { code: 'ERR_IOFAIL', message: seen });
});

/** Writes `bytes` over and over, as fast as they are taken, until the client hangs up. */
function pour(socket: Socket, bytes: Buffer): void {
  const more = (): void => {
    if (socket.writable) socket.write(bytes, () => setImmediate(more));
  };
  more();
}

t.test('a flood of pings is answered by one at a time', async (t) => {
  const pings = Buffer.concat(Array.from({ length: 5000 }, () => frame(0x83, 0, 0)));
  const fake = await startFake(t, {
    answer: ({ request, connection }) => {
      if (request.verb === 'open') connection.socket.write(pings);
      return request.verb === 'ping';
    },
  });
  await using connection = await connect(fake.address, inClear);
  const file = await connection.open('orders');
  // The pings came before the reply to open, so whatever answers them has left before the close.
  await file.close();
  t.equal(fake.asked.filter(({ request }) => request.verb === 'ping').length, 1);
});

for (const [what, records] of [
  ['nothing', Buffer.alloc(0)],
  ['a byte', Buffer.alloc(1)],
] as const) {
  t.test(`an endless scan of ${what} a frame ends with an error`, async (t) => {
    const fake = await startFake(t, {
      answer: ({ request, channel, id, connection }) => {
        if (request.verb !== 'scan') return false;
        const data = replyFrame({ verb: 'data', recordLength: 1, records }, channel, id);
        pour(connection.socket, Buffer.concat(Array.from({ length: 2000 }, () => data)));
        return true;
      },
    });
    await using connection = await connect(fake.address, inClear);
    await using file = await connection.open('orders');
    const records_ = file[Symbol.asyncIterator]();
    await records_.next().catch(() => undefined);
    // The reader has stopped; the link notices by itself.
    await new Promise((resolve) => fake.connections[0]?.socket.once('close', resolve));
    await t.rejects(file.isinfo('NUMRECS'), { code: 'ERR_PROTOCOL' });
  });
}

const SECRETS = { user: 'mary', password: 'S3CRETPW', timeoutMs: 1000 } as const;
const PIN = `sha256/${Buffer.alloc(32, 7).toString('base64')}`;

t.test('nobody in between can bring a client that asked for TLS to speak in clear', async (t) => {
  const asking: readonly (readonly [string, string, ConnectOptions])[] = [
    ['encrypt', '', { encrypt: true }],
    ['/encrypt', '', { options: '/encrypt' }],
    ['scl', '', { scl: 0 }],
    ['a pin', '', { tls: { pin: PIN } }],
    ['rsynds://', 'rsynds://', {}],
  ];
  const meeting: readonly (readonly [string, (socket: Socket) => void])[] = [
    ['an alert', (socket) => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 40]))],
    ['HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a frame', (socket) => socket.end(frame(0xff, 0, 0))],
    ['an end', (socket) => socket.end()],
    ['a reset', (socket) => socket.resetAndDestroy()],
  ];
  for (const [how, meet] of meeting) {
    const received: Buffer[] = [];
    const port = await startRaw(t, (socket) => {
      socket.on('data', (chunk: Buffer) => received.push(chunk));
      socket.once('data', () => meet(socket));
    });
    for (const [asked, scheme, options] of asking) {
      const server = `${scheme}127.0.0.1:${port}`;
      const dialled = connect(server, { ...SECRETS, ...options });
      await t.rejects(dialled, { code: 'ERR_CLNTERR' }, `${asked}, met by ${how}`);
    }
    t.ok(received.length >= asking.length, how);
    t.ok(
      received.every((chunk) => chunk[0] === 0x16),
      `${how}: nothing but a ClientHello`,
    );
    t.notMatch(Buffer.concat(received).toString('latin1'), /RSYN|mary|S3CRET/);
  }
});

t.test('records of a flagged file do not leave over a plain connection', async (t) => {
  const flagged = defineFile({
    fields: { id: alpha(4), rest: alpha(4) },
    keys: { ID: { parts: ['id'] } },
    networkEncrypt: true,
  });
  const answer = (fake: FakeServer): string =>
    Buffer.concat(fake.connections.flatMap(({ received }) => received)).toString('latin1');

  const naive = await startFake(t);
  const output = { mode: 'output', definition: flagged } as const;
  for (const options of [
    { ...output, timeoutMs: 1000 },
    { ...output, encrypt: false },
  ] as const) {
    await t.rejects(open(`orders@${naive.address}`, options), { code: 'ERR_NETCRYPT' });
  }
  t.notMatch(answer(naive), /orders/, 'not even the name');
  await t.resolves(isamc(`orders@${naive.address}`, flagged), 'an empty file may be created');

  const careless = await startFake(t, {
    answer: ({ request, reply }) => {
      if (request.verb === 'open') reply({ verb: 'open', spec: flagged.spec });
      return request.verb === 'open';
    },
  });
  await t.rejects(open(`orders@${careless.address}`, inClear), { code: 'ERR_NETCRYPT' });
  await careless.seen('close');
});
