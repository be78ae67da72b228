// One LMDB file and its databases: the only place that knows lmdb-js, besides mapped/. It turns block numbers
// and addresses into keys without allocating. Write transactions and snapshots read through it; all other
// reads are of the committed state, in place (mapped/committed.ts).
//
// Traps kept in here, each found the hard way by others: never `useWritemap` (a full disk kills the
// process), never `encryptionKey` (neither safe nor readable again), `start` and `end` always given
// (else a default start skips keys), and the buffer of getBinaryFast is one shared buffer that lies
// about its length: see `shared`.

import { basename } from 'node:path';
import { ABORT, open as openLmdb } from 'lmdb';
import { fileReadersMax, keysPerFileMax } from '../../../shared/base/limits.js';
import { requireDescriptors } from '../../descriptors.js';
import { addressAt } from './address.js';
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
import { ListedTables } from './listed-tables.js';
import { isLmdbError } from './lmdb-error.js';
import { Committed } from './mapped/committed.js';
import { MemoryMap } from './mapped/memory-map.js';
import { type NativeEnvironment, ReaderSlot } from './mapped/reader-slot.js';
import { writeNumberKey } from './number-key.js';
import { OpenTransaction, settleAll } from './open-transaction.js';
import { Opener, slotsOf } from './openers.js';
import { refuseLinkedLock } from './paths.js';
import { placeKey } from './place-key.js';

/** A read transaction of lmdb-js. */
export interface ReadTransaction {
  done(): void;
}

/** What is passed with a read, so that it is one of that transaction. */
export interface ReadOptions {
  readonly transaction: ReadTransaction;
}

interface RangeOptions<K> {
  readonly start: K | undefined;
  readonly end: K | undefined;
  readonly reverse?: boolean;
  readonly limit?: number;
  readonly transaction?: ReadTransaction;
}

/** What we use of a database of lmdb-js. Writes are for inside a transaction only. */
export interface Table<K, V> {
  /** By which the native half of lmdb-js knows it. */
  readonly dbAddress: number;
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
  readonly env: NativeEnvironment & {
    /** Inside a write transaction. */
    readonly writeTxn?: object | null;
    info(): { readonly mapSize: number; readonly lastTxnId: number };
  };
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
  readonly #slot: ReaderSlot;
  #committed: Committed | undefined;
  readonly #open: OpenTransaction;
  readonly #opener: Opener;
  /** Snapshots in use. lmdb-js reads an open write transaction instead of them. */
  #snapshots = 0;
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
    this.#slot = new ReaderSlot(this.#root.env);
    this.#opener = new Opener(path, this.#root, slotsBefore);
    // Opening it may have set LMDB back (head.ts): readers would go on without what was committed last.
    this.transact(() => 'undo');
  }

  // Each table is undefined when it is missing and not to be made.

  header(): Table<Uint8Array, Buffer> | undefined {
    return this.#table(TABLE_HEADER, { keyEncoding: 'binary', encoding: 'binary' });
  }

  blocks(): Table<number, Buffer> | undefined {
    const keyEncoder = numberEncoder(BLOCK_NUMBER_BYTES);
    return this.#table(TABLE_BLOCKS, { keyEncoder, encoder: bytesAsTheyAre });
  }

  /** Records out of line, by address. */
  large(): Table<number, Buffer> | undefined {
    return this.#table(TABLE_LARGE, {
      keyEncoder: numberEncoder(ADDRESS_BYTES),
      encoding: 'binary',
    });
  }

  free(): Table<number, Buffer> | undefined {
    const keyEncoder = numberEncoder(BLOCK_NUMBER_BYTES);
    return this.#table(TABLE_FREE, { keyEncoder, encoding: 'binary' });
  }

  /** The index of a key: place to address. */
  index(key: number): Table<Uint8Array, number> | undefined {
    return this.#table(indexTableName(key), { keyEncoder: placeKey, encoder: addressValue() });
  }

  /** The newest committed state, read in place. `header`, of this file, must have the entry `known`. */
  committed(header: Table<Uint8Array, Buffer>, known: Uint8Array): Committed {
    const { env } = this.#root;
    const map = new MemoryMap({
      dbAddress: header.dbAddress,
      keyBytes: known.length,
      read() {
        if (env.writeTxn) throw new TypeError('a write transaction does not say where the map is');
        return header.getBinaryFast(known);
      },
      mapBytes: () => env.info().mapSize,
      fileBytes: () => this.data.bytes(),
    });
    this.#committed = new Committed(map, this.#slot, {
      number: () => env.info().lastTxnId,
      putRight: () => this.transact(() => 'undo'),
      settle: () => this.#open.settle(),
    });
    return this.#committed;
  }

  /**
   * The next read takes the state of the file anew, whoever changed it. Needed too after LMDB failed a
   * read, because its read transaction then fails all others.
   */
  renew(): void {
    this.#open.settle();
    this.#releaseSlot();
    this.#root.resetReadTxn();
  }

  /** One state of the file for a longer walk. The caller calls `done`, soon: it holds up reuse of pages. */
  snapshot(): Snapshot {
    this.renew();
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
      this.#releaseSlot();
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
      this.#releaseSlot();
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

  /** A longer read of this process is under way: it may need the map anew, which a write transaction hides. */
  get isHeld(): boolean {
    return this.#snapshots > 0 || this.#committed?.isHeld === true;
  }

  /** True when nobody but this process has the file open. To be asked inside a write transaction. */
  isAlone(): boolean {
    return this.#opener.isAlone();
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
    if (this.#committed === undefined) this.#slot.close();
    else this.#committed.close();
    this.data.close();
    return this.#root.close();
  }

  #releaseSlot(): void {
    if (this.#committed === undefined) this.#slot.release();
    else this.#committed.release();
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

/** As lmdb-js writes and reads keys that are numbers. */
const numberEncoder = (width: number) => ({
  writeKey: (key: number, target: Buffer, start: number): number =>
    writeNumberKey(target, start, key, width),
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
    decode: (bytes: Buffer): number => addressAt(bytes, 0),
  };
}
