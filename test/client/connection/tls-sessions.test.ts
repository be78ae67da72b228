// Sessions of TLS that a client resumes, and all that must keep it from doing so.

import { X509Certificate } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, TLSSocket } from 'node:tls';
import t from 'tap';
import { Deadline } from '../../../client/connection/deadline.js';
import { connectRemote } from '../../../client/connection/remote-link.js';
import { TlsContexts } from '../../../client/connection/tls-contexts.js';
import { TlsMemory } from '../../../client/connection/tls-memory.js';
import { sessionKey, TlsSessions, trustedFor } from '../../../client/connection/tls-sessions.js';
import { loadTrust, pinOf, pinText } from '../../../client/connection/trust.js';
import { parseServer } from '../../../client/filespec.js';
import { type ConnectOptions, resolveConnect } from '../../../client/open-options.js';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import {
  tlsContextsKeptMax,
  tlsSessionBytesMax,
  tlsSessionServersMax,
  tlsSessionsPerServerMax,
  tlsSessionTrustedMs,
} from '../../../shared/base/limits.js';
import { splitPem } from '../../../shared/tls/pem.js';
import { Authority, hasOpenssl } from '../../fixture/pki.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';
import { type FakeServer, startFake } from '../fake-server.js';

const HOSTS = ['localhost', '127.0.0.1'];
const issue = () => issueDevelopmentCertificate({ hosts: HOSTS, keyBits: 2048 });
const good = await issue();
const other = await issue();
const tlsOf = ({ serverPem }: { serverPem: string }) => ({ key: serverPem, cert: serverPem });
const pinOfServer = ({ serverPem }: { serverPem: string }) =>
  pinText(pinOf(new X509Certificate(splitPem(serverPem).certificates[0] ?? '')));

/** Connects, asks something (the server's sessions come before its answer) and leaves: was a session resumed? */
async function visit(
  fake: FakeServer,
  memory: TlsMemory,
  options: ConnectOptions,
  address = fake.address,
): Promise<boolean> {
  const server = parseServer(address);
  using deadline = new Deadline({ timeoutMs: 10_000, signal: undefined, what: 'a visit' });
  const link = await connectRemote(server, resolveConnect(options, server), deadline, memory);
  await link.call({ verb: 'ping' }, 0, deadline.limits);
  const isResumed = wasResumed(fake);
  await link.close();
  return isResumed;
}

/** The latest connection of a server. */
function wasResumed({ connections }: FakeServer): boolean {
  const socket = connections.at(-1)?.socket;
  return socket instanceof TLSSocket && socket.isSessionReused();
}

const EMPTY = Buffer.alloc(8);
const kept = (from: number, until: number, session = EMPTY) => ({
  session,
  trusted: { from, until },
});

t.test('a session is resumed once', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(good) });
  const memory = new TlsMemory();
  const tls = { ca: good.caPem };
  const resumed: boolean[] = [];
  for (let count = 0; count < 4; count++) resumed.push(await visit(fake, memory, { tls }));
  t.strictSame(resumed, [false, true, true, false], 'Node gives two with each full handshake');
  t.equal(memory.contexts.size, 1);
});

t.test('what was resumed is as safe as before, and says so', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(good) });
  const memory = new TlsMemory();
  const server = parseServer(fake.address);
  const options = resolveConnect({ encrypt: true, tls: { pin: pinOfServer(good) } }, server);
  for (const isResumed of [false, true]) {
    using deadline = new Deadline({ timeoutMs: 10_000, signal: undefined, what: 'a visit' });
    const link = await connectRemote(server, options, deadline, memory);
    await link.call({ verb: 'ping' }, 0, deadline.limits);
    t.equal(wasResumed(fake), isResumed);
    t.strictSame(link.security.sle, 1);
    t.match(link.security.slc, /^TLS_AES_256_GCM_SHA384 TLSv1\.3/);
    await link.close();
  }
});

