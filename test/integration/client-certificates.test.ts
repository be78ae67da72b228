// Certificates of clients against the running daemon: with the real openssl s_client and with the SDK, who gets
// in, who does not, and whether both ends then say the same reason and the same id.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { connect } from '../../client/index.js';
import { isRsyndError } from '../../shared/base/error.js';
import { writeCertificate } from '../fixture/certificate.js';
import { type RunningDaemon, runProgram, startDaemon } from '../fixture/daemon.js';
import { Authority, hasOpenssl, type IssuedFiles, selfSigned } from '../fixture/pki.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const skip = hasOpenssl ? false : 'needs openssl';

/** What s_client got after its handshake, as text; it sends nothing. */
async function shown(
  port: number,
  ca: string,
  files: IssuedFiles | undefined,
  extra: readonly string[] = [],
): Promise<string> {
  const own =
    files === undefined ? [] : ['-cert', files.cert, '-key', files.key, '-cert_chain', files.chain];
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost'];
  const child = spawn('openssl', [...args, '-CAfile', ca, ...own, ...extra], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const out: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    out.push(chunk);
    // Who is let in hears nothing until he speaks: then we hang up.
    if (/Verify return code/.test(String(Buffer.concat(out)))) {
      timer ??= setTimeout(() => child.stdin.end(), 300);
    }
  });
  await once(child, 'close');
  clearTimeout(timer);
  return Buffer.concat(out).toString('latin1');
}

/** Code of the refusal in the server's last words; `in` when there are none. */
const outcome = (text: string): string =>
  /the server refuses this client: .*?\(([A-Z_]+)\)/.exec(text)?.[1] ?? 'in';

const idIn = (text: string): string => /refusal ([2-9A-Z]{8})/.exec(text)?.[1] ?? 'none';

async function errorOf(
  server: RunningDaemon,
  ca: string,
  files: IssuedFiles | undefined,
): Promise<string> {
  const own = files === undefined ? {} : { cert: files.chain, key: files.key };
  try {
    const connection = await connect(server.server, { encrypt: true, tls: { ca, ...own } });
    await connection.close();
    return 'in';
  } catch (error) {
    if (!isRsyndError(error, 'ERR_CLNTERR')) throw error;
    return error.message;
  }
}

t.test('each kind of certificate is let in or refused with its reason', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(pki);
  const root = Authority.root(pki, 'root');
  const other = Authority.root(pki, 'elsewhere');
  const revoked = root.issue('revoked');
  root.revoke(revoked);
  const crl = root.writeCrl(join(pki, 'root.crl'));
  const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${bundle}`];
  const trust = ['--client-auth', 'required', '--client-ca', root.cert, '--crl', crl];
  const server = await startDaemon(t, [...base, ...trust]);
  const cases: readonly (readonly [string, IssuedFiles | undefined, string, number])[] = [
    ['valid', root.issue('alice', { names: 'DNS:alice.example' }), 'in', 0],
    ['none', undefined, 'NO_PEER_CERTIFICATE', 0],
    ['expired', root.issue('old', { fromDay: -9, toDay: -2 }), 'CERT_HAS_EXPIRED', 0],
    ['not yet valid', root.issue('early', { fromDay: 2, toDay: 9 }), 'CERT_NOT_YET_VALID', 0],
    ['revoked', revoked, 'CERT_REVOKED', 0],
    ['self-signed', selfSigned(pki, 'lonely'), 'DEPTH_ZERO_SELF_SIGNED_CERT', 0],
    ['of another authority', other.issue('mallory'), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 0],
    ['for servers only', root.issue('server', { usage: 'serverAuth' }), 'INVALID_PURPOSE', 0],
  ];
  for (const [name, files, expected, depth] of cases) {
    for (const protocol of ['-tls1_2', '-tls1_3']) {
      const text = await shown(server.port, ca, files, [protocol]);
      t.equal(outcome(text), expected, `${name}, s_client ${protocol}`);
      if (expected === 'in') continue;
      const id = idIn(text);
      const line = await server.logLine((each) => each.id === id);
      t.match(line, { code: expected, reason: /\w/, advice: /\w/, peer: { address: '127.0.0.1' } });
      if (files !== undefined) t.match(line, { certificate: { depth, subject: /^CN=/ } });
    }
    if (/^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/.test(expected)) {
      await t.rejects(
        errorOf(server, ca, files),
        { code: 'ERR_TLSCONF' },
        `${name}: the SDK knows`,
      );
      continue;
    }
    const message = await errorOf(server, ca, files);
    if (expected === 'in') {
      t.equal(message, 'in', `${name}, SDK`);
      continue;
    }
    t.ok(message.includes(expected), `${name}, SDK: ${message}`);
    const line = await server.logLine((each) => each.id === idIn(message));
    t.equal(line.code, expected, 'both ends name the same id and reason');
  }
  const started = await server.logLine((each) => each.certificate !== undefined && !!each.session);
  t.match(started.certificate, { subject: 'CN=alice', fingerprint: /^[0-9a-f]{64}$/ });
});

t.test('chains up to the depth allowed pass, longer ones do not', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(pki);
  const root = Authority.root(pki, 'root');
  const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${bundle}`];
  const server = await startDaemon(t, [
    ...base,
    '--client-auth',
    'required',
    '--client-ca',
    root.cert,
  ]);
  let authority = root;
  for (let depth = 1; depth <= 5; depth++) {
    const files = authority.issue(`client${depth}`);
    const expected = depth <= 4 ? 'in' : 'CERT_CHAIN_TOO_LONG';
    t.equal(outcome(await shown(server.port, ca, files)), expected, `depth ${depth}`);
    authority = authority.intermediate(`ica${depth}`);
  }
  const line = await server.logLine((each) => each.code === 'CERT_CHAIN_TOO_LONG');
  t.match(line, { certificate: { depth: 5, subject: 'CN=root' } });
});

