// A process of clients that stand still: it holds connections, open files or record locks of one server until it is
// told to let go. Started by standing.ts with fork(); asked by messages, answers each when it is done.
// Arguments: server, authority file.

import { type Channel, type Connection, connect } from '../../client/index.js';

/** What standing.ts may ask; each is answered by how long it took, in milliseconds. */
export type Order =
  /** So many connections, logged in, without a file. */
  | { readonly hold: 'connections'; readonly count: number }
  /** `open1`, `open2` … on one connection for each thousand. */
  | { readonly hold: 'files'; readonly count: number }
  /** Records of `bench` by their numbers, 10,000 to a channel. */
  | { readonly hold: 'locks'; readonly count: number }
  | { readonly hold: 'nothing' };

const [server = '', ca = ''] = process.argv.slice(2);
const FILES_PER_CONNECTION = 1000;
const LOCKS_PER_CHANNEL = 10_000;
const AT_ONCE = 16;
const held: Connection[] = [];

/** Calls `work` with 0 … count - 1, so many at a time. */
async function each(count: number, work: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, lane));
}

async function dial(): Promise<Connection> {
  const connection = await connect(server, { tls: { ca }, timeoutMs: 120_000 });
  held.push(connection);
  return connection;
}

async function holdFiles(count: number): Promise<void> {
  for (let from = 0; from < count; from += FILES_PER_CONNECTION) {
    const connection = await dial();
    await each(Math.min(FILES_PER_CONNECTION, count - from), (number) =>
      connection.open(`open${from + number}`, { mode: 'update' }),
    );
  }
}

async function holdLocks(count: number): Promise<void> {
  const connection = await dial();
  for (let from = 0; from < count; from += LOCKS_PER_CHANNEL) {
    const channel = await connection.open('bench', { mode: 'update' });
    await each(Math.min(LOCKS_PER_CHANNEL, count - from), (number) => lock(channel, from + number));
  }
}

const lock = (channel: Channel, number: number): Promise<Buffer> =>
  channel.read(String(number).padStart(8, '0'), { lock: 'manual' });

async function obey(order: Order): Promise<void> {
  switch (order.hold) {
    case 'connections':
      return each(order.count, dial);
    case 'files':
      return holdFiles(order.count);
    case 'locks':
      return holdLocks(order.count);
    case 'nothing':
      await Promise.all(held.splice(0).map((connection) => connection.close()));
  }
}

process.on('message', (order: Order) => {
  const started = performance.now();
  obey(order).then(
    () => process.send?.({ ms: performance.now() - started }),
    (error) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
