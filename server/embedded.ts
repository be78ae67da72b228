// The same engine without a network: sessions in this process, for local paths and isutl. The client
// loads it on demand; it is the one door between the two. Locks and claims hold against the daemon
// and every other process, because the lock manager is the same.

import { heartbeatMs } from '../shared/base/limits.js';
import type { Reply, Request } from '../shared/protocol/message.js';
import { createGate, type Gate } from './access/gate.js';
import { localPaths } from './access/paths.js';
import { createUniqueClock } from './isam/autokey.js';
import { createLockManager } from './lock/create-lock-manager.js';
import { createLmdbLockStores } from './lock/lmdb-lock-store.js';
import type { Services } from './operation/open.js';
import { Session } from './session/session.js';
import { createLmdbEngine } from './storage/lmdb/engine.js';

/** A session of this process: the same requests and replies as over a connection, as they are. */
export interface EmbeddedSession {
  handle(channel: number, id: number, request: Request, reply: (reply: Reply) => void): void;
  /** Frees its locks and closes its files. Idempotent. */
  close(): Promise<void>;
}

/** What the sessions of one process share. */
export class EmbeddedServer {
  readonly #services: Services;
  #sessions = 0;

  constructor(services: Services = localServices()) {
    this.#services = services;
  }

  createSession(user: string = localUser()): EmbeddedSession {
    const owner = { id: ++this.#sessions, label: `${user}@local` };
    const replies = new Map<number, Asked>();
    const session = new Session({
      services: this.#services,
      askerOf: (name) => ({
        caller: { user: name, route: { kind: 'local' } },
        owner,
        paths: localPaths,
      }),
      authenticate: () => user,
      peer: { address: '' },
      output: {
        reply: (reply, _channel, id) => deliver(replies, reply, id),
        isCongested: false,
        onceDrained: (goOn) => goOn(),
      },
      onUnexpected: (error) => process.emitWarning(error instanceof Error ? error : String(error)),
      software: 'rsynd embedded',
      heartbeatMs,
    });
    session.admit(user);
    return {
      handle: (channel, id, request, reply) => {
        if (request.verb !== 'credit' && request.verb !== 'cancel') {
          replies.set(id, { reply, isSelect: request.verb === 'select' });
        }
        session.handle(request, channel, id);
      },
      close: () => session.close(),
    };
  }
}

// The one piece of state of a module: an LMDB file must be opened once per process only, so all local
// opens of a process go through one engine, made on the first of them.
let shared: EmbeddedServer | undefined;

/** A session of this process, as the user of the operating system. */
export function createEmbeddedSession(): EmbeddedSession {
  shared ??= new EmbeddedServer();
  return shared.createSession();
}

/** A request that is not fully answered yet. */
interface Asked {
  readonly reply: (reply: Reply) => void;
  readonly isSelect: boolean;
}

function deliver(replies: Map<number, Asked>, reply: Reply, id: number): void {
  const asked = replies.get(id);
  if (asked !== undefined && isLast(reply, asked.isSelect)) replies.delete(id);
  asked?.reply(reply);
}

/** Data and rows come more than once, and so do the records of a select. */
const isLast = ({ verb }: Reply, isSelect: boolean): boolean =>
  verb !== 'data' && verb !== 'rows' && !(verb === 'record' && isSelect);

const localUser = (): string => process.env.USER ?? process.env.USERNAME ?? 'local';

function localServices(gate: Gate = createGate()): Services {
  return {
    // The turns are those of a program we do not know, which may end them late or wait for another one.
    engine: createLmdbEngine({ defers: false }),
    locks: createLockManager(createLmdbLockStores()),
    gate,
    clock: createUniqueClock(),
  };
}
