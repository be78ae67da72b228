import { generateKeyPairSync, type KeyObject, type X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { signCertificate } from '../../../../server/certificate/authority/sign.js';
import { encodeName } from '../../../../server/certificate/request/distinguished-name.js';
import { CertificateStore } from '../../../../server/certificate/store/certificate-store.js';
import { decodeEntry } from '../../../../server/certificate/store/entry.js';
import { trustedPeers } from '../../../../server/certificate/store/trusted.js';
import { StateDirectory } from '../../../../server/state/state-directory.js';
import {
  certificateNameCharsMax,
  certificatesStoredMax,
  certificateVersionsKeptMax,
} from '../../../../shared/base/limits.js';
import type { Teardown } from '../../../fixture/daemon.js';
import { temporaryDirectory } from '../../../fixture/temporary-directory.js';

const DAY_MS = 86_400_000;
const now = new Date('2030-05-05T12:00:00Z');

interface Made {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

/** A self-signed certificate of so many days around `now`. */
function make(commonname: string, from = -1, to = 90): Made {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const subject = new Uint8Array(encodeName({ commonname }).toBER());
  const certificate = signCertificate(
    {
      subject,
      issuer: subject,
      publicKey,
      issuerPublicKey: publicKey,
      profile: 'server',
      names: [],
      notBefore: new Date(now.getTime() + from * DAY_MS),
      notAfter: new Date(now.getTime() + to * DAY_MS),
    },
    privateKey,
  );
  return { key: privateKey, certificate };
}

const server = (name: string, { key, certificate }: Made) =>
  ({ kind: 'server', name, proposedName: name, chain: [certificate], key }) as const;

function openStore(t: Teardown, env: Record<string, string> = {}, at = now) {
  const data = temporaryDirectory(t);
  const state = new StateDirectory(data);
  return { data, state, store: new CertificateStore(state, { env, now: () => at }) };
}

t.test('an entry is found by name and by any unique beginning of its id', async (t) => {
  const { store } = openStore(t);
  const [one] = await store.add([server('one', make('one'))]);
  await store.add([server('two', make('two'))]);
  const { id = '' } = one ?? {};
  t.match(id, /^[0-9a-f]{64}$/);
  t.equal(store.find('one').id, id);
  t.equal(store.find(id.slice(0, 10)).name, 'one');
  t.equal(store.find(id.toUpperCase().match(/../g)?.join(':') ?? '').name, 'one');
  t.throws(() => store.find('three'), { code: 'ERR_NOENTRY' });
  t.throws(() => store.find(id.slice(0, 3)), { code: 'ERR_NOENTRY' }, 'too short to be meant');
  const twin = { ...one, id: `${id.slice(0, 40)}${'0'.repeat(24)}`, name: 'twin' };
  store.state.writeJson(`certificates/${twin.id}.json`, twin);
  t.throws(() => store.find(id.slice(0, 40)), { code: 'ERR_NOENTRY', message: /add digits/ });
  t.throws(() => store.find(''), { code: 'ERR_NOENTRY' });
});

t.test('status follows the clock', async (t) => {
  const { state, store } = openStore(t);
  await store.add([
    server('valid', make('valid', -1, 31)),
    server('expiring', make('expiring', -1, 5)),
    server('expired', make('expired', -9, -1)),
    server('notYet', make('notYet', 1, 99)),
  ]);
  for (const entry of store.list()) t.equal(store.status(entry), entry.name);
  const later = new CertificateStore(state, { now: () => new Date(now.getTime() + 40 * DAY_MS) });
  t.equal(later.status(later.find('valid')), 'expired');
});

t.test('names are unique; proposed ones get a number', async (t) => {
  const { store } = openStore(t);
  await store.add([server('a', make('a'))]);
  await t.rejects(store.add([server('a', make('a'))]), {
    code: 'ERR_INVARG',
    message: /the name a is taken by server certificate/,
  });
  const { key, certificate } = make('a');
  const [entry] = await store.add([
    { kind: 'server', proposedName: 'a', chain: [certificate], key },
  ]);
  t.equal(entry?.name, 'a 2');
  await t.rejects(store.add([server('again', { key, certificate })]), {
    code: 'ERR_BADCERT',
    message: /in the store already, as server certificate a 2/,
  });
  const long = 'x'.repeat(certificateNameCharsMax);
  t.equal((await store.add([server(long, make('l'))])).length, 1);
  for (const name of [`${long}x`, '', ' a', 'a\nb']) {
    await t.rejects(store.add([server(name, make('l'))]), { code: 'ERR_INVARG' }, `${name}`);
  }
});

t.test('what is used is not removed, and its user is named', async (t) => {
  const { state } = openStore(t);
  const users = [({ name }: { name: string }) => (name === 'mirror' ? ['policy nightly'] : [])];
  const store = new CertificateStore(state, { env: {}, now: () => now, users });
  await store.add([server('mirror', make('mirror')), server('free', make('free'))]);
  await t.rejects(store.remove('mirror'), {
    code: 'ERR_ENTRYUSED',
    message: /mirror is used by policy nightly/,
  });
  await store.activate('free');
  t.same(store.usedBy(store.find('free')), ['the data port']);
  await t.rejects(store.remove('free'), { code: 'ERR_ENTRYUSED', message: /the data port/ });
  await store.activate('mirror');
  await store.remove('free');
  t.equal(store.active()?.name, 'mirror');
  t.same(
    store.list().map(({ name }) => name),
    ['mirror'],
  );
});

t.test('peers are trusted by switches, our own are not', async (t) => {
  const { store } = openStore(t);
  const { certificate } = make('peer');
  await store.add([{ kind: 'peer', proposedName: 'peer', chain: [certificate] }]);
  t.same(trustedPeers(store, 'replication').certificates, []);
  await store.trust('peer', { replication: true });
  t.equal(trustedPeers(store, 'replication').certificates.length, 1);
  t.same(trustedPeers(store, 'rest').certificates, []);
  await store.add([server('own', make('own'))]);
  await t.rejects(store.trust('own', { data: true }), { code: 'ERR_INVARG' });
  t.throws(() => store.privateKey(store.find('peer')), { code: 'ERR_NOENTRY' });
});

t.test('keys open with their own seal key only, which may live elsewhere', async (t) => {
  const elsewhere = join(temporaryDirectory(t), 'keys', 'seal.key');
  const { data, state, store } = openStore(t, { RSYND_SEAL_KEY_FILE: elsewhere });
  const made = make('sealed');
  await store.add([server('sealed', made)]);
  t.match(readFileSync(elsewhere, 'latin1'), /^[0-9a-f]{64}\n$/);
  t.notOk(state.list().includes('seal.key'));
  const opened = (env: Record<string, string>) => {
    const other = new CertificateStore(state, { env });
    return other.privateKey(other.find('sealed'));
  };
  const env = { RSYND_SEAL_KEY_FILE: elsewhere };
  t.ok(opened(env).equals(made.key));
  t.throws(() => opened({}), { code: 'ERR_CONFIG', message: /seal key .* is missing/ });

  renameSync(elsewhere, `${elsewhere}.away`);
  const without = new CertificateStore(state, { env });
  await t.rejects(without.add([server('more', make('more'))]), {
    code: 'ERR_CONFIG',
    message: /is missing/,
  });
  t.notOk(state.list('certificates').length > 1, 'no new seal key is made over the loss');

  writeFileSync(elsewhere, `${'0'.repeat(64)}\n`);
  t.throws(() => opened(env), {
    code: 'ERR_CONFIG',
    message: /is not the key this store was sealed/,
  });
  writeFileSync(elsewhere, 'short');
  t.throws(() => opened(env), { message: /is damaged/ });
  rmSync(elsewhere);
  mkdirSync(elsewhere);
  t.throws(() => opened(env), { message: /cannot be read \(EISDIR\)/ });
  rmSync(elsewhere, { recursive: true });
  renameSync(`${elsewhere}.away`, elsewhere);
  t.ok(opened(env).equals(made.key));
  t.ok(data);
});

t.test('a sealed key that was changed, or moved to another entry, does not open', async (t) => {
  const { state, store } = openStore(t);
  await store.add([server('a', make('a')), server('b', make('b'))]);
  const [a, b] = [store.find('a'), store.find('b')];
  const sealed = a.current?.sealedKey;
  if (sealed === undefined || b.current === undefined) throw new Error('nothing sealed');
  const moved = { ...b, current: { ...b.current, sealedKey: sealed } };
  t.throws(() => store.privateKey(moved), { code: 'ERR_CONFIG', message: /was changed on disk/ });
  const changed = { ...sealed, tag: Buffer.alloc(16).toString('base64') };
  const entry = decodeEntry({ ...a, current: { ...a.current, sealedKey: changed } });
  t.throws(() => store.privateKey(entry), { code: 'ERR_CONFIG' });
  const short = decodeEntry({ ...a, current: { ...a.current, sealedKey: { ...sealed, tag: '' } } });
  t.throws(() => store.privateKey(short), { code: 'ERR_CONFIG' });
  state.write(`certificates/${a.id}.json`, '{"format":2}');
  t.throws(() => store.list(), { code: 'ERR_CONFIG', message: /of another release/ });
  for (const bad of [null, {}, { ...a, kind: 'x' }, { ...a, current: {} }, { ...a, previous: 1 }]) {
    t.throws(() => decodeEntry(bad));
  }
});

t.test('earlier versions are kept up to a maximum', async (t) => {
  const { store } = openStore(t);
  const { key, certificate } = make('v');
  await store.add([server('v', { key, certificate })]);
  for (let version = 0; version <= certificateVersionsKeptMax; version++) {
    await store.install('v', [certificate], key);
  }
  t.equal(store.find('v').previous.length, certificateVersionsKeptMax);
});

t.test('a full store takes no more', async (t) => {
  const { state, store } = openStore(t);
  const [entry] = await store.add([server('some', make('some'))]);
  for (let number = 1; number < certificatesStoredMax; number++) {
    const id = number.toString(16).padStart(64, '0');
    const text = JSON.stringify({ ...entry, id, name: `n${number}` });
    writeFileSync(join(state.path, 'certificates', `${id}.json`), text);
  }
  await t.rejects(store.add([server('more', make('more'))]), {
    code: 'ERR_BADCERT',
    message: /the store is full/,
  });
  await store.remove('n1');
  t.equal((await store.add([server('more', make('more'))])).length, 1);
});
