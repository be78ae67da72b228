// Writes past the queue of a socket: in order with all others, never two at a time, waited for by the end, counted
// while a peer takes nothing, and ordinary ones wherever node or the socket is not as we know it.

import { once } from 'node:events';
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import { directWriteBytesMax } from '../../../shared/base/limits.js';
import { DirectWriter } from '../../../shared/socket/direct-writer.js';

const { serverPem, caPem } = await issueDevelopmentCertificate({
  hosts: ['localhost'],
  keyBits: 2048,
});
const secureContext = createSecureContext({ key: serverPem, cert: serverPem });

interface Pair {
  readonly near: TLSSocket;
  readonly far: TLSSocket;
  /** Beneath `far`. */
  readonly farRaw: Socket;
}

async function makePair(t: Test, version: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<Pair> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const to = { port, host: '127.0.0.1', servername: 'localhost', ca: caPem };
  const near = connect({ ...to, minVersion: version, maxVersion: version });
  const [farRaw] = (await once(server, 'connection')) as [Socket];
  const far = new TLSSocket(farRaw, { isServer: true, secureContext });
  for (const socket of [near, far, farRaw]) socket.on('error', () => undefined);
  t.teardown(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  await Promise.all([once(near, 'secureConnect'), once(far, 'secure')]);
  return { near, far, farRaw };
}

/** The first write of a process is an ordinary one, and tells how node writes. */
async function makeWriter(t: Test, version?: 'TLSv1.2' | 'TLSv1.3') {
  const pair = await makePair(t, version);
  const first = new DirectWriter(pair.near);
  first.write(Buffer.from('!'));
  await once(pair.far, 'data');
  return { ...pair, writer: new DirectWriter(pair.near) };
}

/** What `far` is sent until it ends. */
async function allOf(far: TLSSocket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  far.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(far, 'end');
  return Buffer.concat(chunks);
}

/** once() would reject with the error before it. */
const closeOf = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

const turn = (): Promise<void> => new Promise(setImmediate);

/** How often the stream itself was asked to write. */
function countOrdinary(socket: TLSSocket): () => number {
  let count = 0;
  const { write } = socket;
  socket.write = ((...args: Parameters<typeof write>) => {
    count++;
    return write.apply(socket, args);
  }) as typeof write;
  return () => count;
}

/** Pieces of any size up to twice what is direct; a seed makes them again. */
function* piecesOf(seed: number, count: number): Generator<Buffer> {
  let state = seed;
  for (let index = 0; index < count; index++) {
    state = (state * 1_103_515_245 + 12_345) % 0x8000_0000;
    const length = state % 7 === 0 ? state % (2 * directWriteBytesMax) : state % 300;
    yield Buffer.alloc(length, index);
  }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${version}: one short write at a time goes past the stream`, async (t) => {
    const { near, far, writer } = await makeWriter(t, version);
    const ordinary = countOrdinary(near);
    for (let index = 0; index < 50; index++) {
      t.ok(writer.isIdle);
      writer.write(Buffer.from(`message ${index}`));
      t.notOk(writer.isIdle);
      t.equal(writer.bytesUnderWay, `message ${index}`.length);
      const [chunk] = await once(far, 'data');
      t.equal(chunk.toString(), `message ${index}`);
      while (!writer.isIdle) await turn();
    }
    t.equal(ordinary(), 0);
    t.equal(near.writableLength, 0);
  });

  t.test(
    `${version}: writes of all kinds arrive in their order, and the end after them`,
    async (t) => {
      const seed = Date.now() % 1_000_000;
      t.comment(`seed ${seed}`);
      const { near, far, writer } = await makeWriter(t, version);
      const received = allOf(far);
      const sent: Buffer[] = [];
      for (const piece of piecesOf(seed, 400)) {
        sent.push(piece);
        const kind = piece.length % 5;
        if (kind === 1) await turn();
        if (kind === 2) near.cork();
        if (kind === 3) near.write(piece);
        else writer.write(piece);
        if (kind === 2) near.uncork();
        if (kind === 4) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      writer.write(Buffer.from('last words'));
      near.end();
      sent.push(Buffer.from('last words'));
      t.ok((await received).equals(Buffer.concat(sent)));
    },
  );

  t.test(`${version}: an end waits for the write under way`, async (t) => {
    const { near, far, writer } = await makeWriter(t, version);
    const received = allOf(far);
    writer.write(Buffer.from('only'));
    t.notOk(writer.isIdle);
    near.end();
    t.equal((await received).toString(), 'only');
  });
}

t.test('a renegotiation in between loses and reorders nothing', async (t) => {
  const { near, far, writer } = await makeWriter(t, 'TLSv1.2');
  const chunks: Buffer[] = [];
  far.on('data', (chunk: Buffer) => chunks.push(chunk));
  const sent: Buffer[] = [];
  for (let round = 0; round < 3; round++) {
    const renegotiated = new Promise<void>((resolve) => {
      near.renegotiate({ rejectUnauthorized: true }, () => resolve());
    });
    for (let index = 0; index < 20; index++) {
      const piece = Buffer.from(`${round}.${index};`);
      sent.push(piece);
      writer.write(piece);
      if (index % 3 === 0) await turn();
    }
    await renegotiated;
  }
  const expected = Buffer.concat(sent).toString();
  while (Buffer.concat(chunks).length < expected.length) await turn();
  t.equal(Buffer.concat(chunks).toString(), expected);
});

t.test(
  'a peer that takes nothing is seen by what is under way, and the rest waits in the stream',
  async (t) => {
    const { near, far, farRaw, writer } = await makeWriter(t);
    farRaw.pause();
    far.pause();
    Reflect.get(farRaw, '_handle').readStop();
    const piece = Buffer.alloc(directWriteBytesMax, 7);
    let bytes = 0;
    while (near.writableLength < 4 * directWriteBytesMax) {
      writer.write(piece);
      bytes += piece.length;
      for (let wait = 0; wait < 20 && !writer.isIdle; wait++) await turn();
    }
    t.notOk(writer.isIdle);
    t.ok(near.writableNeedDrain, 'who asks the stream is told to wait');
    const received = allOf(far);
    Reflect.get(farRaw, '_handle').readStart();
    far.resume();
    await once(near, 'drain');
    near.end();
    const all = await received;
    t.equal(all.length, bytes);
    t.ok(all.every((byte) => byte === 7));
  },
);

t.test(
  'a peer that goes away is an error or a close, once, with a write under way or not',
  async (t) => {
    for (const isUnderWay of [true, false]) {
      const { near, farRaw, writer } = await makeWriter(t);
      const closed = closeOf(near);
      farRaw.resetAndDestroy();
      if (isUnderWay) writer.write(Buffer.from('never read'));
      await closed;
      t.ok(near.destroyed);
      writer.write(Buffer.from('too late'));
      await turn();
      t.equal(writer.bytesUnderWay, 0);
    }
  },
);

t.test('destroyed with a direct write under way and others behind it, it ends', async (t) => {
  const { near, writer } = await makeWriter(t);
  writer.write(Buffer.from('one'));
  writer.write(Buffer.from('two'));
  writer.write(Buffer.from('three'));
  t.ok(near.writableLength > 0);
  const closed = closeOf(near);
  near.destroy();
  await closed;
  t.equal(writer.bytesUnderWay, 0);
});

t.test('what is long, or comes while the stream is corked, goes through the stream', async (t) => {
  const { near, far, writer } = await makeWriter(t);
  far.resume();
  const ordinary = countOrdinary(near);
  writer.write(Buffer.alloc(directWriteBytesMax));
  t.equal(ordinary(), 0);
  while (!writer.isIdle) await turn();
  writer.write(Buffer.alloc(directWriteBytesMax + 1));
  t.equal(ordinary(), 1);
  while (!writer.isIdle) await turn();
  near.cork();
  writer.write(Buffer.from('corked'));
  t.equal(ordinary(), 2);
  near.uncork();
});

t.test('where node is not as we know it every write is an ordinary one', async (t) => {
  const { near, far } = await makeWriter(t);
  far.resume();
  const handle = Reflect.get(near, '_handle');
  const { writeBuffer } = handle;
  handle.writeBuffer = undefined;
  const writer = new DirectWriter(near);
  handle.writeBuffer = writeBuffer;
  const ordinary = countOrdinary(near);
  for (let index = 0; index < 5; index++) {
    writer.write(Buffer.from('x'));
    await turn();
    await turn();
  }
  t.equal(ordinary(), 5);
  t.equal(writer.bytesUnderWay, 0);
});

t.test('and so it is for what is no TLS socket', async (t) => {
  const server = createServer((socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const plain = connectPlain((server.address() as AddressInfo).port, '127.0.0.1');
  t.teardown(() => {
    plain.destroy();
    server.close();
  });
  for (const stream of [plain, new PassThrough()]) {
    const writer = new DirectWriter(stream);
    writer.write(Buffer.from('echo'));
    const [chunk] = await once(stream, 'data');
    t.equal(chunk.toString(), 'echo');
    t.equal(writer.bytesUnderWay, 0);
  }
});
