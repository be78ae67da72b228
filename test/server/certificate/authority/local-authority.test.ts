import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { localAuthorityAsUser } from '../../../../server/certificate/authority/authority-file.js';
import {
  readIssuedIndex,
  writeIssuedIndex,
} from '../../../../server/certificate/authority/issued-index.js';
import { LocalAuthority } from '../../../../server/certificate/authority/local-authority.js';
import { parseAlternativeNames } from '../../../../server/certificate/request/alternative-names.js';
import { readRequest } from '../../../../server/certificate/request/read-request.js';
import { CertificateStore } from '../../../../server/certificate/store/certificate-store.js';
import {
  activeServerCertificate,
  localRevocationList,
  trustedAuthorities,
} from '../../../../server/certificate/store/trusted.js';
import { StateDirectory } from '../../../../server/state/state-directory.js';
import { certificateDaysMax, certificatesIssuedMax } from '../../../../shared/base/limits.js';
import { needsOpenssl, opensslIn } from '../../../fixture/openssl.js';
import { temporaryDirectory } from '../../../fixture/temporary-directory.js';

const DAY_MS = 86_400_000;
const env = {};

// One authority for all tests of this file: RSA keys take their time. Each test issues under names of its own.
const folder = temporaryDirectory(t);
const data = join(folder, 'data');
mkdirSync(data);
const openssl = opensslIn(folder);
const state = new StateDirectory(data);
const store = new CertificateStore(state, { env, users: [localAuthorityAsUser(state)] });
const authority = new LocalAuthority(store);
const root = await authority.init({
  country: 'IN',
  state: 'Karnataka',
  locality: 'Bengaluru',
  org: 'Müller & Söhne',
  orgunit: 'IT',
  commonname: 'Local CA',
  email: 'ca@example.in',
});
const rootFile = join(folder, 'root.pem');
writeFileSync(rootFile, String(root));

const order = {
  profile: 'server',
  days: 90,
  keyChoice: 'ec',
} as const;

/** Issues and leaves `<name>.pem`. */
async function issue(name: string, changes: Partial<Parameters<LocalAuthority['issue']>[0]> = {}) {
  const made = await authority.issue({
    ...order,
    name,
    ...(changes.request ? {} : { subject: { commonname: name } }),
    ...changes,
  });
  writeFileSync(join(folder, `${name}.pem`), String(made.certificate));
  return made;
}

/** Leaves the present list as `crl.pem`. */
async function makeList(): Promise<string> {
  writeFileSync(join(folder, 'crl.der'), await authority.makeRevocationList(7));
  openssl('crl -inform DER -in crl.der -out crl.pem');
  return openssl('crl -in crl.pem -CAfile root.pem -verify -noout -text');
}

t.test('the root is an authority with all parts of its name', needsOpenssl, async (t) => {
  const text = openssl('x509 -in root.pem -noout -text -nameopt utf8,sep_comma_plus_space');
  t.match(text, /CA:TRUE, pathlen:0/);
  t.match(text, /Public-Key: \(3072 bit\)/);
  const subject = openssl('x509 -in root.pem -noout -subject -nameopt utf8,sep_comma_plus');
  for (const part of ['C=IN', 'ST=Karnataka', 'L=Bengaluru', 'O=Müller & Söhne', 'OU=IT']) {
    t.ok(subject.includes(part), part);
  }
  t.ok(subject.includes('CN=Local CA'));
  t.ok(subject.includes('emailAddress=ca@example.in'));
  t.match(openssl('verify -x509_strict -CAfile root.pem root.pem'), /OK/);
  const years = (Date.parse(root.validTo) - Date.now()) / DAY_MS / 365;
  t.ok(years > 9.9 && years < 10.1, 'for ten years');
});

t.test('issues what openssl verifies, for the purpose it is for', needsOpenssl, async (t) => {
  const names = parseAlternativeNames(['dns:localhost,ip:127.0.0.1', 'ip:2001:db8::1']);
  await issue('server', { names, keyChoice: 'rsa' });
  await issue('client', {
    profile: 'client',
    names: parseAlternativeNames(['email:a@b.example']),
    subject: { commonname: 'alice', org: 'Acme' },
  });
  t.match(openssl('verify -x509_strict -purpose sslserver -CAfile root.pem server.pem'), /OK/);
  t.match(openssl('verify -x509_strict -purpose sslclient -CAfile root.pem client.pem'), /OK/);
  openssl.failing('verify -purpose sslclient -CAfile root.pem server.pem');
  openssl.failing('verify -purpose sslserver -CAfile root.pem client.pem');
  openssl('verify -verify_ip 2001:db8::1 -verify_hostname localhost -CAfile root.pem server.pem');
  const text = openssl('x509 -in client.pem -noout -text');
  t.match(text, /email:a@b\.example/);
  t.match(text, /Subject Key Identifier/);
  t.match(text, /Authority Key Identifier/);
  t.notMatch(text, /CRL Distribution/);
});

