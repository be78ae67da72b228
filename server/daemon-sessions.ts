// The sessions of a daemon: made of connections that arrived, looked after once a second, judged again when users
// or trust change, ended when the server stops. It opens nothing and reads no file; the daemon says when.

import { drainDeadlineMs } from '../shared/base/limits.js';
import { printable } from '../shared/tls/certificate-text.js';
import type { Access } from './access/access.js';
import type { PathResolver } from './access/paths.js';
import {
  expelUntrusted,
  type ReviewedSession,
  type ReviewRules,
} from './certificate/trust/review-sessions.js';
import type { NetConnection } from './net/arrival.js';
import { type ConnectionTimes, SessionConnection } from './net/session-connection.js';
import type { SeenClient } from './observe/client-journal.js';
import type { Journals } from './observe/journals.js';
import { describeError, type Log } from './observe/log.js';
import { createPacedLog } from './observe/refusal-log.js';
import type { Services } from './operation/open.js';
import { Session, type SessionOutput } from './session/session.js';

/** Connections that look at the clock in one turn of the event loop. */
const connectionsPerTurn = 64;

export interface DaemonSessionsOptions {
  readonly services: Services;
  readonly access: Access;
  readonly paths: PathResolver;
  readonly journals: Journals;
  readonly log: Log;
  readonly software: string;
  readonly times: ConnectionTimes;
  /** Log lines a second that strangers can cause. */
  readonly linesMax: number;
}

export class DaemonSessions {
  readonly #options: DaemonSessionsOptions;
  readonly #connections = new Set<SessionConnection>();
  readonly #arrivals = new WeakMap<SessionConnection, NetConnection>();
  /** Of those who log in the end is written down always, with user and address; so much any stranger can cause. */
  readonly #logStarted: (line: object) => void;
  readonly #logStrangerEnded: (line: object) => void;
  #sessions = 0;

  constructor(options: DaemonSessionsOptions) {
    this.#options = options;
    const { log, linesMax } = options;
    const paced = (text: string) =>
      createPacedLog((_, line) => log.info(line, text), Date.now, linesMax);
    this.#logStarted = paced('session started');
    this.#logStrangerEnded = paced('session ended');
  }

  get count(): number {
    return this.#connections.size;
  }

  /**
   * Serves a connection. Its certificate was judged a moment ago, but `rules` may have changed during the
   * handshake.
   */
  serve(arrived: NetConnection, rules: ReviewRules): void {
    const { log, times } = this.#options;
    const peer = `${arrived.peer.address}:${arrived.peer.port}`;
    const id = ++this.#sessions;
    const connection = new SessionConnection({
      socket: arrived.socket,
      makeSession: (output) => this.#makeSession(id, peer, arrived, output),
      times,
      now: Date.now,
      onClose: (reason) => {
        this.#connections.delete(connection);
        const { user } = connection.session;
        const line = { session: id, peer, user, reason };
        if (user === undefined) this.#logStrangerEnded(line);
        else log.info(line, 'session ended');
      },
    });
    this.#connections.add(connection);
    this.#arrivals.set(connection, arrived);
    this.#noteStart(id, peer, arrived);
    void expelUntrusted([this.#reviewed(connection)], { ...rules, keeper: undefined });
  }

  /** Ends who waits longest with his login: strangers that only sit there must not keep users out. */
  makeRoom(): boolean {
    for (const connection of this.#connections) {
      if (connection.session.user !== undefined) continue;
      this.#connections.delete(connection); // now, so that the next one asked for is another
      connection.destroy('no login yet, and the server is full');
      return true;
    }
    return false;
  }

  /** Once a second. */
  tick(): void {
    this.#tickSome(this.#connections.values());
  }

  /** Some at a time: pings to ten thousand at once would hold up everybody. */
  #tickSome(left: Iterator<SessionConnection>): void {
    for (let count = 0; count < connectionsPerTurn; count++) {
      const next = left.next();
      if (next.done === true) return;
      next.value.tick();
    }
    setImmediate(() => this.#tickSome(left));
  }

  /** Ends those whose certificate or protocol does not qualify any more. */
  reviewTrust(rules: ReviewRules): Promise<void> {
    return expelUntrusted([...this.#connections].map(this.#reviewed), rules);
  }

  /** Ends those whose user is gone, or lost a right that they use. */
  reviewUsers(): void {
    for (const connection of this.#connections) {
      const { user, openFiles: files, identity } = connection.session;
      if (user === undefined) continue;
      const refusal = this.#options.access.refusalOf({ user, files, identity });
      if (refusal !== undefined) connection.expel(refusal);
    }
  }

  /** Lets them finish what they do, within a deadline, and ends them all. */
  async stop(): Promise<void> {
    await this.#drain();
    for (const connection of this.#connections) connection.end('server stopping');
    await Promise.all([...this.#connections].map(({ session }) => session.close()));
  }

  /** Waits until no session has a request under way, at most so long. */
  async #drain(): Promise<void> {
    const deadline = Date.now() + drainDeadlineMs;
    const isBusy = () =>
      [...this.#connections].some((each) => each.session.pending > 0 || each.queuedBytes > 0);
    while (isBusy() && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  readonly #reviewed = (connection: SessionConnection): ReviewedSession => ({
    protocol: this.#arrivals.get(connection)?.protocol,
    chain: this.#arrivals.get(connection)?.chain ?? [],
    expel: (error) => connection.expel(error),
  });

  #noteStart(id: number, peer: string, arrived: NetConnection): void {
    const { encrypted, protocol, cipher, identity } = arrived;
    const { address } = arrived.peer;
    this.#options.journals.connected({ peer: { address }, protocol, cipher, seen: Date.now() });
    const certificate = identity && {
      subject: printable(identity.subject),
      fingerprint: identity.fingerprint,
    };
    this.#logStarted({ session: id, peer, encrypted, protocol, cipher, certificate });
  }

  #makeSession(id: number, peer: string, arrived: NetConnection, output: SessionOutput): Session {
    const { services, access, paths, journals, log, software, times } = this.#options;
    const route = { kind: 'remote', encrypted: arrived.encrypted, peer } as const;
    return new Session({
      services,
      askerOf: (user) => ({
        caller: { user, route },
        owner: { id, label: `${user}@${peer}` },
        paths,
      }),
      authenticate: async (credentials) => {
        const user = await access.authenticate(credentials);
        journals.loggedIn(seenClient(user, arrived));
        return user;
      },
      peer: { address: arrived.peer.address, identity: arrived.identity },
      output,
      onUnexpected: (error) => log.error({ session: id, ...describeError(error) }, 'unexpected'),
      software,
      heartbeatMs: times.heartbeatMs,
    });
  }
}

/** For rehearsals, and for who needs which protocol. */
function seenClient(user: string, arrived: NetConnection): SeenClient {
  const { peer, protocol, cipher, serverName, chain = [] } = arrived;
  return {
    address: peer.address,
    user,
    seen: Date.now(),
    ...(protocol === undefined ? {} : { protocol }),
    ...(cipher === undefined ? {} : { cipher }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(chain.length === 0 ? {} : { chain: chain.map(String) }),
  };
}
