// Redis through ioredis: the record is the value of its key. It keeps no secondary key, which is in its favour.

import { readFileSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { Redis } from 'ioredis';
import { type Peer, present, type Session } from '../peer.js';
import { keyOf, RECORD_BYTES, recordOf } from '../record.js';
import type { ClientOptions, OpenTask } from '../task.js';
import { Ticket } from './ticket.js';

/** Commands on their way at a time when many are to be stored. */
const BULK_DEPTH = 1000;
const BULK_DATABASE = 1;

interface Ways {
  /** Commands of one turn leave together. */
  readonly enableAutoPipelining?: boolean;
  readonly db?: number;
}

export async function redisPeer(options: ClientOptions): Promise<Peer> {
  const ca = readFileSync(options.ca);
  const ticket = new Ticket();
  const dial = async (more: Ways = {}, resume?: Ticket): Promise<Redis> => {
    const tls = { ca, servername: 'localhost', ...resume?.offer() };
    const redis = new Redis({
      ...{ host: '127.0.0.1', port: options.port, tls, lazyConnect: true },
      ...{ enableReadyCheck: false, retryStrategy: () => null, ...more },
    });
    // Before anything is sent: what Redis gives for the next connection comes at once.
    redis.once('connect', () => resume?.keep(redis.stream as TLSSocket));
    await redis.connect();
    return redis;
  };
  const first = await dial();
  let bulk: Redis | undefined;

  return {
    async security() {
      const socket = first.stream as TLSSocket;
      return `${socket.getProtocol()} ${socket.getCipher().name}`;
    },
    session: async (variant) =>
      new RedisSession(await dial({ enableAutoPipelining: variant === 'auto' })),
    async bulk({ records }) {
      const given = Array.from({ length: records }, (_, number) => recordOf(number));
      bulk ??= await dial({ enableAutoPipelining: true, db: BULK_DATABASE });
      const into = bulk;
      await into.flushdb();
      return () => storeAll(into, given);
    },
    async open({ handshake }: OpenTask) {
      const isResumed = handshake === 'resumed';
      const redis = await dial({}, isResumed ? ticket : undefined);
      present(await redis.getBuffer(keyOf(0)), 0);
      if (isResumed) ticket.require();
      redis.disconnect();
    },
    async close() {
      first.disconnect();
    },
  };
}

async function storeAll(redis: Redis, records: readonly Buffer[]): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < records.length; at = next++) {
      await redis.set(keyOf(at), records[at] ?? '');
    }
  };
  await Promise.all(Array.from({ length: BULK_DEPTH }, lane));
}

class RedisSession implements Session {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async read(number: number): Promise<unknown> {
    return present(await this.#redis.getBuffer(keyOf(number)), number);
  }

  store(number: number): Promise<unknown> {
    return this.#redis.set(keyOf(number), recordOf(number));
  }

  /** Watches instead of locking: a change by another in between refuses ours, which is then tried again. */
  async update(number: number): Promise<unknown> {
    const key = keyOf(number);
    for (;;) {
      const [, record] = await Promise.all([this.#redis.watch(key), this.#redis.getBuffer(key)]);
      const changed = Buffer.from(present(record, number));
      changed[RECORD_BYTES - 1] = (changed[RECORD_BYTES - 1] ?? 0) ^ 1;
      const done = await this.#redis.multi().set(key, changed).exec();
      if (done !== null) return done;
    }
  }

  async close(): Promise<unknown> {
    return this.#redis.disconnect();
  }
}