t.test('an expired intermediate is named with its depth', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(pki);
  const root = Authority.root(pki, 'root');
  const old = root.intermediate('fading', { fromDay: -9, toDay: -2 });
  const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${bundle}`];
  const trust = ['--client-auth', 'required', '--client-ca', root.cert];
  const server = await startDaemon(t, [...base, ...trust]);
  const message = await errorOf(server, ca, old.issue('bob'));
  t.match(message, /CERT_HAS_EXPIRED.*CN=fading, depth 1/s);
  const line = await server.logLine((each) => each.id === idIn(message));
  t.match(line, { code: 'CERT_HAS_EXPIRED', certificate: { subject: 'CN=fading', depth: 1 } });
});

t.test('optional: none is fine, a bad one is not', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(pki);
  const root = Authority.root(pki, 'root');
  const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${bundle}`];
  const trust = ['--client-auth', 'optional', '--client-ca', root.cert];
  const server = await startDaemon(t, [...base, ...trust]);
  t.equal(await errorOf(server, ca, undefined), 'in');
  t.equal(await errorOf(server, ca, root.issue('alice')), 'in');
  t.match(await errorOf(server, ca, selfSigned(pki, 'lonely')), /DEPTH_ZERO_SELF_SIGNED_CERT/);
});

t.test('what cannot work is refused before the port opens, with the fix', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const { bundle } = await writeCertificate(pki);
  const root = Authority.root(pki, 'root');
  const leaf = root.issue('leaf');
  const plain = ['-d', data, '-n', '-u', 'demo'];
  const encrypted = [...plain, '-encrypt', `-cert=${bundle}`];
  const required = [...encrypted, '--client-auth', 'required'];
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[...plain, '--client-auth', 'required'], /needs -encrypt/],
    [required, /give --client-ca FILE/],
    [[...encrypted, '--client-auth', 'perhaps'], /none, optional, required/],
    [[...required, '--client-ca', join(pki, 'nowhere.pem')], /cannot be read \(ENOENT\)/],
    [[...required, '--client-ca', root.key], /holds a key and no certificate/],
    [[...required, '--client-ca', leaf.cert], /CN=leaf is no authority/],
    [[...required, '--client-ca', root.cert, '--crl', root.cert], /no revocation list/],
    [[...required, '--client-ca', root.cert, '--ocsp', 'hard'], /needs --ocsp-url/],
    [[...required, '--client-ca', root.cert, '--client-depth', '99'], /client-depth/],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await runProgram('dist/server/main.js', [...args, '--check']);
    t.match(stderr, expected, args.slice(4).join(' '));
    t.not(code, 0);
  }
  const good = [...required, '--client-ca', root.cert, '--check'];
  t.equal((await runProgram('dist/server/main.js', good)).code, 0);
});

t.test('a certificate stands for its user, and for nobody else', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(pki);
  const root = Authority.root(pki, 'root');
  const rsynctl = async (...args: string[]): Promise<void> => {
    const all = [...args, '--data', data];
    const { code, stderr } = await runProgram('dist/rsynctl/main.js', all);
    t.equal(code, 0, `rsynctl ${args.join(' ')} ${stderr}`);
  };
  for (const name of ['alice', 'bob']) await rsynctl('user', 'add', name, '--no-password');
  await rsynctl('user', 'map', 'alice', 'dns:alice.example');
  const trust = ['--client-auth', 'optional', '--client-ca', root.cert];
  const server = await startDaemon(t, ['-d', data, '-encrypt', `-cert=${bundle}`, ...trust]);
  const enter = async (files: IssuedFiles | undefined, user?: string): Promise<string> => {
    const own = files === undefined ? {} : { cert: files.chain, key: files.key };
    const who = user === undefined ? {} : { user };
    const options = { encrypt: true, tls: { ca, ...own }, ...who };
    const connection = await connect(server.server, options);
    await connection.close();
    return 'in';
  };
  const mapped = root.issue('whoever', { names: 'DNS:alice.example' });
  t.equal(await enter(mapped), 'in', 'without a name');
  t.equal(await enter(mapped, 'alice'), 'in', 'with her own');
  await t.rejects(enter(mapped, 'bob'), { code: 'ERR_BADUSER' }, 'not as another');
  await t.rejects(enter(root.issue('alice'), 'alice'), { code: 'ERR_BADUSER' }, 'not mapped');
  await t.rejects(enter(undefined, 'alice'), { code: 'ERR_BADUSER' }, 'without a certificate');
  const ended = await server.logLine(({ user }) => user === 'alice');
  t.match(ended.msg, /session ended/);
});
