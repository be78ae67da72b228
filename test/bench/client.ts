// A client process: one peer, carrying out tasks one at a time and saying how long each took.
// Started by client-process.ts with the name of the peer and its options as arguments.

import type { Peer, Session } from './peer.js';
import { PEERS } from './peers/peers.js';
import { randomNumbers } from './record.js';
import type {
  CallTask,
  ClientMessage,
  ClientOptions,
  Measured,
  Order,
  PeerName,
  Task,
} from './task.js';

const DIALS_AT_A_TIME = 8;

const [name = '', json = ''] = process.argv.slice(2);
const options: ClientOptions = JSON.parse(json);
const random = randomNumbers(options.seed);
const pools = new Map<CallTask['variant'], Session[]>();
let next = options.records;

const peer = await PEERS[name as PeerName](options);
const say = (message: ClientMessage): boolean | undefined => process.send?.(message);

process.on('message', (order: Order) => {
  next = order.next;
  carryOut(order.task).then(
    (measured) => say({ measured }),
    (error) =>
      say({ failed: error instanceof Error ? (error.stack ?? error.message) : `${error}` }),
  );
});
process.on('disconnect', () => process.exit());
say({ ready: await peer.security() });

async function carryOut(task: Task): Promise<Measured> {
  const work = await prepared(peer, task);
  const before = process.cpuUsage();
  const started = performance.now();
  const count = await work();
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  return { count, ms, cpuUs: user + system, next };
}

/** The work itself, with everything done that is not to be timed. */
async function prepared(peer: Peer, task: Task): Promise<() => Promise<number>> {
  const cannot = (): never => {
    throw new Error(`${name} cannot ${task.work}`);
  };
  switch (task.work) {
    case 'scan':
      return () => summed(async () => (await peer.scan?.(task)) ?? cannot(), task.forMs);
    case 'filter':
      return () =>
        summed(async () => {
          const found = (await peer.filter?.(task)) ?? cannot();
          if (found >= Math.floor(options.records / 100)) return options.records;
          throw new Error(`${name} found ${found} of one in a hundred`);
        }, task.forMs);
    case 'wire':
      return async () => (await peer.wire?.(task)) ?? cannot();
    case 'bulk': {
      const load = (await peer.bulk?.(task)) ?? cannot();
      return async () => {
        await load();
        return task.records;
      };
    }
    case 'open':
      return () => repeat([() => peer.open?.(task) ?? cannot()], task.forMs);
    default: {
      const { calls } = peer;
      if (calls !== undefined) return () => calls(task);
      const lanes = (await sessions(task)).flatMap((session) => {
        const call = callOf(task.work, session);
        return Array.from({ length: task.depth }, () => call);
      });
      return () => repeat(lanes, task.forMs);
    }
  }
}

/** Runs `work` until `forMs` are over, at least once, and adds up what it counted. */
async function summed(work: () => Promise<number>, forMs: number): Promise<number> {
  const until = performance.now() + forMs;
  let sum = 0;
  do sum += await work();
  while (performance.now() < until);
  return sum;
}

async function sessions({ connections, variant }: CallTask): Promise<Session[]> {
  const pool = pools.get(variant) ?? [];
  pools.set(variant, pool);
  while (pool.length < connections) {
    const missing = Math.min(DIALS_AT_A_TIME, connections - pool.length);
    pool.push(...(await Promise.all(Array.from({ length: missing }, () => peer.session(variant)))));
  }
  return pool.slice(0, connections);
}

function callOf(work: CallTask['work'], session: Session): () => Promise<unknown> {
  const read = () => session.read(random(options.records));
  const store = () => session.store(next++);
  switch (work) {
    case 'read':
      return read;
    case 'store':
      return store;
    case 'update':
      return () => session.update(random(options.records));
    case 'mixed':
      return () => (random(100) < 95 ? read() : store());
  }
}

/** Calls each lane again and again, each waiting for itself only, for about `forMs`. How many calls. */
async function repeat(lanes: readonly (() => Promise<unknown>)[], forMs: number): Promise<number> {
  const until = performance.now() + forMs;
  let done = 0;
  const run = async (call: () => Promise<unknown>): Promise<void> => {
    do {
      await call();
      done++;
    } while (performance.now() < until);
  };
  await Promise.all(lanes.map(run));
  return done;
}
