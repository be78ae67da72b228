import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { importCertificate } from '../../../../server/certificate/import/import-certificate.js';
import { inspect } from '../../../../server/certificate/import/inspect.js';
import { installCertificate } from '../../../../server/certificate/import/install-certificate.js';
import { readMaterial, readMaterialFile } from '../../../../server/certificate/import/material.js';
import { proveCertificate } from '../../../../server/certificate/prove-certificate.js';
import { makeKey } from '../../../../server/certificate/request/make-key.js';
import { makeRequest } from '../../../../server/certificate/request/make-request.js';
import { CertificateStore } from '../../../../server/certificate/store/certificate-store.js';
import {
  type CertificateKind,
  certificatesOf,
} from '../../../../server/certificate/store/entry.js';
import { fingerprintOf } from '../../../../server/certificate/store/facts.js';
import { serverCertificateOf } from '../../../../server/certificate/store/trusted.js';
import { StateDirectory } from '../../../../server/state/state-directory.js';
import { isRsyndError } from '../../../../shared/base/error.js';
import { certificateChainDepthMax } from '../../../../shared/base/limits.js';
import { policyFor } from '../../../../shared/tls/policy.js';
import { needsOpenssl, opensslIn } from '../../../fixture/openssl.js';
import { temporaryDirectory } from '../../../fixture/temporary-directory.js';

if ('skip' in needsOpenssl) {
  t.plan(0, 'skipped: needs openssl');
  process.exit(0);
}

const folder = temporaryDirectory(t);
const openssl = opensslIn(folder);
const at = (file: string): string => join(folder, file);
const text = (file: string): string => readFileSync(at(file), 'latin1');
const put = (file: string, ...parts: string[]): string => {
  writeFileSync(at(file), parts.join(''), 'latin1');
  return file;
};

const emptyStore = (now?: Date): CertificateStore =>
  new CertificateStore(new StateDirectory(temporaryDirectory(t)), {
    env: {},
    ...(now && { now: () => now }),
  });

const material = async (file: string, passphrase?: string) =>
  readMaterial(await readMaterialFile(at(file)), file, async () => passphrase);

interface Case {
  readonly kind?: CertificateKind;
  readonly name?: string;
  readonly passphrase?: string;
  readonly store?: CertificateStore;
}

async function load(file: string, { passphrase, store = emptyStore(), ...options }: Case = {}) {
  const read = await material(file, passphrase);
  const imported = await importCertificate(store, read, { source: file, ...options });
  return { ...imported, store, entry: imported.entries[0] };
}

// A root, three authorities below each other, and leaves; EC keys, because they are quick.
const EC = 'ec -pkeyopt ec_paramgen_curve:P-256';
const CA = '-addext basicConstraints=critical,CA:TRUE';
const LEAF = '-addext basicConstraints=CA:FALSE -addext subjectAltName=DNS:';
openssl(`req -x509 -nodes -newkey ${EC} -keyout root.key -out root.pem -days 99 -subj /CN=root`);
let issuer = 'root';
const certify = (name: string, by: string, options: string, newkey = EC): void => {
  openssl(
    `req -x509 -nodes -newkey ${newkey} -keyout ${name}.key -out ${name}.pem -days 90` +
      ` -subj /CN=${name} -CA ${by}.pem -CAkey ${by}.key ${options}`,
  );
};
// `req -CA` came with OpenSSL 3.0.
for (const name of ['ica1', 'ica2', 'ica3']) {
  certify(name, issuer, CA);
  issuer = name;
}
certify('leaf', 'ica3', `${LEAF}leaf.example`);
certify('near', 'root', `${LEAF}near.example`);
const chainFiles = ['leaf.pem', 'ica3.pem', 'ica2.pem', 'ica1.pem', 'root.pem'];

