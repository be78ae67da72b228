// A file of keyed records: what its keys mean, which records it takes, what a change may change.
// Operations and isutl call it. It knows nothing of channels, locks, users or sockets, and leaves
// bytes and their order to storage.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import { transactionEntriesMax } from '../../shared/base/limits.js';
import type { Match } from '../../shared/protocol/message.js';
import { type CompiledKey, compileKey } from '../../shared/record/collate.js';
import type { FileSpec, KeySpec } from '../../shared/record/file-spec.js';
import type { Rfa } from '../../shared/record/rfa.js';
import type {
  ChangeOutcome,
  CounterOfFile,
  IndexKeys,
  Problem,
  Progress,
  RecordDraft,
  ScanCursor,
  StorageEngine,
  StoredFile,
  StoredRecord,
  VerifyReport,
} from '../storage/engine.js';
import { Autokeys, createUniqueClock, type UniqueClock } from './autokey.js';

/** Records looked at per step of a walk, so that others get their turn between two. */
const recordsPerStep = 512;

export class IsamFile {
  readonly stored: StoredFile;
  readonly name: string;
  readonly #keys: readonly CompiledKey[];
  readonly #autokeys: Autokeys;
  /** Room for the keys of the record that is being stored, used again for the next. */
  readonly #keyRooms: readonly Uint8Array[];
  readonly #keptKeys: (Uint8Array | undefined)[] = [];

  /** `name` is for messages: as the user knows the file. */
  constructor(stored: StoredFile, name: string, clock: UniqueClock = createUniqueClock()) {
    this.stored = stored;
    this.name = name;
    this.#keys = stored.spec.keys.map(compileKey);
    this.#autokeys = new Autokeys(stored.spec, clock);
    this.#keyRooms = this.#keys.map(({ indexBytes }) => Buffer.allocUnsafe(indexBytes));
  }

  get spec(): FileSpec {
    return this.stored.spec;
  }

  /** The key of that number; ERR_BADKEY naming the keys there are. */
  keySpec(key: number): KeySpec {
    const spec = this.spec.keys[key];
    if (spec !== undefined) return spec;
    const known = this.spec.keys.map((each, number) => `${number} ${each.name}`).join(', ');
    throw new RsyndError('ERR_BADKEY', `there is no key ${key} of ${this.name}; it has ${known}`, {
      file: this.name,
    });
  }

  /**
   * Index bytes of a search value given as bytes of the record. `eq` and `gtr` need the whole key
   * (blanks are added to text), `geq` and `gen` take a leading part. ERR_BADKEY, ERR_INVPKEY.
   */
  searchBytes(key: number, value: Uint8Array, match: Match): Uint8Array {
    this.keySpec(key);
    const mode = match === 'eq' || match === 'gtr' ? 'whole' : 'leading';
    return this.#compiled(key).ofValue(value, mode).bytes;
  }

  /** Index bytes of all keys of a record. ERR_IRCSIZ when it is too short to hold one. */
  keysOf = (record: Uint8Array): IndexKeys => this.#keys.map((key) => key.ofRecord(record));

