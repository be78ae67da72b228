// OCSP against the real `openssl ocsp` responder, in both directions: the server asks about its clients, the
// SDK about its server. Good, revoked, unknown, nobody there, forged, stale, replayed.

import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import t, { type Test } from 'tap';
import { dial } from '../../client/connection/dial.js';
import { connect } from '../../client/index.js';
import { resolveConnect, type TlsOptions } from '../../client/open-options.js';
import { isRsyndError } from '../../shared/base/error.js';
import { ocspAnswerBytesMax, ocspTimeoutMs } from '../../shared/base/limits.js';
import { OcspChecker, type OcspSettings } from '../../shared/tls/ocsp-check.js';
import { exchangeOverHttp, type OcspExchange } from '../../shared/tls/ocsp-exchange.js';
import { writeCertificate } from '../fixture/certificate.js';
import { startDaemon } from '../fixture/daemon.js';
import {
  Authority,
  freePort,
  hasOpenssl,
  type IssuedFiles,
  startResponder,
} from '../fixture/pki.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const skip = hasOpenssl ? false : 'needs openssl';
const DAY_MS = 86_400_000;

const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file));

const hard = (url: string): OcspSettings => ({
  mode: 'hard',
  url,
  follow: false,
  nonceRule: 'require',
  responder: undefined,
});

/** Code and detail of what a fresh checker finds; `good` when it is nothing. */
async function ask(
  authority: Authority,
  files: IssuedFiles,
  settings: OcspSettings,
  exchange: OcspExchange = exchangeOverHttp,
  now: () => number = Date.now,
): Promise<string> {
  const checker = new OcspChecker(settings, exchange, now);
  const question = { certificate: read(files.cert), issuer: read(authority.cert) };
  const { finding, warning } = await checker.check(question);
  if (finding !== undefined) return `${finding.code} ${finding.detail}`;
  return warning === undefined ? 'good' : `passed with ${warning.code}`;
}

/** Takes a certificate out of what the responder knows. */
function forget(authority: Authority, files: IssuedFiles): void {
  const index = join(authority.directory, 'index.txt');
  const serial = read(files.cert).serialNumber;
  const lines = readFileSync(index, 'latin1').split('\n');
  writeFileSync(index, lines.filter((line) => !line.includes(`\t${serial}\t`)).join('\n'));
}

t.test('what a responder says, and what is no answer', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const other = Authority.root(pki, 'other');
  const [good, revoked, unknown] = [root.issue('good'), root.issue('bad'), root.issue('stranger')];
  root.revoke(revoked);
  forget(root, unknown);
  const delegate = root.issue('responder', { usage: 'OCSPSigning' });
  const notDelegated = root.issue('pretender');
  const signedBy = async (signer?: IssuedFiles): Promise<OcspSettings> =>
    hard((await startResponder(t, root, signer === undefined ? {} : { signer })).url);
  const own = await signedBy();
  t.equal(await ask(root, good, own), 'good');
  t.match(await ask(root, revoked, own), /^CERT_REVOKED revoked at \d{4}-.*Z, keyCompromise/);
  t.match(await ask(root, unknown, own), /^OCSP_CERT_UNKNOWN/);
  t.equal(await ask(root, good, await signedBy(delegate)), 'good', 'one the issuer named');
  const forged = await signedBy({ cert: other.cert, key: other.key, chain: '' });
  t.match(await ask(root, good, forged), /^OCSP_VERIFY_FAILED/, 'a stranger');
  const allowed = { ...forged, responder: read(other.cert) };
  t.equal(await ask(root, good, allowed), 'good', 'a stranger whom the settings name');
  const pretended = await signedBy(notDelegated);
  t.match(await ask(root, good, pretended), /^OCSP_VERIFY_FAILED/, 'not every certificate may');
  const later = (days: number) => () => Date.now() + days * DAY_MS;
  t.match(await ask(root, good, own, undefined, later(2)), /^OCSP_NOT_CURRENT it is from .* to /);
  t.match(await ask(root, good, own, undefined, later(-2)), /^OCSP_NOT_CURRENT/, 'of the future');
  const soft = { ...own, mode: 'soft' } as const;
  t.match(await ask(root, unknown, soft), /^OCSP_CERT_UNKNOWN/, 'soft is for no answer only');
  t.equal(await ask(root, good, { ...forged, mode: 'soft' }), 'passed with OCSP_VERIFY_FAILED');
});