t.test('takes a bundle in any order, with text, CRLF and duplicates in it', async (t) => {
  const [leaf = '', ...issuers] = chainFiles.map(text);
  const key = text('leaf.key');
  const bundles = {
    'stated order': [key, leaf, ...issuers],
    'shuffled and doubled': [...issuers.toReversed(), leaf, issuers[0] ?? '', key, leaf],
    'with text around': ['Bag Attributes\n  x: y\n', leaf, '\n\nhello\n', ...issuers, key],
    CRLF: [[key, ...issuers, leaf].join('').replaceAll('\n', '\r\n')],
  };
  for (const [name, parts] of Object.entries(bundles)) {
    const { entry, store } = await load(put('bundle.pem', ...parts));
    if (entry?.current === undefined) throw new Error('nothing imported');
    t.equal(entry.kind, 'server', name);
    t.equal(entry.name, 'leaf');
    t.equal(entry.id, fingerprintOf(new X509Certificate(leaf)));
    t.equal(entry.current.chain, [leaf, ...issuers].join(''), 'laid out to the root');
    const { chain, privateKey } = serverCertificateOf(store, entry, entry.current);
    t.equal(chain, [leaf, ...issuers.slice(0, -1)].join(''), 'and sent without it');
    await proveCertificate({ ...policyFor(3), key: privateKey, cert: chain });
  }
  const printed = openssl('x509 -in leaf.pem -noout -fingerprint -sha256');
  t.ok(
    printed
      .replaceAll(':', '')
      .toLowerCase()
      .includes(fingerprintOf(new X509Certificate(leaf))),
  );
});

t.test('takes issuers from the store and says what is missing', async (t) => {
  const store = emptyStore();
  const bare = await load(put('bare.pem', text('leaf.key'), text('leaf.pem')));
  t.match(bare.remarks, [/issuer is not there/]);
  const cas = put('cas.pem', ...chainFiles.slice(1).map(text));
  const { entries } = await load(cas, { store });
  t.equal(entries.length, 4);
  const { entry, remarks } = await load('bare.pem', { store });
  t.equal(entry?.current && certificatesOf(entry.current).length, 5);
  t.same(remarks, []);
});

t.test('takes every kind of key, PEM, DER and PKCS#12', async (t) => {
  const kinds = {
    rsa2048: 'rsa:2048',
    rsa4096: 'rsa:4096',
    p256: EC,
    p384: 'ec -pkeyopt ec_paramgen_curve:P-384',
    p521: 'ec -pkeyopt ec_paramgen_curve:P-521',
    ed25519: 'ed25519',
  };
  for (const [name, newkey] of Object.entries(kinds)) {
    certify(name, 'root', `${LEAF}${name}.example`, newkey);
    openssl(`x509 -in ${name}.pem -outform DER -out ${name}.cer`);
    openssl(`pkey -in ${name}.key -outform DER -out ${name}.key.der`);
    openssl(
      `pkcs12 -export -inkey ${name}.key -in ${name}.pem -out ${name}.p12 -passout pass:secret`,
    );
    const der = await material(`${name}.cer`);
    const { keys } = await material(`${name}.key.der`);
    const store = emptyStore();
    const source = `${name}.cer`;
    const { entries } = await importCertificate(store, { ...der, keys }, { source });
    t.equal(entries[0]?.name, name, `${name}: DER pair`);
    const { entry, store: other } = await load(`${name}.p12`, { passphrase: 'secret' });
    if (entry?.current === undefined) throw new Error('nothing imported');
    t.equal(entry.current.chain, text(`${name}.pem`), `${name}: PKCS#12`);
    const { chain, privateKey } = serverCertificateOf(other, entry, entry.current);
    await proveCertificate({ ...policyFor(3), key: privateKey, cert: chain });
  }
  const traditional = openssl('ec -in p256.key -outform DER -out p256.sec1');
  t.match(traditional, /writing/);
  openssl('rsa -in rsa2048.key -traditional -outform DER -out rsa2048.pkcs1');
  t.equal((await material('p256.sec1')).keys.length, 1);
  t.equal((await material('rsa2048.pkcs1')).keys.length, 1);
});