  /** As `keysOf`, but in the rooms: good until the next call. */
  readonly #keysInRooms = (record: Uint8Array): IndexKeys => {
    const keys = this.#keptKeys;
    for (let number = 0; number < this.#keys.length; number++) {
      keys[number] = this.#keys[number]?.ofRecord(record, this.#keyRooms[number]);
    }
    return keys;
  };

  /** Index bytes of one key of a record; undefined when a null key leaves it out. */
  keyOf(key: number, record: Uint8Array): Uint8Array | undefined {
    return this.#compiled(key).ofRecord(record);
  }

  store(record: Uint8Array): Answer<StoredRecord> {
    return this.stored.insert(this.#draft(record));
  }

  /**
   * Stores in order and stops at the first that cannot be; those before it stay stored. A commit's
   * worth at a time, and none any more once nobody waits for it (`isWanted`).
   */
  async storeMany(
    records: readonly Uint8Array[],
    isWanted: () => boolean = () => true,
  ): Promise<{ stored: number; error?: unknown }> {
    const step = Math.max(1, Math.floor(transactionEntriesMax / Math.max(1, this.#keys.length)));
    let stored = 0;
    while (stored < records.length) {
      if (!isWanted())
        return { stored, error: new RsyndError('ERR_ABORTED', 'nobody waits for it') };
      const some = records.slice(stored, stored + step);
      const outcome = await this.#storeSome(some);
      stored += outcome.stored;
      if (outcome.error !== undefined) return { stored, error: outcome.error };
    }
    return { stored };
  }

  #storeSome(records: readonly Uint8Array[]): Answer<{ stored: number; error?: unknown }> {
    const drafts: RecordDraft[] = [];
    let refused: unknown;
    for (const record of records) {
      try {
        drafts.push(this.#draft(record));
      } catch (error) {
        refused = error;
        break;
      }
    }
    return andThen(this.stored.insertMany(drafts), (outcome) =>
      outcome.error === undefined && refused !== undefined
        ? { stored: outcome.stored, error: refused }
        : outcome,
    );
  }

  /**
   * Replaces `previous` by `record`. ERR_KEYNOT when a key that is not modifiable would change,
   * ERR_NODUPS, ERR_RECNOT and ERR_DELREC when it is not as `previous` any more.
   */
  rewrite(previous: StoredRecord, record: Uint8Array): Answer<{ crc: number; record: Uint8Array }> {
    this.#checkSize(record);
    const kept = this.#autokeys.any ? this.#autokeys.keep(record, previous.record) : record;
    const oldKeys = this.keysOf(previous.record);
    const keptKeys = this.keysOf(kept);
    this.#checkModifiable(oldKeys, keptKeys);
    const outcome = this.stored.update({
      rfa: previous.rfa,
      previousCrc: previous.crc,
      record: kept,
      oldKeys,
      newKeys: keptKeys,
      ...(this.#autokeys.stampsChanges && { stamped: this.#stamped(kept) }),
    });
    return andThen(outcome, (settled) => {
      const { crc, record: stamped = kept } = this.#settled(settled);
      return { crc, record: stamped };
    });
  }

  #stamped(record: Uint8Array): RecordDraft {
    return {
      sequences: this.#autokeys.counterOfChange(),
      finish: (numbers) => this.#withKeys(this.#autokeys.fillChanged(record, numbers)),
    };
  }

  /** Removes `previous`; ERR_RECNOT and ERR_DELREC as for rewrite. */
  remove(previous: StoredRecord): Answer<void> {
    const outcome = this.stored.remove({
      rfa: previous.rfa,
      previousCrc: previous.crc,
      keys: this.keysOf(previous.record),
    });
    return andThen(outcome, (settled) => void this.#settled(settled));
  }

  /** The record at an address; ERR_DELREC, ERR_INVALRFA, and ERR_RECNOT when `crc` is another. */
  fetch(rfa: Rfa, crc?: number): Answer<StoredRecord> {
    return andThen(this.stored.fetch(rfa), (found) => {
      if (found === 'deleted') throw this.#deleted();
      if (found === 'invalid') {
        const why = `${this.name} has no record at ${rfa.toString('hex')}; use an RFA it gave out`;
        throw new RsyndError('ERR_INVALRFA', why, { file: this.name });
      }
      if (crc !== undefined && crc !== found.crc) throw this.#changed();
      return found;
    });
  }

  /** All records by a key, or in the order they are stored. Others get their turn in between. */
  async *scanRecords(order: number | 'stored' = 'stored'): AsyncGenerator<Buffer, void, void> {
    const cursor: ScanCursor = {
      order,
      direction: 'forward',
      from: { prefix: Buffer.alloc(0), side: 'before' },
      until: { prefix: Buffer.alloc(0), side: 'after' },
    };
    for (let state: 'more' | 'end' = 'more'; state === 'more'; ) {
      const batch: Buffer[] = [];
      const keep = (bytes: Buffer, start: number, end: number): boolean =>
        batch.push(Buffer.from(bytes.subarray(start, end))) > 0;
      state = await this.stored.scan(cursor, keep, recordsPerStep);
      yield* batch;
      await new Promise(setImmediate);
    }
  }

  verify(report: (problem: Problem) => void, progress?: Progress): Answer<VerifyReport> {
    return this.stored.verify(this.keysOf, report, progress);
  }

  rebuild(report: (problem: Problem) => void, progress?: Progress): Answer<VerifyReport> {
    return this.stored.rebuild(this.keysOf, report, progress);
  }

  close(): Answer<void> {
    return this.stored.close();
  }

  #compiled(key: number): CompiledKey {
    const compiled = this.#keys[key];
    if (compiled === undefined) throw new TypeError(`key ${key} is not compiled`);
    return compiled;
  }

  #draft(record: Uint8Array): RecordDraft {
    this.#checkSize(record);
    if (!this.#autokeys.any) return new PlainDraft(record, this.#keysInRooms);
    return {
      sequences: this.#autokeys.countersOfStore(),
      finish: (numbers) => this.#withKeys(this.#autokeys.fillNew(record, numbers)),
    };
  }

  #withKeys(record: Uint8Array): { record: Uint8Array; keys: IndexKeys } {
    return { record, keys: this.keysOf(record) };
  }

  #checkSize(record: Uint8Array): void {
    const { size, format } = this.spec.record;
    const fits = format === 'fixed' ? record.length === size : record.length <= size;
    if (fits && record.length < this.#autokeys.reach) throw this.#tooShort(record.length);
    if (fits && record.length > 0) return;
    const takes = format === 'fixed' ? `of exactly ${size} bytes` : `of 1 to ${size} bytes`;
    const why = `${this.name} takes records ${takes}, not ${record.length}`;
    throw new RsyndError('ERR_IRCSIZ', why, { file: this.name });
  }

  #tooShort(length: number): RsyndError {
    const why =
      `${this.name} fills in autokeys in the first ${this.#autokeys.reach} ` +
      `bytes of a record, this one has ${length}`;
    return new RsyndError('ERR_IRCSIZ', why, { file: this.name });
  }

  /** The times of the file's own change are no change of the caller's: they are set behind this. */
  #checkModifiable(oldKeys: IndexKeys, newKeys: IndexKeys): void {
    this.spec.keys.forEach((key, number) => {
      if (key.modifiable) return;
      if (sameKey(oldKeys[number], newKeys[number])) return;
      const why = `key ${number} (${key.name}) of ${this.name} is not modifiable; delete the record and store it anew`;
      throw new RsyndError('ERR_KEYNOT', why, { file: this.name });
    });
  }

  #settled(outcome: ChangeOutcome): Exclude<ChangeOutcome, string> {
    if (outcome === 'gone') throw this.#deleted();
    if (outcome === 'changed') throw this.#changed();
    return outcome;
  }

  #deleted(): RsyndError {
    const why = `the record of ${this.name} at this address was deleted; read by key instead`;
    return new RsyndError('ERR_DELREC', why, { file: this.name });
  }

  #changed(): RsyndError {
    const why = `the record of ${this.name} changed since it was read; read it again and repeat the change`;
    return new RsyndError('ERR_RECNOT', why, { file: this.name });
  }
}

