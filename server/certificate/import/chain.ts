// Lays certificates out from the leaf to its root, whatever order they came in and however often. Unlike what
// TLS sends, the root is kept: exports and checks want it.

import type { X509Certificate } from 'node:crypto';
import { certificateChainDepthMax } from '../../../shared/base/limits.js';
import { oneLine } from '../store/facts.js';
import { refusal } from './refuse.js';

/** A leaf and its issuers upwards. */
export interface WholeChain {
  /** The leaf first. */
  readonly certificates: readonly X509Certificate[];
  /** True when it ends in a certificate that signed itself. */
  readonly isComplete: boolean;
  /** Came along and do not belong to it. */
  readonly unused: readonly X509Certificate[];
}

/** Each certificate once, in the order of first appearance. */
export function withoutDuplicates(certificates: readonly X509Certificate[]): X509Certificate[] {
  const byFingerprint = new Map(certificates.map((each) => [each.fingerprint256, each]));
  return [...byFingerprint.values()];
}

export const isSelfSigned = (certificate: X509Certificate): boolean =>
  didIssue(certificate, certificate);

/** By name and by signature. */
export function didIssue(issuer: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false; // a key of a kind that cannot have made this signature
  }
}

/**
 * Follows the issuers of `leaf` through `given`, then through `known` (authorities of the store).
 * @throws RsyndError ERR_BADCERT: the issuers run in a circle, or there are too many.
 */
export function layChain(
  leaf: X509Certificate,
  given: readonly X509Certificate[],
  source: string,
  known: readonly X509Certificate[] = [],
): WholeChain {
  const candidates = withoutDuplicates([...given, ...known]);
  const certificates = [leaf];
  let last = leaf;
  while (!isSelfSigned(last)) {
    const issuers = candidates.filter((each) => didIssue(each, last));
    // Authorities may certify each other; a root of the same name and key ends the walk best.
    const issuer = issuers.find(isSelfSigned) ?? issuers[0];
    if (issuer === undefined) break;
    if (certificates.some((each) => each.fingerprint256 === issuer.fingerprint256)) {
      throw refusal(source, `the chain runs in a circle at ${oneLine(issuer.subject)}`);
    }
    certificates.push(issuer);
    last = issuer;
    checkDepth(certificates.length, source);
  }
  const used = new Set(certificates.map((each) => each.fingerprint256));
  const unused = withoutDuplicates(given).filter((each) => !used.has(each.fingerprint256));
  return { certificates, isComplete: isSelfSigned(last), unused };
}

function checkDepth(depth: number, source: string): void {
  if (depth <= certificateChainDepthMax) return;
  throw refusal(source, `the chain has more than ${certificateChainDepthMax} certificates`);
}

/** Certificates that issued none of the others: where chains begin. */
export const leavesOf = (certificates: readonly X509Certificate[]): X509Certificate[] =>
  certificates.filter(
    (each) => !certificates.some((other) => other !== each && didIssue(each, other)),
  );