t.test('takes PKCS#12 of all ages', async (t) => {
  certify('boxed', 'root', `${LEAF}boxed.example`, 'rsa:2048');
  const base = 'pkcs12 -export -inkey boxed.key -in boxed.pem -certfile root.pem';
  const cases: Record<string, readonly [options: string, passphrase: string | undefined]> = {
    aes: ['-passout pass:secret -name Friendly+Name', 'secret'],
    '3des': [
      '-passout pass:secret -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -name Friendly+Name',
      'secret',
    ],
    legacy: ['-passout pass:secret -legacy -name Friendly+Name', 'secret'],
    blank: ['-passout pass: -name Friendly+Name', undefined],
    'blank given': ['-passout pass: -name Friendly+Name', ''],
    'not encrypted': [
      '-passout pass:secret -keypbe NONE -certpbe NONE -name Friendly+Name',
      'secret',
    ],
    'non-ASCII': ['-passout pass:pässwört€ -name Friendly+Name', 'pässwört€'],
    'non-ASCII 3des': [
      '-passout pass:pässwört -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -name Friendly+Name',
      'pässwört',
    ],
    sha512: ['-passout pass:secret -macalg sha512 -name Friendly+Name', 'secret'],
  };
  for (const [name, [options, passphrase]] of Object.entries(cases)) {
    openssl(`${base} -out box.p12 ${options}`);
    const { entry } = await load('box.p12', passphrase === undefined ? {} : { passphrase });
    t.equal(entry?.name, 'Friendly Name', `${name}: the friendly name is the default`);
    t.equal(entry?.current && certificatesOf(entry.current).length, 2, `${name}: chain kept`);
  }
  await t.rejects(material('box.p12', 'wrong'), {
    code: 'ERR_BADCERT',
    message: /box\.p12: the passphrase is wrong/,
  });
  await t.rejects(material('box.p12', 'fälsch'), { message: /passphrase is wrong/ });
  await t.rejects(material('box.p12'), { message: /encrypted and there is no passphrase/ });
  const cut = readFileSync(at('box.p12')).subarray(0, 900);
  const reading = readMaterial(cut, 'cut.p12', async () => 'secret');
  await t.rejects(reading, { code: 'ERR_BADCERT' });
});

t.test('takes encrypted keys in both encodings and names ciphers it cannot', async (t) => {
  openssl('genrsa -out plain.key 2048');
  for (const cipher of ['des3', 'aes128', 'aes192', 'aes256']) {
    openssl(`rsa -in plain.key -traditional -${cipher} -passout pass:pw -out traditional.key`);
    t.match(text('traditional.key'), /DEK-Info/);
    t.equal((await material('traditional.key', 'pw')).keys.length, 1, `${cipher}, traditional`);
    openssl(`pkcs8 -topk8 -in plain.key -v2 ${cipher} -passout pass:pw -out pkcs8.key`);
    t.equal((await material('pkcs8.key', 'pw')).keys.length, 1, `${cipher}, PKCS#8`);
    openssl(
      'pkcs8 -in pkcs8.key -passin pass:pw -topk8 -outform DER -passout pass:pw -out pkcs8.der',
    );
    t.equal((await material('pkcs8.der', 'pw')).keys.length, 1, `${cipher}, PKCS#8 in DER`);
    await t.rejects(material('pkcs8.key', 'wrong'), { message: /passphrase is wrong/ });
    await t.rejects(material('pkcs8.key'), { message: /is encrypted and there is no passphrase/ });
  }
  const legacy = '-provider legacy -provider default';
  const body = text('traditional.key').replace(/AES-256-CBC,\w{16}/, 'DES-CBC,');
  put('des.key', body);
  put('idea.key', body.replace('DES-CBC', 'IDEA-CBC'));
  await t.rejects(material('des.key', 'pw'), { message: /encrypted with des-cbc, not supported/ });
  await t.rejects(material('idea.key', 'pw'), { message: /encrypted with idea-cbc, not support/ });
  openssl(`pkcs8 ${legacy} -topk8 -in plain.key -v1 PBE-MD5-DES -passout pass:pw -out md5.key`);
  await t.rejects(material('md5.key', 'pw'), { message: /with pbeWithMD5AndDES-CBC, not/ });
  openssl(`pkcs8 ${legacy} -topk8 -in plain.key -v2 des -passout pass:pw -out des8.key`);
  await t.rejects(material('des8.key', 'pw'), { message: /with des-cbc, not supported/ });
});

