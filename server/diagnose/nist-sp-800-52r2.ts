// What NIST SP 800-52 Rev. 2 (August 2019, https://doi.org/10.6028/NIST.SP.800-52r2) asks of a TLS server,
// as far as it can be seen from outside, put to the facts of one. `audit tls` prints the rows. A row of
// `note` is something the guideline wants said or weighed, not something it forbids.

import type { X509Certificate } from 'node:crypto';
import { PROTOCOLS, type TlsFacts } from './tls-probe.js';

export interface AuditRow {
  readonly verdict: 'pass' | 'fail' | 'note';
  /** Section of the guideline. */
  readonly clause: string;
  /** What was found, and for a failure what to do. */
  readonly finding: string;
}

type Rule = (facts: TlsFacts, leaf: X509Certificate) => AuditRow | undefined;

const DAY_MS = 86_400_000;
const VALIDITY_DAYS_MAX = 3 * 366;

/** Rows in the order of the guideline. ERR-free: facts without a certificate fail in one row. */
export function auditTls(facts: TlsFacts): AuditRow[] {
  const [leaf] = facts.chain;
  if (leaf === undefined) {
    return [fail('3.1', 'no handshake came to its end; is this the port of a TLS server?')];
  }
  return RULES.map((rule) => rule(facts, leaf)).filter((row) => row !== undefined);
}

const pass = (clause: string, finding: string): AuditRow => ({ verdict: 'pass', clause, finding });
const fail = (clause: string, finding: string): AuditRow => ({ verdict: 'fail', clause, finding });
const note = (clause: string, finding: string): AuditRow => ({ verdict: 'note', clause, finding });

const serves = (facts: TlsFacts, protocol: (typeof PROTOCOLS)[number]): boolean =>
  facts.ciphers[protocol].length > 0;

const allSuites = (facts: TlsFacts): string[] => [
  ...new Set(PROTOCOLS.flatMap((protocol) => facts.ciphers[protocol])),
];

/** Suites of `suites` that an expression finds, for a sentence. */
const among = (suites: readonly string[], wanted: RegExp): string =>
  suites.filter((suite) => wanted.test(suite)).join(', ');

const RULES: readonly Rule[] = [
  (facts) =>
    serves(facts, 'TLSv1.3')
      ? pass('3.1', 'TLS 1.3 is served, as asked for since January 2024')
      : fail('3.1', 'TLS 1.3 is not served; update Node and OpenSSL of the server'),
  (facts) =>
    serves(facts, 'TLSv1.2')
      ? pass('3.1', 'TLS 1.2 is served')
      : pass('3.1', 'TLS 1.2 is off, as it may be where every client has TLS 1.3'),
  (facts) =>
    serves(facts, 'TLSv1.1')
      ? fail('3.1', 'TLS 1.1 is served; start with -scl=3 or 4')
      : pass('3.1', 'TLS 1.1 is not served'),
  (facts) =>
    serves(facts, 'TLSv1')
      ? fail('3.1', 'TLS 1.0 is served; start with -scl=3 or 4')
      : pass('3.1', 'TLS 1.0 is not served'),
  (_, leaf) => keyRow(leaf),
  (_, leaf) => signatureRow(leaf),
  (_, leaf) => validityRow(leaf),
  (_, leaf) => usageRow(leaf),
  (_, leaf) =>
    leaf.subjectAltName === undefined
      ? fail('3.2.1', 'the certificate has no subject alternative name; issue one with --san')
      : pass('3.2.1', 'the certificate names its server in the subject alternative name'),
  ({ chain }, leaf) =>
    chain.length > 1 || leaf.checkIssued(leaf)
      ? pass('3.2', 'the chain to the authority is sent with the certificate')
      : note('3.2', 'only the certificate itself is sent: right where a root issued it directly'),
  (facts) => weakRow(allSuites(facts)),
  (facts) => forwardSecrecyRow(facts),
  (facts) => aeadRow(facts),
  (facts) => approvedRow(allSuites(facts)),
  ({ prefersOwnOrder }) =>
    prefersOwnOrder === false
      ? fail('3.3.1', 'the client chooses the cipher suite; the order of the server must win')
      : pass('3.3.1', 'cipher suites are chosen in the order of the server'),
  ({ renegotiates }) =>
    renegotiates === true
      ? fail('3.4.1.1', 'a client may renegotiate at will')
      : pass('3.4.1.1', 'renegotiation by the client is refused'),
  () => pass('3.6', 'early data (0-RTT) is not accepted: Node has no way to turn it on'),
  () => pass('3.7', 'nothing is compressed below TLS: the OpenSSL of Node is built without it'),
];

