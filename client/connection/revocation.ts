// Was the server's certificate revoked? Looks it up in the lists and at the responder that the options name,
// after the handshake and before the first byte of ours. Loaded on demand by dial.ts, because it brings ASN.1.

import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { presentedCertificatesMax } from '../../shared/base/limits.js';
import { followChain } from '../../shared/tls/chain.js';
import { checkRevocation, type RevocationFinding } from '../../shared/tls/crl-check.js';
import { OcspChecker } from '../../shared/tls/ocsp-check.js';
import type { RevocationRules } from './trust.js';

/** What the server showed in its handshake. */
export interface ShownByServer {
  readonly socket: TLSSocket;
  /** Its OCSP answer. */
  readonly stapled: Buffer | undefined;
}

/** What is against the server's certificate; undefined when nothing is. */
export async function findRevoked(
  { socket, stapled }: ShownByServer,
  rules: RevocationRules,
): Promise<RevocationFinding | undefined> {
  const chain = followChain(shownBy(socket), rules.authorities.map(read));
  const [certificate, issuer] = chain;
  if (certificate === undefined) return { code: 'CERT_DAMAGED', detail: '' };
  const listed = findListed(chain, rules);
  if (listed !== undefined || rules.ocsp === undefined) return listed;
  if (issuer === undefined) return isAlone(rules);
  const { mode, url } = rules.ocsp;
  const nonceRule = mode === 'hard' ? 'require' : 'accept';
  const checker = new OcspChecker({ mode, url, nonceRule, follow: false, responder: undefined });
  return (await checker.check({ certificate, issuer }, stapled)).finding;
}

/** A certificate without an issuer, trusted by its pin: nobody can say that it was revoked. */
const isAlone = ({ ocsp }: RevocationRules): RevocationFinding | undefined =>
  ocsp?.mode === 'hard'
    ? { code: 'OCSP_NO_ANSWER', detail: 'the issuer of its certificate is not known here' }
    : undefined;

function findListed(
  chain: readonly X509Certificate[],
  { lists }: RevocationRules,
): RevocationFinding | undefined {
  if (lists === undefined) return undefined;
  for (const [depth, certificate] of chain.entries()) {
    const issuer = chain[depth + 1];
    if (issuer === undefined) return undefined;
    const rules = { lists, policy: 'closed', now: Date.now() } as const;
    const found = checkRevocation(certificate, issuer, rules);
    if (found !== undefined) return found;
  }
  return undefined;
}

const read = (pem: string): X509Certificate => new X509Certificate(pem);

/** What was sent, in its order; then what the library found above it in what it trusts. */
function shownBy(socket: TLSSocket): X509Certificate[] {
  const shown: X509Certificate[] = [];
  let sent = socket.getPeerX509Certificate();
  while (sent !== undefined && shown.length < presentedCertificatesMax) {
    shown.push(sent);
    sent = sent.issuerCertificate;
  }
  let found: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  for (let count = 0; found?.raw !== undefined && count < presentedCertificatesMax; count++) {
    shown.push(new X509Certificate(found.raw));
    if (found.issuerCertificate === found) break; // a root is its own issuer
    found = found.issuerCertificate;
  }
  return shown;
}
