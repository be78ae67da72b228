// Walks over records for a scan, a bounded number per call, each call on a state of the file of its
// own. Nothing is skipped silently: what cannot be read raises ERR_DAMAGED, with the cursor already
// behind it, so that the caller may go on.

import { recordCrc } from '../../../shared/record/rfa.js';
import type { ScanCursor, ScanFilter, ScanVisitor } from '../engine.js';
import { rangeBetween } from '../place.js';
import { addressBlock, addressSlot, addressToRfa, makeAddress, rfaToAddress } from './address.js';
import {
  isBlockIntact,
  isLarge,
  isSlotPlausible,
  slotCount,
  slotLength,
  slotStart,
  storedCrc,
} from './block-reader.js';
import { placeRange, type Snapshot } from './environment.js';
import { BLOCK_NUMBER_MAX, FIRST_BLOCK, SLOTS_MAX, TABLE_BLOCKS } from './format.js';
import { damaged, isLmdbError } from './lmdb-error.js';
import type { Store } from './open-store.js';
import { badRecord, danglingEntry, readLarge } from './record-reader.js';

/** Records of one block that are checked one by one before the block as a whole is. */
const CHECKED_SINGLY = 2;

/** What a call of `scan` is given besides its cursor. */
export interface ScanBounds {
  readonly visit: ScanVisitor;
  readonly recordsMax: number;
  readonly filter: ScanFilter | undefined;
}

/** One call of `scan`: what it reads with, and the block it has at hand. */
class Walk {
  readonly snapshot: Snapshot;
  readonly #store: Store;
  readonly #visit: ScanVisitor;
  readonly #filter: ScanFilter | undefined;
  readonly #address = { block: 0, slot: 0 };
  /** A copy of our own, because a visitor may read elsewhere and so overwrite what LMDB gave. */
  readonly block: Buffer;
  #blockNumber = 0;
  /** Whether the block at hand agrees with its checksum; undefined while nobody has asked. */
  #isIntact: boolean | undefined;
  /** Records shown of the block at hand. */
  #shown = 0;
  #left: number;

  constructor(store: Store, { visit, recordsMax, filter }: ScanBounds) {
    this.#store = store;
    this.#filter = filter;
    this.#visit = visit;
    this.#left = recordsMax;
    this.snapshot = store.environment.snapshot();
    this.block = Buffer.allocUnsafeSlow(store.layout.blockBytes);
  }

  /** False when enough records were looked at. */
  takeOne(): boolean {
    return this.#left-- > 0;
  }

  /** Takes what LMDB has in its shared buffer for block `number`; false when that is no block. */
  hold(number: number, bytes: Buffer): boolean {
    this.#blockNumber = 0;
    const { blockBytes } = this.#store.layout;
    if (bytes.length !== blockBytes) return false;
    this.#store.environment.shared(bytes, blockBytes).copy(this.block);
    this.#blockNumber = number;
    this.#isIntact = undefined;
    this.#shown = 0;
    return true;
  }

  /** True when the block agrees with its checksum: then it vouches for all its records. */
  get isIntact(): boolean {
    this.#isIntact ??= isBlockIntact(this.block);
    return this.#isIntact;
  }

  /**
   * Whether to trust the next record of this block without a look at its own checksum. One or two
   * records are checked faster by themselves, the many of a clustered block by that of the block.
   */
  get isTrusted(): boolean {
    return this.#shown++ >= CHECKED_SINGLY && this.isIntact;
  }

