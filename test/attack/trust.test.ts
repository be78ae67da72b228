// What somebody may do to users, certificates and the files they are kept in: put things there that cannot be
// read, cut changes off in the middle, ask for more than is his. Each test tells what was tried and what holds.

import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { pinOf, pinText } from '../../client/connection/trust.js';
import { connect } from '../../client/index.js';
import {
  hashPassword,
  parsePasswordHash,
  requireGoodPassword,
  verifyPassword,
} from '../../server/access/password-hash.js';
import { rightsOf } from '../../server/access/rights.js';
import { addUserEntry } from '../../server/access/user-store.js';
import { LocalAuthority } from '../../server/certificate/authority/local-authority.js';
import { readPkcs12 } from '../../server/certificate/import/pkcs12.js';
import { CertificateStore } from '../../server/certificate/store/certificate-store.js';
import { localRevocationList } from '../../server/certificate/store/trusted.js';
import { readTrustMaterial } from '../../server/certificate/trust/trust-material.js';
import { NO_CLIENT_CERTIFICATES } from '../../server/certificate/trust/trust-settings.js';
import { createPacedLog } from '../../server/observe/refusal-log.js';
import { StateDirectory } from '../../server/state/state-directory.js';
import { pkcs12RoundsMax, refusalLinesPerSecondMax } from '../../shared/base/limits.js';
import { writeCertificate } from '../fixture/certificate.js';
import { runProgram, startDaemon } from '../fixture/daemon.js';
import { Authority, hasOpenssl } from '../fixture/pki.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const skip = hasOpenssl ? false : 'needs openssl';
const PASSWORD = 'correct horse';
const CHEAP = { ln: 4, r: 8, p: 1 };

// Somebody puts a pipe, a directory or a device where the server reads users, lists and authorities again and
// again. Opening a pipe that nobody writes into used to stop the whole server for ever.
t.test('a pipe in place of a file is refused and holds nobody up', async (t) => {
  const data = temporaryDirectory(t);
  const state = new StateDirectory(data);
  await addUserEntry(state, 'ann', { password: await hashPassword(PASSWORD, CHEAP), grants: [] });
  const server = await startDaemon(t, ['-d', data]);
  const users = join(data, '.rsynd', 'users.json');
  rmSync(users);
  execFileSync('mkfifo', [users]);
  await server.logLine(({ msg, err }) => /users not reloaded/.test(`${msg} ${err}`));
  const ann = { user: 'ann', password: PASSWORD, encrypt: false };
  await (await connect(server.server, ann)).close();
  t.throws(() => state.read('users.json'), { code: 'ERR_CONFIG', message: /is no plain file/ });
  for (const [path, why] of [
    [users, /is no plain file/],
    [data, /EISDIR/],
    ['/dev/zero', /is no plain file/],
  ] as const) {
    for (const settings of [{ clientCa: path }, { crl: [path] }, { ocspIssuer: path }]) {
      const source = { settings: { ...NO_CLIENT_CERTIFICATES, ...settings }, state, env: {} };
      t.throws(() => readTrustMaterial(source), { code: 'ERR_CONFIG', message: why });
    }
  }
});

// The power fails in the middle of `ca init`, after the key was made and before it was trusted. Running it again
// used to say that there is an authority already, and what it revoked counted nowhere.
t.test('ca init that was cut off is finished by running it again', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  const authority = new LocalAuthority(new CertificateStore(state, { env: {} }));
  const made = await authority.init({});
  const folder = join(state.path, 'certificates');
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  state.remove('authority/crl.der');
  const order = { name: 'bob', profile: 'client', days: 1, keyChoice: 'ec' } as const;
  const { issued } = await authority.issue(order);
  await authority.revoke('bob', 'keyCompromise');
  state.remove('authority/crl.der');
  const store = new CertificateStore(state, { env: {} });
  t.ok(localRevocationList(store)?.revoked.has(issued.fingerprint), 'revoked without any list');
  const finished = await new LocalAuthority(store).init({});
  t.equal(finished.fingerprint256, made.fingerprint256, 'the same authority');
  t.match(store.list(), [{ kind: 'authority', trustedFor: { data: true } }]);
  t.ok(localRevocationList(store)?.der, 'and its list');
  await t.rejects(authority.init({}), { code: 'ERR_ENTRYUSED' });
  t.strictSame(
    readdirSync(state.path).filter((name) => name.endsWith('.new')),
    [],
    'no draft of a key is left',
  );
});

