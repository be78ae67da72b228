// What keeps a server's TLS current: which certificate is chosen, what is said of its end, what a new version
// means by level 0.

import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { chooseCertificate } from '../../../server/certificate/choose-certificate.js';
import { ExpiryWatch } from '../../../server/certificate/expiry-watch.js';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import { noteDefaultLevel } from '../../../server/certificate/note-default-level.js';
import { StateDirectory } from '../../../server/state/state-directory.js';
import { splitPem } from '../../../shared/tls/pem.js';
import { writeCertificate } from '../../fixture/certificate.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const DAY_MS = 86_400_000;

async function leafFor(validDays: number): Promise<X509Certificate> {
  const issued = await issueDevelopmentCertificate({
    hosts: ['localhost'],
    keyBits: 2048,
    validDays,
  });
  return new X509Certificate(splitPem(issued.serverPem).certificates[0] ?? '');
}

t.test('the end of a certificate is said at 30 and 14 days and when it is there', async (t) => {
  const leaf = await leafFor(100);
  const end = Date.parse(leaf.validTo);
  const watch = new ExpiryWatch();
  const at = (daysBefore: number) => watch.due('rsynd.pem', leaf, end - daysBefore * DAY_MS);
  t.equal(at(90), undefined);
  t.match(at(29.5), /^rsynd\.pem: the certificate ends in 29 days/);
  t.equal(at(29), undefined, 'once a stage');
  t.match(at(13.5), 'ends in 13 days');
  t.match(at(-1), 'ended at');
  t.equal(at(-2), undefined);
});

t.test('a new certificate begins its stages anew, and loading it has said the first', async (t) => {
  const [short, next] = [await leafFor(20), await leafFor(20)];
  const watch = new ExpiryWatch();
  t.equal(watch.due('x', short), undefined, 'said when it was loaded');
  t.equal(watch.due('x', next), undefined);
  t.match(watch.due('x', next, Date.parse(next.validTo) - 13 * DAY_MS), 'ends in 13 days');
});

t.test('level 0 is written down, and a new meaning of it is said once', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  t.equal(noteDefaultLevel(state, 2), undefined, 'the first start has nothing to compare');
  t.equal(noteDefaultLevel(state, 2), undefined);
  t.match(noteDefaultLevel(state, 3), /^SCL_DEFAULT_CHANGED: level 0 now means 3, it meant 2/);
  t.equal(noteDefaultLevel(state, 3), undefined);
  state.write('level.json', '{}');
  t.throws(() => noteDefaultLevel(state, 3), { code: 'ERR_CONFIG', message: /level\.json/ });
});

const noPassphrase = async (): Promise<undefined> => undefined;

async function choice(t: Test) {
  const data = temporaryDirectory(t);
  const { bundle } = await writeCertificate(data);
  const state = new StateDirectory(data);
  return { data, bundle, state, base: { passphrase: noPassphrase, state } };
}

t.test('without -cert and activation the file of DBLDIR is presented', async (t) => {
  const { data, bundle, base } = await choice(t);
  const found = await chooseCertificate({ ...base, cert: undefined, env: { DBLDIR: data } });
  t.equal(found.path, bundle);
  await t.rejects(chooseCertificate({ ...base, cert: undefined, env: {} }), {
    code: 'ERR_TLSCONF',
  });
});

t.test('-cert is presented whatever else there is, and read anew each time', async (t) => {
  const { data, bundle, base } = await choice(t);
  const other = join(data, 'other.pem');
  writeFileSync(other, readFileSync(bundle), { mode: 0o600 });
  const before = await chooseCertificate({ ...base, cert: other, env: { DBLDIR: '/nowhere' } });
  t.equal(before.path, other);
  const issued = await issueDevelopmentCertificate({ hosts: ['localhost'], keyBits: 2048 });
  writeFileSync(other, issued.serverPem);
  const after = await chooseCertificate({ ...base, cert: other, env: {} });
  t.not(after.leaf.fingerprint256, before.leaf.fingerprint256);
});
