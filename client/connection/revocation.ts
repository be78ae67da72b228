// Was the server's certificate revoked? Looks it up in the lists and at the responder that the options name,
// after the handshake and before the first byte of ours. Loaded on demand by dial.ts, because it brings ASN.1.

import { X509Certificate } from 'node:crypto';
import { nameText } from '../../shared/tls/certificate-text.js';
import { followChain, isSelfSigned } from '../../shared/tls/chain.js';
import { checkRevocation, type RevocationFinding } from '../../shared/tls/crl-check.js';
import { OcspChecker } from '../../shared/tls/ocsp-check.js';
import type { RevocationRules } from './trust.js';

/** What the server showed in its handshake. */
export interface ShownByServer {
  /** Its certificate, then those that may belong above it (shown-certificates.ts). */
  readonly certificates: readonly X509Certificate[];
  /** Its OCSP answer. */
  readonly stapled: Buffer | undefined;
}

/** What is against the server's certificate; undefined when nothing is. */
export async function findRevoked(
  { certificates, stapled }: ShownByServer,
  rules: RevocationRules,
): Promise<RevocationFinding | undefined> {
  const chain = followChain(certificates, rules.authorities.map(read));
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
    if (issuer === undefined) return isOpenEnded(certificate);
    const rules = { lists, policy: 'closed', now: Date.now() } as const;
    const found = checkRevocation(certificate, issuer, rules);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * With a pin and no authority the server decides how much of its chain is seen: one that leaves its issuer out
 * must not thereby leave the lists out.
 */
function isOpenEnded(certificate: X509Certificate): RevocationFinding | undefined {
  if (isSelfSigned(certificate)) return undefined;
  const detail = `the certificate of ${nameText(certificate.issuer)} is not known here (tls.ca)`;
  return { code: 'UNABLE_TO_GET_CRL', detail };
}

const read = (pem: string): X509Certificate => new X509Certificate(pem);
