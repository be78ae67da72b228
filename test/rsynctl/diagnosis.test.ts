// rsynctl dltest, audit tls, check and trust as an administrator uses them: as programs, against a real daemon.

import { spawn, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { connect } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const data = temporaryDirectory(t);
const { bundle, ca } = await writeCertificate(data);
const known = join(data, 'known.json');
const leafOf = (path: string): X509Certificate => new X509Certificate(readFileSync(path));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function rsynctl(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['dist/rsynctl/main.js', '--data', data, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: cleanEnvironment({ RSYND_KNOWN_SERVERS: known, DBLDIR: '', ...env }),
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk;
  });
  const [status] = await once(child, 'close');
  return { status, ...said };
}

const startServer = (t: Test, level: number) =>
  startDaemon(t, [
    ...['-d', data, '-n', '-u', 'shop', '-encrypt', `-scl=${level}`, `-cert=${bundle}`],
    ...['--log-level', 'error'],
  ]);

t.test('dltest passes with a good certificate and names a bad one', async (t) => {
  const good = await rsynctl(['dltest', '--cert', bundle]);
  t.equal(good.status, 0, good.stderr);
  t.match(good.stdout, /^ok {3}scl 4/m);
  const bad = join(data, 'bad.pem');
  writeFileSync(bad, 'nothing', { mode: 0o600 });
  const failed = await rsynctl(['dltest', '-cert', bad]);
  t.equal(failed.status, 6);
  t.match(failed.stdout, /^FAIL certificate .*bad\.pem/m);
  t.match(failed.stderr, 'certificate failed');
});

t.test('audit tls passes a running server at level 3 and fails one at level 2', async (t) => {
  for (const [level, status] of [
    [3, 0],
    [2, 6],
  ] as const) {
    const daemon = await startServer(t, level);
    const audited = await rsynctl(['audit', 'tls', daemon.server]);
    t.equal(audited.status, status, audited.stdout + audited.stderr);
    t.equal(/^FAIL 3\.1 +TLS 1\.1 is served/m.test(audited.stdout), level === 2);
    await daemon.stop();
  }
  const settings = await rsynctl(['audit', 'tls', '-scl=4', '--cert', bundle, '--json']);
  t.equal(settings.status, 0);
  t.match(JSON.parse(settings.stdout), { guideline: 'NIST SP 800-52r2' });
  t.equal((await rsynctl(['audit', 'tls'])).status, 6, 'nothing to audit');
});

t.test('check speaks to people, programs and two kinds of monitors', async (t) => {
  const daemon = await startServer(t, 3);
  const text = await rsynctl(['check', daemon.server, '--cert', bundle]);
  t.equal(text.status, 0, text.stderr);
  t.match(text.stdout, /^OK +server localhost:\d+: answers with TLS/m);
  const json = JSON.parse((await rsynctl(['check', daemon.server, '--format', 'json'])).stdout);
  t.equal(json.level, 'ok');
  const days = ['--warning-days', '500', '--critical-days', '10', '--cert', bundle];
  const nagios = await rsynctl(['check', '--format', 'nagios', ...days]);
  t.equal(nagios.status, 1);
  t.match(nagios.stdout, /^RSYND WARNING - certificate .* ends in \d+ days.* \| /);
  const prometheus = await rsynctl(['check', daemon.server, '--format', 'prometheus']);
  t.match(prometheus.stdout, /^rsynd_certificate_days\{subject="localhost:\d+"\} \d+$/m);
  await daemon.stop();
  const gone = await rsynctl(['check', daemon.server, '--format', 'nagios']);
  t.equal(gone.status, 2);
  t.match(gone.stdout, 'RSYND CRITICAL');
  t.equal((await rsynctl(['check', 'a:b:c', '--format', 'nagios'])).status, 3);
  t.equal((await rsynctl(['check', daemon.server])).status, 1);
});

t.test('ciphers lists what is taken, of a running server and of settings', async (t) => {
  const suites = (said: string): string[] =>
    said
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '');
  const settings = await rsynctl(['ciphers', '-scl=4', '-cert', bundle]);
  t.equal(settings.status, 0, settings.stderr);
  t.strictSame(suites(settings.stdout).sort(), [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
  ]);
  const daemon = await startServer(t, 3);
  const running = await rsynctl(['ciphers', daemon.server]);
  t.match(
    running.stdout,
    /^ECDHE-RSA-AES256-GCM-SHA384 TLSv1\.2 Kx=ECDH Au=RSA Enc=AESGCM\(256\) Mac=AEAD$/m,
  );
  t.notMatch(running.stdout, /TLSv1(\.1)? |NULL|RC4|3DES|Mac=SHA/);
  await daemon.stop();
  t.not((await rsynctl(['ciphers', daemon.server])).status, 0, 'nothing to ask');
});

const noOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'needs openssl';

t.test('tls-usage names who came by which protocol', { skip: noOpenssl }, async (t) => {
  const own = temporaryDirectory(t);
  const level2 = ['-d', own, '-n', '-u', 'shop', '-encrypt', '-scl=2', `-cert=${bundle}`];
  const daemon = await startDaemon(t, level2);
  const target = ['s_client', '-connect', `127.0.0.1:${daemon.port}`, '-CAfile', ca];
  spawnSync('openssl', [...target, '-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0'], { input: '' });
  spawnSync('openssl', [...target, '-tls1_2'], { input: '' });
  const connection = await connect(daemon.server, { tls: { ca } });
  await connection.close();
  await daemon.stop();
  const { status, stdout } = await rsynctl(['--data', own, 'tls-usage']);
  t.equal(status, 0);
  t.match(stdout, /^PROTOCOL +CLIENT +CONNECTIONS +LAST SEEN +USERS +CIPHER$/m);
  t.match(stdout, /^TLSv1\.1 +127\.0\.0\.1 +1 .* - +ECDHE-RSA-AES256-SHA\nTLSv1\.2 +127\.0\.0\.1/m);
  t.match(stdout, /^TLSv1\.3 +127\.0\.0\.1 +\d+ .* shop +TLS_AES_256_GCM_SHA384$/m);
  const { peers } = JSON.parse((await rsynctl(['--data', own, 'tls-usage', '--json'])).stdout);
  t.match(peers[0], { address: '127.0.0.1', protocol: 'TLSv1.1', connections: 1, users: [] });
});

t.test('tls-usage and rehearse are about a second behind a running server', async (t) => {
  const own = temporaryDirectory(t);
  const args = ['-d', own, '-n', '-u', 'shop', '-encrypt', `-cert=${bundle}`];
  const daemon = await startDaemon(t, args);
  t.match((await rsynctl(['--data', own, 'tls-usage'])).stdout, 'nobody has connected yet');
  const connection = await connect(daemon.server, { tls: { ca } });
  t.teardown(() => connection.close());
  const end = Date.now() + 10_000;
  let said = '';
  while (!/^TLSv1\.3 .* shop /m.test(said) && Date.now() < end) {
    said = (await rsynctl(['--data', own, 'tls-usage'])).stdout;
  }
  t.match(said, /^TLSv1\.3 .* shop /m);
  const rehearsed = await rsynctl(['--data', own, 'cert', 'rehearse', '--client-auth', 'required']);
  t.equal(rehearsed.status, 1);
  t.match(rehearsed.stdout, /^refused +shop@127\.0\.0\.1 .* showed no certificate/m);
});

t.test('trust add takes no key that nobody has compared', async (t) => {
  const daemon = await startServer(t, 3);
  const silent = await rsynctl(['trust', 'add', daemon.server]);
  t.equal(silent.status, 6);
  const fingerprint = leafOf(bundle).fingerprint256;
  t.match(silent.stderr, fingerprint, 'what is to be compared is shown');
  const wrong = await rsynctl(['trust', 'add', daemon.server, '--fingerprint', 'ab'.repeat(32)]);
  t.equal(wrong.status, 6);
  t.match(wrong.stderr, 'somebody may be in between');
  t.notOk(existsSync(known), 'nothing was written');
  await t.rejects(
    connect(daemon.server),
    { code: 'ERR_CLNTERR' },
    'the SDK does not trust it either',
  );
});

t.test('a server trusted by its key is reached by it, and only by it', async (t) => {
  const daemon = await startServer(t, 3);
  const { fingerprint256 } = leafOf(bundle);
  const added = await rsynctl(['trust', 'add', daemon.server, '--fingerprint', fingerprint256]);
  t.equal(added.status, 0, added.stderr);
  t.match((await rsynctl(['trust', 'list'])).stdout, daemon.server);
  process.env.RSYND_KNOWN_SERVERS = known;
  t.teardown(() => delete process.env.RSYND_KNOWN_SERVERS);
  const connection = await connect(daemon.server);
  await connection.close();
  const text = readFileSync(known, 'utf8');
  writeFileSync(known, text.replace(/sha256\/.{43}=/, `sha256/${'A'.repeat(43)}=`));
  await t.rejects(connect(daemon.server), { code: 'ERR_CLNTERR' }, 'another key is refused');
  const byAuthority = await connect(daemon.server, { tls: { ca } });
  await byAuthority.close();
  t.equal((await rsynctl(['trust', 'remove', daemon.server])).status, 0);
  t.equal((await rsynctl(['trust', 'remove', daemon.server])).status, 3);
  writeFileSync(known, '{');
  await t.rejects(connect(daemon.server), { code: 'ERR_TLSCONF', message: /known\.json/ });
});
