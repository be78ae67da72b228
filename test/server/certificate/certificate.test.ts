import { spawnSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { resolveCertificateFile } from '../../../server/certificate/certificate-file.js';
import { CertificateHolder } from '../../../server/certificate/certificate-holder.js';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import { loadServerCertificate } from '../../../server/certificate/load-server-certificate.js';
import { passphraseSource } from '../../../server/certificate/passphrase.js';
import { promptHidden, type Terminal } from '../../../server/certificate/prompt-hidden.js';
import { proveCertificate } from '../../../server/certificate/prove-certificate.js';
import { splitPem } from '../../../shared/tls/pem.js';
import { policyFor } from '../../../shared/tls/policy.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const needsOpenssl = hasOpenssl ? {} : { skip: 'skipped: needs openssl' };
const DAY_MS = 86_400_000;

const hosts = ['db.example', '127.0.0.1', '::1'];
const first = await issueDevelopmentCertificate({ hosts, keyBits: 2048 });
const second = await issueDevelopmentCertificate({ hosts, keyBits: 2048 });
const partsOf = (pem: string): { key: string; cert: string } => {
  const [key = ''] = splitPem(pem).privateKeys;
  const [cert = ''] = splitPem(pem).certificates;
  return { key, cert };
};
const firstParts = partsOf(first.serverPem);
const encrypted = createPrivateKey(firstParts.key)
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'right' })
  .toString();

const fileAt = (path: string) => resolveCertificateFile(path, {});
const noTerminal: Terminal = { input: new PassThrough(), output: new PassThrough() };
const passphrases = (env: Record<string, string>, file?: string) =>
  passphraseSource({ env, terminal: noTerminal, ...(file !== undefined && { file }) });

t.test('finds the file by -cert, by a logical and by $DBLDIR', async (t) => {
  const env = { DBLDIR: '/dbl', DAT: '/data' };
  const origin = '$DBLDIR/rsynd.pem';
  t.same(resolveCertificateFile(undefined, env), { path: '/dbl/rsynd.pem', origin });
  t.equal(resolveCertificateFile('/etc/x.pem', env).path, '/etc/x.pem');
  t.equal(resolveCertificateFile('DAT:sub/x.pem', env).path, '/data/sub/x.pem');
  t.match(resolveCertificateFile('NOPE:x.pem', env).path, /NOPE:x\.pem$/);
  t.throws(() => resolveCertificateFile(undefined, {}), {
    code: 'ERR_TLSCONF',
    message: /-cert is not given and DBLDIR.*not set/,
  });
});

t.test('names what is wrong with the file', async (t) => {
  const dir = t.testdir({
    'key-only.pem': firstParts.key,
    'cert-only.pem': firstParts.cert,
    'empty.pem': '',
    'other-key.pem': partsOf(second.serverPem).key + firstParts.cert,
    'two-keys.pem': first.serverPem + second.serverPem,
    'encrypted.pem': encrypted + firstParts.cert,
    'damaged.pem': firstParts.key + firstParts.cert.replace('MII', 'AAA'),
    folder: {},
  });
  const cases = {
    'none.pem': /certificate file \S+none\.pem \(-cert=\S+\) does not exist/,
    folder: /folder \(-cert=\S+\) is a directory/,
    'empty.pem': /empty\.pem: there is no private key in it/,
    'cert-only.pem': /there is no private key in it/,
    'key-only.pem': /there is no certificate in it/,
    'other-key.pem': /the private key does not match the certificate/,
    'two-keys.pem': /there are 2 private keys in it/,
    'encrypted.pem': /is encrypted and there is no passphrase/,
    'damaged.pem': /certificate 1 cannot be read: it is damaged/,
  };
  for (const [name, message] of Object.entries(cases)) {
    const loading = loadServerCertificate({ file: fileAt(`${dir}/${name}`) });
    await t.rejects(loading, { code: 'ERR_TLSCONF', message }, name);
  }
  const byDefault = loadServerCertificate({
    file: resolveCertificateFile(undefined, { DBLDIR: `${dir}/folder` }),
  });
  await t.rejects(byDefault, { message: /folder\/rsynd\.pem \(\$DBLDIR\/rsynd\.pem\) does not/ });
});

