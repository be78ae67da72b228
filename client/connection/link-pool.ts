// The connections open() shares: one per process, server and way of connecting (security, trust, user).
// Opened by the first who needs it, closed when the last has gone, never handed out once it is dead.
//
//   (none) ──acquire──▶ dialling ──▶ in use by n ──n = 0──▶ closed, forgotten
//                          └─ all who wait gave up ──▶ aborted, forgotten
//
// Who waits for a dial waits inside his own budget; the dial itself goes on as long as anybody waits.

import { createHash } from 'node:crypto';
import { callTimeoutMsMax } from '../../shared/base/limits.js';
import type { ServerAddress } from '../filespec.js';
import type { ResolvedConnect } from '../open-options.js';
import { Deadline } from './deadline.js';
import type { Link } from './link.js';

/** A share of a link. */
export interface Lease {
  readonly link: Link;
  /** Idempotent. Closes the link when this was the last share. */
  release(): Promise<void>;
}

/** Makes a link; must end when the deadline does. */
export type Dial = (deadline: Deadline) => Promise<Link>;

interface Entry {
  readonly key: string;
  readonly dialling: Promise<Link>;
  readonly giveUp: AbortController;
  link: Link | undefined;
  users: number;
}

export class LinkPool {
  readonly #entries = new Map<string, Entry>();

  /** Rejects with what the dial rejects with, or with the reason of `deadline`. */
  async acquire(key: string, dial: Dial, deadline: Deadline): Promise<Lease> {
    const entry = this.#usable(key) ?? this.#begin(key, dial);
    entry.users++;
    try {
      return this.#lease(entry, await deadline.race(entry.dialling));
    } catch (error) {
      await this.#leave(entry);
      throw error;
    }
  }

  #usable(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry?.link?.isOpen === false ? undefined : entry;
  }

  #begin(key: string, dial: Dial): Entry {
    const giveUp = new AbortController();
    const deadline = new Deadline({
      timeoutMs: callTimeoutMsMax,
      signal: giveUp.signal,
      what: 'connecting',
    });
    const dialling = dial(deadline).finally(() => deadline[Symbol.dispose]());
    const entry: Entry = { key, dialling, giveUp, link: undefined, users: 0 };
    this.#entries.set(key, entry);
    dialling.then(
      (link) => {
        entry.link = link;
        // Everybody may have left in the very turn in which it was ready.
        if (entry.users === 0) this.#closeUnused(link);
      },
      () => this.#forget(entry),
    );
    return entry;
  }

  #lease(entry: Entry, link: Link): Lease {
    let released: Promise<void> | undefined;
    return {
      link,
      release: () => {
        released ??= this.#leave(entry);
        return released;
      },
    };
  }

  async #leave(entry: Entry): Promise<void> {
    entry.users--;
    if (entry.users > 0) return;
    this.#forget(entry);
    if (entry.link === undefined) entry.giveUp.abort();
    else await entry.link.close();
  }

  #closeUnused(link: Link): void {
    link.close().catch(() => {
      // Nobody ever used it, so there is nobody to tell.
    });
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
  }
}

/**
 * What makes two connections the same. A digest, so that no password stays behind in a key; the
 * environment's authorities belong to it.
 */
export function linkKey(server: ServerAddress, options: ResolvedConnect): string {
  const { encryption, scl, user, password, tls } = options;
  const where = [server.host.toLowerCase(), server.port];
  const parts = [where, encryption, scl, user, password, tls, process.env.RSYND_CA];
  // Buffers turn into their bytes, what is undefined into null; the order of `tls` is its writer's, and
  // another order costs a connection of its own, no more.
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}
