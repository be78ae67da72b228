// What a change of certificate, authority, client-auth setting or level would do to the clients seen lately,
// told before it is made. It judges by what each client showed at its last visit; what cannot be known from
// here (whom a client trusts) is said to be unknown. Certificates are judged by X509Certificate alone.

import { X509Certificate } from 'node:crypto';
import { LEVEL_POLICIES, resolveLevel, type SecurityLevel } from '../../shared/tls/policy.js';
import type { SeenClient } from '../observe/client-journal.js';

/** What is to be changed; what is absent stays as it is. */
export interface ProposedChange {
  readonly level?: SecurityLevel;
  /** The certificate the server would present, leaf first. */
  readonly certificate?: readonly X509Certificate[];
  /** The one it presents now, leaf first; needed to compare issuers. */
  readonly current?: readonly X509Certificate[];
  readonly clientAuth?: 'none' | 'optional' | 'required';
  /** Authorities whose certificates clients may show. */
  readonly authorities?: readonly X509Certificate[];
  /** Serial numbers (hex, upper case) that would be revoked. */
  readonly revoked?: ReadonlySet<string>;
}

export interface Rehearsal {
  readonly client: SeenClient;
  readonly verdict: 'served' | 'refused' | 'unknown';
  /** Why, and what to do on the client; empty when it goes on being served. */
  readonly reasons: readonly string[];
}

type Finding = { readonly verdict: 'refused' | 'unknown'; readonly reason: string };

const PROTOCOL_ORDER = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
const MODERN_CIPHER = /^TLS_|^ECDHE-.*(GCM|CHACHA20)/;

/** One row a client, in the order given. */
export function rehearse(
  clients: readonly SeenClient[],
  change: ProposedChange,
  now: number = Date.now(),
): Rehearsal[] {
  return clients.map((client) => {
    const findings = [
      ...levelFindings(client, change),
      ...certificateFindings(client, change),
      ...clientAuthFindings(client, change, now),
    ];
    const isRefused = findings.some(({ verdict }) => verdict === 'refused');
    const verdict = isRefused ? 'refused' : findings.length > 0 ? 'unknown' : 'served';
    return { client, verdict, reasons: findings.map(({ reason }) => reason) };
  });
}

/** A client that came by an older protocol had no newer one, since the highest is always served. */
function* levelFindings(
  { protocol, cipher }: SeenClient,
  { level }: ProposedChange,
): Iterable<Finding> {
  if (level === undefined) return;
  if (protocol === undefined) {
    yield refused('it came without TLS; it needs /encrypt');
    return;
  }
  const policy = LEVEL_POLICIES[resolveLevel(level)];
  if (PROTOCOL_ORDER.indexOf(protocol) < PROTOCOL_ORDER.indexOf(policy.minVersion)) {
    yield refused(
      `its newest protocol is ${protocol}, level ${level} begins at ${policy.minVersion}`,
    );
  } else if (!policy.isLegacy && cipher !== undefined && !MODERN_CIPHER.test(cipher)) {
    yield refused(
      `its best cipher is ${cipher}; level ${level} serves only AEAD with forward secrecy`,
    );
  }
}

function* certificateFindings(
  { protocol, serverName }: SeenClient,
  { certificate, current }: ProposedChange,
): Iterable<Finding> {
  const [leaf] = certificate ?? [];
  if (leaf === undefined || protocol === undefined) return;
  if (serverName !== undefined && leaf.checkHost(serverName) === undefined) {
    yield refused(`it asks for ${serverName}, which the certificate does not name`);
  }
  const [before] = current ?? [];
  if (before !== undefined && before.issuer !== leaf.issuer) {
    yield unknown(
      `the issuer changes from ${oneLine(before.issuer)} to ${oneLine(leaf.issuer)}: ` +
        'clients that trust only the old one refuse; those with a pinned key too',
    );
  }
}

function* clientAuthFindings(
  { chain = [] }: SeenClient,
  { clientAuth, authorities, revoked }: ProposedChange,
  now: number,
): Iterable<Finding> {
  if (chain.length === 0) {
    if (clientAuth === 'required') yield refused('it showed no certificate; issue one for it');
    return;
  }
  const [leaf, ...others] = chain.map((pem) => new X509Certificate(pem));
  if (leaf === undefined || clientAuth === 'none') return;
  const subject = oneLine(leaf.subject);
  if (Date.parse(leaf.validTo) < now) yield refused(`its certificate (${subject}) has expired`);
  if (revoked?.has(leaf.serialNumber))
    yield refused(`its certificate (${subject}) would be revoked`);
  if (authorities !== undefined && !leadsTo(leaf, others, authorities)) {
    yield refused(
      `no authority stands behind its certificate (${subject}, from ${oneLine(leaf.issuer)})`,
    );
  }
}

/** Is there a chain of signatures from the leaf to one of the authorities? */
function leadsTo(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): boolean {
  const seen = new Set<string>();
  let at: X509Certificate | undefined = leaf;
  while (at !== undefined && !seen.has(at.fingerprint256)) {
    seen.add(at.fingerprint256);
    const below: X509Certificate = at;
    if (authorities.some((each) => didIssue(each, below))) return true;
    at = others.find((each) => didIssue(each, below));
  }
  return false;
}

const didIssue = (issuer: X509Certificate, certificate: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

const oneLine = (name: string): string => name.replaceAll('\n', ', ');
const refused = (reason: string): Finding => ({ verdict: 'refused', reason });
const unknown = (reason: string): Finding => ({ verdict: 'unknown', reason });
