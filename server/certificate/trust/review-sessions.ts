// Judges open sessions again after trust, level or time have moved on, and ends those that would not be let in
// today. Called by the daemon with what it knows of each; nothing here knows what a session is.

import type { X509Certificate } from 'node:crypto';
import { RsyndError } from '../../../shared/base/error.js';
import { minProtocolOf, type SecurityLevel } from '../../../shared/tls/policy.js';
import { findingOf, type TrustFinding } from './judge-chain.js';
import type { TrustKeeper } from './trust-keeper.js';

/** An open session, as far as trust goes. */
export interface ReviewedSession {
  /** Negotiated, `TLSv1.3`; undefined without encryption. */
  readonly protocol: string | undefined;
  /** Its certificate and those above it; empty without one. */
  readonly chain: readonly X509Certificate[];
  /** Frees its locks, tells its client and closes. */
  expel(error: RsyndError): void;
}

export interface ReviewRules {
  /** Undefined on a server without encryption. */
  readonly keeper: TrustKeeper | undefined;
  readonly level: SecurityLevel;
  /** Named in the error. */
  readonly host: string;
}

/** Sessions judged side by side: a responder may be slow, and must not be flooded. */
const judgedAtOnceMax = 32;
const PROTOCOLS: readonly string[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** Judges each and expels those that do not qualify. Never rejects. */
export async function expelUntrusted(
  sessions: readonly ReviewedSession[],
  rules: ReviewRules,
): Promise<void> {
  const waiting = [...sessions];
  const workers = Array.from({ length: Math.min(judgedAtOnceMax, sessions.length) }, async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      await review(next, rules);
    }
  });
  await Promise.all(workers);
}

async function review(session: ReviewedSession, rules: ReviewRules): Promise<void> {
  const { protocol, chain } = session;
  if (protocol === undefined) return;
  if (PROTOCOLS.indexOf(protocol) < PROTOCOLS.indexOf(minProtocolOf(rules.level))) {
    const now = `it is ${protocol}, the lowest is now ${minProtocolOf(rules.level)}`;
    return session.expel(expelled(findingOf('PROTOCOL_TOO_LOW', undefined, 0, now), rules.host));
  }
  const verdict = await rules.keeper?.judgeAgain(chain);
  if (verdict?.isGood === false) session.expel(expelled(verdict.finding, rules.host));
}

function expelled({ code, reason, advice, certificate }: TrustFinding, host: string): RsyndError {
  const which =
    certificate === undefined
      ? ''
      : `; certificate ${certificate.id}, ${certificate.subject}, depth ${certificate.depth}`;
  const why = `the server ends this session: ${reason} (${code})${which}; ${advice}`;
  return new RsyndError('ERR_CLNTERR', why, { host });
}
