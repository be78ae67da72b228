// Who insists on TLS, whom a client trusts, and that nothing leaves it before it is sure.

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer, TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { parsePin, pinOf, pinText } from '../../../client/connection/trust.js';
import { type ConnectOptions, connect } from '../../../client/index.js';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import { encodeReply } from '../../../shared/protocol/codec.js';
import { FrameWriter } from '../../../shared/protocol/frame-writer.js';
import { splitPem } from '../../../shared/tls/pem.js';
import { startFake, startRaw } from '../fake-server.js';

const NEGOTIATION_LINE =
  'Error requesting secure connection: socket error: an EOF was observed that violates the protocol.';
const HANDSHAKE_RECORD = 0x16;
const ALERT_RECORD = 0x15;
const REFUSED_IN_CLEAR = Buffer.from('15030100020228', 'hex');

const issue = (hosts: readonly string[], more: object = {}) =>
  issueDevelopmentCertificate({ hosts, keyBits: 2048, ...more });

const good = await issue(['localhost', '127.0.0.1']);
const expired = await issue(['127.0.0.1'], { notBefore: new Date('2020-01-01'), validDays: 10 });
const elsewhere = await issue(['elsewhere.example']);

const tlsOf = ({ serverPem }: { serverPem: string }, more: object = {}) => ({
  key: serverPem,
  cert: serverPem,
  ...more,
});
const leafOf = ({ serverPem }: { serverPem: string }) =>
  new X509Certificate(splitPem(serverPem).certificates[0] ?? '');

async function reject(
  t: Test,
  address: string,
  options: ConnectOptions,
  expected: { code: string | RegExp; message?: RegExp },
) {
  await t.rejects(connect(address, options), expected);
}

t.test('TLS is used and described, whoever insists', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(good) });
  const pin = pinText(pinOf(leafOf(good)));
  const ways: [string, string, ConnectOptions][] = [
    ['nobody insists', fake.address, { tls: { ca: good.caPem } }],
    ['/encrypt', fake.address, { options: '/encrypt', tls: { ca: Buffer.from(good.caPem) } }],
    ['scl 4', fake.address, { scl: 4, tls: { ca: [expired.caPem, good.caPem] } }],
    ['URL', `rsynds://shop@${fake.address}`, { tls: { ca: good.caPem } }],
    ['by name', `localhost:${fake.port}`, { encrypt: true, tls: { ca: good.caPem } }],
    ['pin alone', fake.address, { tls: { pin } }],
    ['pin and authority', fake.address, { tls: { pin, ca: good.caPem } }],
  ];
  for (const [name, address, options] of ways) {
    const connection = await connect(address, options);
    const channel = await connection.open('x');
    t.equal(await channel.getfa('SLE'), 1, `${name}: SLE`);
    t.match(
      await channel.getfa('SLC'),
      /^TLS_AES_256_GCM_SHA384 TLSv1\.3 Kx=any Au=any Enc=AESGCM\(256\) Mac=AEAD$/,
      `${name}: SLC`,
    );
    t.equal(await channel.getfa('slc', 7), 'TLS_AES', `${name}: SLC cut`);
    await connection.close();
  }
});

t.test('an authority may be a path, in the options or the environment', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(good) });
  const file = join(t.testdir({}), 'ca.pem');
  writeFileSync(file, good.caPem);
  await (await connect(fake.address, { encrypt: true, tls: { ca: file } })).close();
  process.env.RSYND_CA = file;
  t.teardown(() => delete process.env.RSYND_CA);
  await (await connect(fake.address, { encrypt: true })).close();
  process.env.RSYND_CA = join(file, 'missing');
  await reject(t, fake.address, {}, { code: 'ERR_TLSCONF', message: /RSYND_CA: the file/ });
});

t.test('a server that is not trusted gets no login, and never a connection in clear', async (t) => {
  const other = pinText(pinOf(leafOf(elsewhere)));
  const cases: [string, typeof good, ConnectOptions, RegExp][] = [
    ['unknown authority', good, {}, /authority unknown here.*tls\.ca|issuer.*unknown.*tls\.ca/],
    ['unknown authority, /encrypt', good, { encrypt: true }, /tls\.ca/],
    ['another authority', good, { tls: { ca: elsewhere.caPem } }, /tls\.ca/],
    [
      'expired',
      expired,
      { tls: { ca: expired.caPem } },
      /has expired.*CERT_HAS_EXPIRED.*of tls\.ca expired at 2020/,
    ],
    ['wrong name', elsewhere, { tls: { ca: elsewhere.caPem } }, /for another name/],
    [
      'wrong name asked',
      good,
      { tls: { ca: good.caPem, servername: 'x.example' } },
      /asked for was x\.example, it names .*127\.0\.0\.1.*tls\.servername \(--servername NAME\)/,
    ],
    ['wrong pin', good, { tls: { pin: other } }, /another public key/],
    ['wrong pin, right authority', good, { tls: { pin: other, ca: good.caPem } }, /another public/],
    [
      'right pin, wrong authority',
      good,
      { tls: { pin: pinText(pinOf(leafOf(good))), ca: expired.caPem } },
      /tls\.ca/,
    ],
  ];
  for (const [name, certificate, options, message] of cases) {
    const fake = await startFake(t, { tls: tlsOf(certificate) });
    const error = await connect(fake.address, { user: 'shop', ...options }).catch((e) => e);
    t.equal(error.code, 'ERR_CLNTERR', name);
    t.match(error.message, message, name);
    t.ok(error.message.startsWith('Client server error, host: 127.0.0.1\n'), name);
    t.ok(error.message.includes(NEGOTIATION_LINE), name);
    t.ok(error.cause instanceof Error, `${name}: the reason of the library is there`);
    t.strictSame(
      fake.connections.flatMap(({ received }) => received),
      [],
      `${name}: nothing was said to it`,
    );
  }
});

