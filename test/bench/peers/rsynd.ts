// rsynd through its SDK, encrypted and in clear.

import { type Channel, type Connection, connect } from '../../../client/index.js';
import { type Peer, present, type Session } from '../peer.js';
import { keyOf, RECORD_BYTES, recordOf, recordsFrom, rows, WANTED_GRADE } from '../record.js';
import type { ClientOptions, FilterTask, OpenTask, ScanTask, WireTask } from '../task.js';
import { resumedOpener } from './rsynd-resumed.js';
import { startCounter } from './wire-counter.js';

export const rsyndPeer = (options: ClientOptions): Promise<Peer> => RsyndPeer.start(options, true);
export const plainPeer = (options: ClientOptions): Promise<Peer> => RsyndPeer.start(options, false);

const WANTED = Buffer.from(String(WANTED_GRADE).padStart(4, '0'));
const isWanted = (record: Buffer): boolean => WANTED.compare(record, 16, 20) === 0;
const SECOND = 1000;

class RsyndPeer implements Peer {
  readonly #options: ClientOptions;
  readonly #isEncrypted: boolean;
  readonly #connection: Connection;
  readonly #raw: Channel;
  readonly #openResumed: () => Promise<void>;

  private constructor(
    options: ClientOptions,
    isEncrypted: boolean,
    connection: Connection,
    raw: Channel,
  ) {
    this.#options = options;
    this.#isEncrypted = isEncrypted;
    this.#connection = connection;
    this.#raw = raw;
    this.#openResumed = resumedOpener(options);
  }

  static async start(options: ClientOptions, isEncrypted: boolean): Promise<RsyndPeer> {
    const connection = await dial(options, isEncrypted);
    return new RsyndPeer(options, isEncrypted, connection, await connection.open('bench'));
  }

  async security(): Promise<string> {
    const [cipher, protocol] = String(await this.#raw.getfa('SLC')).split(' ');
    return protocol === undefined ? 'plain' : `${protocol} ${cipher}`;
  }

  async session(variant?: 'typed' | 'auto'): Promise<Session> {
    const connection = await dial(this.#options, this.#isEncrypted);
    const reader =
      variant === 'typed'
        ? await connection.open('bench', { definition: rows })
        : await connection.open('bench');
    return new RsyndSession(connection, reader, await connection.open('bench', { mode: 'update' }));
  }

  async scan({ order, shape, by }: ScanTask): Promise<number> {
    if (shape === 'raw') return scanned(order === 'key' ? this.#raw : this.#raw.select(), by);
    await using typed = await this.#connection.open('bench', { definition: rows });
    return await scanned(order === 'key' ? typed : typed.select(), by);
  }

  filter({ how }: FilterTask): Promise<number> {
    return filtered(this.#raw, how === 'client' ? 'client' : 'server');
  }

  async wire({ how }: WireTask): Promise<number> {
    await using counter = await startCounter(this.#options.port);
    await using through = await dial({ ...this.#options, port: counter.port }, this.#isEncrypted);
    await using channel = await through.open('bench');
    const before = counter.bytes;
    await filtered(channel, how);
    return counter.bytes - before;
  }

  async bulk({ records }: { records: number }): Promise<() => Promise<void>> {
    const given = [...recordsFrom(0, records)];
    const channel = await this.#connection.open('bulk', { mode: 'output', timeoutMs: 60 * SECOND });
    return async () => {
      await channel.storeMany(given);
      await channel.close();
    };
  }

  async open({ handshake }: OpenTask): Promise<void> {
    if (handshake === 'resumed') return this.#openResumed();
    await using connection = await dial(this.#options, this.#isEncrypted, { resume: false });
    await using channel = await connection.open('bench');
    present(await channel.get(keyOf(0)), 0);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

class RsyndSession implements Session {
  readonly #connection: Connection;
  readonly #reader: Pick<Channel, 'get'>;
  readonly #writer: Channel;

  constructor(connection: Connection, reader: unknown, writer: Channel) {
    this.#connection = connection;
    this.#reader = reader as Pick<Channel, 'get'>; // what comes is not looked at
    this.#writer = writer;
  }

  async read(number: number): Promise<unknown> {
    return present(await this.#reader.get(keyOf(number)), number);
  }

  store(number: number): Promise<unknown> {
    return this.#writer.store(recordOf(number));
  }

  async update(number: number): Promise<unknown> {
    const record = await this.#writer.read(keyOf(number), { waitMs: SECOND });
    const changed = Buffer.from(record);
    changed[RECORD_BYTES - 1] = (changed[RECORD_BYTES - 1] ?? 0) ^ 1;
    return this.#writer.write(changed);
  }

  close(): Promise<unknown> {
    return this.#connection.close();
  }
}

const dial = (
  { port, ca }: ClientOptions,
  isEncrypted: boolean,
  tls: { resume?: boolean } = {},
): Promise<Connection> =>
  isEncrypted
    ? connect(`rsynds://localhost:${port}`, { tls: { ca, ...tls }, timeoutMs: 60 * SECOND })
    : connect(`localhost:${port}`, { encrypt: false, timeoutMs: 60 * SECOND });

type Scannable = AsyncIterable<unknown> & { batches(): AsyncIterable<readonly unknown[]> };

async function scanned(all: Scannable, by: 'batch' | 'record'): Promise<number> {
  if (by === 'record') return counted(all);
  let count = 0;
  for await (const records of all.batches()) {
    for (const _ of records) count++;
  }
  return count;
}

async function counted(records: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of records) count++;
  return count;
}

async function filtered(channel: Channel, how: 'server' | 'client'): Promise<number> {
  if (how === 'server') {
    return (await channel.select(`grade = ${WANTED_GRADE}`).toArray()).length;
  }
  let found = 0;
  for await (const record of channel) if (isWanted(record)) found++;
  return found;
}
