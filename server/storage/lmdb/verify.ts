// Checks a file both ways: from each record to its entries in all indexes, and, where an index has
// more entries than that, from each entry back to its record. Works on one state of the file and
// lets others have their turn in between.

import type { IndexKeys, KeysOfRecord, Problem, Progress, VerifyReport } from '../engine.js';
import { makePlace } from '../place.js';
import { addressBlock, addressSlot, addressText, addressToRfa, makeAddress } from './address.js';
import {
  insertionNumber,
  isBlockIntact,
  isLarge,
  isSlotPlausible,
  slotCount,
  slotStart,
} from './block-reader.js';
import type { Snapshot } from './environment.js';
import { indexTableName, TABLE_BLOCKS, TABLE_LARGE } from './format.js';
import { isLmdbError } from './lmdb-error.js';
import type { Store } from './open-store.js';
import { type FoundRecord, readBlock, recordOfSlot } from './record-reader.js';
import { BLOCKS_PER_TURN, nextTurn, salvageBlocks, salvageCounters } from './salvage.js';
import { inspectTrees } from './salvage-view.js';

export interface Inspection {
  readonly keysOf: KeysOfRecord;
  readonly report: (problem: Problem) => void;
  readonly progress: Progress;
}

export async function verifyStore(store: Store, inspection: Inspection): Promise<VerifyReport> {
  const snapshot = store.environment.snapshot();
  try {
    reportTrees(store, inspection.report);
    return await new Verification(store, snapshot, inspection).run();
  } finally {
    snapshot.done();
  }
}

/**
 * Looks at all pages of all trees, because LMDB would not survive a damaged one, and reports those
 * that are. To be called under a snapshot, which keeps the pages looked at from being used anew.
 */
export function reportTrees(store: Store, report: (problem: Problem) => void): void {
  const { path, name, indexes } = store.layout;
  const salvage = store.salvage ?? inspectTrees(path, name, 'order');
  if (salvage === undefined) return;
  if (salvage !== store.salvage) store.restrictTo(salvage);
  for (const [table, pages] of salvage.damage) {
    const more = pages.length > 3 ? ` and ${pages.length - 3} more` : '';
    const detail = `the table ${table} is damaged: ${pages.slice(0, 3).join(', ')}${more}`;
    const key = indexes.find(({ number }) => indexTableName(number) === table)?.number;
    report(
      key === undefined ? { kind: 'bad-block', detail } : { kind: 'missing-entry', key, detail },
    );
  }
}

class Verification {
  readonly #store: Store;
  readonly #snapshot: Snapshot;
  readonly #inspection: Inspection;
  /** Entries per key that lead to their record. */
  readonly #matched: number[];
  #used = 0;
  #sound = 0;
  #large = 0;
  #unreadable = 0;
  #lastBlock = 0;
  #insertionsEnd = 0;
  #total = 0;

  constructor(store: Store, snapshot: Snapshot, inspection: Inspection) {
    this.#store = store;
    this.#snapshot = snapshot;
    this.#inspection = inspection;
    this.#matched = store.layout.indexes.map(() => 0);
  }

