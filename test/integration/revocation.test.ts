// Revocation, removed trust and a raised level reach sessions that are open already: they end within two seconds
// and their locks are free. An old TLS session is no way around it.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Connection, connect, decimal, defineFile } from '../../client/index.js';
import { isRsyndError } from '../../shared/base/error.js';
import { type CertificateFiles, writeCertificate } from '../fixture/certificate.js';
import { type RunningDaemon, runProgram, startDaemon } from '../fixture/daemon.js';
import { Authority, hasOpenssl, type IssuedFiles } from '../fixture/pki.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const skip = hasOpenssl ? false : 'needs openssl';
const orders = defineFile({
  fields: { number: decimal(6) },
  keys: { number: { parts: ['number'] } },
});

/** Ends within the promise of two seconds, or the test says how long it took. */
const promisedMs = 2000;

interface Scene {
  readonly pki: string;
  readonly root: Authority;
  readonly crl: string;
  readonly server: RunningDaemon;
  readonly own: CertificateFiles;
  /** Rewrites the configuration and sends SIGHUP. */
  reconfigure(lines: readonly string[]): void;
}

async function setUp(t: Test, lines: (root: Authority, crl: string) => string[]): Promise<Scene> {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const own = await writeCertificate(pki);
  const root = Authority.root(pki, 'root');
  const crl = root.writeCrl(join(pki, 'root.crl'));
  const config = join(pki, 'rsynd.toml');
  writeFileSync(config, lines(root, crl).join('\n'));
  const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${own.bundle}`];
  const server = await startDaemon(t, [...base, '--config', config]);
  const reconfigure = (changed: readonly string[]): void => {
    writeFileSync(config, changed.join('\n'));
    server.process.kill('SIGHUP');
  };
  return { pki, root, crl, server, own, reconfigure };
}

async function enter(t: Test, scene: Scene, files?: IssuedFiles): Promise<Connection> {
  const { server, own } = scene;
  const shown = files === undefined ? {} : { cert: files.chain, key: files.key };
  const options = { encrypt: true, tls: { ca: own.ca, ...shown } };
  const connection = await connect(server.server, options);
  t.teardown(() => connection.close().catch(() => undefined));
  return connection;
}

/** Milliseconds until a session does not answer any more, and with which words it ended. */
async function untilExpelled(connection: Connection): Promise<{ ms: number; message: string }> {
  const began = performance.now();
  while (performance.now() - began < 5 * promisedMs) {
    try {
      const channel = await connection.open('orders', { definition: orders });
      await channel.close();
    } catch (error) {
      if (!isRsyndError(error)) throw error;
      return { ms: performance.now() - began, message: error.message };
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { ms: Number.POSITIVE_INFINITY, message: 'still there' };
}

t.test('a revoked client loses its session and its locks; others stay', { skip }, async (t) => {
  const scene = await setUp(t, (root, crl) => [
    'client-auth = "required"',
    `client-ca = "${root.cert}"`,
    `crl = ["${crl}"]`,
  ]);
  const [good, bad] = [scene.root.issue('good'), scene.root.issue('bad')];
  const staying = await enter(t, scene, good);
  await staying.isamc('orders', orders);
  const filled = await staying.open('orders', { mode: 'update', definition: orders });
  await filled.store({ number: 7 });
  const leaving = await enter(t, scene, bad);
  const locking = await leaving.open('orders', { mode: 'update', definition: orders });
  await locking.read(7);
  await t.rejects(filled.read(7), { code: 'ERR_LOCKED' }, 'the record is locked');
  scene.root.revoke(bad);
  scene.root.writeCrl(scene.crl);
  const began = performance.now();
  await filled.read(7, { waitMs: 5 * promisedMs });
  const freedMs = performance.now() - began;
  t.ok(freedMs < promisedMs, `the lock was free after ${Math.round(freedMs)} ms`);
  const { ms, message } = await untilExpelled(leaving);
  t.ok(ms + freedMs < promisedMs, `the session was over after ${Math.round(ms + freedMs)} ms`);
  t.match(message, /CERT_REVOKED.*CN=bad, depth 0/s);
  t.match(message, /keyCompromise/);
  await filled.unlock();
  t.equal((await filled.read(7)).number, 7, 'the other session goes on');
  await t.rejects(enter(t, scene, bad), /CERT_REVOKED/, 'and cannot come back');
});

t.test('an old TLS session does not let a revoked client in', { skip }, async (t) => {
  const scene = await setUp(t, (root, crl) => [
    'client-auth = "required"',
    `client-ca = "${root.cert}"`,
    `crl = ["${crl}"]`,
  ]);
  const files = scene.root.issue('bad');
  const visit = (protocol: string, extra: readonly string[]): string => {
    const to = ['s_client', '-connect', `127.0.0.1:${scene.server.port}`, protocol];
    const own = ['-cert', files.cert, '-key', files.key];
    // The input stays open for a while, so that tickets that come after the handshake are seen.
    const command = `sleep 0.6 | openssl ${[...to, ...own, ...extra].join(' ')}`;
    return spawnSync('sh', ['-c', command], { encoding: 'latin1' }).stdout;
  };
  for (const protocol of ['-tls1_2', '-tls1_3']) {
    const session = join(scene.pki, `session${protocol}`);
    const first = visit(protocol, ['-sess_out', session]);
    t.match(first, /^New, TLS/m, `${protocol}: in`);
    t.notMatch(first, /refuses this client/);
    const second = visit(protocol, ['-sess_in', session]);
    t.match(second, /^New, TLS/m, `${protocol}: what it kept of the first is worth nothing`);
    t.notMatch(second, /^Reused/m);
  }
  scene.root.revoke(files);
  scene.root.writeCrl(scene.crl);
  await scene.server.logLine(({ msg }) => msg === 'trust reloaded');
  for (const protocol of ['-tls1_2', '-tls1_3']) {
    const session = join(scene.pki, `session${protocol}`);
    const again = visit(protocol, ['-sess_in', session]);
    t.notMatch(again, /^Reused/m, `${protocol}: not resumed`);
    t.match(again, /refuses this client.*CERT_REVOKED/, `${protocol}: refused`);
  }
});

t.test(
  'a changed level, question or authority ends sessions that do not qualify',
  { skip },
  async (t) => {
    const asking = (root: Authority, word: string): string[] => [
      `client-auth = "${word}"`,
      `client-ca = "${root.cert}"`,
    ];
    const scene = await setUp(t, (root) => asking(root, 'optional'));
    const anonymous = await enter(t, scene);
    await anonymous.isamc('orders', orders);
    const known = await enter(t, scene, scene.root.issue('alice'));
    scene.reconfigure(asking(scene.root, 'required'));
    const asked = await untilExpelled(anonymous);
    t.match(asked.message, /NO_PEER_CERTIFICATE/);
    t.ok(asked.ms < promisedMs, `${Math.round(asked.ms)} ms`);
    await (await known.open('orders')).close();
    const other = Authority.root(scene.pki, 'other');
    copyFileSync(other.cert, scene.root.cert);
    const untrusted = await untilExpelled(known);
    t.match(untrusted.message, /ends this session.*CN=alice|CN=root/s);
    t.ok(untrusted.ms < promisedMs, `${Math.round(untrusted.ms)} ms`);
    const fresh = await enter(t, scene, other.issue('bob'));
    t.ok(fresh, 'the new authority counts');
  },
);

t.test('lists that are missing, ended or damaged', { skip }, async (t) => {
  const settings = (root: Authority, crl: string, policy: string): string[] => [
    'client-auth = "required"',
    `client-ca = "${root.cert}"`,
    `crl = "${crl}"`,
    `crl-policy = "${policy}"`,
  ];
  const scene = await setUp(t, (root, crl) => settings(root, crl, 'closed'));
  const { root, crl, server } = scene;
  const warned = await server.logLine(({ msg }) => /ends in 0 days/.test(String(msg)));
  t.match(warned.msg, /root\.crl of CN=root/, 'an end within a day is said at the start');
  const below = root.intermediate('below').issue('deep');
  await t.rejects(enter(t, scene, below), /CN=below .UNABLE_TO_GET_CRL/, 'one list per authority');
  const files = root.issue('alice');
  await enter(t, scene, files);
  writeFileSync(crl, 'rubbish');
  const kept = await server.logLine(({ msg }) => /trust not reloaded/.test(String(msg)));
  t.match(kept, { code: 'ERR_BADCERT', error: /root\.crl is no revocation list/ });
  await enter(t, scene, files);
  const forger = Authority.root(scene.pki, 'forger');
  forger.writeCrl(crl);
  const reloads = (): number => server.log.filter(({ msg }) => msg === 'trust reloaded').length;
  const next = async (before: number): Promise<void> => {
    await server.logLine(() => reloads() > before);
  };
  await next(0);
  await t.rejects(enter(t, scene, files), /UNABLE_TO_GET_CRL/, "another authority's list is none");
  root.revoke(root.issue('somebody'));
  // A second is the shortest a list can live.
  spawnSync('openssl', ['ca', '-config', 'ca.cnf', '-gencrl', '-crlsec', '1', '-out', crl], {
    cwd: root.directory,
  });
  await next(1);
  let refusal = '';
  while (!/CRL_HAS_EXPIRED/.test(refusal)) {
    refusal = await enter(t, scene, files).then(
      () => '',
      (error) => String(error),
    );
  }
  t.match(refusal, /due at .*CRL_HAS_EXPIRED/);
  scene.reconfigure(settings(root, crl, 'open'));
  await next(2);
  t.ok(await enter(t, scene, files), 'open takes what an ended list does not name');
});

t.test('the local authority: issue, revoke, and the session is gone', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const own = await writeCertificate(pki);
  const rsynctl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram('dist/rsynctl/main.js', [
      ...args,
      ...['--data', data],
    ]);
    t.equal(code, 0, `rsynctl ${args.join(' ')} ${stderr}`);
    return stdout;
  };
  await rsynctl('ca', 'init');
  const pem = join(pki, 'alice.pem');
  await rsynctl('ca', 'issue', 'alice', '--client', '--user', 'alice', '--ec', '--out', pem);
  const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${own.bundle}`];
  const server = await startDaemon(t, [...base, '--client-auth', 'required']);
  const tls = { ca: own.ca, cert: pem, key: pem };
  const connection = await connect(server.server, { encrypt: true, tls });
  t.teardown(() => connection.close());
  await connection.isamc('orders', orders);
  await rsynctl('ca', 'revoke', 'alice');
  const { ms, message } = await untilExpelled(connection);
  t.ok(ms < promisedMs, `${Math.round(ms)} ms after rsynctl ended`);
  t.match(message, /local authority \(CERT_REVOKED\).*CN=alice/);
  const refused = await connect(server.server, { encrypt: true, tls }).catch(String);
  const id = /refusal (\w{8})/.exec(String(refused))?.[1] ?? '';
  const told = await rsynctl('explain', id);
  t.match(told, new RegExp(`refusal ${id}`));
  t.match(told, /CERT_REVOKED/);
  t.match(told, /CN=alice.*, depth 0/);
  const { code, reason, certificate } = JSON.parse(await rsynctl('explain', id, '--json'));
  t.match({ code, reason, certificate }, { code: 'CERT_REVOKED', certificate: { depth: 0 } });
  t.match(await rsynctl('explain', 'cert_has_expired'), /renew it/);
  t.match(await rsynctl('explain', 'ERR_NETCRYPT'), /9001/);
  t.match(await rsynctl('explain', 'PLAIN_ON_ENCRYPTED'), /encrypt: true/);
  t.match(await rsynctl('explain', 'ERR_SSL_UNSUPPORTED_PROTOCOL'), /-scl/);
  const args = ['--data', data];
  const unknown = await runProgram('dist/rsynctl/main.js', ['explain', 'ZZZZ2222', ...args]);
  t.match(unknown.stderr, /no refusal ZZZZ2222 is kept/);
  const neither = await runProgram('dist/rsynctl/main.js', ['explain', 'what', ...args]);
  t.match(neither.stderr, /neither id nor code/);
});

t.test('a raised level ends the open sessions below it', { skip }, async (t) => {
  const scene = await setUp(t, () => ['scl = 3']);
  const visit = (protocol: string) => {
    const to = ['s_client', '-connect', `127.0.0.1:${scene.server.port}`, protocol, '-quiet'];
    const child = spawn('openssl', to, { stdio: ['pipe', 'pipe', 'ignore'] });
    t.teardown(() => child.kill('SIGKILL'));
    return child;
  };
  const [old, modern] = [visit('-tls1_2'), visit('-tls1_3')];
  const words: Buffer[] = [];
  old.stdout.on('data', (chunk: Buffer) => words.push(chunk));
  for (const protocol of ['TLSv1.2', 'TLSv1.3']) {
    await scene.server.logLine((line) => line.protocol === protocol);
  }
  const began = performance.now();
  const closed = once(old, 'close');
  scene.reconfigure(['scl = 4']);
  await closed;
  const ms = Math.round(performance.now() - began);
  t.ok(ms < promisedMs, `${ms} ms`);
  t.match(Buffer.concat(words).toString('latin1'), /lowest is now TLSv1\.3 \(PROTOCOL_TOO_LOW\)/);
  t.equal(modern.exitCode, null, 'who qualifies stays');
});
