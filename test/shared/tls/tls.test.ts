import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { RsyndError } from '../../../shared/base/error.js';
import { describeCipher } from '../../../shared/tls/cipher-description.js';
import {
  isEncryptedKey,
  orderChain,
  readCertificates,
  readPrivateKey,
  splitPem,
} from '../../../shared/tls/pem.js';
import { loadNonceSource } from '../../../shared/tls/random-state.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const needsOpenssl = hasOpenssl ? {} : { skip: 'skipped: needs openssl' };

/** Runs openssl in a directory and gives its stdout; throws with its stderr. */
function openssl(cwd: string, command: string): string {
  const run = spawnSync('openssl', command.split(' '), { cwd, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`openssl ${command}: ${run.stderr}`);
  return run.stdout;
}

/** The error that `run` throws. */
function failure(run: () => unknown): RsyndError {
  try {
    run();
  } catch (error) {
    if (error instanceof RsyndError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

t.test('describes a cipher in the words of openssl, with the negotiated protocol', async (t) => {
  const gcm = 'TLS_AES_256_GCM_SHA384';
  const words = 'Kx=any Au=any Enc=AESGCM(256) Mac=AEAD';
  t.equal(describeCipher(gcm, 'TLSv1.3'), `${gcm} TLSv1.3 ${words}`);
  const rsa = 'AES256-GCM-SHA384 TLSv1.2 Kx=RSA Au=RSA Enc=AESGCM(256) Mac=AEAD';
  t.equal(describeCipher('AES256-GCM-SHA384', 'TLSv1.2'), rsa);
  t.match(describeCipher('AES256-SHA', 'TLSv1.1'), /^AES256-SHA TLSv1\.1 Kx=RSA/);
  t.equal(describeCipher(gcm, 'TLSv1.3', 10), 'TLS_AES_25', 'cut to length');
  t.equal(describeCipher(gcm, 'TLSv1.3', 0), '');
  t.equal(describeCipher('NEW_SUITE', 'TLSv1.3'), 'NEW_SUITE TLSv1.3', 'newer than the table');
  t.equal(describeCipher('X'.repeat(300), 'TLSv1.3').length, 128, 'at most 128 bytes');
});

t.test('describes every suite of the installed openssl word for word', needsOpenssl, async (t) => {
  const all = openssl('.', 'ciphers -v ALL:COMPLEMENTOFALL:@SECLEVEL=0');
  const ccmSuites = 'TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256';
  const ccm = openssl('.', `ciphers -v -s -tls1_3 -ciphersuites ${ccmSuites}`);
  const lines = `${all}${ccm}`.trim().split('\n');
  t.ok(lines.length > 30, `${lines.length} suites compared`);
  const differing = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([name = '', protocol = '', ...words]) => {
      return describeCipher(name, protocol) !== [name, protocol, ...words].join(' ');
    });
  t.same(differing, []);
});

const KEY_KINDS = {
  'PKCS#8': 'pkcs8 -topk8 -nocrypt -in rsa.pem',
  'traditional RSA': 'rsa -traditional -in rsa.pem',
  'EC behind its parameters': 'ecparam -name prime256v1 -genkey',
  Ed25519: 'genpkey -algorithm ED25519',
};
const ENCRYPTED_KINDS = {
  'PKCS#8 AES-256': 'pkcs8 -topk8 -v2 aes-256-cbc -passout pass:right -in rsa.pem',
  'PKCS#8 3DES': 'pkcs8 -topk8 -v2 des3 -passout pass:right -in rsa.pem',
  'PKCS#8 scrypt': 'pkcs8 -topk8 -scrypt -passout pass:right -in rsa.pem',
  'traditional AES-256': 'rsa -traditional -aes256 -passout pass:right -in rsa.pem',
  'traditional 3DES': 'rsa -traditional -des3 -passout pass:right -in rsa.pem',
  'EC traditional': 'ec -aes256 -passout pass:right -in ec.pem',
};

t.test('reads private keys of every kind', needsOpenssl, async (t) => {
  const dir = t.testdir();
  openssl(dir, 'genrsa -out rsa.pem 2048');
  openssl(dir, 'ecparam -name prime256v1 -genkey -out ec.pem');
  for (const [kind, command] of Object.entries(KEY_KINDS)) {
    const [key = ''] = splitPem(openssl(dir, command)).privateKeys;
    t.notOk(isEncryptedKey(key), kind);
    t.equal(readPrivateKey(key).type, 'private', kind);
  }
  for (const [kind, command] of Object.entries(ENCRYPTED_KINDS)) {
    const [key = ''] = splitPem(openssl(dir, command)).privateKeys;
    t.ok(isEncryptedKey(key), kind);
    t.equal(readPrivateKey(key, 'right').type, 'private', kind);
    const wrong = failure(() => readPrivateKey(key, 'wrong', 'x.pem'));
    t.match(wrong.message, 'x.pem: the passphrase is wrong', kind);
    t.match(failure(() => readPrivateKey(key, '')).message, 'the passphrase is wrong', kind);
    const missing = failure(() => readPrivateKey(key));
    t.match(missing.message, 'is encrypted and there is no passphrase', kind);
    t.equal(missing.code, 'ERR_TLSCONF');
  }
});

t.test(
  'tells an unsupported key encryption and a damaged key from a wrong passphrase',
  async (t) => {
    const pem = (label: string, body: string): string =>
      `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
    const damaged = failure(() => readPrivateKey(pem('PRIVATE KEY', 'AAAA'), undefined, 'x.pem'));
    t.match(damaged.message, 'x.pem: the private key cannot be read: it is damaged');
    // pbeWithSHA1And40BitRC2-CBC, which OpenSSL 3 keeps in its legacy provider.
    const rc2 = Buffer.from(
      `3040301a${'060a2a864886f70d010c0106'}300c0408${'0102030405060708'}02020800` +
        `0422${'00'.repeat(0x22)}`,
      'hex',
    );
    const block = pem('ENCRYPTED PRIVATE KEY', rc2.toString('base64'));
    const unsupported = failure(() => readPrivateKey(block, 'right', 'x.pem'));
    t.match(unsupported.message, 'x.pem: the encryption of the private key is not supported');
  },
);

t.test('a wrong passphrase is called so every time', needsOpenssl, async (t) => {
  const dir = t.testdir();
  openssl(dir, 'ecparam -name prime256v1 -genkey -noout -out ec.pem');
  const kind = 'pkcs8 -topk8 -v2 aes-256-cbc -iter 1 -passout pass:right -in ec.pem';
  const [key = ''] = splitPem(openssl(dir, kind)).privateKeys;
  // One in 256 decrypts to sound padding and fails in another way.
  const messages = Array.from({ length: 1500 }, (_, index) => {
    return failure(() => readPrivateKey(key, `wrong ${index}`)).message;
  });
  t.same([...new Set(messages)].length, 1);
  t.match(messages[0], 'the passphrase is wrong');
});

/** root -> inner -> outer -> leaf, and a stranger, in one directory. */
function makeChain(dir: string): string[] {
  const newkey = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes';
  openssl(dir, `req -x509 ${newkey} -keyout root.key -out root.crt -subj /CN=root -days 9`);
  openssl(dir, `req -x509 ${newkey} -keyout other.key -out other.crt -subj /CN=other -days 9`);
  const links = [
    ['root', 'inner'],
    ['inner', 'outer'],
    ['outer', 'leaf'],
  ] as const;
  for (const [issuer, name] of links) {
    openssl(dir, `req ${newkey} -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
    const by = `-CA ${issuer}.crt -CAkey ${issuer}.key -CAcreateserial`;
    openssl(dir, `x509 -req -in ${name}.csr ${by} -out ${name}.crt -days 9`);
  }
  const names = ['root', 'inner', 'outer', 'leaf', 'other'];
  return names.map((name) => openssl(dir, `x509 -in ${name}.crt -text`));
}

t.test('lays out a chain from leaf upwards, whatever the order', needsOpenssl, async (t) => {
  const dir = t.testdir();
  const certificates = makeChain(dir);
  const key = openssl(dir, 'ec -in leaf.key');
  const parameters = openssl(dir, 'ecparam -name prime256v1');
  const parts = [...certificates, key, parameters, 'Bag Attributes: noise\n'];
  const order = fc.shuffledSubarray(parts, { minLength: parts.length });
  const newline = fc.constantFrom('\n', '\r\n', ' \n');
  const found = fc.property(order, newline, (bundle, eol) => {
    const split = splitPem(bundle.join('').replaceAll('\n', eol));
    const [privateKey = ''] = split.privateKeys;
    const chain = orderChain(readCertificates(split.certificates), readPrivateKey(privateKey));
    const names = [chain?.leaf, ...(chain?.intermediates ?? [])].map((one) => one?.subject);
    return names.join() === 'CN=leaf,CN=outer,CN=inner';
  });
  const seed = Date.now();
  t.comment(`seed ${seed}`);
  fc.assert(found, { numRuns: 60, seed });
  const stranger = createPrivateKey(openssl(dir, 'ecparam -name prime256v1 -genkey -noout'));
  const all = certificates.map((pem) => new X509Certificate(pem));
  t.equal(orderChain(all, stranger), undefined, 'no certificate belongs to the key');
  const root = orderChain(all, createPrivateKey(openssl(dir, 'ec -in root.key')));
  t.same([root?.leaf.subject, root?.intermediates], ['CN=root', []], 'a self-signed leaf stays');
});

t.test('names the certificate that is damaged and bounds their number', async (t) => {
  const block = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  const { certificates } = splitPem(block.repeat(65));
  t.match(failure(() => readCertificates(certificates, 'x.pem')).message, '65 certificates');
  const damaged = failure(() => readCertificates(certificates.slice(0, 2), 'x.pem'));
  t.match(damaged.message, 'x.pem: certificate 1 cannot be read');
  t.same(splitPem('no PEM at all'), { privateKeys: [], certificates: [] });
});

t.test('SYNSSL_RAND must name a readable file of at least 64 bytes', async (t) => {
  const dir = t.testdir({ short: 'x'.repeat(63), enough: 'x'.repeat(64), folder: {} });
  for (const [file, why] of [
    ['none', 'cannot be read'],
    ['short', 'holds 63 bytes'],
    ['folder', 'is not a file'],
  ] as const) {
    const error = failure(() => loadNonceSource({ SYNSSL_RAND: `${dir}/${file}` }));
    t.equal(error.code, 'ERR_RNDSTATE');
    t.match(error.message, /^Cannot load random state: .*SYNSSL_RAND/, file);
    t.match(error.message, why, file);
  }
  for (const env of [{}, { SYNSSL_RAND: '' }, { SYNSSL_RAND: `${dir}/enough` }]) {
    const nonce = loadNonceSource(env);
    t.equal(nonce(48).length, 48);
    t.notSame(nonce(16), nonce(16));
  }
});

const noFifo = spawnSync('mkfifo', ['--version']).status === 0 ? {} : { skip: 'needs mkfifo' };

t.test('SYNSSL_RAND naming a pipe does not hold the start', noFifo, async (t) => {
  const dir = t.testdir();
  spawnSync('mkfifo', [`${dir}/pipe`]);
  const error = failure(() => loadNonceSource({ SYNSSL_RAND: `${dir}/pipe` }));
  t.match(error.message, 'is not a file');
});
