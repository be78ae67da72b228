// Everything this process shares between calls of open(): its pooled connections, and its session for
// local files. One object, made in open.ts; tests make their own.

import type { Deadline } from './connection/deadline.js';
import { type Lease, LinkPool, linkKey } from './connection/link-pool.js';
import { connectRemote } from './connection/remote-link.js';
import type { ServerAddress } from './filespec.js';
import { openLocalLink } from './local.js';
import type { ResolvedConnect } from './open-options.js';

const LOCAL_KEY = 'local';

export class ProcessLinks {
  readonly #pool = new LinkPool();

  /** A share of the connection to `server` made with these options. */
  remote(server: ServerAddress, options: ResolvedConnect, deadline: Deadline): Promise<Lease> {
    const dial = (own: Deadline) => connectRemote(server, options, own);
    return this.#pool.acquire(linkKey(server, options), dial, deadline);
  }

  /** A share of the session that all local channels of this process use. */
  local(deadline: Deadline): Promise<Lease> {
    return this.#pool.acquire(LOCAL_KEY, openLocalLink, deadline);
  }
}
