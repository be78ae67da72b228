// Everything this process shares between calls of open() and connect(): its pooled connections, its session for
// local files, and what it remembers of TLS. One object; tests make their own.

import type { Deadline } from './connection/deadline.js';
import type { Link } from './connection/link.js';
import { type Lease, LinkPool, linkKey } from './connection/link-pool.js';
import { connectRemote } from './connection/remote-link.js';
import { TlsMemory } from './connection/tls-memory.js';
import type { ServerAddress } from './filespec.js';
import { openLocalLink } from './local.js';
import type { ResolvedConnect } from './open-options.js';

const LOCAL_KEY = 'local';

export class ProcessLinks {
  readonly #pool = new LinkPool();
  readonly #memory = new TlsMemory();

  /** A share of the connection to `server` made with these options. */
  remote(server: ServerAddress, options: ResolvedConnect, deadline: Deadline): Promise<Lease> {
    const dial = (own: Deadline) => this.dial(server, options, own);
    return this.#pool.acquire(linkKey(server, options), dial, deadline);
  }

  /** A connection of the caller's own. */
  dial(server: ServerAddress, options: ResolvedConnect, deadline: Deadline): Promise<Link> {
    return connectRemote(server, options, deadline, this.#memory);
  }

  /** A share of the session that all local channels of this process use. */
  local(deadline: Deadline): Promise<Lease> {
    return this.#pool.acquire(LOCAL_KEY, openLocalLink, deadline);
  }
}

// The one piece of state of the SDK: "one connection per process and server" has to live somewhere.
export const processLinks = new ProcessLinks();
