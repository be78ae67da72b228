// One open file on LMDB: reads at once, writes through the commit queue. All openers of a path in
// this process share one of these; engine.ts says what each call must do.

import { statSync } from 'node:fs';
import { RsyndError } from '../../../shared/base/error.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import type { Rfa } from '../../../shared/record/rfa.js';
import type {
  ChangeOutcome,
  Direction,
  Edge,
  FileFacts,
  KeysOfRecord,
  LocatedRecord,
  Problem,
  Progress,
  RecordChange,
  RecordDraft,
  RecordRemoval,
  ScanCursor,
  ScanFilter,
  ScanVisitor,
  StoredFile,
  StoredRecord,
  Unmapped,
  UnmappedState,
  VerifyReport,
} from '../engine.js';
import { farEdge, INSERTION_BYTES, makePlace, rangeBetween } from '../place.js';
import { checkEdge, checkSameLayout, isClosed } from '../storage-error.js';
import { addressToRfa, rfaToAddress } from './address.js';
import { CommitQueue, isFull } from './commit-queue.js';
import { encodeDefinition } from './definition-entry.js';
import type { FreeBytes } from './disk-space.js';
import { addressOf, copyPlace } from './index-walk.js';
import type { HintBudget } from './key-hints.js';
import { damaged, isLmdbError, readError } from './lmdb-error.js';
import type { Tree } from './mapped/tree.js';
import { TreeCursor } from './mapped/tree-cursor.js';
import { definitionKey, type Store } from './open-store.js';
import { rebuildStore } from './rebuild.js';
import { danglingEntry, readInsertion, readRecord } from './record-reader.js';
import { scanIndex, scanStored } from './scan.js';
import { UniqueFinder } from './unique-finder.js';
import { isNewest, unmappedState } from './unmapped/state.js';
import { verifyStore } from './verify.js';
import type { WriteTransaction } from './write-transaction.js';

export interface LmdbFileOptions {
  readonly freeBytes: FreeBytes;
  /** As of LmdbEngineOptions. */
  readonly defers: boolean;
  /** Of all files of the engine. */
  readonly hints: HintBudget;
}

export class LmdbFile implements StoredFile {
  readonly #path: string;
  readonly #freeBytes: FreeBytes;
  readonly #queue: CommitQueue;
  readonly #closed: () => void;
  /** Of unique keys, by key number. */
  readonly #finders: readonly (UniqueFinder | undefined)[];
  #store: Store;
  #identity: string;
  /** What was told of this store; of one that a rebuild put away, device, inode and transaction may come again. */
  #states = new WeakSet<UnmappedState>();
  #openers = 0;