t.test('refuses a key of another certificate', async (t) => {
  const store = emptyStore();
  await t.rejects(load(put('wrong.pem', text('near.key'), text('leaf.pem')), { store }), {
    code: 'ERR_BADCERT',
    message: /wrong\.pem: key does not match certificate CN=leaf/,
  });
  t.same(store.list(), [], 'nothing is left behind');
  const two = put('two.pem', text('near.key'), text('leaf.key'), text('leaf.pem'));
  await t.rejects(load(two), { message: /there are 2 private keys/ });
  await t.rejects(load('near.pem', { kind: 'server' }), { message: /there is no private key/ });
});

t.test('refuses a leaf as authority and an authority as peer', async (t) => {
  await t.rejects(load('leaf.pem', { kind: 'authority' }), {
    code: 'ERR_BADCERT',
    message: /CN=leaf is no authority: basicConstraints CA:TRUE is missing/,
  });
  const mixed = put('mixed.pem', text('root.pem'), text('leaf.pem'));
  await t.rejects(load(mixed, { kind: 'authority' }), { message: /is no authority/ });
  await t.rejects(load('ica1.pem', { kind: 'peer' }), { message: /CN=ica1 is an authority/ });
  openssl(`req -x509 -nodes -newkey ${EC} -keyout self.key -out self.pem -subj /CN=self`);
  const { entry } = await load('self.pem', { kind: 'peer' });
  t.equal(entry?.kind, 'peer', 'but a self-signed one may be a peer');
});

t.test('a chain file gives one authority each, whatever its order', async (t) => {
  const [, ...cas] = chainFiles.map(text);
  for (const parts of [cas, cas.toReversed(), [...cas, cas[0] ?? '', cas[2] ?? '']]) {
    const store = emptyStore();
    const { entries, remarks } = await load(put('cas.pem', ...parts), { store });
    t.same(entries.map(({ name }) => name).sort(), ['ica1', 'ica2', 'ica3', 'root']);
    t.same(remarks, []);
    put('exported.pem', ...store.list().map(({ current }) => current?.chain ?? ''));
    t.match(openssl('verify -CAfile exported.pem leaf.pem'), /OK/);
    const again = await load('cas.pem', { store });
    t.equal(again.entries.length, 0);
    t.match(again.remarks, [/is in the store already/]);
  }
  const partial = await load(put('partial.pem', ...cas.slice(0, 2)));
  t.match(partial.remarks, [/the root is neither in the file nor in the store/]);
});

t.test('refuses authorities that issued each other, and chains without end', async (t) => {
  // Each is issued by the other: certificates of two names and keys, crosswise.
  openssl(`req -x509 -nodes -newkey ${EC} -keyout a.key -out a0.pem -subj /CN=a`);
  openssl(`req -x509 -nodes -newkey ${EC} -keyout b.key -out b0.pem -subj /CN=b`);
  for (const [own, other] of ['ab', 'ba'].map((pair) => [...pair])) {
    openssl(`req -new -key ${own}.key -subj /CN=${own} -out ${own}.csr`);
    put('ca.ext', 'basicConstraints=critical,CA:TRUE\n');
    openssl(
      `x509 -req -in ${own}.csr -CA ${other}0.pem -CAkey ${other}.key -out ${own}.pem -extfile ca.ext`,
    );
  }
  certify('circled', 'a', `${LEAF}circled.example`);
  const circle = put('circle.pem', text('a.pem'), text('b.pem'));
  await t.rejects(load(circle), { code: 'ERR_BADCERT', message: /the chain runs in a circle/ });
  const server = put('circled.all', ...['circled.key', 'circled.pem', 'a.pem', 'b.pem'].map(text));
  await t.rejects(load(server), { message: /the chain runs in a circle/ });

  let by = 'root';
  const deep: string[] = [];
  for (let depth = 0; depth < certificateChainDepthMax; depth++) {
    certify(`deep${depth}`, by, CA);
    by = `deep${depth}`;
    deep.push(text(`${by}.pem`));
  }
  put('deep.pem', text(`${by}.key`), text('root.pem'), ...deep);
  await t.rejects(load('deep.pem'), { message: /more than 10 certificates/ });
  put('deep.pem', text(`deep8.key`), text('root.pem'), ...deep.slice(0, -1));
  t.ok((await load('deep.pem')).entry, 'ten are taken');
});