function keyRow(leaf: X509Certificate): AuditRow {
  const { asymmetricKeyType: type = '', asymmetricKeyDetails: details } = leaf.publicKey;
  const bits = details?.modulusLength ?? 0;
  const curve = details?.namedCurve ?? '';
  if (type === 'rsa' && bits < 2048) {
    return fail('3.2', `its RSA key has ${bits} bits; at least 2048 are asked for`);
  }
  if (type === 'rsa') return pass('3.2', `its RSA key has ${bits} bits`);
  const isApproved = /^(prime256v1|secp384r1|secp521r1)$/.test(curve) || /^ed/.test(type);
  const name = curve === '' ? type : `${type} ${curve}`;
  return isApproved
    ? pass('3.2', `its key is ${name}`)
    : fail('3.2', `its key is ${name}; use RSA from 2048 bits, P-256 or P-384`);
}

/** Node does not tell the algorithm; the text of the DER does: the last OID before the signature. */
function signatureRow(leaf: X509Certificate): AuditRow {
  const weak = WEAK_SIGNATURES.find(({ oid }) => leaf.raw.includes(oid));
  return weak === undefined
    ? pass('3.2', 'it is signed with SHA-256 or better')
    : fail('3.2', `it is signed with ${weak.name}; have it issued anew with SHA-256`);
}

/** DER of sha1WithRSAEncryption, md5WithRSAEncryption (RFC 8017) and ecdsa-with-SHA1 (RFC 5758). */
const WEAK_SIGNATURES = [
  { name: 'SHA-1', oid: Buffer.from('06092a864886f70d010105', 'hex') },
  { name: 'MD5', oid: Buffer.from('06092a864886f70d010104', 'hex') },
  { name: 'SHA-1', oid: Buffer.from('06072a8648ce3d0401', 'hex') },
] as const;

function validityRow(leaf: X509Certificate): AuditRow {
  const days = Math.round((Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / DAY_MS);
  const left = Math.floor((Date.parse(leaf.validTo) - Date.now()) / DAY_MS);
  if (left < 0) return fail('3.2.1', 'the certificate has expired; renew it');
  return days > VALIDITY_DAYS_MAX
    ? fail('3.2.1', `it is valid for ${days} days; at most three years are asked for`)
    : pass('3.2.1', `it is valid for ${days} days, ${left} of them are left`);
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

function usageRow(leaf: X509Certificate): AuditRow {
  const usages = leaf.keyUsage;
  if (usages === undefined) {
    return note('3.2.1', 'it has no extended key usage; serverAuth is asked for');
  }
  return usages.includes(SERVER_AUTH)
    ? pass('3.2.1', 'its extended key usage has serverAuth')
    : fail('3.2.1', 'its extended key usage lacks serverAuth; issue it with the server profile');
}

function weakRow(suites: readonly string[]): AuditRow {
  const weak = among(suites, /NULL|RC4|DES-CBC|EXP|MD5|^ADH|^AECDH|anon/);
  return weak === ''
    ? pass('3.3.1', 'no suite without encryption or authentication, no RC4, no 3DES')
    : fail('3.3.1', `weak suites are served: ${weak}; start with -scl=3 or 4`);
}

function forwardSecrecyRow(facts: TlsFacts): AuditRow {
  const without = facts.ciphers['TLSv1.2'].filter((suite) => !/^(ECDHE|DHE)-/.test(suite));
  return without.length === 0
    ? pass('3.3.1', 'every key exchange is ephemeral')
    : fail('3.3.1', `key exchange without forward secrecy is served: ${without.join(', ')}`);
}

function aeadRow(facts: TlsFacts): AuditRow {
  const without = facts.ciphers['TLSv1.2'].filter((suite) => !/GCM|CCM|CHACHA20/.test(suite));
  return without.length === 0
    ? pass('3.3.1', 'every suite is authenticated encryption (AEAD)')
    : fail('3.3.1', `CBC suites are served: ${without.join(', ')}; start with -scl=3 or 4`);
}

function approvedRow(suites: readonly string[]): AuditRow {
  const others = among(suites, /CHACHA20|CAMELLIA|ARIA|SEED|IDEA/);
  return others === ''
    ? pass('3.3.1', 'all suites are made of algorithms NIST has approved')
    : note(
        '3.3.1',
        `sound, but not approved by NIST, chosen only where a client has no AES: ${others}`,
      );
}
