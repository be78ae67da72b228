// Sessions of TLS 1.3 that servers offer for the next connection, so that it need not prove everything anew. dial.ts
// keeps them and offers them; what is found out about a server stays with what it was found out under:
//
//   trust, pin, name, own certificate    in the key: under others the session is not found
//   validity of the server's chain       ends the session, of any certificate in it
//   revocation                           where it is looked up there are no sessions: each server shows its certificate
//   everything else                      is judged again after `tlsSessionTrustedMs`: a session of a resumed connection
//                                        ends with the first one
//
// A session is offered once (RFC 8446, C.4). A stranger who has it can do nothing with it, and the exchange of keys is
// new each time, so that what was said before stays secret when a key gets known.

import { createHash } from 'node:crypto';
import {
  tlsSessionBytesMax,
  tlsSessionServersMax,
  tlsSessionsPerServerMax,
  tlsSessionTrustedMs,
} from '../../shared/base/limits.js';
import type { ServerAddress } from '../filespec.js';

/** For how long a judgement of a server counts, in milliseconds since 1970. */
export interface Trusted {
  /** A clock that was put back says nothing of what has ended. */
  readonly from: number;
  readonly until: number;
}

export interface KeptSession {
  /** For node:tls. A secret. */
  readonly session: Buffer;
  readonly trusted: Trusted;
}

export class TlsSessions {
  /** By server, the latest used last; of one server likewise. */
  readonly #kept = new Map<string, KeptSession[]>();

  /** Servers with a session. */
  get size(): number {
    return this.#kept.size;
  }

  /** The newest session that counts, which is then forgotten. */
  take(key: string, now: number = Date.now()): KeptSession | undefined {
    const fresh = (this.#kept.get(key) ?? []).filter((kept) => isTrusted(kept.trusted, now));
    const taken = fresh.pop();
    this.#put(key, fresh);
    return taken;
  }

  keep(key: string, kept: KeptSession): void {
    if (kept.session.length > tlsSessionBytesMax) return;
    const all = this.#kept.get(key) ?? [];
    this.#put(key, [...all, kept].slice(-tlsSessionsPerServerMax));
  }

  #put(key: string, sessions: KeptSession[]): void {
    this.#kept.delete(key);
    if (sessions.length === 0) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size >= tlsSessionServersMax) this.#kept.delete(oldest);
    this.#kept.set(key, sessions);
  }
}

/**
 * A server found good now, by certificates that end then (milliseconds since 1970); without any it counts for
 * nothing.
 */
export function trustedFor(ends: readonly number[], now: number = Date.now()): Trusted {
  const until = ends.length === 0 ? now : Math.min(now + tlsSessionTrustedMs, ...ends);
  return { from: now, until };
}

/** Who is reached, and by what he is judged, his name included: all of it in `judgedBy`. A digest of secrets too. */
export function sessionKey(server: ServerAddress, judgedBy: readonly unknown[]): string {
  const parts = [server.host.toLowerCase(), server.port, ...judgedBy];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}

const isTrusted = ({ from, until }: Trusted, now: number): boolean => from <= now && now < until;
