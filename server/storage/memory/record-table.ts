// The data of one file of the reference engine: records by address and one sorted array per index.
// Plain and slow on purpose: it is what the other engines are compared with. Each method is one step,
// complete or without a trace; the file above calls them in a later turn.

import type { FileSpec } from '../../../shared/record/file-spec.js';
import { recordCrc } from '../../../shared/record/rfa.js';
import type {
  ChangeOutcome,
  IndexKeys,
  KeysOfRecord,
  Problem,
  RecordDraft,
  VerifyReport,
} from '../engine.js';
import { makePlace, type PlaceRange } from '../place.js';
import {
  checkRecord,
  duplicateKey,
  recordLimitReached,
  sizeLimitReached,
} from '../storage-error.js';
import { takeNumbers } from '../take-numbers.js';

/** Records of one imagined block: addresses look like those of a real engine. */
const SLOTS_PER_BLOCK = 20;

export interface MemoryRecord {
  readonly record: Buffer;
  readonly crc: number;
  /** By key number; what it says of a unique key does not matter. */
  readonly insertions: readonly number[];
}

export interface MemoryEntry {
  readonly place: Buffer;
  readonly address: number;
}

/** A record about to replace another, with the keys of both. */
export interface MemoryChange {
  readonly address: number;
  readonly previousCrc: number;
  readonly record: Buffer;
  readonly oldKeys: IndexKeys;
  readonly newKeys: IndexKeys;
  readonly stamped: RecordDraft | undefined;
}

export class RecordTable {
  readonly #path: string;
  spec: FileSpec;
  /** In the order of addresses, which is that of insertion. */
  readonly records = new Map<number, MemoryRecord>();
  readonly #indexes: MemoryEntry[][];
  readonly #sequences = new Map<string, bigint>();
  #inserted = 0;
  #insertion = 0;
  #bytes = 0;

