import { once } from 'node:events';
import { connect as connectPlain, createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import t from 'tap';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import type { NetConnection } from '../../../server/net/arrival.js';
import { ClientHelloReader, type HelloProgress } from '../../../server/net/client-hello.js';
import {
  Listener,
  type ListenerLimits,
  type ListenerOptions,
} from '../../../server/net/listener.js';
import { PendingTable } from '../../../server/net/pending-table.js';
import type { Refusal } from '../../../server/net/refusal.js';
import { splitPem } from '../../../shared/tls/pem.js';
import { policyFor, type SecurityLevel } from '../../../shared/tls/policy.js';

const hosts = ['localhost', '127.0.0.1'];
const issue = async () => {
  const { caPem, serverPem } = await issueDevelopmentCertificate({ hosts, keyBits: 2048 });
  const [key = ''] = splitPem(serverPem).privateKeys;
  const [cert = ''] = splitPem(serverPem).certificates;
  return { caPem, material: { key, cert } };
};
const { caPem, material } = await issue();

/** The first bytes a client with these options sends. */
async function captureHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: portOf(server.address()), host: '127.0.0.1', ...options });
  client.on('error', () => undefined);
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const [hello] = (await once(
    accepted.on('error', () => undefined),
    'data',
  )) as [Buffer];
  client.destroy();
  accepted.destroy();
  server.close();
  return hello;
}

const portOf = (address: unknown): number =>
  typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0;

const helloOf13 = await captureHello({ servername: 'db.example' });
const helloOf11 = await captureHello({
  minVersion: 'TLSv1.1',
  maxVersion: 'TLSv1.1',
  ciphers: 'AES128-SHA:AES256-SHA:@SECLEVEL=0',
});

interface Running {
  readonly listener: Listener;
  readonly port: number;
  readonly refusals: Refusal[];
  readonly connections: NetConnection[];
  /** Resolves when `isSo` holds; polls facts, because several sources change them. */
  until(isSo: () => boolean): Promise<void>;
  plain(firstBytes?: Buffer): Socket;
  secure(options?: ConnectionOptions): TLSSocket;
}

/** A listener that echoes, closed when the test ends. Level 'plain' is a server without TLS. */
async function start(
  t: { teardown(end: () => void): unknown },
  level: SecurityLevel | 'plain',
  limits: Partial<ListenerLimits> = {},
  more: Partial<ListenerOptions> = {},
): Promise<Running> {
  const refusals: Refusal[] = [];
  const connections: NetConnection[] = [];
  const listener = await Listener.open({
    host: '127.0.0.1',
    port: 0,
    ...(level !== 'plain' && { contextOptions: { ...policyFor(level), ...material } }),
    limits,
    refusePlain: () => Buffer.from('use TLS'),
    refuseBusy: () => Buffer.from('busy'),
    onConnection: (connection) => {
      connections.push(connection);
      connection.socket.on('data', (chunk) => connection.socket.write(chunk));
    },
    onRefused: (refusal) => refusals.push(refusal),
    ...more,
  });
  const { port } = listener.address;
  const clients: Socket[] = [];
  const keep = <S extends Socket>(client: S): S => {
    clients.push(client.on('error', () => undefined));
    return client;
  };
  t.teardown(() => {
    for (const client of clients) client.destroy();
    listener.terminate();
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise((fulfil) => setTimeout(fulfil, 5));
  };
  const plain = (firstBytes?: Buffer): Socket => {
    const client = keep(connectPlain(port, '127.0.0.1'));
    if (firstBytes !== undefined) client.write(firstBytes);
    return client;
  };
  const secure = (options: ConnectionOptions = {}): TLSSocket =>
    keep(connect({ port, host: '127.0.0.1', ca: caPem, ...options }));
  return { listener, port, refusals, connections, until, plain, secure };
}

/** Everything a socket receives until it is closed. */
async function received(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  if (!socket.closed) await once(socket, 'close');
  return text;
}

/** Sends and waits for the same bytes to come back. */
async function echo(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  let answer = '';
  while (answer.length < text.length) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    answer += chunk.toString();
  }
  return answer;
}

