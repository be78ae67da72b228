// dltest and audit tls: what they find must be what is there, seen through real ports of known settings.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import { type AuditRow, auditTls } from '../../../server/diagnose/nist-sp-800-52r2.js';
import { selfTest } from '../../../server/diagnose/self-test.js';
import { probeTls, type TlsFacts } from '../../../server/diagnose/tls-probe.js';
import { splitPem } from '../../../shared/tls/pem.js';
import { policyFor } from '../../../shared/tls/policy.js';

const { serverPem } = await issueDevelopmentCertificate({ hosts: ['localhost'], keyBits: 2048 });
const { privateKeys, certificates } = splitPem(serverPem);
const identity = { key: privateKeys.join(''), cert: certificates.join('') };

/** What a port with these settings is seen to do. */
async function factsOf(t: Test, options: TlsOptions): Promise<TlsFacts> {
  const server = createServer({ ...identity, ...options });
  server.on('tlsClientError', () => {});
  server.on('secureConnection', (socket) => socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return probeTls({ host: '127.0.0.1', port, servername: 'localhost' });
}

const failures = (rows: readonly AuditRow[]): string[] =>
  rows
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ clause, finding }) => `${clause} ${finding}`);

t.test('levels 3 and 4 pass NIST SP 800-52r2', async (t) => {
  for (const level of [3, 4] as const) {
    const facts = await factsOf(t, policyFor(level));
    t.strictSame(failures(auditTls(facts)), [], `level ${level}`);
    t.strictSame(facts.ciphers['TLSv1.1'], []);
    t.equal(facts.ciphers['TLSv1.2'].length > 0, level === 3);
    t.equal(facts.ciphers['TLSv1.3'].length, 3);
    t.notOk(facts.renegotiates);
    t.match(facts.chain[0]?.subjectAltName, 'localhost');
  }
});

t.test('level 2 fails by its old protocol and its old suites', async (t) => {
  const rows = auditTls(await factsOf(t, policyFor(2)));
  const failed = failures(rows).join('\n');
  t.match(failed, '3.1 TLS 1.1 is served; start with -scl=3 or 4');
  t.match(failed, /3\.3\.1 CBC suites are served: .*SHA/);
  t.match(failed, /3\.3\.1 key exchange without forward secrecy is served: .*AES256-GCM-SHA384/);
  t.notMatch(failed, 'TLS 1.0 is served');
});

t.test('level 1 fails by TLS 1.0 too', async (t) => {
  t.match(failures(auditTls(await factsOf(t, policyFor(1)))).join('\n'), 'TLS 1.0 is served');
});

t.test('a port that lets clients choose and renegotiate is found out', async (t) => {
  const facts = await factsOf(t, { honorCipherOrder: false, minVersion: 'TLSv1.2' });
  t.equal(facts.prefersOwnOrder, false);
  t.equal(facts.renegotiates, true);
  const failed = failures(auditTls(facts)).join('\n');
  t.match(failed, 'the client chooses');
  t.match(failed, 'may renegotiate');
});

t.test('a port that speaks no TLS fails in one row, and none at all is an error', async (t) => {
  const { createServer: createPlain } = await import('node:net');
  const plain = createPlain((socket) => {
    socket.on('error', () => {});
    socket.end('hello\n');
    socket.resume();
  });
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const { port } = plain.address() as AddressInfo;
  const rows = auditTls(await probeTls({ host: '127.0.0.1', port }));
  t.strictSame(
    rows.map(({ verdict }) => verdict),
    ['fail'],
  );
  await new Promise((closed) => plain.close(closed));
  await t.rejects(probeTls({ host: '127.0.0.1', port }), { code: 'ECONNREFUSED' });
});

t.test('dltest shakes hands at every level with the configured certificate', async (t) => {
  const loadCertificate = async () => ({ source: 'rsynd.pem', ...identity });
  const checks = await selfTest({ environment: {}, loadCertificate });
  t.strictSame(
    checks.filter(({ ok }) => !ok),
    [],
  );
  const named = new Map(checks.map(({ name, detail }) => [name, detail]));
  t.match(named.get('certificate'), /^rsynd\.pem/);
  t.match(named.get('openssl'), process.versions.openssl);
  t.match(named.get('scl 1'), /^TLSv1\.3 TLS_AES_256_GCM_SHA384, at least TLSv1 ECDHE/);
  t.match(named.get('scl 4'), /at least TLSv1\.3 TLS_/);
});

t.test('dltest says what is wrong with a certificate and a random state', async (t) => {
  const checks = await selfTest({
    environment: { SYNSSL_RAND: '/none' },
    loadCertificate: () => Promise.reject(new Error('bad.pem: there is no private key in it')),
  });
  const failed = new Map(checks.filter(({ ok }) => !ok).map(({ name, detail }) => [name, detail]));
  t.match(failed.get('certificate'), 'there is no private key');
  t.match(failed.get('random'), 'Cannot load random state');
  t.equal(failed.size, 2, 'the rest is as it should be');
});
