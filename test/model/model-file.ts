// A file of keyed records as an array: plain, slow and obvious. It knows what an index holds and in
// which order; channels, positions and locks are in isam-model.ts.

import { crc32 } from 'node:zlib';
import type { FileSpec, KeySpec, SegmentSpec, SegmentType } from '../../shared/record/file-spec.js';
import { compareKeys, type KeyValue, keyOfRecord, ModelError } from './key-order.js';

export interface ModelRecord {
  /** Address in hex, as the file gave it; `?n` while it is not known. */
  rfa: string;
  bytes: Buffer;
  keys: readonly (KeyValue | undefined)[];
  /** When each key was put into its index: orders duplicates. */
  stamps: readonly number[];
}

/** What the file under test decides by itself: the address and the autokeys. */
export interface Observed {
  readonly rfa: string;
  readonly record: Buffer;
}

/** A place in an index: a key and when it was put there. */
export interface Place {
  readonly value: KeyValue;
  readonly stamp: number;
}

export const crcOf = (bytes: Uint8Array): number => crc32(bytes);

const AUTOKEY_BYTES = 8;

export class ModelFile {
  readonly spec: FileSpec;
  records: ModelRecord[] = [];
  /** Every address that was given out and is no record's any more. */
  readonly deleted = new Set<string>();
  readonly #last = new Map<number, bigint>();
  #lastTime = 0n;
  #guesses = 0;
  #stamp = 0;

  constructor(spec: FileSpec) {
    this.spec = spec;
  }

  /** Output mode: all records go, and nobody remembers them. */
  clear(): void {
    this.records = [];
    this.deleted.clear();
    this.#last.clear();
  }

  keySpec(key: number): KeySpec {
    const spec = this.spec.keys[key];
    if (spec === undefined) throw new ModelError('ERR_BADKEY');
    return spec;
  }

  at(rfa: string): ModelRecord | undefined {
    return this.records.find((record) => record.rfa === rfa);
  }

  /** The records of an index in its order. */
  inOrder(key: number): ModelRecord[] {
    const inIndex = this.records.filter((record) => record.keys[key] !== undefined);
    return inIndex.sort((a, b) => this.comparePlace(key, placeOf(a, key), placeOf(b, key)));
  }

  /** Duplicates stand in the order they came, or the other way round; a unique key has none. */
  comparePlace(key: number, a: Place, b: Place): number {
    const spec = this.keySpec(key);
    const byKey = compareKeys(spec, a.value, b.value);
    if (byKey !== 0 || spec.dups === 'none') return byKey;
    return spec.dups === 'fifo' ? a.stamp - b.stamp : b.stamp - a.stamp;
  }

  /** ERR_IRCSIZ, ERR_NODUPS. Without `observed` autokeys are guessed, in the order they will have. */
  insert(given: Uint8Array, observed?: Observed): ModelRecord {
    this.#checkSize(given);
    const bytes = Buffer.from(given);
    for (const segment of this.#autokeys('sequence', 'timestamp', 'ctimestamp')) {
      this.#fill(bytes, segment, observed?.record);
    }
    const keys = this.spec.keys.map((key) => keyOfRecord(key, bytes));
    this.#checkUnique(keys);
    const stamp = ++this.#stamp;
    const rfa = observed?.rfa ?? `?${stamp}`;
    if (this.at(rfa) !== undefined) throw new ModelError(`the address ${rfa} is taken`);
    const record = { rfa, bytes, keys, stamps: keys.map(() => stamp) };
    this.records.push(record);
    this.deleted.delete(rfa);
    return record;
  }

  /** ERR_IRCSIZ, ERR_KEYNOT, ERR_NODUPS. A changed key stands among its duplicates as a new one. */
  update(record: ModelRecord, given: Uint8Array, observed?: Observed): void {
    this.#checkSize(given);
    const bytes = Buffer.from(given);
    for (const { offset } of this.#autokeys('sequence', 'timestamp', 'ctimestamp')) {
      record.bytes.copy(bytes, offset, offset, offset + AUTOKEY_BYTES);
    }
    this.#checkModifiable(record, bytes);
    for (const segment of this.#autokeys('timestamp')) {
      this.#fill(bytes, segment, observed?.record);
    }
    const keys = this.spec.keys.map((key) => keyOfRecord(key, bytes));
    this.#checkUnique(keys, record);
    const stamp = ++this.#stamp;
    record.stamps = keys.map((key, number) =>
      this.#isSame(number, key, record.keys[number]) ? (record.stamps[number] ?? 0) : stamp,
    );
    record.keys = keys;
    record.bytes = bytes;
  }

