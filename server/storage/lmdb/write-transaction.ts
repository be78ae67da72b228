// The steps of one write transaction: insert, update, remove, each over the record and all its
// indexes. Made by the commit queue inside an LMDB transaction, dropped with it; steps come in groups.
//
// Each step checks everything first and only then changes anything; while it changes, `isChanging`
// is set. So an error with `isChanging` unset concerns that step alone and leaves no trace, and one
// with it set means that the whole transaction must be undone.

import { recordCrc } from '../../../shared/record/rfa.js';
import type {
  ChangeOutcome,
  RecordChange,
  RecordDraft,
  RecordRemoval,
  StoredRecord,
} from '../engine.js';
import { makePlace } from '../place.js';
import {
  checkRecord,
  duplicateKey,
  recordLimitReached,
  sizeLimitReached,
} from '../storage-error.js';
import { takeNumbers } from '../take-numbers.js';
import { addressBlock, addressSlot, addressToRfa, makeAddress, rfaToAddress } from './address.js';
import { BlockCache } from './block-cache.js';
import { insertionNumber, isLarge, slotCount, slotStart, storedCrc } from './block-reader.js';
import type { BlockWriter } from './block-writer.js';
import { type Counters, encodeCounters } from './counters.js';
import { CRC_BYTES, STORED_INSERTION_BYTES } from './format.js';
import { IndexWriter } from './index-writer.js';
import { damaged } from './lmdb-error.js';
import type { StepWriter } from './log/step-codec.js';
import { countersKey, type Store } from './open-store.js';

/** A slot about to be filled: what precedes the record. */
interface SlotContent {
  readonly crc: number;
  /** In the order of the keys with dups. */
  readonly insertions: readonly number[];
  readonly record: Uint8Array;
}

/** A new record as it was stored. */
interface AppendedRecord {
  readonly address: number;
  readonly crc: number;
  readonly record: Uint8Array;
}

/** Numbers for the autokeys of one record, and what the counters are then. */
interface TakenNumbers {
  readonly numbers: readonly bigint[];
  readonly sequences: ReadonlyMap<string, bigint>;
}

const NO_NUMBERS: TakenNumbers = { numbers: [], sequences: new Map() };

export class WriteTransaction {
  readonly #store: Store;
  readonly #fileBytes: number;
  readonly #counters: Counters;
  #blocks: BlockCache;
  readonly #steps: StepWriter | undefined;
  /** By key number, as far as they were needed. */
  readonly #indexes: IndexWriter[] = [];
  #largeBytes = 0;
  #isChanged = false;
  isChanging = false;
  /** Record bytes and index entries written so far. */
  recordBytes = 0;
  entries = 0;

  /**
   * `fileBytes`: size of the file on disk. `steps` takes down what is done. ERR_DAMAGED when the
   * counters of the file are.
   */
  constructor(store: Store, fileBytes: number, steps?: StepWriter) {
    this.#store = store;
    this.#steps = steps;
    this.#fileBytes = fileBytes;
    if (store.salvage !== undefined) {
      throw damaged(store.layout, 'pages of it are damaged, so it takes no writes');
    }
    const counters = store.counters();
    if (counters === undefined) {
      throw damaged(store.layout, 'its counters are damaged, so it takes no writes');
    }
    this.#counters = counters;
    this.#blocks = new BlockCache(store, counters);
  }

  /** Forgets whether anything was changed: another group of steps begins. */
  beginGroup(): void {
    this.#isChanged = false;
  }

  /** False when the group has nothing to be committed. */
  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** Bytes of blocks that were read or made, and of large records: held in memory until the end. */
  get heldBytes(): number {
    return this.#blocks.changedBytes + this.#largeBytes;
  }