t.test('under other options nothing is resumed', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(good) });
  const pin = pinOfServer(good);
  const own = { cert: other.serverPem, key: other.serverPem };
  const ca = good.caPem;
  const ways: readonly [string, ConnectOptions][] = [
    ['an authority', { tls: { ca } }],
    ['two authorities', { tls: { ca: [ca, other.caPem] } }],
    ['a pin', { tls: { pin } }],
    ['a pin and an authority', { tls: { pin, ca } }],
    ['a name', { tls: { ca, servername: 'localhost' } }],
    ['an own certificate', { tls: { ca, ...own } }],
    ['a level', { scl: 4, tls: { ca } }],
  ];
  const memory = new TlsMemory();
  for (const [name, options] of ways) t.notOk(await visit(fake, memory, options), name);
  const elsewhere = `localhost:${fake.port}`;
  t.notOk(await visit(fake, memory, { tls: { ca } }, elsewhere), 'another host');
  for (const [name, options] of ways) t.ok(await visit(fake, memory, options), `${name}, again`);
});

t.test('a change of what is trusted counts at once', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(good) });
  const memory = new TlsMemory();
  const file = join(temporaryDirectory(t), 'ca.pem');
  const options: ConnectOptions = { encrypt: true, tls: { ca: file } };
  writeFileSync(file, good.caPem);
  await visit(fake, memory, options);
  t.ok(await visit(fake, memory, options));
  writeFileSync(file, other.caPem);
  await t.rejects(visit(fake, memory, options), { code: 'ERR_CLNTERR' }, 'the authority is gone');
  rmSync(file);
  await t.rejects(visit(fake, memory, options), { code: 'ERR_TLSCONF' });
  const pinned = { encrypt: true, tls: { ca: good.caPem, pin: pinOfServer(good) } };
  await visit(fake, memory, pinned);
  const wrong = { encrypt: true, tls: { ca: good.caPem, pin: pinOfServer(other) } };
  await t.rejects(visit(fake, memory, wrong), {
    code: 'ERR_CLNTERR',
    message: /another public key/,
  });
});

t.test('a server with another key is judged, whatever it was before', async (t) => {
  const memory = new TlsMemory();
  const options = { encrypt: true, tls: { ca: good.caPem } };
  const fake = await startFake(t, { tls: tlsOf(good) });
  await visit(fake, memory, options);
  const server = parseServer(fake.address);
  const impostor = await startFake(t, { tls: tlsOf(other) });
  // The sessions of the one are offered to the other, as if it had taken his place.
  const trust = await loadTrust(options.tls, 0, process.env);
  const found = memory.sessions.take(sessionKey(server, ['127.0.0.1', trust.id]));
  t.ok(found);
  const there = parseServer(impostor.address);
  if (found) memory.sessions.keep(sessionKey(there, ['127.0.0.1', trust.id]), found);
  await t.rejects(visit(impostor, memory, options), { code: 'ERR_CLNTERR', message: /tls\.ca/ });
});

t.test(
  'where revocation is looked up, each server shows its certificate',
  {
    skip: hasOpenssl ? false : 'skipped: needs openssl',
  },
  async (t) => {
    const pki = temporaryDirectory(t);
    const root = Authority.root(pki, 'root');
    const leaf = root.issue('server', { usage: 'serverAuth', names: 'IP:127.0.0.1' });
    const fake = await startFake(t, {
      tls: { cert: readFileSync(leaf.chain), key: readFileSync(leaf.key) },
    });
    const memory = new TlsMemory();
    const crl = root.writeCrl(join(pki, 'root.crl'));
    const options = { encrypt: true, tls: { ca: root.cert, crl } };
    for (let count = 0; count < 3; count++) t.notOk(await visit(fake, memory, options));
    const unlisted = { encrypt: true, tls: { ca: root.cert } };
    await visit(fake, memory, unlisted);
    t.ok(await visit(fake, memory, unlisted), 'who asks for no list resumes');
    root.revoke(leaf);
    root.writeCrl(crl);
    await t.rejects(visit(fake, memory, options), { code: 'ERR_CLNTERR', message: /CERT_REVOKED/ });
  },
);

