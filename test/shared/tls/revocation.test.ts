// Damaged revocation lists and OCSP answers: whatever is changed in one, it is refused in words, and a revoked
// certificate never becomes a good one.

import { execFileSync } from 'node:child_process';
import { randomInt, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isRsyndError } from '../../../shared/base/error.js';
import { readRevocationLists } from '../../../shared/tls/crl.js';
import { checkRevocation } from '../../../shared/tls/crl-check.js';
import { judgeOcspAnswer } from '../../../shared/tls/ocsp-answer.js';
import { Authority, hasOpenssl, startResponder } from '../../fixture/pki.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const skip = hasOpenssl ? false : 'needs openssl';
const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file));
const rounds = 600;

/** A small generator, so that a failure can be repeated. */
function makeRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

/** One to three bytes are others, or something is cut off or put in. */
function damage(bytes: Buffer, random: (below: number) => number): Buffer {
  const copy = Buffer.from(bytes);
  for (let count = 1 + random(3); count > 0; count--) copy[random(copy.length)] = random(256);
  const at = random(copy.length);
  if (random(6) === 0) return copy.subarray(0, at);
  if (random(6) === 0) return Buffer.concat([copy.subarray(0, at), copy]);
  return copy;
}

t.test('a damaged list never lets a revoked certificate in', { skip }, async (t) => {
  const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
  t.comment(`seed ${seed}`);
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const files = root.issue('bad');
  root.revoke(files);
  const pem = readFileSync(root.writeCrl(join(pki, 'root.crl')), 'latin1');
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  const [certificate, issuer] = [read(files.cert), read(root.cert)];
  const random = makeRandom(seed);
  const passed: number[] = [];
  for (let round = 0; round < rounds; round++) {
    try {
      const lists = readRevocationLists(damage(der, random), 'x');
      const rules = { lists, policy: 'closed', now: Date.now() } as const;
      if (checkRevocation(certificate, issuer, rules) === undefined) passed.push(round);
    } catch (error) {
      if (!isRsyndError(error, 'ERR_BADCERT')) throw error;
    }
  }
  t.strictSame(passed, []);
});

t.test('a damaged answer never makes a revoked certificate good', { skip }, async (t) => {
  const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
  t.comment(`seed ${seed}`);
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const files = root.issue('bad');
  root.revoke(files);
  const signer = root.issue('responder', { usage: 'OCSPSigning' });
  const { url } = await startResponder(t, root, { signer });
  const path = join(pki, 'answer.der');
  const question = ['-issuer', root.cert, '-cert', files.cert, '-url', url, '-no_nonce'];
  execFileSync('openssl', ['ocsp', ...question, '-respout', path, '-noverify'], {
    stdio: 'ignore',
  });
  const der = readFileSync(path);
  const about = { certificate: read(files.cert), issuer: read(root.cert) };
  const judge = (bytes: Buffer) =>
    judgeOcspAnswer(bytes, about, { nonceRule: 'accept', now: Date.now() });
  t.match(judge(der), { finding: { code: 'CERT_REVOKED' } });
  const random = makeRandom(seed);
  const good: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const answer = judge(damage(der, random));
    if (!('fault' in answer) && answer.finding === undefined) good.push(round);
  }
  t.strictSame(good, []);
});