// HMAC fills short keys up with NULs, so that a password with some behind it hashed to the same. Now it is no
// password at all.
t.test('a password with NULs behind it is another one', async (t) => {
  const kept = parsePasswordHash(await hashPassword(PASSWORD, CHEAP));
  if (kept === undefined) throw new Error('it was made a moment ago');
  t.equal(await verifyPassword(PASSWORD, kept), true);
  t.equal(await verifyPassword(`${PASSWORD}\0`, kept), false);
  t.throws(() => requireGoodPassword(`${PASSWORD}\0`, 'ann'), { code: 'ERR_INVARG' });
});

// A hand-edited cost that scrypt itself refuses made the check throw: a fault in the log instead of a counted
// miss, and a sign that the user is there. Such a string is not read.
t.test('a cost that scrypt refuses is no kept password', async (t) => {
  const good = await hashPassword(PASSWORD, CHEAP);
  t.equal(parsePasswordHash(good.replace('ln=4,r=8', 'ln=16,r=1')), undefined);
  const most = parsePasswordHash(good.replace('ln=4,r=8', 'ln=15,r=1'));
  if (most === undefined) throw new Error('scrypt takes this one');
  t.equal(await verifyPassword(PASSWORD, most), false);
});

// A grant on `orders.ism` used to fit `orders.ism.ism` too, because a name may be written without its extension.
// It may only where the shorter name means the same file.
t.test('a file whose name has the extension twice is not the one that has it once', async (t) => {
  const may = rightsOf([{ role: 'admin', files: 'orders.ism' }]);
  t.equal(may('read', 'orders.ism'), true);
  t.equal(may('read', 'orders.ism.ism'), false);
  t.equal(rightsOf([{ role: 'read', files: 'orders.txt' }])('read', 'orders.txt.ism'), false);
});

// Strangers open thousands of connections to a server in the clear and say nonsense: two lines each, as much
// as they like. Lines about who has not logged in are bounded a second, and those left out are counted.
t.test('strangers do not fill the log', async (t) => {
  const lines: object[] = [];
  let now = 1000;
  const paced = createPacedLog(
    (_, line) => lines.push(line),
    () => now,
  );
  for (let session = 0; session < refusalLinesPerSecondMax + 5; session++) paced({ session });
  t.equal(lines.length, refusalLinesPerSecondMax);
  now = 2000;
  paced({ session: 99 });
  t.strictSame(lines.at(-1), { session: 99, leftOut: 5 });

  const server = await startDaemon(t, ['-n', '-u', 'shop', '-d', temporaryDirectory(t)]);
  const strangers = Array.from({ length: 6 * refusalLinesPerSecondMax }, () =>
    nonsense(server.port),
  );
  await Promise.all(strangers);
  await using _ = await connect(server.server, { encrypt: false });
  const ended = server.log.filter(({ msg }) => msg === 'session ended');
  t.ok(ended.length < 5 * refusalLinesPerSecondMax, `${ended.length} lines`);
});

/** Says something that is no protocol of ours and waits to be thrown out. */
const nonsense = (port: number): Promise<void> =>
  new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.resume();
  });

// An authority that may speak for one domain vouches for a client of another. It is refused, and the reason is
// what the library says, for which node:tls has no code.
t.test('a broken constraint is named where the library has no code for it', { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const root = Authority.root(directory, 'root');
  const files = root.issue('odd', { usage: 'clientAuth\n1.2.3.4 = critical,ASN1:NULL' });
  const { bundle, ca } = await writeCertificate(directory);
  const data = join(directory, 'data');
  mkdirSync(data);
  const rules = ['--client-auth', 'required', '--client-ca', root.cert, '--crl-policy', 'open'];
  const server = await startDaemon(t, [
    '-n',
    '-u',
    'x',
    '-d',
    data,
    '-encrypt',
    `-cert=${bundle}`,
    ...rules,
  ]);
  const [cert, key] = [readFileSync(files.chain), readFileSync(files.key)];
  const socket = connectTls({ port: server.port, ca: readFileSync(ca), cert, key });
  socket.on('error', () => undefined).resume();
  const refused = await server.logLine(({ msg }) => msg === 'connection refused');
  t.match(refused, { code: 'UNSPECIFIED', reason: /: unhandled critical extension$/ });
  socket.destroy();
});