t.test('who wants none gets none', async (t) => {
  const fake = await startFake(t, { tls: tlsOf(good) });
  const memory = new TlsMemory();
  const tls = { ca: good.caPem, resume: false };
  for (let count = 0; count < 2; count++) t.notOk(await visit(fake, memory, { tls }));
  t.equal(memory.sessions.size, 0);
  t.throws(() => resolveConnect({ tls: { resume: 'no' as never } }), { code: 'ERR_INVARG' });
});

t.test('before TLS 1.3 nothing is kept', async (t) => {
  const fake = await startFake(t, { tls: { ...tlsOf(good), maxVersion: 'TLSv1.2' } });
  const memory = new TlsMemory();
  for (let count = 0; count < 2; count++) {
    t.notOk(await visit(fake, memory, { tls: { ca: good.caPem } }));
  }
  t.equal(memory.sessions.size, 0);
});

t.test('a session ends with the certificates it stands for, and after a while', async (t) => {
  const now = 1_800_000_000_000;
  t.strictSame(trustedFor([now + 5, now + 9], now), { from: now, until: now + 5 });
  const late = now + tlsSessionTrustedMs;
  t.strictSame(trustedFor([late + 1], now), { from: now, until: late });
  t.strictSame(trustedFor([], now), { from: now, until: now }, 'nothing was shown');
  const sessions = new TlsSessions();
  const { from, until } = trustedFor([now + 5], now);
  const at = (moment: number) => {
    sessions.keep('a', kept(from, until));
    return sessions.take('a', moment) !== undefined;
  };
  t.strictSame([at(now), at(now + 4), at(now + 5)], [true, true, false]);
  t.notOk(at(now - 1), 'the clock was put back');
  sessions.keep('a', kept(now, Number.NaN));
  t.equal(sessions.take('a', now), undefined, 'no end could be read');
});

t.test('sessions are bounded: of a server, of all servers, each', async (t) => {
  const sessions = new TlsSessions();
  const many = tlsSessionsPerServerMax + 3;
  for (let number = 0; number < many; number++) {
    sessions.keep('one', kept(0, 9, Buffer.from([number])));
  }
  const taken: (number | undefined)[] = [];
  for (let next = sessions.take('one', 1); next; next = sessions.take('one', 1)) {
    taken.push(next.session[0]);
  }
  t.equal(taken.length, tlsSessionsPerServerMax);
  t.equal(taken[0], many - 1, 'the newest first');
  t.equal(sessions.size, 0);
  for (let number = 0; number <= tlsSessionServersMax; number++) {
    sessions.keep(`server ${number}`, kept(0, 9));
  }
  t.equal(sessions.size, tlsSessionServersMax);
  t.equal(sessions.take('server 0', 1), undefined, 'the one not used for longest was forgotten');
  sessions.keep('large', kept(0, 9, Buffer.alloc(tlsSessionBytesMax + 1)));
  t.equal(sessions.take('large', 1), undefined);
});

t.test(
  'authorities of the platform are told apart, also when a program changes them',
  async (t) => {
    const contexts = new TlsContexts();
    const [one, other] = [Object.freeze(['a', 'b']), Object.freeze(['a', 'c'])];
    t.equal(contexts.digestOf(one), contexts.digestOf(one));
    t.not(contexts.digestOf(one), contexts.digestOf(other));
    const list = ['a'];
    const before = contexts.digestOf(list);
    list.push('b');
    t.not(contexts.digestOf(list), before);
    t.equal(contexts.digestOf(list), contexts.digestOf(one));
  },
);

t.test('contexts are bounded', async (t) => {
  const contexts = new TlsContexts();
  const context = createSecureContext();
  let made = 0;
  const make = (id: string) => () => {
    made++;
    return { id, context, authorities: [], own: undefined };
  };
  for (let number = 0; number < tlsContextsKeptMax; number++)
    contexts.of(`${number}`, make(`${number}`));
  contexts.of('0', make('0'));
  contexts.of('one more', make('one more'));
  t.equal(made, tlsContextsKeptMax + 1);
  t.equal(contexts.size, tlsContextsKeptMax);
  contexts.of('0', make('0'));
  t.equal(made, tlsContextsKeptMax + 1, 'the one used lately stayed');
  contexts.of('1', make('1'));
  t.equal(made, tlsContextsKeptMax + 2);
});