t.test('serves TLS clients on an encrypted port and says what was negotiated', async (t) => {
  const { secure, connections, listener } = await start(t, 3);
  t.equal(await echo(secure(), 'hello'), 'hello');
  const old = secure({ maxVersion: 'TLSv1.2' });
  t.equal(await echo(old, 'x'.repeat(100_000)), 'x'.repeat(100_000));
  t.match(connections, [
    { encrypted: true, protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
    { encrypted: true, protocol: 'TLSv1.2', cipher: 'ECDHE-RSA-AES256-GCM-SHA384' },
  ]);
  t.match(connections[0]?.peer, { address: '127.0.0.1', port: Number });
  t.same(listener.counts, { served: 2, pending: 0, lingering: 0 });
});

t.test('serves plain clients on a plain port from their first byte on', async (t) => {
  const { plain, connections } = await start(t, 'plain');
  t.equal(await echo(plain(), 'hello'), 'hello');
  t.match(connections, [{ encrypted: false, peer: { address: '127.0.0.1' } }]);
  t.notOk('protocol' in (connections[0] ?? {}));
});

t.test('gives every byte to whoever listens later', async (t) => {
  for (const level of ['plain', 3] as const) {
    const running = await start(t, level);
    const sockets: Socket[] = [];
    const late = await Listener.open({
      host: '127.0.0.1',
      port: 0,
      ...(level === 3 && { contextOptions: { ...policyFor(3), ...material } }),
      refusePlain: () => Buffer.alloc(0),
      refuseBusy: () => Buffer.alloc(0),
      onConnection: ({ socket }) => sockets.push(socket),
      onRefused: () => undefined,
    });
    t.teardown(() => late.terminate());
    const { port } = late.address;
    const client = level === 3 ? running.secure({ port }) : connectPlain(port, '127.0.0.1');
    client.end('early bytes');
    await running.until(() => sockets.length === 1);
    await new Promise(setImmediate);
    const [socket] = sockets;
    if (socket === undefined) throw new Error('no connection');
    socket.resume();
    t.equal(await received(socket), 'early bytes', String(level));
  }
});

t.test('takes a ClientHello in pieces of any size', async (t) => {
  const { port, secure, plain, connections } = await start(t, 3);
  const through = createServer((near) => {
    const far = connectPlain(port, '127.0.0.1').setNoDelay();
    far.on('data', (chunk) => near.write(chunk));
    near.on('data', async (chunk: Buffer) => {
      near.pause();
      for (let at = 0; at < chunk.length; at += 7) {
        far.write(chunk.subarray(at, at + 7));
        await new Promise(setImmediate);
      }
      near.resume();
    });
    near.on('close', () => far.destroy()).on('error', () => undefined);
    far.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  t.teardown(() => through.close());
  await once(through, 'listening');
  t.equal(await echo(secure({ port: portOf(through.address()) }), 'hello'), 'hello');
  t.equal(connections.length, 1);
  t.match(await received(plain(Buffer.from('GET / HTTP/1.1\r\n\r\n'))), 'use TLS');
});

t.test('answers a plain client on an encrypted port with one frame and closes', async (t) => {
  const { plain, refusals, connections, listener, until } = await start(t, 3, { lingerMs: 50 });
  const client = plain(Buffer.alloc(3000, 'R'));
  t.equal(await received(client), 'use TLS');
  t.match(refusals, [
    { code: 'PLAIN_ON_ENCRYPTED', peer: { address: '127.0.0.1' }, advice: /encrypt/ },
  ]);
  // One that goes on sending, and one that never closes, are cut.
  const stubborn = plain(Buffer.alloc(3_000_000, 'R'));
  const silent = connectPlain({ port: listener.address.port, allowHalfOpen: true });
  silent.on('error', () => undefined).write('R');
  await until(() => refusals.length === 3 && listener.counts.lingering === 0);
  stubborn.destroy();
  silent.destroy();
  t.same(connections, []);
});

t.test('answers a TLS client on a plain port so that it fails at once', async (t) => {
  const { secure, refusals } = await start(t, 'plain');
  const [error] = await once(secure({ servername: 'db.example' }), 'error').catch((e) => [e]);
  t.match(error, { code: /ERR_SSL_.*HANDSHAKE_FAILURE/ });
  t.match(refusals, [
    {
      code: 'TLS_ON_PLAIN',
      advice: /-encrypt/,
      offered: { versions: ['TLSv1.3', 'TLSv1.2'], serverName: 'db.example' },
    },
  ]);
});

t.test('a refusal names peer, versions offered, reason and what to do', async (t) => {
  const { secure, plain, refusals, until } = await start(t, 3);
  const legacy = 'HIGH:@SECLEVEL=0';
  const local = { address: '127.0.0.1', port: Number };
  const cases: [string, () => Socket, object][] = [
    [
      'a version too old',
      () => secure({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: legacy }),
      {
        code: 'ERR_SSL_UNSUPPORTED_PROTOCOL',
        reason: 'unsupported protocol',
        offered: { versions: ['TLSv1.1'] },
        advice: /lower -scl/,
      },
    ],
    [
      'no cipher in common',
      () => secure({ maxVersion: 'TLSv1.2', ciphers: 'AES256-SHA256' }),
      {
        code: 'ERR_SSL_NO_SHARED_CIPHER',
        reason: 'no shared cipher',
        offered: { versions: ['TLSv1.2'], cipherCount: Number },
        advice: /AEAD/,
      },
    ],
    [
      'a client that does not trust us',
      () => secure({ ca: [] }),
      { code: /ABANDONED|ALERT|ECONN/, advice: /does not trust/ },
    ],
    [
      'garbage that begins like TLS',
      () => plain(Buffer.from([0x16, 3, 1, 0, 5, 9, 9, 9, 9, 9])),
      { code: /^ERR_SSL_/, advice: /does not speak TLS properly/ },
    ],
    [
      'a client that leaves in the middle',
      () => plain().end(helloOf13.subarray(0, 50)),
      { code: 'HANDSHAKE_ABANDONED' },
    ],
    [
      'a ClientHello of 1 MB',
      () => plain(Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0x0f, 0xff, 0xff])),
      { code: 'HELLO_TOO_LARGE' },
    ],
  ];
  for (const [name, connectClient, expected] of cases) {
    refusals.length = 0;
    const client = connectClient().resume();
    await Promise.all([until(() => refusals.length > 0), once(client, 'close').catch(() => 0)]);
    t.match(refusals, [{ peer: local, reason: /\w/, ...expected }], name);
    t.equal(refusals.length, 1, `${name}: one line`);
  }
  refusals.length = 0;
  await once(plain().end(), 'close');
  t.equal(await echo(secure(), 'hello'), 'hello');
  t.same(refusals, [], 'a port check without a byte is no refusal');
});

t.test('4,000 unfinished handshakes go at the deadline, good clients are served', async (t) => {
  const count = 4000;
  const limits = { pendingMax: 5000, pendingPerAddressMax: 5000, handshakeTimeoutMs: 7000 };
  const { listener, plain, secure, refusals, until } = await start(t, 3, limits);
  let open = 0;
  for (let index = 0; index < count; index++) {
    // Silent, half a ClientHello, and now and then a whole one and nothing after it.
    const bytes = [undefined, helloOf13.subarray(0, 100)][index % 2];
    const client = plain(index % 20 === 0 ? helloOf13 : bytes);
    client.resume().once('close', () => open--);
    open++;
    if (index % 200 === 199) await once(client, 'connect');
  }
  await until(() => listener.counts.pending >= count || refusals.length > 0);
  t.same([listener.counts.pending, refusals.length], [count, 0], 'all are there');
  let served = 0;
  let slowestMs = 0;
  while (refusals.length === 0) {
    const started = performance.now();
    const client = secure();
    if ((await echo(client, 'hello')) !== 'hello') t.fail('a good client got other bytes');
    slowestMs = Math.max(slowestMs, performance.now() - started);
    client.destroy();
    served++;
  }
  t.ok(served > 0, `${served} good clients served meanwhile`);
  t.comment(`slowest good client ${slowestMs.toFixed()} ms, the moment of the deadline included`);
  await until(() => listener.counts.pending === 0 && open === 0);
  t.equal(refusals.length, count);
  t.ok(refusals.every(({ code }) => code === 'HANDSHAKE_TIMEOUT'));
});

// Descriptors are what a flood takes: without them no file could be opened, not even that of the users.
t.test('strangers have no more sockets than are left of those there may be', async (t) => {
  const limits = { socketsMax: 12, connectionsMax: 8 };
  const { listener, plain, secure, refusals, until } = await start(t, 3, limits);
  for (let index = 0; index < 40; index++) plain(index % 2 ? helloOf13 : undefined);
  await until(() => refusals.length === 28);
  t.equal(listener.counts.pending, 12);
  t.ok(refusals.every(({ code }) => code === 'PENDING_LIMIT'));
  for (let count = 1; count <= 8; count++) {
    t.equal(await echo(secure(), 'hello'), 'hello');
    t.strictSame([listener.counts.served, listener.counts.pending], [count, 12 - count]);
  }
});

t.test('nor have those who are refused: the oldest is not waited for any longer', async (t) => {
  const limits = { socketsMax: 3, connectionsMax: 2, lingerMs: 60_000 };
  const { listener, port, secure, refusals, until } = await start(t, 3, limits);
  for (let count = 0; count < 2; count++) await echo(secure(), 'hello');
  for (let count = 1; count <= 5; count++) {
    // Never closes its end, so that it is waited for.
    const client = connectPlain({ port, host: '127.0.0.1', allowHalfOpen: true });
    t.teardown(() => client.destroy());
    client.on('error', () => undefined).write('not TLS');
    await until(() => refusals.length === count);
    t.strictSame(listener.counts, { served: 2, pending: 0, lingering: 1 });
  }
  t.ok(refusals.every(({ code }) => code === 'PLAIN_ON_ENCRYPTED'));
});

t.test('past the caps the oldest handshake goes, and a good client gets in', async (t) => {
  const limits = { pendingMax: 30, pendingPerAddressMax: 20 };
  const { listener, plain, secure, refusals, until } = await start(t, 3, limits);
  for (let index = 0; index < 100; index++) plain(index % 2 ? helloOf13 : undefined);
  await until(() => refusals.length === 80);
  t.equal(listener.counts.pending, 20);
  t.equal(await echo(secure(), 'hello'), 'hello');
  t.ok(refusals.every(({ code, advice }) => code === 'PENDING_LIMIT' && advice !== ''));
});

t.test('the silent go before those in a handshake, address by address', async (t) => {
  const table = new PendingTable({ pendingMax: 5, pendingPerAddressMax: 3 });
  const evicted: string[] = [];
  const add = (name: string, address: string) => {
    const evict = () => void evicted.push(name);
    const pending = { peer: { address }, evict, abandon: evict };
    table.add(pending);
    return pending;
  };
  table.promote(add('a1', 'a'));
  const a2 = add('a2', 'a');
  add('a3', 'a');
  add('a4', 'a');
  t.same(evicted, ['a2'], 'a1 is older but in its handshake');
  table.remove(a2);
  t.equal(table.size, 3, 'removing what is gone changes nothing');
  for (const name of ['b1', 'b2', 'b3']) add(name, 'b');
  t.same(evicted, ['a2', 'a3'], 'the total cap takes the oldest of all');
  table.abandonAll();
  t.equal(table.size, 0);
});

t.test('past the limit of connections a client is told so through its TLS', async (t) => {
  const { secure, refusals, connections, listener, until } = await start(t, 3, {
    connectionsMax: 2,
  });
  const held = [secure(), secure()];
  for (const client of held) t.equal(await echo(client, 'hello'), 'hello');
  t.equal(await received(secure()), 'busy');
  t.match(refusals, [{ code: 'CONNECTION_LIMIT', peer: { address: '127.0.0.1' } }]);
  held[0]?.destroy();
  await until(() => listener.counts.served === 1);
  t.equal(await echo(secure(), 'hello'), 'hello');
  t.equal(connections.length, 3);
});

t.test('at the limit room is made first, when somebody has no claim to his place', async (t) => {
  let idle: NetConnection | undefined;
  const makeRoom = (): boolean => {
    idle?.socket.destroy();
    return idle !== undefined;
  };
  const { secure, refusals, connections } = await start(t, 3, { connectionsMax: 2 }, { makeRoom });
  const held = [secure(), secure()];
  for (const client of held) t.equal(await echo(client, 'hello'), 'hello');
  [idle] = connections;
  t.equal(await echo(secure(), 'hello'), 'hello', 'the third is served');
  idle = undefined;
  t.equal(await received(secure()), 'busy', 'where nobody can be ended it is full');
  t.equal(refusals.length, 1);
});

t.test('another certificate serves new connections and leaves the old ones', async (t) => {
  const { secure, listener } = await start(t, 3);
  const next = await issue();
  const before = secure();
  let session: Buffer | undefined;
  before.on('session', (ticket) => {
    session = ticket;
  });
  t.equal(await echo(before, 'one'), 'one');
  t.throws(() => listener.setCertificate({ ...policyFor(3), key: 'x', cert: 'x' }));
  t.equal(await echo(secure(), 'still'), 'still', 'a bad one changes nothing');
  listener.setCertificate({ ...policyFor(4), ...next.material });
  t.equal(await echo(before, 'two'), 'two');
  const after = secure({ ca: next.caPem, ...(session !== undefined && { session }) });
  t.equal(await echo(after, 'three'), 'three');
  t.equal(after.isSessionReused(), false, 'tickets of before do not resume');
  const [error] = await once(secure(), 'error').catch((e) => [e]);
  t.match(error, { code: /SELF_SIGNED|UNABLE_TO/ }, 'the old authority is not enough');
  const old = secure({ ca: next.caPem, maxVersion: 'TLSv1.2' });
  t.match(await once(old, 'error'), [{ code: /PROTOCOL_VERSION/ }], 'the level went with it');
});

t.test('a session resumes while the certificate stays', async (t) => {
  const { secure } = await start(t, 3);
  const before = secure();
  const ticket = once(before, 'session');
  t.equal(await echo(before, 'one'), 'one');
  const [session] = (await ticket) as [Buffer];
  const after = secure({ session });
  t.equal(await echo(after, 'two'), 'two');
  t.equal(after.isSessionReused(), true);
});

t.test('close() ends what is pending and leaves sessions, terminate() ends all', async (t) => {
  const { listener, plain, secure, refusals, until } = await start(t, 3);
  const good = secure();
  t.equal(await echo(good, 'one'), 'one');
  const pending = [plain(), plain(helloOf13.subarray(0, 20)), plain(helloOf13)];
  await until(() => listener.counts.pending === 3);
  listener.close();
  await Promise.all(pending.map((client) => received(client)));
  t.equal(await echo(good, 'two'), 'two');
  const [error] = await once(plain(), 'error').catch((e) => [e]);
  t.match(error, { code: 'ECONNREFUSED' });
  listener.close();
  listener.terminate();
  await once(good, 'close');
  t.same(listener.counts, { served: 0, pending: 0, lingering: 0 });
  t.same(refusals, []);
});

t.test('a port in use is an error of open()', async (t) => {
  const { listener } = await start(t, 'plain');
  const again = Listener.open({
    ...listener.address,
    refusePlain: () => Buffer.alloc(0),
    refuseBusy: () => Buffer.alloc(0),
    onConnection: () => undefined,
    onRefused: () => undefined,
  });
  await t.rejects(again, { code: 'EADDRINUSE' });
  t.throws(() => listener.setCertificate(material), TypeError);
});

const HELLO_MAX = 16 * 1024;

/** Feeds a reader and gives where it stopped. */
function feed(reader: ClientHelloReader, pieces: readonly Buffer[]): HelloProgress {
  let progress: HelloProgress = 'more';
  for (const piece of pieces) {
    if (progress === 'more') progress = reader.push(piece);
  }
  return progress;
}

/** The same message in records of at most `size` bytes. */
function inRecordsOf(hello: Buffer, size: number): Buffer {
  const records: Buffer[] = [];
  for (let at = 5; at < hello.length; at += size) {
    const fragment = hello.subarray(at, at + size);
    records.push(Buffer.from([0x16, 3, 1, fragment.length >> 8, fragment.length & 0xff]), fragment);
  }
  return Buffer.concat(records);
}

t.test('reads what a client offers, whole, cut anywhere and in small records', async (t) => {
  const whole = { versions: ['TLSv1.3', 'TLSv1.2'], serverName: 'db.example' };
  const cases: [Buffer, object][] = [
    [helloOf13, whole],
    [inRecordsOf(helloOf13, 50), whole],
    [inRecordsOf(helloOf13, 1), whole],
    [helloOf11, { versions: ['TLSv1.1'], cipherCount: 2 }],
  ];
  for (const [hello, expected] of cases) {
    const atOnce = new ClientHelloReader(HELLO_MAX);
    t.equal(feed(atOnce, [hello, Buffer.from('never read')]), 'whole');
    t.match(atOnce.offered(), expected);
    const byByte = new ClientHelloReader(HELLO_MAX);
    t.equal(
      feed(
        byByte,
        Array.from(hello, (byte) => Buffer.from([byte])),
      ),
      'whole',
    );
    t.match(byByte.offered(), expected);
    t.ok(byByte.bytes.equals(hello), 'not a byte is lost');
    for (let cut = 0; cut < hello.length; cut++) {
      const part = new ClientHelloReader(HELLO_MAX);
      if (part.push(hello.subarray(0, cut)) !== 'more') t.fail(`whole at ${cut}`);
    }
  }
});

t.test('a mutated ClientHello neither throws nor grows', async (t) => {
  const seed = Date.now();
  t.comment(`seed ${seed}`);
  const mutation = fc.tuple(fc.nat(helloOf13.length - 1), fc.nat(255));
  const property = fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
    const hello = Buffer.from(helloOf13);
    for (const [at, byte] of mutations) hello[at] = byte;
    const reader = new ClientHelloReader(HELLO_MAX);
    reader.push(hello);
    const name = reader.offered()?.serverName;
    return name === undefined || /^[\w.-]{1,253}$/.test(name);
  });
  fc.assert(property, { numRuns: 20_000, seed });
  const announced = Buffer.from([0x16, 3, 1, 0x30, 0, 1, 0, 0x2f, 0xfc]);
  const zeros = new ClientHelloReader(HELLO_MAX);
  t.equal(feed(zeros, [announced, ...Array(12).fill(Buffer.alloc(1024))]), 'whole');
  t.match(zeros.offered(), { versions: ['0x0000'] }, 'a version nobody knows');
  const large = new ClientHelloReader(100);
  t.equal(feed(large, [helloOf13.subarray(0, 8)]), 'more');
  t.equal(feed(large, [helloOf13.subarray(8)]), 'too large');
});
