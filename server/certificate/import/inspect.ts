// Looks at keys and certificates without using them: what is there, in which order, and what is wrong with it for
// somebody who wants to serve or trust it. Called by `cert inspect`; refuses nothing.

import type { KeyObject, X509Certificate } from 'node:crypto';
import { isRsyndError } from '../../../shared/base/error.js';
import { type CertificateFacts, factsOf, oneLine } from '../store/facts.js';
import { didIssue, isSelfSigned, layChain, leavesOf, withoutDuplicates } from './chain.js';
import { checkKeyKind, remarksOn, remarksOnServer } from './judge.js';

export interface InspectedCertificate extends CertificateFacts {
  /** Of a chain of one, itself: a root. */
  readonly isSelfSigned: boolean;
  /** A private key for it is there too. */
  readonly hasKey: boolean;
}

export interface Inspection {
  /** In the order they came. */
  readonly certificates: readonly InspectedCertificate[];
  readonly keys: number;
  /** Sentences; none when all is well. */
  readonly problems: readonly string[];
  /** Sentences that may be as they should: what is not there to be seen. */
  readonly notes: readonly string[];
}

/** `source` is the name of the file or server in messages. */
export function inspect(
  certificates: readonly X509Certificate[],
  keys: readonly KeyObject[],
  source: string,
  now: Date,
): Inspection {
  const chain = inspectChain(certificates, source);
  return {
    certificates: certificates.map((each) => ({
      ...factsOf(each),
      isSelfSigned: isSelfSigned(each),
      hasKey: keys.some((key) => each.checkPrivateKey(key)),
    })),
    keys: keys.length,
    problems: [
      ...problemsOfKeys(certificates, keys),
      ...problemsOfOrder(certificates),
      ...chain.problems,
      ...certificates.flatMap((each) => [...remarksOn(each, now), ...problemOf(each, source)]),
      ...leavesOf(certificates).slice(0, 1).flatMap(remarksOnLeaf),
    ],
    notes: chain.notes,
  };
}

const remarksOnLeaf = (leaf: X509Certificate): string[] =>
  leaf.ca && isSelfSigned(leaf) ? [] : remarksOnServer(leaf);

function problemsOfKeys(
  certificates: readonly X509Certificate[],
  keys: readonly KeyObject[],
): string[] {
  const strangers = keys.filter((key) => !certificates.some((each) => each.checkPrivateKey(key)));
  if (certificates.length === 0) return ['there is no certificate, only a private key'];
  const found = strangers.map(() => 'a private key does not match any of the certificates');
  return keys.length > 1 ? [`there are ${keys.length} private keys`, ...found] : found;
}

function problemsOfOrder(certificates: readonly X509Certificate[]): string[] {
  const single = withoutDuplicates(certificates);
  const problems = single.length < certificates.length ? ['a certificate is there twice'] : [];
  const isInOrder = single.every((each, index) => {
    const issuer = single.find((other) => other !== each && didIssue(other, each));
    return issuer === undefined || isSelfSigned(each) || single[index + 1] === issuer;
  });
  const fix = 'put the leaf first and each issuer behind what it issued';
  return isInOrder ? problems : [...problems, `the certificates are out of order; ${fix}`];
}

function inspectChain(
  certificates: readonly X509Certificate[],
  source: string,
): Pick<Inspection, 'problems' | 'notes'> {
  const [leaf] = leavesOf(certificates);
  if (leaf === undefined) {
    const circle = ['the certificates issued each other in a circle'];
    return { problems: certificates.length === 0 ? [] : circle, notes: [] };
  }
  try {
    const { isComplete, unused, certificates: chain } = layChain(leaf, certificates, source);
    const last = chain.at(-1) ?? leaf;
    const open = `the issuer of ${oneLine(last.subject)} is not among them: ${oneLine(last.issuer)}`;
    return {
      problems: unused.map((each) => `${oneLine(each.subject)} does not belong to the chain`),
      notes: isComplete ? [] : [open],
    };
  } catch (error) {
    if (isRsyndError(error, 'ERR_BADCERT')) return { problems: [error.message], notes: [] };
    throw error;
  }
}

function problemOf(certificate: X509Certificate, source: string): string[] {
  try {
    checkKeyKind(certificate.publicKey, source);
    return [];
  } catch (error) {
    if (isRsyndError(error, 'ERR_BADCERT')) return [error.message];
    throw error;
  }
}