  async run(): Promise<VerifyReport> {
    this.#total = salvageCounters(this.#store, this.#snapshot)?.records ?? 0;
    let blocks = 0;
    for (const { number, bytes } of salvageBlocks(this.#store, this.#snapshot)) {
      this.#checkBlock(number, bytes);
      this.#inspection.progress(this.#used, Math.max(this.#total, this.#used));
      if (++blocks % BLOCKS_PER_TURN === 0) await nextTurn();
    }
    const entries: number[] = [];
    for (const { number } of this.#store.layout.indexes) {
      entries.push(await this.#checkIndex(number));
      await nextTurn();
    }
    this.#checkCounters();
    return { records: this.#sound, entries };
  }

  #checkBlock(number: number, bytes: Buffer | undefined): void {
    this.#lastBlock = number;
    if (bytes === undefined) {
      this.#unreadable++;
      this.#problem('bad-block', `block ${number} cannot be read`);
      return;
    }
    if (!isBlockIntact(bytes)) {
      this.#problem('bad-block', `block ${number} does not agree with its checksum`);
    }
    for (let slot = 0; slot < slotCount(bytes); slot++) {
      if (slotStart(bytes, slot) !== 0) this.#checkSlot(bytes, makeAddress(number, slot));
    }
  }

  #checkSlot(bytes: Buffer, address: number): void {
    this.#used++;
    const found = soundRecord(this.#store, bytes, address, this.#snapshot);
    if (found === undefined) {
      this.#problem('bad-crc', 'the record does not agree with its checksum', undefined, address);
      return;
    }
    this.#sound++;
    if (isLarge(bytes, addressSlot(address))) this.#large++;
    const keys = this.#keysOf(found.record, address);
    if (keys === undefined) return;
    const start = slotStart(bytes, addressSlot(address));
    for (const { number, dups, ordinal } of this.#store.layout.indexes) {
      const insertion = dups === 'none' ? 0 : insertionNumber(bytes, start, ordinal);
      this.#insertionsEnd = Math.max(this.#insertionsEnd, insertion + 1);
      const key = keys[number];
      if (key !== undefined && this.#store.isSound(indexTableName(number)))
        this.#checkEntry(number, makePlace(dups, key, insertion), address);
    }
  }

  #keysOf(record: Buffer, address: number): IndexKeys | undefined {
    try {
      return this.#inspection.keysOf(record);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#problem('missing-entry', `its keys cannot be made: ${why}`, undefined, address);
      return undefined;
    }
  }

  #checkEntry(key: number, place: Buffer, address: number): void {
    let found: number | undefined;
    try {
      found = this.#snapshot.attempt((options) => this.#store.index(key).get(place, options));
    } catch {
      // What is wrong with the index itself is reported once, by checkIndex.
      found = undefined;
    }
    if (found === address) this.#matched[key] = (this.#matched[key] ?? 0) + 1;
    else if (found === undefined) {
      this.#problem('missing-entry', `key ${key} has no entry for the record`, key, address);
    } else {
      const detail = `key ${key} leads to RFA ${addressText(found)} for the same value`;
      this.#problem('missing-entry', detail, key, address);
    }
  }

  /** Entries of the index. They are looked at one by one only when there are too many. */
  async #checkIndex(key: number): Promise<number> {
    if (!this.#store.isSound(indexTableName(key))) return 0;
    let entries = 0;
    try {
      const index = this.#store.index(key);
      const range = { start: undefined, end: undefined, ...this.#snapshot.options };
      const count = this.#snapshot.attempt(() => index.getCount({ ...range }));
      if (count === this.#matched[key]) return count;
      const walk = index.getRange(range)[Symbol.iterator]();
      for (;;) {
        const next = this.#snapshot.attempt(() => walk.next());
        if (next.done === true) break;
        this.#checkBack(key, next.value.key, next.value.value);
        if (++entries % (BLOCKS_PER_TURN * 16) === 0) await nextTurn();
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#problem(
        'missing-entry',
        `key ${key} cannot be read beyond ${entries} entries: ${why}`,
        key,
      );
    }
    return entries;
  }

  #checkBack(key: number, place: Uint8Array, address: number): void {
    let bytes: Buffer | undefined;
    try {
      const block = addressBlock(address);
      bytes = this.#snapshot.attempt((options) => readBlock(this.#store, block, options));
    } catch {
      // An unreadable block was reported when it was met; its entries are not wrong for that.
      return;
    }
    const slot = addressSlot(address);
    if (bytes === undefined || slot >= slotCount(bytes) || slotStart(bytes, slot) === 0) {
      this.#problem('dangling-entry', `an entry of key ${key} leads to no record`, key, address);
      return;
    }
    const block = Buffer.from(bytes);
    const found = soundRecord(this.#store, block, address, this.#snapshot);
    if (found === undefined) return;
    if (!this.#isPlaceOf(key, place, block, address, found)) {
      const detail = `an entry of key ${key} does not have the key of its record`;
      this.#problem('wrong-entry', detail, key, address);
    }
  }

  #isPlaceOf(
    key: number,
    place: Uint8Array,
    block: Buffer,
    address: number,
    { record }: FoundRecord,
  ): boolean {
    const { dups, ordinal } = this.#store.indexLayout(key);
    const start = slotStart(block, addressSlot(address));
    try {
      const value = this.#inspection.keysOf(record)[key];
      if (value === undefined) return false;
      const insertion = dups === 'none' ? 0 : insertionNumber(block, start, ordinal);
      return Buffer.compare(makePlace(dups, value, insertion), place) === 0;
    } catch {
      // A record without keys was reported when it was met.
      return false;
    }
  }

  #checkCounters(): void {
    const counters = salvageCounters(this.#store, this.#snapshot);
    if (counters === undefined) {
      this.#problem('wrong-count', 'the counters of the file are damaged; it takes no writes');
      return;
    }
    const { records, nextBlock, insertion } = counters;
    if (records !== this.#used && this.#unreadable === 0 && this.#store.isSound(TABLE_BLOCKS)) {
      this.#problem('wrong-count', `the file counts ${records} records and has ${this.#used}`);
    }
    if (nextBlock <= this.#lastBlock) {
      this.#problem('wrong-count', `the next block would be ${nextBlock}, which is in use`);
    }
    if (insertion < this.#insertionsEnd) {
      this.#problem(
        'wrong-count',
        `the next insertion number would be ${insertion}, which is in use`,
      );
    }
    this.#checkLarge();
  }

  #checkLarge(): void {
    if (!this.#store.isSound(TABLE_LARGE)) return;
    try {
      const stored = this.#snapshot.attempt((options) =>
        this.#store.large.getCount({ start: undefined, end: undefined, ...options }),
      );
      if (stored <= this.#large || this.#unreadable > 0 || this.#sound < this.#used) return;
      this.#problem('wrong-count', `${stored - this.#large} large records belong to no block`);
    } catch (error) {
      if (!isLmdbError(error)) throw error;
      this.#problem('bad-block', 'the table of large records cannot be walked');
    }
  }

  #problem(kind: Problem['kind'], detail: string, key?: number, address?: number): void {
    this.#inspection.report({
      kind,
      detail,
      ...(key !== undefined && { key }),
      ...(address !== undefined && { rfa: addressToRfa(address) }),
    });
  }
}

/** The record of a used slot, undefined when it is not as it was stored. */
export function soundRecord(
  store: Store,
  block: Buffer,
  address: number,
  snapshot: Snapshot,
): FoundRecord | undefined {
  if (!isSlotPlausible(block, addressSlot(address), store.layout.overheadBytes)) return undefined;
  try {
    return snapshot.attempt((options) => recordOfSlot(store, block, address, options));
  } catch {
    // The caller reports it, with its RFA; what exactly is wrong with the bytes helps nobody.
    return undefined;
  }
}