  remove(record: ModelRecord): void {
    this.records.splice(this.records.indexOf(record), 1);
    this.deleted.add(record.rfa);
  }

  /** Takes address and autokeys of a record from the file under test. */
  adopt(record: ModelRecord, { rfa, record: actual }: Observed): void {
    const bytes = Buffer.from(record.bytes);
    for (const segment of this.#autokeys('sequence', 'timestamp', 'ctimestamp')) {
      const number = actual.readBigInt64LE(segment.offset);
      bytes.writeBigInt64LE(number, segment.offset);
      this.#note(segment, number);
    }
    record.keys = this.spec.keys.map((key) => keyOfRecord(key, bytes));
    record.bytes = bytes;
    record.rfa = rfa;
    this.deleted.delete(rfa);
  }

  /** Is `actual` this record, autokeys aside? */
  isLike(record: ModelRecord, actual: Buffer): boolean {
    if (actual.length !== record.bytes.length) return false;
    const bytes = Buffer.from(actual);
    for (const { offset } of this.#autokeys('sequence', 'timestamp', 'ctimestamp')) {
      record.bytes.copy(bytes, offset, offset, offset + AUTOKEY_BYTES);
    }
    return bytes.equals(record.bytes);
  }

  #checkSize(given: Uint8Array): void {
    const { size, format } = this.spec.record;
    const fits = format === 'fixed' ? given.length === size : given.length <= size;
    const reach = this.#autokeys('sequence', 'timestamp', 'ctimestamp').map(
      ({ offset }) => offset + AUTOKEY_BYTES,
    );
    if (!fits || given.length === 0 || given.length < Math.max(0, ...reach)) {
      throw new ModelError('ERR_IRCSIZ');
    }
  }

  #checkUnique(keys: readonly (KeyValue | undefined)[], self?: ModelRecord): void {
    const isTaken = this.spec.keys.some(
      ({ dups }, number) =>
        dups === 'none' &&
        keys[number] !== undefined &&
        this.records.some(
          (other) => other !== self && this.#isSame(number, keys[number], other.keys[number]),
        ),
    );
    if (isTaken) throw new ModelError('ERR_NODUPS');
  }

  #checkModifiable(record: ModelRecord, next: Buffer): void {
    const keys = this.spec.keys.map((key) => keyOfRecord(key, next));
    const isKept = (key: KeySpec, number: number): boolean =>
      key.modifiable || this.#isSame(number, keys[number], record.keys[number]);
    if (!this.spec.keys.every(isKept)) throw new ModelError('ERR_KEYNOT');
  }

  #isSame(key: number, a: KeyValue | undefined, b: KeyValue | undefined): boolean {
    if (a === undefined || b === undefined) return a === b;
    return compareKeys(this.keySpec(key), a, b) === 0;
  }

  /** Numbers and times rise, whoever made them: each is above all that were there before. */
  #fill(bytes: Buffer, { offset, type }: SegmentSpec, actual: Buffer | undefined): void {
    const last = type === 'sequence' ? (this.#last.get(offset) ?? -1n) : this.#lastTime;
    if (actual === undefined) {
      bytes.writeBigInt64LE(last + BigInt(++this.#guesses), offset);
      return;
    }
    const number = actual.readBigInt64LE(offset);
    if (number <= last && !(type !== 'sequence' && this.#isTimeOf(bytes, number))) {
      throw new ModelError(`autokey ${number} at ${offset} is not above ${last}`);
    }
    bytes.writeBigInt64LE(number, offset);
    this.#note({ offset, type }, number);
  }

  #note({ offset, type }: Pick<SegmentSpec, 'offset' | 'type'>, number: bigint): void {
    if (type === 'sequence') this.#last.set(offset, max(this.#last.get(offset) ?? 0n, number));
    else this.#lastTime = max(this.#lastTime, number);
  }

  /** The times of one store are the same in all its time autokeys. */
  #isTimeOf(bytes: Buffer, number: bigint): boolean {
    return this.#autokeys('timestamp', 'ctimestamp').some(
      ({ offset }) => bytes.readBigInt64LE(offset) === number,
    );
  }

  #autokeys(...types: SegmentType[]): SegmentSpec[] {
    const segments = this.spec.keys.flatMap((key) => key.segments);
    return segments.filter(({ type }) => types.includes(type));
  }
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

export const placeOf = (record: ModelRecord, key: number): Place => {
  const value = record.keys[key];
  if (value === undefined) throw new TypeError('the record is not in that index');
  return { value, stamp: record.stamps[key] ?? 0 };
};
