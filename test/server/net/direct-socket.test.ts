// A socket that hands on what comes at once: nothing is lost, doubled or out of order, whether it flows, is paused in
// the middle, or has bytes in its queue.

import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { type ConnectionOptions, connect, createSecureContext } from 'node:tls';
import t, { type Test } from 'tap';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import { DirectSocket, type Taker } from '../../../server/net/direct-socket.js';
import { readInto } from '../../../server/net/read-into.js';

const { serverPem, caPem } = await issueDevelopmentCertificate({
  hosts: ['localhost'],
  keyBits: 2048,
});
const secureContext = createSecureContext({ key: serverPem, cert: serverPem });

interface Options extends SecureVersionOptions {
  /** False: as with a node that has no such thing. */
  readonly hasUserBuffer?: boolean;
}

type SecureVersionOptions = Pick<ConnectionOptions, 'maxVersion'>;

/** Both ends of one connection; the server's has not been listened to. */
async function makePair(t: Test, { hasUserBuffer = true, ...tls }: Options = {}) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: caPem, ...tls });
  const [raw] = await once(server, 'connection');
  const socket = new DirectSocket(raw, { isServer: true, secureContext });
  t.teardown(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  await Promise.all([once(client, 'secureConnect'), once(socket, 'secure')]);
  if (!hasUserBuffer) Reflect.set(Reflect.get(socket, '_handle'), 'useUserBuffer', undefined);
  return { client, socket };
}

/** Takes copies, and leaves nothing of what it borrowed. */
const takerOf = (take: (chunk: Buffer) => void): Taker => ({
  take,
  borrow: (buffer, bytes) => {
    take(Buffer.from(buffer.subarray(0, bytes)));
    buffer.fill(0, 0, bytes);
  },
});

/** A byte tells its place, so that none can stand in for another nearby. */
const numbered = (bytes: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 8)) % 251));

const modes: [string, Options][] = [
  ['into our buffer', {}],
  ['by push()', { hasUserBuffer: false }],
  ['TLS 1.2', { maxVersion: 'TLSv1.2' }],
];

for (const [mode, options] of modes) {
  t.test(`${mode}: what comes is handed on without an event, and the end is heard`, async (t) => {
    const { client, socket } = await makePair(t, options);
    const taken: Buffer[] = [];
    socket.readDirectly(takerOf((chunk) => taken.push(chunk)));
    let events = 0;
    client.write('first');
    while (taken.length === 0) await new Promise(setImmediate);
    socket.on('data', () => events++);
    client.end('second');
    await once(socket, 'end');
    t.equal(Buffer.concat(taken).toString(), 'firstsecond');
    t.equal(events, 0);
  });

  t.test(`${mode}: what came before anybody reads is not passed over`, async (t) => {
    const { client, socket } = await makePair(t, options);
    const sent = numbered(40_000);
    client.write(sent.subarray(0, 20_000));
    while (socket.readableLength === 0) {
      socket.read(0);
      await new Promise(setImmediate);
    }
    const taken: Buffer[] = [];
    socket.readDirectly(takerOf((chunk) => taken.push(chunk)));
    client.end(sent.subarray(20_000));
    await once(socket, 'end');
    t.ok(Buffer.concat(taken).equals(sent));
  });

  t.test(`${mode}: a pause holds, and what comes in it waits in its order`, async (t) => {
    const { client, socket } = await makePair(t, options);
    const sent = numbered(3_000_000);
    const taken: Buffer[] = [];
    let pauses = 0;
    let isPaused = false;
    const take = (chunk: Buffer): void => {
      t.notOk(isPaused, 'nothing comes in a pause');
      taken.push(chunk);
      if (taken.length % 7 !== 0) return;
      pauses++;
      isPaused = true;
      socket.pause();
      const goOn = (): void => {
        isPaused = false;
        socket.resume();
      };
      if (pauses % 2 === 0) setImmediate(goOn);
      else setTimeout(goOn, 1);
    };
    socket.readDirectly(takerOf(take));
    client.end(sent);
    await once(socket, 'end');
    t.ok(pauses > 10);
    t.ok(Buffer.concat(taken).equals(sent));
  });

  t.test(`${mode}: who does not go on is sent no more than the queue of the stream`, async (t) => {
    const { client, socket } = await makePair(t, options);
    let taken = 0;
    const take = (chunk: Buffer): void => {
      taken += chunk.length;
      socket.pause();
    };
    socket.readDirectly(takerOf(take));
    const sent = Buffer.alloc(32 * 1024 * 1024);
    client.write(sent);
    while (taken === 0) await new Promise(setImmediate);
    let still = 0;
    for (let before = -1; still < 20; still = before === socket.readableLength ? still + 1 : 0) {
      before = socket.readableLength;
      await new Promise(setImmediate);
    }
    t.ok(taken + socket.readableLength < 1024 * 1024, `${taken} and ${socket.readableLength}`);
    t.ok(client.writableLength > 0, 'the client waits');
  });

  t.test(`${mode}: two connections get their own bytes, however they take turns`, async (t) => {
    const pairs = [await makePair(t, options), await makePair(t, options)];
    const sent = [numbered(9_000), numbered(9_000).reverse()];
    const taken = pairs.map(({ socket }) => {
      const chunks: Buffer[] = [];
      socket.readDirectly(takerOf((chunk) => chunks.push(chunk)));
      return chunks;
    });
    const ended = Promise.all(pairs.map(({ socket }) => once(socket, 'end')));
    for (let at = 0; at < 9_000; at += 90) {
      for (const [index, { client }] of pairs.entries()) {
        client.write(sent[index]?.subarray(at, at + 90) ?? '');
        if (at % 270 === 0) await new Promise(setImmediate);
      }
    }
    for (const { client } of pairs) client.end();
    await ended;
    for (const [index, chunks] of taken.entries()) {
      t.ok(Buffer.concat(chunks).equals(sent[index] ?? Buffer.of()));
    }
  });
}

t.test('bytes are borrowed where node lets us, and owned where it does not', async (t) => {
  for (const hasUserBuffer of [true, false]) {
    const { client, socket } = await makePair(t, { hasUserBuffer });
    const how = new Promise((resolve) => {
      socket.readDirectly({ take: () => resolve('owned'), borrow: () => resolve('borrowed') });
    });
    client.write('x');
    t.equal(await how, hasUserBuffer ? 'borrowed' : 'owned');
  }
});

t.test('a socket with none of what we know of is left as it is', async (t) => {
  const socket = new Socket();
  t.notOk(
    readInto(socket, Buffer.alloc(10), () => true),
    'no handle',
  );
  const { socket: secure } = await makePair(t);
  t.ok(readInto(secure, Buffer.alloc(10), () => true));
  t.notOk(
    readInto(secure, Buffer.alloc(10), () => true),
    'it reads into a buffer already',
  );
});
