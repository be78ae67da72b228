// The judge of client certificates without a network: identities, chains, lists, the bounds of each, and open
// sessions that are judged again.

import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mock } from 'node:test';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import t from 'tap';
import { judgeChain } from '../../../../server/certificate/trust/judge-chain.js';
import { identityOf, presentedBy } from '../../../../server/certificate/trust/peer-certificate.js';
import { expelUntrusted } from '../../../../server/certificate/trust/review-sessions.js';
import { TrustKeeper } from '../../../../server/certificate/trust/trust-keeper.js';
import { readTrustMaterial } from '../../../../server/certificate/trust/trust-material.js';
import {
  NO_CLIENT_CERTIFICATES,
  type TrustSettings,
} from '../../../../server/certificate/trust/trust-settings.js';
import type { RsyndError } from '../../../../shared/base/error.js';
import {
  certificateJudgeMs,
  certificateNamesMax,
  ocspAnswersKeptMax,
  presentedCertificatesMax,
  revocationEntriesMax,
  revocationFileBytesMax,
  revocationListsMax,
} from '../../../../shared/base/limits.js';
import { readRevocationLists } from '../../../../shared/tls/crl.js';
import { OcspChecker } from '../../../../shared/tls/ocsp-check.js';
import { exchangeOverHttp } from '../../../../shared/tls/ocsp-exchange.js';
import { verifyCode, verifyCodes } from '../../../../shared/tls/verify-code.js';
import { Authority, hasOpenssl, startResponder } from '../../../fixture/pki.js';
import { temporaryDirectory } from '../../../fixture/temporary-directory.js';

const skip = hasOpenssl ? false : 'needs openssl';
const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file));
const chainOf = (...files: string[]): X509Certificate[] => files.map(read);

const keeperOf = (changes: Partial<TrustSettings>, now?: () => number): TrustKeeper =>
  new TrustKeeper({
    settings: { ...NO_CLIENT_CERTIFICATES, clientAuth: 'required', ...changes },
    state: undefined,
    env: {},
    ...(now === undefined ? {} : { now }),
  });

t.test(
  'an identity is what the certificate holds, and no name hides in another',
  { skip },
  async (t) => {
    const root = Authority.root(temporaryDirectory(t), 'root');
    const names = 'DNS:Alice.Example,email:alice@example.org,URI:urn:x:alice,IP:10.0.0.1';
    const plain = identityOf(read(root.issue('alice', { names }).cert));
    t.match(plain, {
      subject: 'CN=alice',
      issuer: 'CN=root',
      fingerprint: /^[0-9a-f]{64}$/,
      serial: /^[0-9A-F]+$/,
    });
    t.strictSame(plain.names, ['dns:alice.example', 'email:alice@example.org', 'uri:urn:x:alice']);
    const sly = identityOf(read(root.issue('eve,CN=alice').cert));
    t.equal(sly.subject, 'CN=eve\\,CN=alice', 'what could be a separator is escaped');
    const many = Array.from({ length: certificateNamesMax + 9 }, (_, at) => `DNS:n${at}.example`);
    const crowded = identityOf(read(root.issue('crowd', { names: many.join(',') }).cert));
    t.equal(crowded.names.length, certificateNamesMax);
  },
);

t.test('of an endless chain only so much is looked at', async (t) => {
  const endless: object = {
    getPeerX509Certificate: () => link,
    _handle: { verifyError: () => undefined },
  };
  const link: object = {
    get issuerCertificate() {
      return link;
    },
  };
  t.equal(presentedBy(endless as never).certificates.length, presentedCertificatesMax);
  const mute = { getPeerX509Certificate: () => ({}) };
  t.equal(presentedBy(mute as never).libraryCode, 'CERT_JUDGE_FAILED', 'nobody to ask: refused');
});

t.test('each code has a reason and a way out', async (t) => {
  for (const code of verifyCodes()) {
    t.match(verifyCode(code), { reason: /\w/, advice: /\w/ }, code);
  }
  t.equal(verifyCode('toString'), undefined);
});

