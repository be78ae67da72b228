// Is this client certificate good? Walks from it to a trusted root, link by link, so that what fails has a
// name and a depth, which the TLS library alone does not tell. Pure: certificates, material, settings and time
// come in. It judges handshakes, and sessions again whenever trust changes.
//
//   depth 0  the client's own ─issued by─▶ 1  intermediate ─issued by─▶ 2  root, among the authorities

import type { X509Certificate } from 'node:crypto';
import {
  certificateId,
  fingerprintOf,
  nameText,
  serialText,
  validityOf,
} from '../../../shared/tls/certificate-text.js';
import { followChain } from '../../../shared/tls/chain.js';
import { type CrlPolicy, checkRevocation } from '../../../shared/tls/crl-check.js';
import { type VerifyFinding, verifyCode } from '../../../shared/tls/verify-code.js';
import type { Presented } from './peer-certificate.js';
import type { TrustMaterial } from './trust-material.js';

/** A certificate in a refusal. */
export interface RefusedCertificate {
  /** Short id: the first digits of the fingerprint. */
  readonly id: string;
  readonly fingerprint: string;
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  /** 0 is the client's own, counted upwards. */
  readonly depth: number;
}

/** Why a certificate is refused. */
export interface TrustFinding {
  /** The TLS library's code, or ours where it has none. */
  readonly code: string;
  readonly reason: string;
  readonly advice: string;
  /** The one that fails; undefined when there is none at all. */
  readonly certificate?: RefusedCertificate;
}

export interface ChainRules {
  readonly material: TrustMaterial;
  readonly policy: CrlPolicy;
  readonly depthMax: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** A chain that was followed, and what is wrong with it. */
export interface JudgedChain {
  /** From the client's own up to the root, as far as it could be followed. */
  readonly chain: readonly X509Certificate[];
  readonly finding: TrustFinding | undefined;
}

/** Judges what a client showed; `presented.certificates` must not be empty. */
export function judgeChain(presented: Presented, rules: ChainRules): JudgedChain {
  const chain = followChain(presented.certificates, rules.material.authorities);
  const [own] = chain;
  if (own !== undefined && rules.material.peers.has(fingerprintOf(own))) {
    return { chain: [own], finding: revokedHere([own], rules) ?? datesOf([own], rules.now) };
  }
  const library = libraryFinding(presented, chain, rules.now);
  return { chain, finding: library ?? ownFinding(chain, rules) };
}

/** What this program itself looks at; the library looked at signatures, purposes and constraints. */
function ownFinding(
  chain: readonly X509Certificate[],
  rules: ChainRules,
): TrustFinding | undefined {
  const { material, depthMax } = rules;
  const beyond = chain[depthMax + 1];
  if (beyond !== undefined) {
    const detail = `at most ${depthMax} are allowed above it, there are ${chain.length - 1}`;
    return findingOf('CERT_CHAIN_TOO_LONG', beyond, depthMax + 1, detail);
  }
  const root = chain.at(-1);
  const isTrusted = material.authorities.some((each) => isSame(each, root));
  if (root === undefined || !isTrusted) {
    const code = chain.length > 1 ? 'SELF_SIGNED_CERT_IN_CHAIN' : 'UNABLE_TO_GET_ISSUER_CERT';
    return findingOf(code, root, chain.length - 1);
  }
  return datesOf(chain, rules.now) ?? revokedHere(chain, rules) ?? revokedByList(chain, rules);
}

function revokedHere(
  chain: readonly X509Certificate[],
  { material }: ChainRules,
): TrustFinding | undefined {
  const depth = chain.findIndex((each) => material.revoked.has(fingerprintOf(each)));
  if (depth < 0) return undefined;
  return findingOf('CERT_REVOKED', chain[depth], depth, 'revoked by the local authority');
}

function revokedByList(
  chain: readonly X509Certificate[],
  { material, policy, now }: ChainRules,
): TrustFinding | undefined {
  for (const [depth, certificate] of chain.entries()) {
    const issuer = chain[depth + 1];
    if (issuer === undefined) return undefined;
    const found = checkRevocation(certificate, issuer, { lists: material.lists, policy, now });
    if (found !== undefined) return findingOf(found.code, certificate, depth, found.detail);
  }
  return undefined;
}

function datesOf(chain: readonly X509Certificate[], now: number): TrustFinding | undefined {
  for (const [depth, certificate] of chain.entries()) {
    const { from, to } = validityOf(certificate);
    if (now > to) return findingOf('CERT_HAS_EXPIRED', certificate, depth, ended(to));
    if (now < from) return findingOf('CERT_NOT_YET_VALID', certificate, depth, begins(from));
  }
  return undefined;
}

const ended = (to: number): string => `it ended at ${new Date(to).toISOString()}`;
const begins = (from: number): string => `it begins at ${new Date(from).toISOString()}`;

const AT_THE_END =
  /^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY|CERT_UNTRUSTED)/;

/** The library's verdict with the certificate it is about, which it does not tell. */
function libraryFinding(
  { libraryCode: code, libraryText: text }: Presented,
  chain: readonly X509Certificate[],
  now: number,
): TrustFinding | undefined {
  if (code === undefined) return undefined;
  const dated = datesOf(chain, now);
  if (dated?.code === code) return dated;
  const depth = AT_THE_END.test(code) ? Math.max(chain.length - 1, 0) : 0;
  // Codes we have words for need none of the library's.
  return findingOf(code, chain[depth], depth, verifyCode(code) === undefined ? text : undefined);
}

/** Describes a finding. `detail` goes behind the general reason of the code. */
export function findingOf(
  code: VerifyFinding | (string & {}),
  certificate: X509Certificate | undefined,
  depth: number,
  detail = '',
): TrustFinding {
  const { reason, advice } = verifyCode(code) ?? {
    reason: 'the TLS library does not accept the certificate',
    advice: 'have the certificate issued again, without what the library names',
  };
  return {
    code,
    reason: detail === '' ? reason : `${reason}: ${detail}`,
    advice,
    ...(certificate === undefined ? {} : { certificate: describe(certificate, depth) }),
  };
}

const describe = (certificate: X509Certificate, depth: number): RefusedCertificate => ({
  id: certificateId(certificate),
  fingerprint: fingerprintOf(certificate),
  subject: nameText(certificate.subject),
  issuer: nameText(certificate.issuer),
  serial: serialText(certificate.serialNumber),
  depth,
});

const isSame = (one: X509Certificate, other: X509Certificate | undefined): boolean =>
  one.fingerprint256 === other?.fingerprint256;