t.test('a self-signed server certificate is taken with a warning', async (t) => {
  // The recipe of the field: key and certificate in one file.
  openssl('req -x509 -nodes -days 365 -newkey rsa:2048 -keyout cc1.key -out cc1.crt -subj /CN=cc1');
  const { entry, remarks } = await load(put('cc1.pem', text('cc1.key'), text('cc1.crt')));
  t.equal(entry?.kind, 'server');
  t.match(remarks.join('\n'), /CN=cc1 is self-signed/);
  t.match(remarks.join('\n'), /no alternative names/);
});

t.test('refuses weak and odd keys, damaged and foreign files', async (t) => {
  certify('weak', 'root', `${LEAF}weak.example`, 'rsa:1024');
  certify('curve', 'root', `${LEAF}c.example`, 'ec -pkeyopt ec_paramgen_curve:secp256k1');
  await t.rejects(load(put('weak.all', text('weak.key'), text('weak.pem'))), {
    message: /RSA key of 1024 bits is too short/,
  });
  await t.rejects(load('curve.pem'), { message: /a key of curve secp256k1 cannot be used/ });
  put('damaged.pem', text('leaf.pem').replace('MII', 'AAA'));
  await t.rejects(load('damaged.pem'), { code: 'ERR_BADCERT', message: /it is damaged/ });
  await t.rejects(load(put('x.txt', 'hello')), { message: /neither PEM .* nor DER nor PKCS#12/ });
  await t.rejects(load(put('x.der', '\x30\x03\x02\x01\x00')), {
    message: /it is DER, but neither/,
  });
  openssl('req -new -key leaf.key -subj /CN=x -out x.csr');
  await t.rejects(load('x.csr'), { message: /it is a request/ });
  openssl('crl2pkcs7 -nocrl -certfile leaf.pem -out leaf.p7b');
  await t.rejects(load('leaf.p7b'), { message: /openssl pkcs7 -print_certs/ });
  await t.rejects(load('leaf.key'), { message: /there is no certificate in it/ });
  await t.rejects(readMaterialFile(at('none')), { code: 'ERR_FNF' });
  await t.rejects(readMaterialFile(folder), { message: /not a plain file/ });
});

t.test(
  'takes an expired certificate with a warning, but never installs or activates it',
  async (t) => {
    const store = emptyStore(new Date(Date.now() + 200 * 86_400_000));
    put('near.all', text('near.key'), text('near.pem'));
    const { entry, remarks } = await load('near.all', { store });
    t.match(remarks, [/CN=near expired at/, /its issuer/]);
    t.equal(entry && store.status(entry), 'expired');
    await t.rejects(store.activate('near'), { code: 'ERR_BADCERT', message: /it is expired/ });
  },
);

t.test('installs what openssl makes of our request, version 1 and 3', async (t) => {
  const store = emptyStore();
  const key = await makeKey('ec');
  const names = [{ kind: 'dns', value: 'db.example' }] as const;
  const csr = makeRequest({ commonname: 'db.example', country: 'US' }, names, key);
  put('our.csr', csr);
  t.match(openssl('req -in our.csr -verify -noout -text'), /DNS:db\.example/);
  await store.addRequest('db', csr, key);
  t.equal(store.status(store.find('db')), 'outstanding');
  await t.rejects(store.activate('db'), { message: /it is outstanding/ });
  const sign = 'x509 -req -days 60 -in our.csr -CA ica3.pem -CAkey ica3.key -CAcreateserial';
  openssl(`${sign} -out v1.pem`);
  openssl(`${sign} -copy_extensions copy -out v3.pem`);

  const wrong = installCertificate(store, 'db', await material('leaf.pem'), 'leaf.pem');
  await t.rejects(wrong, { code: 'ERR_BADCERT', message: /key does not match certificate/ });
  t.equal(store.status(store.find('db')), 'outstanding', 'a refused one changes nothing');

  const first = await installCertificate(store, 'db', await material('v1.pem'), 'v1.pem');
  t.match(first.remarks.join('\n'), /no alternative names/);
  const all = put('v3.all', ...chainFiles.slice(1).map(text), text('v3.pem'));
  const { entry } = await installCertificate(store, 'db', await material(all), all);
  t.equal(entry.current && certificatesOf(entry.current).length, 5);
  t.equal(entry.previous.length, 1);
  t.ok(key.equals(store.privateKey(entry)));
  const back = await store.rollback('db');
  t.equal(back.current?.chain, text('v1.pem'));
  await t.rejects(emptyStore().rollback('db'), { code: 'ERR_NOENTRY' });

  const next = await makeKey('ec');
  await store.addRequest('db', makeRequest({ commonname: 'db.example' }, [], next), next);
  t.equal(store.status(store.find('db')), 'valid', 'the old one serves until the new one is there');
  const old = installCertificate(store, 'db', await material('v3.pem'), 'v3.pem');
  await t.rejects(old, { message: /key does not match/ });
});

t.test('whatever is changed in a file, it is taken or refused with a reason', async (t) => {
  const seed = Date.now() % 100_000;
  t.comment(`seed ${seed}`);
  let state = seed;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  openssl('pkcs12 -export -inkey near.key -in near.pem -passout pass:pw -iter 3 -out near.p12');
  openssl('x509 -in near.pem -outform DER -out near.cer');
  openssl('pkey -in near.key -outform DER -out near.key.der');
  for (const file of ['near.p12', 'near.cer', 'near.key.der', 'near.pem']) {
    const whole = readFileSync(at(file));
    for (let round = 0; round < 250; round++) {
      const end = round % 5 === 0 ? random(whole.length) : whole.length;
      const bytes = Buffer.from(whole.subarray(0, end));
      if (end > 0) bytes[random(end)] = random(256);
      try {
        const { certificates, keys } = await readMaterial(bytes, file, async () => 'pw');
        inspect(certificates, keys, file, new Date());
      } catch (error) {
        if (!isRsyndError(error, 'ERR_BADCERT')) t.fail(`${file}, round ${round}: ${error}`);
      }
    }
  }
});

t.test('inspects without a store', async (t) => {
  const look = async (...files: string[]) => {
    const { certificates, keys } = await material(put('look.pem', ...files.map(text)));
    return inspect(certificates, keys, 'look.pem', new Date());
  };
  const good = await look('leaf.key', ...chainFiles);
  t.same(good.problems, []);
  t.equal(good.certificates[0]?.hasKey, true);
  t.same(good.certificates[0]?.names, ['dns:leaf.example']);
  t.match((await look('near.key', ...chainFiles.toReversed())).problems, [
    /does not match any/,
    /out of order/,
  ]);
  t.match((await look('leaf.pem')).notes, [/the issuer of CN=leaf is not among them: CN=ica3/]);
  t.match((await look('leaf.pem', 'near.pem', 'leaf.pem')).problems.join('\n'), /is there twice/);
  t.match((await look('leaf.key')).problems, [/no certificate, only/]);
  t.match((await look('weak.pem')).problems.join('\n'), /1024 bits/);
  t.match((await look('a.pem', 'b.pem')).problems.join('\n'), /circle/);
  t.ok(createPrivateKey(text('leaf.key')));
});
