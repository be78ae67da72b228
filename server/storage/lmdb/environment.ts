// One LMDB file and its databases: the only place that knows lmdb-js. It turns block numbers and
// addresses into keys without allocating, and sees to it that reads are fresh.
//
// Traps kept in here, each found the hard way by others: never `useWritemap` (a full disk kills the
// process), never `encryptionKey` (neither safe nor readable again), `start` and `end` always given
// (else a default start skips keys), and the buffer of getBinaryFast is one shared buffer that lies
// about its length: see `shared`.

import { basename } from 'node:path';
import { ABORT, open as openLmdb } from 'lmdb';
import { fileReadersMax, keysPerFileMax } from '../../../shared/base/limits.js';
import { requireDescriptors } from '../../descriptors.js';
import type { Direction } from '../engine.js';
import type { PlaceRange } from '../place.js';
import { DataFile } from './data-file.js';
import {
  ADDRESS_BYTES,
  BLOCK_NUMBER_BYTES,
  indexTableName,
  TABLE_BLOCKS,
  TABLE_FREE,
  TABLE_HEADER,
  TABLE_LARGE,
} from './format.js';
import { transactOnNewest } from './head.js';
import {
  HeldTransaction,
  type NativeEnvironment,
  type ReadOptions,
  type ReadTransaction,
} from './held-transaction.js';
import { ListedTables } from './listed-tables.js';
import { isLmdbError } from './lmdb-error.js';
import { OpenTransaction, settleAll } from './open-transaction.js';
import { Opener, slotsOf } from './openers.js';
import { refuseLinkedLock } from './paths.js';
import { placeKey } from './place-key.js';

export type { ReadOptions, ReadTransaction };

interface RangeOptions<K> {
  readonly start: K | undefined;
  readonly end: K | undefined;
  readonly reverse?: boolean;
  readonly exclusiveStart?: boolean;
  readonly inclusiveEnd?: boolean;
  readonly limit?: number;
  readonly transaction?: ReadTransaction;
}

/** What we use of a database of lmdb-js. Writes are for inside a transaction only. */
export interface Table<K, V> {
  get(key: K, options?: ReadOptions): V | undefined;
  /** The value in the shared buffer of lmdb-js: good until the next read of any file. */
  getBinaryFast(key: K, options?: ReadOptions): Buffer | undefined;
  getRange(options: RangeOptions<K>): Iterable<{ key: K; value: V }>;
  getKeys(options: RangeOptions<K>): Iterable<K>;
  /** Entries, counted without looking at them. */
  getCount(options: RangeOptions<K>): number;
  put(key: K, value: V): unknown;
  remove(key: K): unknown;
  /** Removes all entries; inside a transaction it is part of it. */
  clearSync(): void;
  getStats(): { readonly treeDepth: number };
}

interface RootTable extends Table<Uint8Array, Buffer> {
  readonly env: NativeEnvironment;
  openDB(options: Record<string, unknown>): unknown;
  transactionSync<T>(step: () => T): T;
  resetReadTxn(): void;
  useReadTransaction(): ReadTransaction;
  readerCheck(): number;
  readerList(): string;
  close(): Promise<void>;
  /** Inside a write transaction: its number. */
  getWriteTxnId(): number;
}

export interface EnvironmentOptions {
  /** Makes the databases that are not there. */
  readonly create: boolean;
  /** Leaves flushing to the caller: to the log, or for files nobody has seen yet. */
  readonly noSync?: boolean;
}

/** Databases of one file, besides room for the unnamed one. */
const databasesMax = keysPerFileMax + 8;

/** An LMDB file. Opening it touches none of its trees; they may be damaged. */
export class Environment {
  /** The same file past LMDB. */
  readonly data: DataFile;
  readonly #root: RootTable;
  readonly #path: string;
  readonly #create: boolean;
  readonly #listed: ListedTables;
  readonly #held: HeldTransaction;
  readonly #open: OpenTransaction;
  readonly #opener: Opener;
  /** Snapshots in use. lmdb-js reads an open write transaction instead of them. */
  #snapshots = 0;
  #isFresh = false;
  #view: Buffer = Buffer.alloc(0);