t.test('an old answer is no answer to a new question', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const files = root.issue('good');
  const settings = hard((await startResponder(t, root)).url);
  let kept: Buffer | undefined;
  const replaying: OcspExchange = async (url, question) => {
    kept ??= await exchangeOverHttp(url, question);
    return kept;
  };
  t.equal(await ask(root, files, settings, replaying), 'good', 'the first time it is fresh');
  t.match(await ask(root, files, settings, replaying), /^OCSP_NONCE_MISMATCH.*another/);
  const accepting = { ...settings, nonceRule: 'accept' } as const;
  t.match(await ask(root, files, accepting, replaying), /^OCSP_NONCE_MISMATCH/, 'in no case');
  const request = [
    '-issuer',
    root.cert,
    '-cert',
    files.cert,
    '-no_nonce',
    '-url',
    settings.url ?? '',
  ];
  const bare = join(pki, 'bare.der');
  execFileSync('openssl', ['ocsp', ...request, '-respout', bare, '-noverify'], { stdio: 'ignore' });
  const withoutNonce: OcspExchange = async () => readFileSync(bare);
  t.match(await ask(root, files, settings, withoutNonce), /^OCSP_NONCE_MISMATCH it has no nonce/);
  t.equal(await ask(root, files, accepting, withoutNonce), 'good', 'where that is accepted');
  for (let cut = 0; cut < readFileSync(bare).length; cut += 97) {
    const part = async () => readFileSync(bare).subarray(0, cut);
    t.match(await ask(root, files, accepting, part), /^OCSP_/, `cut at ${cut}`);
  }
});

t.test('answers are kept until they end, and asked for again then', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const files = root.issue('good');
  const { url } = await startResponder(t, root);
  let asked = 0;
  let now = Date.now();
  const counting: OcspExchange = (...question) => {
    asked++;
    return exchangeOverHttp(...question);
  };
  const checker = new OcspChecker(hard(url), counting, () => now);
  const question = { certificate: read(files.cert), issuer: read(root.cert) };
  await checker.check(question);
  await checker.check(question);
  t.equal(asked, 1);
  t.equal(checker.keptCount, 1);
  now += DAY_MS / 12;
  await checker.check(question);
  t.equal(asked, 2, 'after the longest time an answer is kept');
  checker.forget();
  t.equal(checker.keptCount, 0);
});

t.test('silent, endless and broken responders are given up in time', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const files = root.issue('good');
  const nobody = hard(`http://127.0.0.1:${await freePort()}/`);
  t.match(await ask(root, files, nobody), /^OCSP_NO_ANSWER.*ECONNREFUSED/);
  t.equal(await ask(root, files, { ...nobody, mode: 'soft' }), 'passed with OCSP_NO_ANSWER');
  const answers: readonly (readonly [string, RegExp])[] = [
    ['endless', /too large/],
    ['moved', /HTTP status 302/],
    ['rubbish', /no OCSP answer/],
  ];
  const server = createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/rubbish' }).end();
    else if (request.url === '/rubbish') response.end('what?');
    else response.end(Buffer.alloc(ocspAnswerBytesMax + 1));
  }).listen(0, '127.0.0.1');
  const silent = createTcpServer(() => undefined).listen(0, '127.0.0.1');
  t.teardown(() => server.close().closeAllConnections());
  t.teardown(() => silent.close());
  await Promise.all([once(server, 'listening'), once(silent, 'listening')]);
  const at = (each: { address(): unknown }, path: string): string =>
    `http://127.0.0.1:${(each.address() as AddressInfo).port}/${path}`;
  for (const [path, expected] of answers) {
    t.match(await ask(root, files, hard(at(server, path))), expected, path);
  }
  const began = performance.now();
  t.match(await ask(root, files, hard(at(silent, ''))), /no answer within/);
  t.ok(performance.now() - began < ocspTimeoutMs + 1000);
});