const NO_COUNTERS: readonly CounterOfFile[] = [];

/**
 * A record that is stored as it is. Its keys are made when its turn comes: those of a whole storeMany would be a
 * great many, and so would be a closure for each.
 */
class PlainDraft implements RecordDraft {
  readonly sequences = NO_COUNTERS;
  readonly #record: Uint8Array;
  readonly #keysOf: (record: Uint8Array) => IndexKeys;

  constructor(record: Uint8Array, keysOf: (record: Uint8Array) => IndexKeys) {
    this.#record = record;
    this.#keysOf = keysOf;
  }

  finish(): { readonly record: Uint8Array; readonly keys: IndexKeys } {
    return { record: this.#record, keys: this.#keysOf(this.#record) };
  }
}

const sameKey = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0);

/** Makes an empty file. ERR_REPLAC, ERR_FNF, ERR_BADDEF. */
export const createIsamFile = (engine: StorageEngine, path: string, spec: FileSpec): Answer<void> =>
  engine.create(path, spec);

/** Opens a file; the caller holds its claim. `name` is for messages, default the path. */
export const openIsamFile = (
  engine: StorageEngine,
  path: string,
  name: string = path,
): Answer<IsamFile> => andThen(engine.open(path), (stored) => new IsamFile(stored, name));