// A server in the middle writes marks into its name that turn a terminal's text around, or begin a sequence
// that overwrites the fingerprint. What is shown to be compared holds none of them.
t.test('trust add shows no marks that a stranger wrote into his name', { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const [key, cert] = [join(directory, 's.key'), join(directory, 's.pem')];
  const name = 'good\u009b2K\u202ereve';
  const make = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-utf8', '-subj', `/CN=${name}`];
  execFileSync('openssl', [...make, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  t.match(new X509Certificate(readFileSync(cert)).subject, '\u009b', 'node:crypto lets it through');
  const bundle = join(directory, 'rsynd.pem');
  writeFileSync(bundle, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'), { mode: 0o600 });
  const data = join(directory, 'data');
  mkdirSync(data);
  const server = await startDaemon(t, ['-n', '-u', 'x', '-d', data, '-encrypt', `-cert=${bundle}`]);
  const known = { RSYND_KNOWN_SERVERS: join(directory, 'known.json') };
  const asked = await runProgram('dist/rsynctl/main.js', ['trust', 'add', server.server], known);
  t.equal(asked.code, 6);
  t.match(asked.stderr, 'CN=good?2K?reve');
  t.notMatch(asked.stderr, /[\u009b\u202e]/);
});

// Somebody has the key of a server whose certificate was revoked, and sends it with or without its issuer to a client
// that goes by a pin and by lists. The pin was compared first, after which node:tls no longer showed that certificate
// (20.20), so that the lists were asked about its issuer; and without an issuer nothing was asked at all.
t.test('a pin does not take the place of the lists', { skip }, async (t) => {
  const directory = temporaryDirectory(t, 'data');
  const root = Authority.root(directory, 'root');
  const below = root.intermediate('below');
  const stolen = below.issue('localhost', { usage: 'serverAuth', names: 'DNS:localhost' });
  below.revoke(stolen);
  const crl = [root, below].map((each) =>
    each.writeCrl(join(directory, `${each.directory.length}.crl`)),
  );
  const key = readFileSync(stolen.key, 'utf8');
  const pin = pinText(pinOf(new X509Certificate(readFileSync(stolen.cert))));
  const reasonOf = async (sent: string, ca?: string): Promise<string> => {
    const bundle = join(directory, 'rsynd.pem');
    writeFileSync(bundle, key + readFileSync(sent, 'utf8'), { mode: 0o600 });
    const start = ['-n', '-u', 'x', '-d', join(directory, 'data'), '-encrypt', `-cert=${bundle}`];
    const server = await startDaemon(t, start);
    const tls = { pin, crl, ...(ca === undefined ? {} : { ca }) };
    return connect(server.server, { tls }).then(
      () => 'let in',
      (error) => String(error),
    );
  };
  t.match(await reasonOf(stolen.chain, root.cert), /CERT_REVOKED/);
  t.match(await reasonOf(stolen.chain), /CERT_REVOKED/);
  t.match(await reasonOf(stolen.cert), /UNABLE_TO_GET_CRL/);
});

// A box of certificates comes by mail and wants its passphrase hashed two thousand million times, which kept the
// tool busy for hours with nothing to stop it. It is refused before the first round.
t.test('a PKCS#12 file does not choose how long we work', { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const { cert, key } = Authority.root(directory, 'root').issue('box');
  const file = join(directory, 'box.p12');
  const box = ['pkcs12', '-export', '-in', cert, '-inkey', key, '-passout', 'pass:x', '-out', file];
  execFileSync('openssl', box);
  const der = readFileSync(file);
  t.equal(readPkcs12(der, file, 'x').keys.length, 1);
  // The rounds of the checksum are the last thing in it: 02 02 08 00 for 2048.
  const at = der.lastIndexOf(Buffer.from('02020800', 'hex'));
  t.equal(at, der.length - 4);
  for (const [rounds, why] of [
    [pkcs12RoundsMax + 1, `it wants ${pkcs12RoundsMax + 1} rounds`],
    [0x7fff_ffff, 'it wants 2147483647 rounds'],
  ] as const) {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(rounds);
    const macAt = macStart(der, at);
    const bomb = Buffer.concat([der.subarray(0, at), Buffer.from([2, 4]), count]);
    bomb.writeUInt16BE(der.readUInt16BE(2) + 2, 2);
    bomb.writeUInt8(bomb.readUInt8(macAt + 1) + 2, macAt + 1);
    t.throws(() => readPkcs12(bomb, file, 'x'), { code: 'ERR_BADCERT', message: why });
  }
});

/** Where the sequence that holds the checksum and its rounds begins. */
function macStart(der: Buffer, before: number): number {
  let start = before;
  while (der[start] !== 0x30 || start + 2 + (der[start + 1] ?? 0) !== der.length) start--;
  return start;
}