  constructor(path: string, spec: FileSpec) {
    this.#path = path;
    this.spec = spec;
    this.#indexes = spec.keys.map(() => []);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** TypeError when there is no such key. */
  index(key: number): readonly MemoryEntry[] {
    return this.#index(key);
  }

  /** Entries in a range, in place order. */
  entries(key: number, { least, limit }: PlaceRange): readonly MemoryEntry[] {
    const index = this.#index(key);
    const start = least === undefined ? 0 : firstFrom(index, least);
    const end = limit === undefined ? index.length : firstFrom(index, limit);
    return index.slice(start, Math.max(start, end));
  }

  /** True when an address was given out once. */
  wasUsed(address: number): boolean {
    return address >= addressOf(0) && address < addressOf(this.#inserted) && isAddress(address);
  }

  placeOf(key: number, address: number, value: Uint8Array): Buffer | undefined {
    const stored = this.records.get(address);
    if (stored === undefined) return undefined;
    const place = makePlace(this.#dups(key), value, stored.insertions[key] ?? 0);
    const index = this.#index(key);
    const at = firstFrom(index, place);
    return isEntryAt(index, at, place) && index[at]?.address === address ? place : undefined;
  }

  insert(draft: RecordDraft): { address: number; record: Buffer; crc: number } {
    const { numbers, sequences } = takeNumbers(draft.sequences, this.#sequences);
    const finished = draft.finish(numbers);
    checkRecord(this.spec, finished.record, finished.keys);
    this.#checkRoom();
    this.#checkUnique(finished.keys, () => true);

    const record = Buffer.from(finished.record);
    const insertion = this.#insertion++;
    const address = addressOf(this.#inserted++);
    const crc = recordCrc(record);
    for (const [name, number] of sequences) this.#sequences.set(name, number);
    this.records.set(address, { record, crc, insertions: finished.keys.map(() => insertion) });
    this.#bytes += record.length;
    finished.keys.forEach((key, number) => {
      this.#addEntry(number, key, insertion, address);
    });
    return { address, record, crc };
  }

  update({ address, previousCrc, oldKeys, stamped, ...given }: MemoryChange): ChangeOutcome {
    const { numbers, sequences } = takeNumbers(stamped?.sequences ?? [], this.#sequences);
    const finished = stamped?.finish(numbers);
    const { record, keys: newKeys } = finished ?? { record: given.record, keys: given.newKeys };
    checkRecord(this.spec, record, newKeys);
    const stored = this.records.get(address);
    if (stored === undefined) return 'gone';
    if (stored.crc !== previousCrc) return 'changed';
    const isMoved = (key: number): boolean => !isSameKey(oldKeys[key], newKeys[key]);
    this.#checkUnique(newKeys, isMoved);

    for (const [name, number] of sequences) this.#sequences.set(name, number);
    const insertion = newKeys.some((_, key) => isMoved(key)) ? this.#insertion++ : 0;
    const insertions = stored.insertions.map((before, key) => (isMoved(key) ? insertion : before));
    this.spec.keys.forEach((_, key) => {
      if (!isMoved(key)) return;
      this.#removeEntry(key, oldKeys[key], stored.insertions[key] ?? 0);
      this.#addEntry(key, newKeys[key], insertion, address);
    });
    const crc = recordCrc(record);
    this.records.set(address, { record: Buffer.from(record), crc, insertions });
    this.#bytes += record.length - stored.record.length;
    return finished === undefined ? { crc } : { crc, record };
  }

  remove(address: number, previousCrc: number, keys: IndexKeys): ChangeOutcome {
    const stored = this.records.get(address);
    if (stored === undefined) return 'gone';
    if (stored.crc !== previousCrc) return 'changed';
    keys.forEach((key, number) => {
      this.#removeEntry(number, key, stored.insertions[number] ?? 0);
    });
    this.records.delete(address);
    this.#bytes -= stored.record.length;
    return { crc: previousCrc };
  }

  clear(): void {
    this.records.clear();
    this.#bytes = 0;
    for (const index of this.#indexes) index.length = 0;
  }

  verify(keysOf: KeysOfRecord, report: (problem: Problem) => void): VerifyReport {
    for (const [address, { record, insertions }] of this.records) {
      keysOf(Buffer.from(record)).forEach((key, number) => {
        if (key === undefined) return;
        const place = makePlace(this.#dups(number), key, insertions[number] ?? 0);
        const index = this.#index(number);
        const at = firstFrom(index, place);
        if (isEntryAt(index, at, place) && index[at]?.address === address) return;
        report({ kind: 'missing-entry', key: number, detail: `key ${number} lacks an entry` });
      });
    }
    const entries = this.#indexes.map((index) => index.length);
    return { records: this.records.size, entries };
  }

  rebuild(keysOf: KeysOfRecord): void {
    for (const index of this.#indexes) index.length = 0;
    for (const [address, { record, insertions }] of this.records) {
      keysOf(Buffer.from(record)).forEach((key, number) => {
        this.#addEntry(number, key, insertions[number] ?? 0, address);
      });
    }
  }

  #index(key: number): MemoryEntry[] {
    const index = this.#indexes[key];
    if (index === undefined) throw new TypeError(`there is no key ${key}`);
    return index;
  }

  #dups(key: number) {
    return this.spec.keys[key]?.dups ?? 'none';
  }

  #checkRoom(): void {
    const { recordLimit, sizeLimit } = this.spec.attributes;
    if (recordLimit !== undefined && this.records.size >= recordLimit) {
      throw recordLimitReached(this.#path, recordLimit);
    }
    if (sizeLimit !== undefined && this.#bytes >= sizeLimit * 1024 * 1024) {
      throw sizeLimitReached(this.#path, sizeLimit);
    }
  }

  #checkUnique(keys: IndexKeys, concerns: (key: number) => boolean): void {
    keys.forEach((key, number) => {
      if (key === undefined || !concerns(number) || this.#dups(number) !== 'none') return;
      const index = this.#index(number);
      if (isEntryAt(index, firstFrom(index, key), key)) {
        throw duplicateKey(this.#path, this.spec, number);
      }
    });
  }

  #addEntry(key: number, value: Uint8Array | undefined, insertion: number, address: number): void {
    if (value === undefined) return;
    const place = makePlace(this.#dups(key), value, insertion);
    const index = this.#index(key);
    index.splice(firstFrom(index, place), 0, { place, address });
  }

  #removeEntry(key: number, value: Uint8Array | undefined, insertion: number): void {
    if (value === undefined) return;
    const place = makePlace(this.#dups(key), value, insertion);
    const index = this.#index(key);
    const at = firstFrom(index, place);
    if (isEntryAt(index, at, place)) index.splice(at, 1);
  }
}

/** Address of the nth record ever inserted. */
const addressOf = (n: number): number =>
  (1 + Math.floor(n / SLOTS_PER_BLOCK)) * 256 + (n % SLOTS_PER_BLOCK);

const isAddress = (address: number): boolean => address % 256 < SLOTS_PER_BLOCK;

/** Index of the first entry at or behind `place`. */
function firstFrom(index: readonly MemoryEntry[], place: Uint8Array): number {
  let low = 0;
  let high = index.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = index[middle];
    if (entry !== undefined && Buffer.compare(entry.place, place) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isEntryAt(index: readonly MemoryEntry[], at: number, place: Uint8Array): boolean {
  const entry = index[at];
  return entry !== undefined && Buffer.compare(entry.place, place) === 0;
}

function isSameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}