  /**
   * `closed` is called once, when the last opener is gone. `identity` is what the path led to before it was
   * opened (`fileIdentity`).
   */
  constructor(
    store: Store,
    identity: string,
    { freeBytes, defers, hints }: LmdbFileOptions,
    closed: () => void,
  ) {
    this.#path = store.layout.path;
    this.#store = store;
    this.#identity = identity;
    this.#freeBytes = freeBytes;
    this.#queue = new CommitQueue(store, freeBytes, defers);
    this.#finders = store.spec.keys.map((spec, key) =>
      spec.dups === 'none' ? new UniqueFinder(key, spec, hints) : undefined,
    );
    this.#closed = closed;
  }

  get spec(): FileSpec {
    return this.#store.spec;
  }

  /** One more opener. */
  attach(): this {
    if (this.#openers > 0) this.#store.reload();
    this.#openers++;
    return this;
  }

  isInPlace(): boolean {
    return fileIdentity(this.#path) === this.#identity;
  }

  renew(): void {
    this.#opened().environment.renew();
  }

  facts(): FileFacts {
    return this.#read((store) => {
      const counters = store.committedCounters();
      if (counters === undefined) throw damaged(store.layout, 'its counters are damaged');
      return {
        records: counters.records,
        bytes: statSync(this.#path).size,
        depths: store.layout.indexes.map(({ number }) => store.indexTree(number).depth()),
      };
    });
  }

  seek(key: number, edge: Edge, direction: Direction): LocatedRecord | undefined {
    checkEdge(edge);
    return this.#read((store) => {
      const range = rangeBetween(edge, farEdge(direction), direction);
      if (range === undefined) return undefined;
      return locateFirst(store, key, new TreeCursor(store.indexTree(key), range, direction));
    });
  }

  find(key: number, value: Uint8Array): LocatedRecord | undefined {
    this.#opened().indexLayout(key);
    const finder = this.#finders[key];
    if (finder === undefined) return this.#read((store) => findFirst(store, key, value));
    return value.length === 0 ? undefined : this.#read((store) => finder.find(store, value));
  }

  fetch(rfa: Rfa): StoredRecord | 'deleted' | 'invalid' {
    return this.#read((store) => {
      const address = rfaToAddress(rfa);
      const found = readRecord(store, address);
      if (typeof found === 'string') return found;
      return { rfa: addressToRfa(address), record: found.record, crc: found.crc };
    });
  }

  placeOf(key: number, rfa: Rfa, value: Uint8Array | undefined): Buffer | undefined {
    return this.#read((store) => {
      const { dups } = store.indexLayout(key);
      if (value === undefined) return undefined;
      const address = rfaToAddress(rfa);
      if (dups === 'none') {
        return findUnique(store.indexTree(key), value) === address ? Buffer.from(value) : undefined;
      }
      const insertion = readInsertion(store, key, address);
      return insertion === undefined ? undefined : makePlace(dups, value, insertion);
    });
  }

  insert(draft: RecordDraft): Promise<StoredRecord> {
    return this.#write((transaction) => transaction.insert(draft));
  }

  async insertMany(drafts: readonly RecordDraft[]): Promise<{ stored: number; error?: unknown }> {
    let stored = 0;
    try {
      while (stored < drafts.length) {
        const run = await this.#write((transaction) => insertRun(transaction, drafts, stored));
        stored = run.stored;
        if (run.failed) return { stored, error: run.error };
      }
      return { stored };
    } catch (error) {
      return { stored, error };
    }
  }

  update(change: RecordChange): Promise<ChangeOutcome> {
    return this.#write((transaction) => transaction.update(change));
  }

  remove(removal: RecordRemoval): Promise<ChangeOutcome> {
    return this.#write((transaction) => transaction.remove(removal));
  }

  scan(
    cursor: ScanCursor,
    visit: ScanVisitor,
    recordsMax: number,
    filter?: ScanFilter,
  ): 'more' | 'end' {
    const bounds = { visit, recordsMax, filter };
    if (cursor.order === 'stored') return this.#read((store) => scanStored(store, cursor, bounds));
    const { order } = cursor;
    checkEdge(cursor.from);
    checkEdge(cursor.until);
    return this.#read((store) => scanIndex(store, order, cursor, bounds));
  }

  readonly unmapped: Unmapped = {
    state: () => {
      const state = this.#read((store) => unmappedState(store, this.#identity));
      if (state !== undefined) this.#states.add(state);
      return state;
    },
    isNewest: (state) => this.#read((store) => this.#states.has(state) && isNewest(store, state)),
  };

  setSpec(spec: FileSpec): void {
    const store = this.#opened();
    checkSameLayout(store.spec, spec);
    const { blockBytes } = store.layout;
    this.#queue.runAlone(() => {
      store.header.put(definitionKey(), encodeDefinition({ spec, blockBytes }));
    });
    store.spec = spec;
  }

  clear(): Promise<void> {
    return this.#write((transaction) => transaction.clear());
  }

  async verify(
    keysOf: KeysOfRecord,
    report: (problem: Problem) => void,
    progress: Progress = () => undefined,
  ): Promise<VerifyReport> {
    const store = this.#opened();
    this.#queue.flush();
    try {
      return await verifyStore(store, { keysOf, report, progress });
    } catch (error) {
      throw readError(store.layout, error);
    }
  }

  async rebuild(
    keysOf: KeysOfRecord,
    report: (problem: Problem) => void,
    progress: Progress = () => undefined,
  ): Promise<VerifyReport> {
    const old = this.#opened();
    this.#queue.flush();
    this.#queue.refuse(isRebuilding(old));
    try {
      this.#queue.closeLog();
      const rebuilt = await rebuildStore(old, { keysOf, report, progress }, this.#freeBytes);
      this.#store = rebuilt.store;
      this.#states = new WeakSet();
      this.#queue.replaceStore(rebuilt.store);
      this.#identity = fileIdentity(this.#path);
      await old.close();
      return rebuilt.report;
    } finally {
      this.#queue.refuse(undefined);
    }
  }

  /** Readers of processes that died; how many there were. */
  freeDeadReaders(): number {
    return this.#opened().environment.freeDeadReaders();
  }

  /** The last opener's close commits what waits and closes the file. */
  close(): void | Promise<void> {
    if (this.#openers === 0) return;
    this.#openers--;
    if (this.#openers > 0) return;
    this.#queue.flush();
    this.#closed();
    for (const finder of this.#finders) finder?.close();
    try {
      this.#queue.closeLog();
    } catch (error) {
      return this.#store.close().then(() => {
        throw error;
      });
    }
    return this.#store.close();
  }

  /** Closes for all openers, when the engine closes. */
  detachAll(): void | Promise<void> {
    this.#openers = Math.min(this.#openers, 1);
    return this.close();
  }

  #opened(): Store {
    if (this.#openers === 0) throw isClosed(this.#path);
    return this.#store;
  }

  #read<T>(step: (store: Store) => T): T {
    const store = this.#opened();
    try {
      store.committed.look();
      return step(store);
    } catch (error) {
      if (isLmdbError(error)) store.environment.renew();
      throw readError(store.layout, error);
    }
  }

  #write<T>(step: (transaction: WriteTransaction) => T): Promise<T> {
    this.#opened();
    return this.#queue.ask(step);
  }
}

