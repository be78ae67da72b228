// Asks revocation lists about one link of a chain: is this certificate of this issuer revoked, and do we know
// well enough that it is not? Pure: lists, policy and time come in.

import type { X509Certificate } from 'node:crypto';
import { nameText } from './certificate-text.js';
import type { RevocationList } from './crl.js';
import type { VerifyFinding } from './verify-code.js';

/**
 * What to do about an authority without a current list. `closed`: refuse its certificates. `open`: take
 * them; those that an older list revokes stay revoked.
 */
export type CrlPolicy = 'open' | 'closed';

/** What is wrong, with the facts that the code alone does not tell. */
export interface RevocationFinding {
  readonly code: VerifyFinding;
  readonly detail: string;
}

export interface CrlRules {
  readonly lists: readonly RevocationList[];
  readonly policy: CrlPolicy;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Undefined when there is nothing against the certificate. */
export function checkRevocation(
  certificate: X509Certificate,
  issuer: X509Certificate,
  rules: CrlRules,
): RevocationFinding | undefined {
  const named = rules.lists.filter((list) => list.isOf(issuer));
  const signed = named.filter((list) => list.isSignedBy(issuer));
  for (const list of signed) {
    const entry = list.entryOf(certificate.serialNumber);
    if (entry !== undefined) {
      const detail = `revoked at ${entry.at.toISOString()}, ${entry.reason} (${list.source})`;
      return { code: 'CERT_REVOKED', detail };
    }
  }
  if (rules.policy === 'open') return undefined;
  const forged = named.find((list) => !signed.includes(list));
  if (signed.length === 0 && forged !== undefined) {
    return { code: 'CRL_SIGNATURE_FAILURE', detail: `the list is ${forged.source}` };
  }
  return whyNotCurrent(signed, issuer, rules.now);
}

function whyNotCurrent(
  lists: readonly RevocationList[],
  issuer: X509Certificate,
  now: number,
): RevocationFinding | undefined {
  const [newest] = [...lists].sort((one, other) => other.thisUpdate - one.thisUpdate);
  if (newest === undefined) {
    return { code: 'UNABLE_TO_GET_CRL', detail: `the authority is ${nameText(issuer.subject)}` };
  }
  if (lists.some((list) => isCurrent(list, now))) return undefined;
  const { source, thisUpdate, nextUpdate } = newest;
  if (thisUpdate > now) {
    const from = new Date(thisUpdate).toISOString();
    return { code: 'CRL_NOT_YET_VALID', detail: `${source} begins at ${from}` };
  }
  const due = nextUpdate === undefined ? '' : `, due at ${new Date(nextUpdate).toISOString()}`;
  return { code: 'CRL_HAS_EXPIRED', detail: `${source}${due}` };
}

const isCurrent = ({ thisUpdate, nextUpdate }: RevocationList, now: number): boolean =>
  thisUpdate <= now && (nextUpdate === undefined || nextUpdate > now);