t.test('the server asks about its clients', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(pki);
  const root = Authority.root(pki, 'root');
  const [good, bad] = [root.issue('good'), root.issue('bad')];
  root.revoke(bad);
  const responder = await startResponder(t, root);
  const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${bundle}`];
  const trust = ['--client-auth', 'required', '--client-ca', root.cert];
  const asking = (mode: string) => [...base, ...trust, '--ocsp', mode, '--ocsp-url', responder.url];
  const strict = await startDaemon(t, asking('hard'));
  const lax = await startDaemon(t, asking('soft'));
  const enter = async (server: string, files: IssuedFiles): Promise<string> => {
    const tls = { ca, cert: files.chain, key: files.key };
    try {
      await (await connect(server, { encrypt: true, tls })).close();
      return 'in';
    } catch (error) {
      if (!isRsyndError(error, 'ERR_CLNTERR')) throw error;
      return error.message;
    }
  };
  t.equal(await enter(strict.server, good), 'in');
  const refused = await enter(strict.server, bad);
  t.match(refused, /revoked at \d{4}-.*says the OCSP responder \(CERT_REVOKED\)/);
  const id = /refusal (\w{8})/.exec(refused)?.[1];
  const line = await strict.logLine((each) => each.id === id);
  t.match(line, { code: 'CERT_REVOKED', certificate: { subject: 'CN=bad', depth: 0 } });
  await responder.stop();
  const other = root.issue('another');
  t.match(await enter(strict.server, other), /OCSP_NO_ANSWER/, 'hard: no answer, no session');
  t.equal(await enter(lax.server, other), 'in', 'soft: it passes');
  const unchecked = await lax.logLine(({ msg }) => msg === 'client not checked');
  t.match(unchecked, { code: 'OCSP_NO_ANSWER', certificate: { subject: 'CN=another' } });
});

t.test('the SDK asks about its server', { skip }, async (t) => {
  const data = temporaryDirectory(t);
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const files = root.issue('localhost', { usage: 'serverAuth', names: 'DNS:localhost' });
  const bundle = join(pki, 'rsynd.pem');
  writeFileSync(bundle, readFileSync(files.key, 'latin1') + readFileSync(files.chain, 'latin1'), {
    mode: 0o600,
  });
  // It reads its index once: after a revocation another one is started.
  const before = await startResponder(t, root);
  const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${bundle}`];
  const server = await startDaemon(t, base);
  const enter = async (tls: TlsOptions): Promise<string> => {
    try {
      const all = { ca: root.cert, ...tls };
      await (await connect(server.server, { encrypt: true, tls: all })).close();
      return 'in';
    } catch (error) {
      if (!isRsyndError(error, 'ERR_CLNTERR')) throw error;
      return error.message;
    }
  };
  const crl = root.writeCrl(join(pki, 'root.crl'));
  t.equal(await enter({ ocsp: { mode: 'hard', url: before.url } }), 'in', 'good');
  t.equal(await enter({ crl }), 'in', 'not in the list');
  t.equal(await enter({ ocsp: 'soft' }), 'in');
  t.match(await enter({ ocsp: 'hard' }), /OCSP_NO_ANSWER/, 'nothing stapled, nobody to ask');
  root.revoke(files);
  const responder = await startResponder(t, root);
  const { url } = responder;
  t.match(await enter({ ocsp: { mode: 'soft', url } }), /revoked at .*CERT_REVOKED/);
  t.equal(await enter({ crl }), 'in', 'the old list does not know it');
  root.writeCrl(crl);
  t.match(await enter({ crl: readFileSync(crl) }), /CERT_REVOKED/, 'the new one does');
  await responder.stop();
  t.match(await enter({ ocsp: { mode: 'hard', url } }), /ECONNREFUSED.*OCSP_NO_ANSWER/);
  t.equal(await enter({ ocsp: { mode: 'soft', url } }), 'in');
  const other = Authority.root(pki, 'other').writeCrl(join(pki, 'other.crl'));
  t.match(await enter({ crl: other }), /UNABLE_TO_GET_CRL/);
  await t.rejects(connect(server.server, { tls: { crl: root.cert } }), { code: 'ERR_BADCERT' });
});

t.test('a stapled answer counts', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const files = root.issue('localhost', { usage: 'serverAuth', names: 'DNS:localhost' });
  const answer = async (name: string): Promise<Buffer> => {
    const { url } = await startResponder(t, root);
    const path = join(pki, name);
    const question = ['-issuer', root.cert, '-cert', files.cert, '-url', url, '-no_nonce'];
    execFileSync('openssl', ['ocsp', ...question, '-respout', path, '-noverify'], {
      stdio: 'ignore',
    });
    return readFileSync(path);
  };
  const staple = await serveStapled(t, files);
  const reach = async (): Promise<string> => {
    const options = resolveConnect({ encrypt: true, tls: { ca: root.cert, ocsp: 'hard' } });
    const address = { host: 'localhost', port: staple.port, user: undefined, secure: true };
    try {
      const { socket } = await dial(address as never, options, AbortSignal.timeout(5000));
      socket.destroy();
      return 'in';
    } catch (error) {
      return String(error);
    }
  };
  staple.answer = await answer('good.der');
  t.equal(await reach(), 'in');
  root.revoke(files);
  staple.answer = await answer('revoked.der');
  t.match(await reach(), /CERT_REVOKED/);
  staple.answer = Buffer.from('rubbish');
  t.match(await reach(), /OCSP_NO_ANSWER/);
});

interface Stapling {
  readonly port: number;
  answer: Buffer;
}

async function serveStapled(t: Test, files: IssuedFiles): Promise<Stapling> {
  const server = createTlsServer({ cert: readFileSync(files.chain), key: readFileSync(files.key) });
  server.on('OCSPRequest', (_, __, reply) => reply(null, stapling.answer));
  server.on('secureConnection', (socket) => socket.on('error', () => undefined));
  server.on('tlsClientError', () => undefined);
  server.listen(0, 'localhost');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const stapling = { port: (server.address() as AddressInfo).port, answer: Buffer.alloc(0) };
  return stapling;
}
