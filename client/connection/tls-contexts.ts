// TLS contexts this process has made, by what they were made of: making one, and proving that its certificates can
// be read and its key fits, costs as much as a handshake. Who connects reads the files anew each time, so that a
// changed file is another context. trust.ts says what is made; this only remembers it.

import { createHash, type X509Certificate } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { tlsContextsKeptMax } from '../../shared/base/limits.js';

/** What certificates and keys come to. Nothing in it depends on the time of day. */
export interface MadeContext {
  /** Digest of all it was made of. */
  readonly id: string;
  readonly context: SecureContext;
  /** PEM of the authorities named; empty where the platform's are trusted. */
  readonly authorities: readonly string[];
  /** The first certificate we would show. */
  readonly own: X509Certificate | undefined;
}

export class TlsContexts {
  /** The latest used is last. */
  readonly #made = new Map<string, MadeContext>();
  /** The list of authorities that was looked at last. */
  #list: { readonly texts: readonly string[]; readonly digest: string } | undefined;

  get size(): number {
    return this.#made.size;
  }

  /** The context of that digest; `make` is asked for it when there is none. What it throws is not remembered. */
  of(id: string, make: () => MadeContext): MadeContext {
    const made = this.#made.get(id) ?? make();
    this.#made.delete(id);
    const [oldest] = this.#made.keys();
    if (oldest !== undefined && this.#made.size >= tlsContextsKeptMax) this.#made.delete(oldest);
    this.#made.set(id, made);
    return made;
  }

  /** Digest of a list of authorities: those of a platform are some 200 KB. Of a list that cannot change it is kept. */
  digestOf(texts: readonly string[]): string {
    if (this.#list?.texts === texts) return this.#list.digest;
    const digest = createHash('sha256').update(JSON.stringify(texts)).digest('base64');
    if (Object.isFrozen(texts)) this.#list = { texts, digest };
    return digest;
  }
}