  /** Bytes the commit may need on the disk: blocks, large records, and a page per index level. */
  get diskBytes(): number {
    const indexPages = Math.min(this.entries * 3 * 4096, this.#fileBytes + this.entries * 256);
    return this.#blocks.changedBytes + 2 * this.#largeBytes + indexPages;
  }

  insert(draft: RecordDraft): StoredRecord {
    const { address, record, crc } = this.append(draft);
    return { rfa: addressToRfa(address), record: Buffer.from(record), crc };
  }

  /** As `insert`, for callers who do not look at what was stored. */
  append(draft: RecordDraft): AppendedRecord {
    const { numbers, sequences } = this.#takeNumbers(draft);
    const { record, keys } = draft.finish(numbers);
    checkRecord(this.#store.spec, record, keys);
    this.#checkRoom();
    for (let number = 0; number < keys.length; number++) this.#checkUnique(number, keys[number]);

    this.isChanging = true;
    this.#keepSequences(sequences);
    const insertion = this.#counters.insertion++;
    const crc = recordCrc(record);
    const address = this.#placeRecord({ crc, insertions: this.#sameForAll(insertion), record });
    for (let number = 0; number < keys.length; number++) {
      this.#putEntry(number, keys[number], insertion, address);
    }
    this.#counters.records++;
    this.#steps?.insert(address, { sequences, record, keys });
    this.#isChanged = true;
    this.isChanging = false;
    return { crc, record, address };
  }

  update(change: RecordChange): ChangeOutcome {
    const { numbers, sequences } = this.#takeNumbers(change.stamped);
    const stamped = change.stamped?.finish(numbers);
    const { record, keys: newKeys } = stamped ?? { record: change.record, keys: change.newKeys };
    const { oldKeys } = change;
    checkRecord(this.#store.spec, record, newKeys);
    const address = rfaToAddress(change.rfa);
    const writer = this.#writerOf(address, change.previousCrc);
    if (typeof writer === 'string') return writer;
    const moved = newKeys.map((key, number) => !isSameKey(oldKeys[number], key));
    newKeys.forEach((key, number) => {
      if (moved[number] === true) this.#checkUnique(number, key);
    });

    this.isChanging = true;
    this.#keepSequences(sequences);
    const before = this.#insertionsOf(writer, address);
    const next = moved.includes(true) ? this.#counters.insertion++ : 0;
    const after = before.slice();
    this.#store.layout.indexes.forEach(({ number, ordinal }) => {
      if (moved[number] !== true) return;
      this.#removeEntry(number, oldKeys[number], before[ordinal] ?? 0, address);
      this.#putEntry(number, newKeys[number], next, address);
      if (ordinal >= 0) after[ordinal] = next;
    });
    const crc = recordCrc(record);
    this.#replaceRecord(writer, address, { crc, insertions: after, record });
    this.#steps?.update(change, { sequences, record, keys: newKeys });
    this.#isChanged = true;
    this.isChanging = false;
    return stamped === undefined ? { crc } : { crc, record };
  }

  remove(removal: RecordRemoval): ChangeOutcome {
    const { rfa, previousCrc, keys } = removal;
    const address = rfaToAddress(rfa);
    const writer = this.#writerOf(address, previousCrc);
    if (typeof writer === 'string') return writer;

    this.isChanging = true;
    const insertions = this.#insertionsOf(writer, address);
    this.#store.layout.indexes.forEach(({ number, ordinal }) => {
      this.#removeEntry(number, keys[number], insertions[ordinal] ?? 0, address);
    });
    if (isLarge(writer.bytes, addressSlot(address))) this.#store.large.remove(address);
    writer.freeSlot(addressSlot(address));
    this.#blocks.changed(addressBlock(address));
    this.#counters.records--;
    this.#steps?.remove(removal);
    this.#isChanged = true;
    this.isChanging = false;
    return { crc: previousCrc };
  }

  /** Removes all records. Numbers go on, so that no address or autokey is given out again. */
  clear(): void {
    this.isChanging = true;
    this.#store.blocks.clearSync();
    this.#store.large.clearSync();
    this.#store.free.clearSync();
    for (const { number } of this.#store.layout.indexes) this.#store.index(number).clearSync();
    this.#indexes.length = 0;
    this.#counters.records = 0;
    this.#counters.currentBlock = 0;
    this.#blocks = new BlockCache(this.#store, this.#counters);
    this.#steps?.giveUp();
    this.#isChanged = true;
    this.isChanging = false;
  }

  /** Puts blocks and counters; the last step before the commit. */
  finish(): void {
    this.isChanging = true;
    this.#blocks.putAll();
    this.#store.header.put(countersKey(), encodeCounters(this.#counters));
  }

  #takeNumbers(draft?: RecordDraft): TakenNumbers {
    if (draft === undefined || draft.sequences.length === 0) return NO_NUMBERS;
    return takeNumbers(draft.sequences, this.#counters.sequences);
  }

  #keepSequences(sequences: ReadonlyMap<string, bigint>): void {
    if (sequences.size === 0) return;
    for (const [name, next] of sequences) this.#counters.sequences.set(name, next);
  }

  #checkRoom(): void {
    const { recordLimit, sizeLimit } = this.#store.spec.attributes;
    const { path } = this.#store.layout;
    if (recordLimit !== undefined && this.#counters.records >= recordLimit) {
      throw recordLimitReached(path, recordLimit);
    }
    if (sizeLimit !== undefined) {
      const bytes = this.#fileBytes + this.recordBytes;
      if (bytes >= sizeLimit * 1024 * 1024) throw sizeLimitReached(path, sizeLimit);
    }
  }

  #checkUnique(key: number, value: Uint8Array | undefined): void {
    if (value === undefined || this.#store.indexLayout(key).dups !== 'none') return;
    if (!this.#index(key).has(value)) return;
    throw duplicateKey(this.#store.layout.path, this.#store.spec, key);
  }

  #writerOf(address: number, previousCrc: number): BlockWriter | 'gone' | 'changed' {
    const writer = this.#blocks.read(addressBlock(address));
    const slot = addressSlot(address);
    if (writer === undefined || slot >= slotCount(writer.bytes)) return 'gone';
    const start = slotStart(writer.bytes, slot);
    if (start === 0) return 'gone';
    return storedCrc(writer.bytes, start) === previousCrc ? writer : 'changed';
  }

  #sameForAll(insertion: number): number[] {
    const all = new Array<number>(this.#store.layout.insertions);
    for (let at = 0; at < all.length; at++) all[at] = insertion;
    return all;
  }

  #insertionsOf(writer: BlockWriter, address: number): number[] {
    const start = slotStart(writer.bytes, addressSlot(address));
    return this.#sameForAll(0).map((_, ordinal) => insertionNumber(writer.bytes, start, ordinal));
  }

  #putEntry(key: number, value: Uint8Array | undefined, insertion: number, address: number): void {
    if (value === undefined) return;
    this.#index(key).put(value, insertion, address);
    this.entries++;
  }

  #index(key: number): IndexWriter {
    const known = this.#indexes[key];
    if (known !== undefined) return known;
    const made = new IndexWriter(this.#store.index(key), this.#store.indexLayout(key).dups);
    this.#indexes[key] = made;
    return made;
  }

  /** Leaves an entry alone that leads elsewhere: in a damaged index it is another record's. */
  #removeEntry(
    key: number,
    value: Uint8Array | undefined,
    insertion: number,
    address: number,
  ): void {
    if (value === undefined) return;
    const { dups } = this.#store.indexLayout(key);
    const index = this.#store.index(key);
    const place = dups === 'none' ? value : makePlace(dups, value, insertion);
    if (index.get(place) === address) index.remove(place);
    this.entries++;
  }

  #placeRecord(content: SlotContent): number {
    const { overheadBytes, slotBytesMax } = this.#store.layout;
    const length = overheadBytes + content.record.length;
    const large = length > slotBytesMax;
    const taken = this.#blocks.takeSlot(large ? overheadBytes : length, large);
    const address = makeAddress(taken.block, taken.slot);
    this.#fillSlot(taken.writer, address, content, large);
    return address;
  }

  #replaceRecord(writer: BlockWriter, address: number, content: SlotContent): void {
    const { overheadBytes, slotBytesMax } = this.#store.layout;
    const slot = addressSlot(address);
    const length = overheadBytes + content.record.length;
    const wasLarge = isLarge(writer.bytes, slot);
    const inline = length <= slotBytesMax && writer.resizeSlot(slot, length, false);
    if (!inline) writer.resizeSlot(slot, overheadBytes, true);
    if (inline && wasLarge) this.#store.large.remove(address);
    this.#blocks.changed(addressBlock(address));
    this.#fillSlot(writer, address, content, !inline);
  }

  #fillSlot(writer: BlockWriter, address: number, content: SlotContent, large: boolean): void {
    const { bytes } = writer;
    const { crc, insertions, record } = content;
    let at = slotStart(bytes, addressSlot(address));
    bytes.writeUInt32BE(crc, at);
    at += CRC_BYTES;
    for (const insertion of insertions) {
      at = bytes.writeUIntBE(insertion, at, STORED_INSERTION_BYTES);
    }
    this.recordBytes += record.length;
    if (!large) {
      bytes.set(record, at);
      return;
    }
    this.#store.large.put(address, Buffer.from(record.buffer, record.byteOffset, record.length));
    this.#largeBytes += record.length;
  }
}

function isSameKey(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}