t.test(
  'lists that are only a part, or too much, are refused with the reason',
  { skip },
  async (t) => {
    const pki = temporaryDirectory(t);
    const root = Authority.root(pki, 'root');
    root.revoke(root.issue('bad'), 'superseded');
    const pem = readFileSync(root.writeCrl(join(pki, 'root.crl')), 'latin1');
    const [list] = readRevocationLists(Buffer.from(pem), 'x');
    t.match(list, { issuer: 'CN=root', count: 1 });
    t.ok(list?.isOf(read(root.cert)) && list.isSignedBy(read(root.cert)));
    t.match(list?.entryOf('1001'), { reason: 'superseded' });
    const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
    t.equal(readRevocationLists(der, 'x').length, 1, 'DER');
    t.equal(readRevocationLists(Buffer.from(pem + pem), 'x').length, 2, 'several');
    const refuse = (bytes: Buffer, message: RegExp): void => {
      t.throws(() => readRevocationLists(bytes, 'here.crl'), { code: 'ERR_BADCERT', message });
    };
    const extended = (id: string): Buffer => {
      const parsed = pkijs.CertificateRevocationList.fromBER(der);
      const extnValue = new asn1js.Integer({ value: 1 }).toBER();
      parsed.crlExtensions?.extensions.push(
        new pkijs.Extension({ extnID: id, critical: true, extnValue }),
      );
      return Buffer.from(parsed.toSchema(true).toBER());
    };
    refuse(extended('2.5.29.27'), /here\.crl is a delta list/);
    refuse(extended('2.5.29.28'), /only a part/);
    refuse(extended('1.2.3.4'), /critical extension 1\.2\.3\.4/);
    refuse(Buffer.from(pem.repeat(revocationListsMax + 1)), /holds 257 lists/);
    refuse(Buffer.alloc(revocationFileBytesMax + 1), /bytes/);
    refuse(readFileSync(root.cert), /is it a certificate/);
    for (let cut = 1; cut < der.length; cut += 13) refuse(der.subarray(0, cut), /damaged/);
    const flipped = Buffer.from(der);
    flipped.writeUInt8((flipped.at(-1) ?? 0) ^ 1, flipped.length - 1);
    const [forged] = readRevocationLists(flipped, 'x');
    t.notOk(forged?.isSignedBy(read(root.cert)), 'one bit of the signature');
  },
);

t.test('a list may have many entries, not any number', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const index = join(root.directory, 'index.txt');
  const line = (at: number): string =>
    `R\t300101000000Z\t260101000000Z\t${(0x10000000 + at).toString(16).toUpperCase()}\tunknown\t/CN=x`;
  const fill = (count: number): Buffer => {
    writeFileSync(index, `${Array.from({ length: count }, (_, at) => line(at)).join('\n')}\n`);
    return readFileSync(root.writeCrl(join(pki, 'big.crl')));
  };
  const few = readRevocationLists(fill(20_000), 'x')[0];
  t.equal(few?.count, 20_000);
  t.ok(few?.entryOf('10004E1F'));
  t.equal(few?.entryOf('10004E20'), undefined);
  t.throws(() => readRevocationLists(fill(revocationEntriesMax + 1), 'x'), {
    code: 'ERR_BADCERT',
    message: /more than 200000 entries/,
  });
});

t.test('the end of a list is told seven days and one day ahead, once each', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const crl = [root.writeCrl(join(pki, 'root.crl'), 24 * 30)];
  let days = 0;
  const keeper = keeperOf({ clientCa: root.cert, crl }, () => Date.now() + days * 86_400_000);
  t.strictSame(keeper.newWarnings(), []);
  days = 24;
  t.match(keeper.newWarnings(), [/ends in 5 days/]);
  t.strictSame(keeper.newWarnings(), [], 'once');
  days = 29.5;
  t.match(keeper.newWarnings(), [/ends in 0 days/]);
  days = 31;
  t.match(keeper.newWarnings(), [/has ended/]);
});

t.test('trust that shrinks to nothing refuses everybody', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  t.throws(() => keeperOf({}), { code: 'ERR_CONFIG', message: /give --client-ca FILE/ });
  const keeper = keeperOf({ clientCa: root.cert });
  const chain = chainOf(root.issue('alice').cert, root.cert);
  t.match(await keeper.judgeAgain(chain), { isGood: true, identity: { subject: 'CN=alice' } });
  t.notOk(keeper.reload(), 'nothing changed');
  t.ok(keeper.reload({ ...keeper.settings, clientCa: undefined }));
  t.match(await keeper.judgeAgain(chain), { isGood: false });
  t.strictSame(keeper.contextOptions({}).ca, [], 'nobody, not the public authorities');
  const off = keeperOf({ clientAuth: 'none' });
  t.strictSame(off.contextOptions({ minVersion: 'TLSv1.2' }), { minVersion: 'TLSv1.2' });
  t.throws(() => off.reload({ ...off.settings, clientAuth: 'required' }), { code: 'ERR_CONFIG' });
  t.equal(off.settings.clientAuth, 'none', 'what was in use stays');
});