t.test('a name can be given for a server reached by its address', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(elsewhere) });
  const tls = { ca: elsewhere.caPem, servername: 'elsewhere.example' };
  await (await connect(fake.address, { encrypt: true, tls })).close();
});

/** A server without TLS: what it does when a ClientHello comes, keeping what it got. */
const plainBehaviours: [string, (socket: Socket) => void][] = [
  ['alert', (socket) => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 40]))],
  ['end of file', (socket) => socket.end()],
  ['reset', (socket) => socket.resetAndDestroy()],
  ['bytes that are no TLS', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
];

for (const [name, refuse] of plainBehaviours) {
  t.test(
    `/encrypt against a plain server (${name}) fails with only a ClientHello sent`,
    async (t) => {
      const received: Buffer[] = [];
      const port = await startRaw(t, (socket) => {
        socket.on('data', (chunk) => received.push(chunk));
        socket.once('data', () => refuse(socket));
      });
      const error = await connect(`localhost:${port}`, { options: '/encrypt', user: 'shop' }).catch(
        (e) => e,
      );
      t.equal(error.code, 'ERR_CLNTERR');
      t.equal(error.errno, 319);
      t.ok(error.message.startsWith('Client server error, host: localhost'));
      t.ok(error.message.split('\n').includes(NEGOTIATION_LINE));
      t.ok(error.cause instanceof Error, 'the reason of the TLS library');
      t.equal(error.host, 'localhost');
      const bytes = Buffer.concat(received);
      t.equal(bytes[0], HANDSHAKE_RECORD, 'a handshake record');
      const rest = bytes.subarray(5 + bytes.readUInt16BE(3));
      t.ok(rest.length === 0 || rest[0] === ALERT_RECORD, 'then at most an alert');
      t.notOk(bytes.includes('shop'), 'no user name');
    },
  );
}

t.test('when nobody insists, a server without TLS is spoken to in clear', async (t) => {
  const plain = await startFake(t);
  for (const options of [{}, { encrypt: false }]) {
    const connection = await connect(plain.address, options);
    const channel = await connection.open('x');
    t.equal(await channel.getfa('SLE'), 0);
    t.equal(await channel.getfa('SLC'), '');
    await t.rejects(connection.open('x', { encrypt: true }), { code: 'ERR_CLNTERR' });
    await connection.close();
  }
});

t.test('encrypt: false against a server that insists says which option to change', async (t) => {
  const insisting = await startFake(t, {
    answer: ({ connection }) => {
      const { code, message, retryable } = {
        code: 'ERR_CLNTERR' as const,
        message: 'Client server error, host: x: this port is encrypted',
        retryable: false,
      };
      connection.reply({ verb: 'error', code, message, retryable }, 0, 0);
      connection.socket.end();
      return true;
    },
  });
  await reject(
    t,
    insisting.address,
    { encrypt: false },
    { code: 'ERR_CLNTERR', message: /encrypted connections only; open with encrypt: true/ },
  );
  t.ok(
    insisting.asked.every(({ request }) => request.verb === 'hello'),
    'no login left in clear',
  );
});

t.test('levels: nothing in common is an error that names the level, not a fallback', async (t) => {
  const old = await startFake(t, { tls: tlsOf(good, { maxVersion: 'TLSv1.2' }) });
  const tls = { ca: good.caPem };
  await reject(
    t,
    old.address,
    { scl: 4, tls },
    { code: 'ERR_CLNTERR', message: /this side takes TLSv1\.3 and up/ },
  );
  const connection = await connect(old.address, { scl: 3, tls });
  await t.rejects(connection.open('x', { scl: 4 }), { code: 'ERR_CLNTERR' });
  await connection.open('x', { scl: 3 });
  await connection.close();
});