  /** ERR_SRVRLIMIT when the system lets us open no more files, ERR_PROTEC where its table of readers is a link. */
  constructor(path: string, { create, noSync = false }: EnvironmentOptions) {
    requireDescriptors(basename(path));
    refuseLinkedLock(path);
    settleAll();
    this.#path = path;
    this.#create = create;
    this.#root = openLmdb({
      path,
      noSubdir: true,
      maxDbs: databasesMax,
      maxReaders: fileReadersMax,
      keyEncoding: 'binary',
      encoding: 'binary',
      overlappingSync: false,
      noSync,
    }) as unknown as RootTable;
    this.#listed = new ListedTables(path);
    this.#listed.add(this.#root);
    this.data = new DataFile(path);
    this.#root.readerCheck();
    this.#open = new OpenTransaction(this.#root, { path, data: this.data });
    const slotsBefore = slotsOf(this.#root);
    this.#held = new HeldTransaction(this.#root.env);
    this.#opener = new Opener(path, this.#root, slotsBefore);
    // Opening it may have set LMDB back (head.ts): readers would go on without what was committed last.
    this.transact(() => 'undo');
  }

  // Each table is undefined when it is missing and not to be made.

  header(): Table<Uint8Array, Buffer> | undefined {
    return this.#table(TABLE_HEADER, { keyEncoding: 'binary', encoding: 'binary' });
  }

  blocks(): Table<number, Buffer> | undefined {
    const keyEncoder = numberKey(BLOCK_NUMBER_BYTES);
    return this.#table(TABLE_BLOCKS, { keyEncoder, encoder: bytesAsTheyAre });
  }

  /** Records out of line, by address. */
  large(): Table<number, Buffer> | undefined {
    return this.#table(TABLE_LARGE, { keyEncoder: numberKey(ADDRESS_BYTES), encoding: 'binary' });
  }

  free(): Table<number, Buffer> | undefined {
    const keyEncoder = numberKey(BLOCK_NUMBER_BYTES);
    return this.#table(TABLE_FREE, { keyEncoder, encoding: 'binary' });
  }

  /** The index of a key: place to address. */
  index(key: number): Table<Uint8Array, number> | undefined {
    return this.#table(indexTableName(key), { keyEncoder: placeKey, encoder: addressValue() });
  }

  /**
   * To be passed with each read of a record by key or address: what `refresh` is for other reads, and
   * cheaper. Of one step they all see the same state.
   */
  pointRead(): ReadOptions {
    this.#open.settle();
    return this.#held.take();
  }

  /**
   * To be called before each other read. The state of the file is taken anew once in a turn: what this
   * process commits shows at once in any case, what others commit in the next turn.
   */
  refresh(): void {
    this.#open.settle();
    if (this.#isFresh) return;
    this.#isFresh = true;
    this.renew();
    setImmediate(() => {
      this.#isFresh = false;
    });
  }

  /**
   * The next read takes the state of the file anew, whoever changed it. Needed too after LMDB failed a
   * read, because its read transaction then fails all others.
   */
  renew(): void {
    this.#open.settle();
    this.#held.release();
    this.#root.resetReadTxn();
  }

  /** One state of the file for a longer walk. The caller calls `done`, soon: it holds up reuse of pages. */
  snapshot(): Snapshot {
    this.refresh();
    return new Snapshot(this);
  }

  /** For Snapshot only, which calls `done` with it. */
  useReadTransaction(): ReadTransaction {
    this.#snapshots++;
    return this.#root.useReadTransaction();
  }

  /** For Snapshot only. */
  done(transaction: ReadTransaction): void {
    this.#snapshots--;
    transaction.done();
  }

  /**
   * Keeps the pages of the newest state (in a write transaction: of the state it changes) from being
   * written anew by anybody, until `done` is called.
   */
  pin(): ReadTransaction {
    this.#root.resetReadTxn();
    const pin = this.#root.useReadTransaction();
    this.#root.resetReadTxn();
    return pin;
  }

  /**
   * Runs `step` as one transaction, on the disk when this returns, unless flushing is the caller's;
   * `undo` from it, or a throw, leaves no trace. Nothing else may be returned into lmdb-js: a promise
   * (as `put` gives) would leave the transaction open.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: most steps have nothing to say.
  transact(step: () => 'undo' | void): void {
    this.#open.settle();
    try {
      const seen = { path: this.#path, data: this.data };
      transactOnNewest(this.#root, seen, () => (step() === 'undo' ? ABORT : undefined));
    } finally {
      this.#held.release();
    }
  }

  /**
   * Begins a write transaction that stays open, over turns too, until `commit` or `undo`. Whatever looks at the file
   * meanwhile, but for what is read to write it, calls `settle` first, which must end it.
   */
  begin(settle: () => void): void {
    this.#open.begin(settle);
  }

  /** Throws when LMDB fails it, and then it is undone. */
  commit(): void {
    try {
      this.#open.commit();
    } finally {
      this.#held.release();
    }
  }

  undo(): void {
    this.#open.undo();
  }

  /** What is open is committed when this returns. */
  settle(): void {
    this.#open.settle();
  }

  /** All that reads or writes the file from now on throws this. */
  lose(loss: Error): void {
    this.#open.lose(loss);
  }

  /** True when nobody but this process, and no snapshot of it, sees the file. For inside a write transaction. */
  isUnseen(): boolean {
    return this.#snapshots === 0 && this.#opener.isAlone();
  }

  /** A real view of the first `length` bytes of what getBinaryFast gave; good until the next read. */
  shared(bytes: Buffer, length: number): Buffer {
    const { buffer, byteOffset } = bytes;
    const view = this.#view;
    if (view.buffer === buffer && view.byteOffset === byteOffset && view.length === length) {
      return view;
    }
    this.#view = Buffer.from(buffer, byteOffset, length);
    return this.#view;
  }

  /** How many readers of dead processes there were. */
  freeDeadReaders(): number {
    return this.#root.readerCheck();
  }

  close(): Promise<void> {
    if (this.#open.isOpen) this.undo();
    this.#opener.leave();
    this.#listed.forget();
    this.#held.close();
    this.data.close();
    return this.#root.close();
  }

  #table<K, V>(name: string, options: object): Table<K, V> | undefined {
    const table = this.#root.openDB({ name, create: this.#create, ...options });
    this.#listed.add(table, name);
    return table as Table<K, V> | undefined;
  }
}