  /** Reads block `number` unless it is at hand; false when there is none. */
  fetch(number: number): boolean {
    if (number === this.#blockNumber) return true;
    const bytes = this.#store.block(number, this.snapshot.options);
    return bytes !== undefined && this.hold(number, bytes);
  }

  get slots(): number {
    return slotCount(this.block);
  }

  isUsed(slot: number): boolean {
    return slot < slotCount(this.block) && slotStart(this.block, slot) !== 0;
  }

  /** Shows the record of a used slot; ERR_DAMAGED when it is bad. What the visitor answers. */
  show(slot: number, isTrusted: boolean): boolean {
    const { block } = this;
    const { overheadBytes } = this.#store.layout;
    const address = makeAddress(this.#blockNumber, slot);
    if (!isTrusted && !isSlotPlausible(block, slot, overheadBytes)) {
      throw badRecord(this.#store, address);
    }
    const at = slotStart(block, slot);
    if (isLarge(block, slot)) return this.#showLarge(address, storedCrc(block, at));
    const start = at + overheadBytes;
    const end = at + slotLength(block, slot);
    if (!isTrusted && recordCrc(block.subarray(start, end)) !== storedCrc(block, at)) {
      throw badRecord(this.#store, address);
    }
    return this.#show(block, start, end, slot);
  }

  #showLarge(address: number, crc: number): boolean {
    const record = readLarge(this.#store, address, this.snapshot.options);
    if (recordCrc(record) !== crc) throw badRecord(this.#store, address);
    return this.#show(record, 0, record.length, addressSlot(address));
  }

  #show(bytes: Buffer, start: number, end: number, slot: number): boolean {
    this.#address.block = this.#blockNumber;
    this.#address.slot = slot;
    if (this.#filter?.(bytes, start, end) === false) return true;
    return this.#visit(bytes, start, end, this.#address);
  }
}

/** Records in key order. Clustered records cost one get of their block, not one each. */
export function scanIndex(
  store: Store,
  key: number,
  cursor: ScanCursor,
  bounds: ScanBounds,
): 'more' | 'end' {
  const range = rangeBetween(cursor.from, cursor.until, cursor.direction);
  if (range === undefined) return 'end';
  const side = cursor.direction === 'forward' ? 'after' : 'before';
  const index = store.index(key);
  const walk = new Walk(store, bounds);
  let passed: Buffer | Uint8Array | undefined;
  let looked = 0;
  try {
    const part = { ...placeRange(range, cursor.direction), ...walk.snapshot.options };
    for (const { key: place, value: address } of index.getRange(part)) {
      if (!walk.takeOne()) return 'more';
      const before = passed;
      passed = place;
      looked++;
      const slot = addressSlot(address);
      if (!walk.fetch(addressBlock(address)) || !walk.isUsed(slot)) {
        throw danglingEntry(store, key, address);
      }
      if (walk.show(slot, walk.isTrusted)) continue;
      passed = before;
      looked--;
      return 'more';
    }
    return 'end';
  } finally {
    cursor.looked = (cursor.looked ?? 0) + looked;
    if (passed !== undefined) cursor.from = { prefix: passed, side };
    walk.snapshot.done();
  }
}

/** Records as they lie in the file. A block that is intact vouches for all its records at once. */
export function scanStored(store: Store, cursor: ScanCursor, bounds: ScanBounds): 'more' | 'end' {
  const walk = new Walk(store, bounds);
  const position = new StoredPosition(cursor);
  try {
    const { firstBlock, isReverse } = position;
    const blocks = store.blocksFrom(firstBlock, isReverse, walk.snapshot.options);
    for (const { key: number, value: bytes } of blocks) {
      position.enterBlock(number);
      if (!walk.hold(number, bytes)) {
        position.passBlock(number);
        throw damaged(store.layout, `block ${number} is unreadable`);
      }
      if (!showSlots(store, walk, position, number)) return 'more';
    }
    if (store.isSound(TABLE_BLOCKS) || position.isPastAll) return 'end';
    position.passAll();
    throw damaged(store.layout, 'blocks are missing, and the records in them');
  } catch (error) {
    if (!isLmdbError(error)) throw error;
    if (position.skipUnreadable(blocksEnd(store))) throw error;
    return 'end';
  } finally {
    position.save();
    walk.snapshot.done();
  }
}

/** The number behind the last block, after LMDB failed a read; 0 when that is lost too. */
function blocksEnd(store: Store): number {
  try {
    store.environment.renew();
    return store.counters()?.nextBlock ?? 0;
  } catch (error) {
    if (!isLmdbError(error)) throw error;
    return 0;
  }
}

/** False when the visitor or the bound says to stop. ERR_DAMAGED behind the last slot of a bad block. */
function showSlots(store: Store, walk: Walk, position: StoredPosition, number: number): boolean {
  const isTrusted = walk.isIntact;
  const { first, step } = position.slots(number, walk.slots);
  for (let slot = first; slot >= 0 && slot < walk.slots; slot += step) {
    if (!walk.isUsed(slot)) continue;
    if (!walk.takeOne()) return false;
    const before = position.last;
    position.last = makeAddress(number, slot);
    position.looked++;
    if (walk.show(slot, isTrusted)) continue;
    position.last = before;
    position.looked--;
    return false;
  }
  if (isTrusted) return true;
  position.passBlock(number);
  throw damaged(store.layout, `block ${number} has a bad checksum, records in it may be missing`);
}

/** How far a walk in stored order has come. */
class StoredPosition {
  readonly #cursor: ScanCursor;
  readonly isReverse: boolean;
  /** The block being looked at; undefined before the first. */
  #block: number | undefined;
  /** Address of the last record passed. */
  last: number | undefined;
  /** Records passed in this call. */
  looked = 0;

  constructor(cursor: ScanCursor) {
    this.#cursor = cursor;
    this.isReverse = cursor.direction === 'reverse';
    this.last = cursor.rfa === undefined ? undefined : rfaToAddress(cursor.rfa);
  }

  /** Where to go on; the block behind one that was passed as a whole. */
  get firstBlock(): number | undefined {
    if (this.last === undefined) return undefined;
    const block = addressBlock(this.last);
    if (this.isReverse) return addressSlot(this.last) === 0 ? block - 1 : block;
    return addressSlot(this.last) === SLOTS_MAX ? block + 1 : block;
  }

  enterBlock(block: number): void {
    this.#block = block;
  }

  /** The slots of a block still to be looked at: the first, and which way on. */
  slots(block: number, count: number): { first: number; step: number } {
    const step = this.isReverse ? -1 : 1;
    if (this.last !== undefined && addressBlock(this.last) === block) {
      return { first: addressSlot(this.last) + step, step };
    }
    return { first: this.isReverse ? count - 1 : 0, step };
  }

  /** Goes behind the last slot of a block. */
  passBlock(block: number): void {
    this.last = makeAddress(block, this.isReverse ? 0 : SLOTS_MAX);
  }

  /** Goes behind whatever blocks there can be. */
  passAll(): void {
    this.passBlock(this.isReverse ? 0 : BLOCK_NUMBER_MAX);
  }

  get isPastAll(): boolean {
    if (this.last === undefined) return false;
    return addressBlock(this.last) === (this.isReverse ? 0 : BLOCK_NUMBER_MAX);
  }

  /** When LMDB cannot give the next block: passes it. False when there can be none any more. */
  skipUnreadable(nextBlock: number): boolean {
    const step = this.isReverse ? -1 : 1;
    const start = this.firstBlock ?? (this.isReverse ? nextBlock - 1 : FIRST_BLOCK);
    const unreadable = this.#block === undefined ? start : this.#block + step;
    if (unreadable < FIRST_BLOCK || unreadable >= nextBlock) return false;
    this.passBlock(unreadable);
    return true;
  }

  save(): void {
    this.#cursor.looked = (this.#cursor.looked ?? 0) + this.looked;
    if (this.last !== undefined) this.#cursor.rfa = addressToRfa(this.last);
  }
}