t.test('says that a file cannot be read for lack of permission', async (t) => {
  if (process.getuid?.() === 0) return t.comment('skipped: root may read everything');
  const dir = t.testdir({ 'x.pem': first.serverPem });
  chmodSync(`${dir}/x.pem`, 0);
  const loading = loadServerCertificate({ file: fileAt(`${dir}/x.pem`) });
  await t.rejects(loading, { message: /permission denied/ });
});

t.test('refuses a certificate outside its dates and warns ahead', async (t) => {
  const file = fileAt(`${t.testdir({ 'x.pem': first.serverPem })}/x.pem`);
  chmodSync(file.path, 0o600);
  const { notAfter, notBefore, warnings } = await loadServerCertificate({ file });
  t.same(warnings, []);
  const at = (date: Date, offsetMs: number) => () => new Date(date.getTime() + offsetMs);
  await t.rejects(loadServerCertificate({ file, now: at(notAfter, 1000) }), {
    message: `the certificate expired at ${notAfter.toISOString()}`,
  });
  await t.rejects(loadServerCertificate({ file, now: at(notBefore, -1000) }), {
    message: `the certificate is not valid before ${notBefore.toISOString()}`,
  });
  const ending = await loadServerCertificate({ file, now: at(notAfter, -2 * DAY_MS - 1000) });
  t.match(ending.warnings, [/ends in 2 days/]);
  chmodSync(file.path, 0o644);
  t.match((await loadServerCertificate({ file })).warnings, [/others may read; chmod 600/]);
});

t.test('takes the passphrase from the file, else the environment, else a terminal', async (t) => {
  const dir = t.testdir({ 'x.pem': firstParts.cert + encrypted, right: 'right\n', empty: '' });
  const file = fileAt(`${dir}/x.pem`);
  const wrongEnv = { RSYND_PASSPHRASE: 'wrong' };
  const byFile = passphrases(wrongEnv, `${dir}/right`);
  t.equal((await loadServerCertificate({ file, passphrase: byFile })).cert, firstParts.cert);
  const byEnv = passphrases({ RSYND_PASSPHRASE: 'right' });
  t.ok(await loadServerCertificate({ file, passphrase: byEnv }));
  const wrong = loadServerCertificate({ file, passphrase: passphrases(wrongEnv) });
  await t.rejects(wrong, { message: /the passphrase is wrong/ });
  const nothing = loadServerCertificate({ file, passphrase: passphrases({}) });
  await t.rejects(nothing, { message: /there is no passphrase; give --passphrase-file/ });
  for (const [name, why] of Object.entries({ none: 'cannot be read', empty: 'is empty' })) {
    const loading = loadServerCertificate({ file, passphrase: passphrases({}, `${dir}/${name}`) });
    await t.rejects(loading, { code: 'ERR_TLSCONF', message: new RegExp(why) });
  }
});

t.test('a key with a passphrase is refused on Windows, one without is not', async (t) => {
  const dir = t.testdir({ 'x.pem': firstParts.cert + encrypted, 'y.pem': first.serverPem });
  const passphrase = passphrases({ RSYND_PASSPHRASE: 'right' });
  const load = (name: string, platform: NodeJS.Platform) =>
    loadServerCertificate({ file: fileAt(`${dir}/${name}`), passphrase, platform });
  await t.rejects(load('x.pem', 'win32'), {
    code: 'ERR_TLSCONF',
    message: /x\.pem: a private key with a passphrase is not supported on Windows; take it off/,
  });
  t.ok(await load('x.pem', 'linux'));
  t.ok(await load('y.pem', 'win32'));
});

/** A terminal with somebody typing, and what it showed. */
function makeTerminal(typed: string): { terminal: Terminal; shown(): string; modes: boolean[] } {
  const modes: boolean[] = [];
  const output = new PassThrough();
  const setRawMode = (isRaw: boolean): void => void modes.push(isRaw);
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode });
  input.write(typed);
  return { terminal: { input, output }, shown: () => String(output.read()), modes };
}

t.test('what was typed once serves sources made later', async (t) => {
  const typed = {};
  const { terminal } = makeTerminal('secret\r');
  const first = passphraseSource({ env: {}, terminal, typed });
  t.equal(await first('x.pem'), 'secret');
  const later = passphraseSource({ env: {}, terminal: noTerminal, typed });
  t.equal(await later('x.pem'), 'secret', 'as a reload, or another process, makes them');
});

