// Talks to a Session as a connection would, without one: requests in, replies caught by their id. For
// tests of sessions and of everything a session can reach.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGate, type Gate, type Route } from '../../server/access/gate.js';
import type { Authenticate } from '../../server/access/login.js';
import { localPaths, type PathResolver } from '../../server/access/paths.js';
import { createUniqueClock } from '../../server/isam/autokey.js';
import { createLockManager } from '../../server/lock/create-lock-manager.js';
import { createLmdbLockStores } from '../../server/lock/lmdb-lock-store.js';
import { createMemoryLockStores } from '../../server/lock/memory-lock-store.js';
import type { Services } from '../../server/operation/open.js';
import { Session } from '../../server/session/session.js';
import type { StorageEngine } from '../../server/storage/engine.js';
import { createLmdbEngine } from '../../server/storage/lmdb/engine.js';
import { createMemoryEngine } from '../../server/storage/memory/engine.js';
import type { OpenRequest, Reply, Request } from '../../shared/protocol/message.js';
import type { FileSpec } from '../../shared/record/file-spec.js';

export type EngineName = 'lmdb' | 'memory';

/** What sessions share, over one engine. Close it last. */
export interface Ground {
  readonly services: Services;
  close(): Promise<void>;
}

export function makeGround(name: EngineName, gate: Gate = createGate()): Ground {
  const engine: StorageEngine = name === 'lmdb' ? createLmdbEngine() : createMemoryEngine();
  const stores = name === 'lmdb' ? createLmdbLockStores() : createMemoryLockStores({ later: true });
  const locks = createLockManager(stores);
  const services = { engine, locks, gate, clock: createUniqueClock() };
  return {
    services,
    async close() {
      await locks.close();
      await engine.close();
    },
  };
}

export interface HarnessOptions {
  /** @default 1 */
  readonly owner?: number;
  /** @default local */
  readonly route?: Route;
  /** @default localPaths */
  readonly paths?: PathResolver;
  /** @default takes everybody */
  readonly authenticate?: Authenticate;
  /** Leave the session at its greeting. @default false */
  readonly stranger?: boolean;
}

/** One session and what came out of it. */
export class SessionHarness {
  readonly session: Session;
  /** Errors that were no answer to anything a client did. */
  readonly unexpected: unknown[] = [];
  /** Every reply in the order it came. */
  readonly replies: { reply: Reply; channel: number; id: number }[] = [];
  isCongested = false;
  readonly #drainWaiters: (() => void)[] = [];
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #lastId = 0;

  constructor(services: Services, options: HarnessOptions = {}) {
    const { owner = 1, route = { kind: 'local' }, paths = localPaths } = options;
    const isCongested = () => this.isCongested;
    this.session = new Session({
      services,
      askerOf: (user) => ({
        caller: { user, route },
        owner: { id: owner, label: `${user}@${owner}` },
        paths,
      }),
      authenticate: options.authenticate ?? (({ user }) => user ?? 'nobody'),
      peer: { address: '' },
      output: {
        reply: (reply, channel, id) => this.#take(reply, channel, id),
        get isCongested() {
          return isCongested();
        },
        onceDrained: (goOn) => void this.#drainWaiters.push(goOn),
      },
      onUnexpected: (error) => void this.unexpected.push(error),
      software: 'test server',
      heartbeatMs: 1000,
    });
    if (options.stranger !== true) this.session.admit('tester');
  }

  /** Sends a request and gives its last reply. */
  call(request: Request, channel = 1): Promise<Reply> {
    return this.send(request, channel).reply;
  }

  send(request: Request, channel = 1): { id: number; reply: Promise<Reply> } {
    const id = ++this.#lastId;
    const reply = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve));
    this.session.handle(request, channel, id);
    return { id, reply };
  }

  /** What a request came to: its verb, or the code of its error. */
  async tell(request: Request, channel = 1): Promise<string> {
    const reply = await this.call(request, channel);
    return reply.verb === 'error' ? reply.code : reply.verb;
  }

  /** Opens by the rules of a client: in update mode with locks, shared with all, unless told. */
  open(name: string, options: Partial<OpenRequest> = {}, channel = 1): Promise<Reply> {
    const defaults = { verb: 'open', name, mode: 'update', share: 'all', lock: 'auto' } as const;
    return this.call({ ...defaults, ...options }, channel);
  }

  /** The records of a scan, and its last reply. */
  async scan(
    order: number | 'stored',
    direction: 'forward' | 'reverse' = 'forward',
    channel = 1,
  ): Promise<{ records: Buffer[]; last: Reply }> {
    const credit = 8 * 1024 * 1024;
    const { id, reply } = this.send({ verb: 'scan', order, direction, credit }, channel);
    const last = await reply;
    return { records: this.dataOf(id).flatMap(splitData), last };
  }

  dataOf(id: number): Extract<Reply, { verb: 'data' }>[] {
    return this.replies.flatMap((taken) =>
      taken.id === id && taken.reply.verb === 'data' ? [taken.reply] : [],
    );
  }

  drain(): void {
    this.isCongested = false;
    for (const goOn of this.#drainWaiters.splice(0)) goOn();
  }

  close(): Promise<void> {
    return this.session.close();
  }

  #take(reply: Reply, channel: number, id: number): void {
    this.replies.push({ reply, channel, id });
    if (reply.verb === 'data') return;
    this.#waiting.get(id)?.(reply);
    this.#waiting.delete(id);
  }
}

/** The records of one data frame. */
export function splitData(data: Extract<Reply, { verb: 'data' }>): Buffer[] {
  const bytes = Buffer.from(data.records);
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const isFixed = data.recordLength > 0;
    const start = isFixed ? at : at + 4;
    const end = start + (isFixed ? data.recordLength : bytes.readUInt32BE(at));
    records.push(bytes.subarray(start, end));
    at = end;
  }
  return records;
}

/** A definition of one text key over the first bytes of fixed records; `change` says what differs. */
export function plainSpec(change: Partial<FileSpec> = {}): FileSpec {
  const segments = [{ offset: 0, length: 4, type: 'alpha', order: 'ascending' }] as const;
  return {
    record: { size: 8, format: 'fixed' },
    keys: [{ name: 'ID', segments, dups: 'none', modifiable: false }],
    fields: [],
    networkEncrypt: false,
    text: '',
    attributes: {},
    ...change,
  };
}

export const temporaryPrefix = (name: string): string => join(tmpdir(), `rsynd-${name}-`);