t.test('a peer trusted by itself needs no authority, but its dates hold', { skip }, async (t) => {
  const root = Authority.root(temporaryDirectory(t), 'root');
  const [own] = chainOf(root.issue('partner').cert);
  if (own === undefined) throw new TypeError('no certificate');
  const source = { settings: NO_CLIENT_CERTIFICATES, state: undefined, env: {} };
  const material = readTrustMaterial(source);
  const fingerprint = own.fingerprint256.replaceAll(':', '').toLowerCase();
  const rules = { policy: 'closed', depthMax: 4, now: Date.now() } as const;
  const presented = { certificates: [own], libraryCode: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' };
  const judge = (peers: Set<string>, now = rules.now, revoked = new Set<string>()) =>
    judgeChain(presented, { ...rules, now, material: { ...material, peers, revoked } }).finding;
  t.match(judge(new Set()), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', certificate: { depth: 0 } });
  const peers = new Set([fingerprint]);
  t.equal(judge(peers), undefined);
  t.match(judge(peers, Date.now() + 40 * 86_400_000), { code: 'CERT_HAS_EXPIRED' });
  t.match(judge(peers, rules.now, peers), { code: 'CERT_REVOKED' });
});

t.test('a responder that never answers does not hold a client for ever', { skip }, async (t) => {
  const root = Authority.root(temporaryDirectory(t), 'root');
  const settings = { ...NO_CLIENT_CERTIFICATES, clientAuth: 'required', ocsp: 'hard' } as const;
  const keeper = new TrustKeeper({
    settings: { ...settings, clientCa: root.cert, ocspUrl: 'http://127.0.0.1:1/' },
    state: undefined,
    env: {},
    exchange: () => new Promise(() => undefined),
  });
  const chain = chainOf(root.issue('alice').cert, root.cert);
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const verdict = keeper.judgeAgain(chain);
  mock.timers.tick(certificateJudgeMs + 1);
  t.match(await verdict, { isGood: false, finding: { code: 'CERT_JUDGE_TIMEOUT' } });
});

t.test('sessions below a raised level end, plain ones are none of its business', async (t) => {
  const ended: string[] = [];
  const session = (protocol: string | undefined) => ({
    protocol,
    chain: [],
    expel: (error: RsyndError) => void ended.push(`${protocol} ${error.message}`),
  });
  const sessions = ['TLSv1.1', 'TLSv1.2', 'TLSv1.3', undefined].map(session);
  await expelUntrusted(sessions, { keeper: undefined, level: 4, host: 'here' });
  t.equal(ended.length, 2);
  t.ok(ended.every((each) => /TLSv1\.[12] .*lowest is now TLSv1\.3.*PROTOCOL_TOO_LOW/.test(each)));
});

t.test('answers kept are bounded', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const files = root.issue('alice');
  const { url } = await startResponder(t, root);
  let answer: Buffer | undefined;
  const exchange = async (to: string, question: Buffer): Promise<Buffer> => {
    answer ??= await exchangeOverHttp(to, question);
    return answer;
  };
  const settings = { mode: 'soft', url, follow: false, nonceRule: 'accept' } as const;
  const checker = new OcspChecker({ ...settings, responder: undefined }, exchange);
  const [certificate, issuer] = chainOf(files.cert, root.cert);
  if (certificate === undefined || issuer === undefined) throw new TypeError('no certificate');
  await checker.check({ certificate, issuer });
  const stapled = answer;
  // The same certificate under ever new fingerprints: it is only the table that is looked at.
  for (let count = 0; count < ocspAnswersKeptMax + 5; count++) {
    const disguised = Object.create(certificate, { fingerprint256: { value: `${count}` } });
    Object.defineProperty(disguised, 'raw', { value: certificate.raw });
    await checker.check({ certificate: disguised, issuer }, stapled);
  }
  t.equal(checker.keptCount, ocspAnswersKeptMax);
});