t.test('asks on a terminal without showing what is typed, once', async (t) => {
  const { terminal, shown, modes } = makeTerminal('rigx\u007fht\r');
  const source = passphraseSource({ env: {}, terminal });
  t.equal(await source('/x.pem'), 'right');
  t.equal(shown(), 'Passphrase for /x.pem: \n');
  t.same(modes, [true, false], 'the terminal is left as it was found');
  t.equal(await source('/x.pem'), 'right', 'a reload does not ask again');
  await t.rejects(promptHidden('?', makeTerminal('ab\u0003').terminal), { code: 'ERR_ABORTED' });
  await t.rejects(promptHidden('?', makeTerminal('').terminal, 1), { code: 'ERR_TIMEOUT' });
});

t.test('proves a certificate by a handshake at every level', async (t) => {
  for (const level of [1, 2, 3, 4] as const) {
    const proof = await proveCertificate({ ...policyFor(level), ...firstParts });
    t.same(proof, { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' });
  }
});

t.test('does not prove what would fail every connection', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const mixed = proveCertificate({ ...policyFor(3), key: ecKey, cert: firstParts.cert }, 'x.pem');
  await t.rejects(mixed, { code: 'ERR_TLSCONF', message: /x\.pem: .*does not belong/ });
  const weak = await issueDevelopmentCertificate({ hosts, keyBits: 1024 });
  const proving = proveCertificate({ ...policyFor(3), ...partsOf(weak.serverPem) });
  await t.rejects(proving, { message: /key too small/, cause: { code: /KEY_TOO_SMALL/ } });
});

t.test('keeps a good certificate until a better one is proved', async (t) => {
  const path = `${t.testdir({ 'x.pem': first.serverPem })}/x.pem`;
  const load = () => loadServerCertificate({ file: fileAt(path) });
  const holder = await CertificateHolder.open({ load, level: 3 });
  const before = holder.contextOptions;
  writeFileSync(path, partsOf(second.serverPem).key + firstParts.cert);
  await t.rejects(holder.reload(), { message: /does not match/ });
  t.equal(holder.contextOptions, before);
  writeFileSync(path, second.serverPem);
  const overlapping = await Promise.all([holder.reload(), holder.reload({ level: 4 })]);
  const fingerprint = new X509Certificate(partsOf(second.serverPem).cert).fingerprint256;
  t.same(
    overlapping.map((one) => one.leaf.fingerprint256),
    [fingerprint, fingerprint],
  );
  t.equal(holder.certificate.leaf.fingerprint256, fingerprint);
  t.match(holder.contextOptions, { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' });
});

t.test('issues certificates that openssl verifies for every host', needsOpenssl, async (t) => {
  const dir = t.testdir({ 'ca.pem': first.caPem, 'x.pem': first.serverPem });
  const verify = (...args: string[]): number | null => {
    const all = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', 'ca.pem', ...args];
    return spawnSync('openssl', [...all, 'x.pem'], { cwd: dir }).status;
  };
  t.equal(verify('-verify_hostname', 'db.example'), 0);
  t.equal(verify('-verify_ip', '127.0.0.1'), 0);
  t.equal(verify('-verify_ip', '::1'), 0);
  t.not(verify('-verify_hostname', 'other.example'), 0);
  t.not(first.caPem, second.caPem);
  t.equal(splitPem(first.caPem).privateKeys.length, 0, 'the key of the authority is gone');
  await t.rejects(issueDevelopmentCertificate({ hosts: [] }), TypeError);
});

t.test('the commands of rsynd.pem.example make a file that loads', needsOpenssl, async (t) => {
  const manual = readFileSync('rsynd.pem.example', 'latin1');
  t.same(splitPem(manual), { privateKeys: [], certificates: [] }, 'the manual holds no key');
  const dir = t.testdir();
  const commands = [...manual.matchAll(/^# +\$ (.*)$/gm)].map(([, command = '']) => command);
  t.ok(commands.length > 10, `${commands.length} commands run`);
  for (const command of commands) {
    const quicker = command.replace('rsa:3072', 'rsa:2048');
    const run = spawnSync('sh', ['-c', quicker], { cwd: dir, encoding: 'utf8' });
    t.equal(run.status, 0, `${command}\n${run.stderr}`);
    if (!command.endsWith('> rsynd.pem')) continue;
    const passphrase = passphrases({ RSYND_PASSPHRASE: 'change-this' });
    const file = fileAt(`${dir}/rsynd.pem`);
    const load = () => loadServerCertificate({ file, passphrase });
    t.ok(await CertificateHolder.open({ load, level: 4 }));
  }
});