t.test('unusable trust options are named before anything is sent', async (t) => {
  const fake = await startFake(t);
  const cases: [ConnectOptions['tls'], RegExp][] = [
    [{ ca: '/no/such/ca.pem' }, /tls\.ca: the file \/no\/such\/ca\.pem is not there/],
    [{ ca: 'a\nb' }, /neither PEM text.*nor the path/],
    [{ ca: Buffer.from('nothing') }, /tls\.ca holds no certificate/],
    [{ ca: [] }, /empty list/],
    [
      { ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
      /certificate 1 cannot be read/,
    ],
    [{ pin: 'sha1/abc' }, /tls\.pin must be sha256/],
    [{ pin: `sha256/${'A'.repeat(42)}=` }, /44 characters/],
    [{ cert: good.serverPem, key: expired.serverPem }, /cannot be used together/],
    [{ cert: good.serverPem, key: good.caPem }, /holds no private key/],
  ];
  for (const [tls, message] of cases) {
    await reject(t, fake.address, { tls: tls ?? {} }, { code: 'ERR_TLSCONF', message });
  }
  t.equal(fake.connections.length, 0, 'nobody was connected to');
  t.throws(() => parsePin(`sha256/${'A'.repeat(44)}`), { code: 'ERR_TLSCONF' });
});

t.test('a server that asks for our certificate is shown it', async (t) => {
  const asking = { requestCert: true, rejectUnauthorized: false };
  const fake = await startFake(t, { tls: tlsOf(good, asking) });
  const own = { cert: elsewhere.serverPem, key: elsewhere.serverPem };
  const connection = await connect(fake.address, { tls: { ca: good.caPem, ...own } });
  const socket = fake.connections[0]?.socket;
  t.ok(socket instanceof TLSSocket);
  const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  t.equal(shown?.fingerprint256, leafOf(elsewhere).fingerprint256);
  await connection.close();
});

t.test('a server that answers TLS and is cut off then is not asked again in clear', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(good) });
  const cuts: readonly [string, { code: string; message?: RegExp }, (socket: Socket) => void][] = [
    [
      'a reset',
      { code: 'ERR_NETPROB', message: /cut while TLS/ },
      (peer) => peer.resetAndDestroy(),
    ],
    // As a plain server would answer the ClientHello.
    ['an alert', { code: 'ERR_CLNTERR' }, (peer) => peer.end(REFUSED_IN_CLEAR)],
    ['a text', { code: 'ERR_CLNTERR' }, (peer) => peer.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ];
  for (const [name, expected, cut] of cuts) {
    let connections = 0;
    const port = await startRaw(t, (socket) => {
      connections++;
      const server = connectTcp(fake.port, '127.0.0.1').on('error', () => {});
      socket.on('data', (chunk) => server.write(chunk));
      server.once('data', (answer: Buffer) => {
        const serverHello = answer.subarray(0, 5 + answer.readUInt16BE(3));
        socket.write(serverHello, () => cut(socket));
      });
      socket.on('close', () => server.destroy());
    });
    await t.rejects(connect(`127.0.0.1:${port}`, {}), expected, name);
    t.equal(connections, 1, name);
  }
});

t.test('a part of an answer is no sign of a server without TLS', async (t) => {
  const oldest = await startFake(t, { tls: tlsOf(good, { maxVersion: 'TLSv1.2' }) });
  const newest = await startFake(t, { tls: tlsOf(good) });
  const cuts: readonly ((socket: Socket) => void)[] = [
    (peer) => peer.resetAndDestroy(),
    (peer) => peer.end(),
  ];
  for (const { port: to } of [oldest, newest]) {
    for (const bytes of [1, 5, 60]) {
      for (const cut of cuts) {
        let connections = 0;
        const port = await startRaw(t, (socket) => {
          connections++;
          const server = connectTcp(to, '127.0.0.1').on('error', () => {});
          socket.on('data', (chunk) => server.write(chunk));
          // The bytes are read before the end of the connection is heard of.
          server.once('data', (answer: Buffer) => {
            socket.write(answer.subarray(0, bytes), () => setTimeout(cut, 20, socket));
          });
          socket.on('close', () => server.destroy());
        });
        await reject(t, `127.0.0.1:${port}`, {}, { code: 'ERR_NETPROB', message: /cut while TLS/ });
        t.equal(connections, 1, `${bytes} bytes`);
      }
    }
  }
});

t.test('what a server says before anybody listens is heard', async (t) => {
  const code = 'ERR_CLNTERR';
  const writer = new FrameWriter();
  const refusal = { verb: 'error', code, message: 'not you', retryable: false } as const;
  encodeReply(writer, refusal, 0, 0);
  const words = Buffer.concat(writer.take());
  const server = createServer(tlsOf(good), (socket) => {
    socket.on('error', () => {});
    socket.end(words);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tls = { ca: good.caPem, pin: pinText(pinOf(leafOf(good))) };
  await reject(t, address, { tls }, { code, message: /not you/ });
});