/** One state of a file, held over several reads; the newest, once a damaged page was met. */
export class Snapshot {
  readonly #environment: Environment;
  #options: ReadOptions;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#options = { transaction: environment.useReadTransaction() };
  }

  /** To be passed with each read; changes when the snapshot is renewed. */
  get options(): ReadOptions {
    return this.#options;
  }

  /** Runs a read. When LMDB fails it, the snapshot is renewed for the reads that follow. */
  attempt<T>(read: (options: ReadOptions) => T): T {
    try {
      return read(this.#options);
    } catch (error) {
      if (isLmdbError(error)) this.#renew();
      throw error;
    }
  }

  done(): void {
    this.#environment.done(this.#options.transaction);
  }

  #renew(): void {
    this.#environment.renew();
    this.done();
    this.#options = { transaction: this.#environment.useReadTransaction() };
  }
}

/** LMDB's way to walk a range of places. */
export function placeRange(range: PlaceRange, direction: Direction): RangeOptions<Uint8Array> {
  return direction === 'forward'
    ? { start: range.least, end: range.limit }
    : {
        start: range.limit,
        end: range.least,
        reverse: true,
        exclusiveStart: true,
        inclusiveEnd: true,
      };
}

/** Big-endian, by hand: the general call costs as much as the read itself. */
const numberKey = (width: number) => ({
  writeKey(key: number, target: Buffer, start: number): number {
    const low = key >>> 0;
    const high = Math.floor(key / 0x1_0000_0000);
    const end = start + width;
    if (width === ADDRESS_BYTES) target[start] = high >>> 8;
    target[end - 5] = high & 0xff;
    target[end - 4] = low >>> 24;
    target[end - 3] = (low >>> 16) & 0xff;
    target[end - 2] = (low >>> 8) & 0xff;
    target[end - 1] = low & 0xff;
    return end;
  },
  readKey: (source: Buffer, start: number): number => source.readUIntBE(start, width),
});

/** Values are left in the shared buffer, so that a walk over blocks copies each but once. */
const bytesAsTheyAre = {
  encode: (value: Buffer): Buffer => value,
  decode: (bytes: Buffer): Buffer => bytes,
};

/** Addresses are numbers in memory: block × 256 + slot. */
function addressValue() {
  const written = Buffer.allocUnsafeSlow(ADDRESS_BYTES);
  return {
    encode(address: number): Buffer {
      written.writeUIntBE(address, 0, ADDRESS_BYTES);
      return written;
    },
    // By hand, because it runs for every entry of a walk.
    decode(bytes: Buffer): number {
      const high = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
      const middle = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
      const low = ((bytes[4] ?? 0) << 8) | (bytes[5] ?? 0);
      return high * 0x1_0000_0000 + middle * 0x1_0000 + low;
    },
  };
}