t.test(
  'a revoked certificate fails with the new list and passed before',
  needsOpenssl,
  async (t) => {
    const { issued } = await issue('revoked');
    await issue('other');
    const before = await makeList();
    const checked = 'verify -crl_check -CAfile root.pem -CRLfile crl.pem';
    openssl(`${checked} revoked.pem`);
    await authority.revoke(issued.serial.toUpperCase(), 'keyCompromise');
    openssl(`${checked} revoked.pem`); // the old list does not know
    const after = await makeList();
    t.match(openssl.failing(`${checked} revoked.pem`), /certificate revoked/);
    openssl(`${checked} other.pem`);
    t.match(after, /verify OK/);
    t.match(after, /Key Compromise/);
    const numberOf = (text: string) => Number(/CRL Number: \s+(\w+)/.exec(text)?.[1]);
    t.ok(numberOf(after) > numberOf(before), 'the number grows');
    t.ok(localRevocationList(store)?.revoked.has(issued.fingerprint), 'the daemon knows at once');
    t.equal(store.status(store.find('revoked')), 'revoked');
    await t.rejects(authority.revoke('revoked', 'unspecified'), { code: 'ERR_NOENTRY' });
    t.match(openssl('crl -in crl.pem -noout -nextupdate'), /nextUpdate/);
    openssl.failing('crl -in crl.pem -CAfile other.pem -verify -noout');
  },
);

t.test('renews under the same name with a new key and serial', async (t) => {
  const names = parseAlternativeNames(['dns:renewed.example']);
  const first = await issue('renewed', { names });
  const second = await authority.renew('renewed', { days: 10, keyChoice: 'ec' });
  t.not(second.issued.serial, first.issued.serial);
  t.equal(second.issued.subject, first.issued.subject);
  t.same(second.issued.names, ['dns:renewed.example']);
  const entry = store.find('renewed');
  t.equal(entry.previous.length, 1);
  t.ok(second.certificate.checkPrivateKey(store.privateKey(entry)), 'the store has the new key');
  const back = await store.rollback('renewed');
  t.ok(first.certificate.checkPrivateKey(store.privateKey(back)), 'and goes back to the old one');
  await authority.revoke('renewed', 'superseded');
  const revoked = authority.list().filter((each) => each.name === 'renewed' && each.revoked);
  t.equal(revoked.length, 2, 'a name revokes all of it');
  await t.rejects(authority.renew('renewed', { days: 1, keyChoice: 'ec' }), {
    code: 'ERR_NOENTRY',
  });
});

t.test('signs requests of openssl, whatever their key', needsOpenssl, async (t) => {
  const kinds = {
    rsa: 'rsa:2048',
    p384: 'ec -pkeyopt ec_paramgen_curve:P-384',
    ed25519: 'ed25519',
  };
  for (const [kind, newkey] of Object.entries(kinds)) {
    openssl(
      `req -new -nodes -newkey ${newkey} -keyout ${kind}.key -out ${kind}.csr` +
        ` -subj /C=US/CN=${kind}.example -addext subjectAltName=DNS:${kind}.example,IP:10.0.0.1`,
    );
    const request = readRequest(readFileSync(join(folder, `${kind}.csr`)), kind);
    const made = await issue(`csr-${kind}`, { request });
    t.equal(made.key, undefined, 'the key stays with its holder');
    t.match(made.issued.subject, `CN=${kind}.example`);
    t.same(made.issued.names, [`dns:${kind}.example`, 'ip:10.0.0.1']);
    t.match(openssl(`verify -x509_strict -CAfile root.pem csr-${kind}.pem`), /OK/);
    const key = createPrivateKey(readFileSync(join(folder, `${kind}.key`)));
    t.ok(made.certificate.checkPrivateKey(key));
    await t.rejects(authority.renew(`csr-${kind}`, { days: 1, keyChoice: 'ec' }), {
      message: /issued from a request; give a new one/,
    });
  }
  const broken = readFileSync(join(folder, 'rsa.csr'), 'latin1').replace(
    /.{8}\n-----END/,
    'AAAAAAA=\n-----END',
  );
  t.throws(() => readRequest(Buffer.from(broken), 'x.csr'), { code: 'ERR_BADCERT' });
  t.throws(() => readRequest(Buffer.from('hello'), 'x.csr'), { code: 'ERR_BADCERT' });
  openssl('req -new -nodes -newkey rsa:1024 -keyout s.key -out s.csr -subj /CN=s');
  const short = readFileSync(join(folder, 's.csr'));
  t.throws(() => readRequest(short, 's.csr'), { message: /1024 bits is too short/ });
});