/** Tells a file from one that takes its place. */
export function fileIdentity(path: string): string {
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts === undefined ? 'gone' : `${facts.dev}:${facts.ino}`;
}

/** The address that the index of a unique key has for `value`. */
function findUnique(index: Tree, value: Uint8Array): number | undefined {
  if (!index.find(value)) return undefined;
  return addressOf(index.value);
}

function locateFirst(store: Store, key: number, entries: TreeCursor): LocatedRecord | undefined {
  if (!entries.next()) return undefined;
  return locate(store, key, copyPlace(entries), addressOf(entries.locateValue()));
}

function locate(store: Store, key: number, place: Buffer, address: number): LocatedRecord {
  const found = readRecord(store, address);
  if (typeof found === 'string') throw danglingEntry(store, key, address);
  return { rfa: addressToRfa(address), record: found.record, crc: found.crc, place };
}

/** The first of the duplicates of `value`: their places are `value` and an insertion number. */
function findFirst(store: Store, key: number, value: Uint8Array): LocatedRecord | undefined {
  const range = { least: value, limit: undefined };
  const entries = new TreeCursor(store.indexTree(key), range, 'forward');
  if (!entries.next()) return undefined;
  const place = copyPlace(entries);
  const isEqual =
    place.length === value.length + INSERTION_BYTES &&
    Buffer.compare(place.subarray(0, value.length), value) === 0;
  if (!isEqual) return undefined;
  return locate(store, key, place, addressOf(entries.locateValue()));
}

interface InsertRun {
  /** Drafts stored so far, from the first. */
  readonly stored: number;
  readonly failed: boolean;
  readonly error?: unknown;
}

/** Inserts drafts from `from` on, as many as the transaction holds. */
function insertRun(
  transaction: WriteTransaction,
  drafts: readonly RecordDraft[],
  from: number,
): InsertRun {
  let stored = from;
  for (const draft of drafts.slice(from)) {
    try {
      transaction.append(draft);
    } catch (error) {
      if (transaction.isChanging || isLmdbError(error)) throw error;
      return { stored, failed: true, error };
    }
    stored++;
    if (isFull(transaction)) break;
  }
  return { stored, failed: false };
}

function isRebuilding({ layout: { name } }: Store): RsyndError {
  const why = `${name} is being rebuilt; wait until that is done`;
  return new RsyndError('ERR_FINUSE', why, { file: name });
}
