// Follows a certificate to its root, link by link. Used by both ends where revocation is looked up, which needs
// to know who issued whom. It judges no dates and no purposes: that is the TLS library's business.

import type { X509Certificate } from 'node:crypto';

/**
 * From the first certificate shown up to a self-signed one, or as far as there are issuers among those trusted
 * and those shown; every link is verified by its signature.
 */
export function followChain(
  shown: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const pool = [...authorities, ...shown];
  let next = shown[0];
  // Authorities can issue each other in a circle; nothing comes twice.
  while (next !== undefined && !includes(chain, next)) {
    const certificate = next;
    chain.push(certificate);
    next = isSelfSigned(certificate)
      ? undefined
      : pool.find((issuer) => didIssue(issuer, certificate));
  }
  return chain;
}

/** Is it its own issuer: a root, or a certificate nobody vouches for? */
export const isSelfSigned = (certificate: X509Certificate): boolean =>
  didIssue(certificate, certificate);

/** Did this authority sign the certificate, and is it meant to? */
export const didIssue = (issuer: X509Certificate, certificate: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && verifies(certificate, issuer);

const includes = (chain: readonly X509Certificate[], certificate: X509Certificate): boolean =>
  chain.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256);

/** Keys of kinds that the library does not know throw; such an issuer issued nothing for us. */
function verifies(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}