t.test('there is one authority, and its key stays in it', async (t) => {
  await t.rejects(authority.init({ commonname: 'second' }), { code: 'ERR_ENTRYUSED' });
  await t.rejects(store.remove('Local CA'), { code: 'ERR_ENTRYUSED', message: /local authority/ });
  t.equal(trustedAuthorities(store, 'data').certificates[0]?.fingerprint256, root.fingerprint256);
  t.same(trustedAuthorities(store, 'replication').certificates, []);
  await store.trust('Local CA', { data: false, rest: true });
  t.same(trustedAuthorities(store, 'data').certificates, []);
  t.equal(trustedAuthorities(store, 'rest').certificates.length, 1);
  await store.trust('Local CA', { data: true, rest: false });
});

t.test('no private key lies in the data directory in clear', async (t) => {
  const { key } = await issue('clear');
  const der = key?.export({ type: 'pkcs8', format: 'der' }) ?? Buffer.alloc(0);
  const secret = key?.export({ format: 'jwk' }).d ?? '';
  const needles = [
    der.subarray(-40),
    Buffer.from(secret, 'base64url'),
    Buffer.from(secret),
    Buffer.from(der.toString('base64').slice(30, 70)),
    Buffer.from('PRIVATE KEY'),
  ];
  const files = readdirSync(data, { recursive: true, withFileTypes: true });
  for (const file of files) {
    const path = join(file.parentPath ?? file.path, file.name);
    const mode = statSync(path).mode & 0o777;
    t.equal(mode, file.isDirectory() ? 0o700 : 0o600, `mode of ${path}`);
    if (file.isDirectory()) continue;
    const bytes = readFileSync(path);
    t.notOk(
      needles.some((needle) => bytes.includes(needle)),
      path,
    );
  }
  t.ok(files.length > 10);
});

t.test('the activated certificate is what the data port gets', async (t) => {
  t.equal(activeServerCertificate(state, env), undefined);
  await issue('active');
  await store.activate('active');
  const active = activeServerCertificate(state, env);
  const leaf = new X509Certificate(active?.chain ?? '');
  t.ok(leaf.checkPrivateKey(createPrivateKey(active?.privateKey ?? '')));
  t.equal(active?.chain.split('BEGIN').length, 2, 'without the root');
  await t.rejects(store.remove('active'), { code: 'ERR_ENTRYUSED', message: /the data port/ });
  await t.rejects(store.activate('Local CA'), { code: 'ERR_BADCERT', message: /not server/ });
  await store.deactivate();
  await store.remove('active');
  t.throws(() => store.find('active'), { code: 'ERR_NOENTRY' });
});

t.test('refuses names that are taken, days out of range, a full index', async (t) => {
  await issue('taken');
  await t.rejects(issue('taken'), { code: 'ERR_INVARG', message: /taken is issued already/ });
  for (const days of [0, certificateDaysMax + 1, 1.5]) {
    await t.rejects(issue(`days ${days}`, { days }), { code: 'ERR_INVARG', message: /--days/ });
  }
  const beyond = await issue('beyond', { days: certificateDaysMax });
  t.ok(Date.parse(beyond.certificate.validTo) <= Date.parse(root.validTo), 'cut to the root');
  const index = readIssuedIndex(state);
  const some = { ...index.issued[0] };
  const many = new Array(certificatesIssuedMax).fill({ ...some, names: [] });
  writeIssuedIndex(state, { ...index, issued: many });
  await t.rejects(issue('full'), { code: 'ERR_BADCERT', message: /20000 certificates/ });
  writeIssuedIndex(state, index);
});

t.test('two at once neither lose an entry nor share a serial', async (t) => {
  const authorities = [authority, new LocalAuthority(new CertificateStore(state, { env }))];
  const before = authority.list().length;
  await Promise.all(
    Array.from({ length: 20 }, (_, number) =>
      authorities[number % 2]?.issue({
        ...order,
        name: `many ${number}`,
        subject: { commonname: `many ${number}` },
      }),
    ),
  );
  const serials = authority.list().map(({ serial }) => serial);
  t.equal(serials.length, before + 20);
  t.equal(new Set(serials).size, serials.length);
});

t.test('says that there is no authority', async (t) => {
  const empty = new LocalAuthority(new CertificateStore(new StateDirectory(t.testdir()), { env }));
  t.throws(() => empty.certificate(), { code: 'ERR_NOENTRY', message: /ca init/ });
  const issuing = empty.issue({ ...order, name: 'x', subject: { commonname: 'x' } });
  await t.rejects(issuing, { code: 'ERR_NOENTRY' });
  t.equal(localRevocationList(new CertificateStore(new StateDirectory(t.testdir()))), undefined);
});
