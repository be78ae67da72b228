// Walks over records for a scan, a bounded number per call, each call on a state of the file of its
// own. Nothing is skipped silently: what cannot be read raises ERR_DAMAGED, with the cursor already
// behind it, so that the caller may go on. scan-walk.ts has the block at hand and shows its records.

import type { ScanCursor } from '../engine.js';
import { rangeBetween } from '../place.js';
import { addressBlock, addressSlot, addressToRfa, makeAddress, rfaToAddress } from './address.js';
import { BLOCK_NUMBER_MAX, FIRST_BLOCK, SLOTS_MAX, TABLE_BLOCKS } from './format.js';
import { IndexWalk } from './index-walk.js';
import { damaged, isLmdbError } from './lmdb-error.js';
import type { Store } from './open-store.js';
import { danglingEntry } from './record-reader.js';
import { NO_SLOT, type ScanBounds, Walk } from './scan-walk.js';

/** Records in key order. Clustered records cost one get of their block, not one each. */
export function scanIndex(
  store: Store,
  key: number,
  cursor: ScanCursor,
  bounds: ScanBounds,
): 'more' | 'end' {
  const range = rangeBetween(cursor.from, cursor.until, cursor.direction);
  if (range === undefined) return 'end';
  const index = store.indexTree(key);
  const walk = new Walk(store, bounds);
  try {
    const entries = new IndexWalk(index, range, cursor.direction);
    return showEntries(store, key, cursor, { walk, entries });
  } finally {
    walk.finish(cursor);
  }
}

function showEntries(
  store: Store,
  key: number,
  cursor: ScanCursor,
  { walk, entries }: { walk: Walk; entries: IndexWalk },
): 'more' | 'end' {
  let passed: 'at hand' | 'before' = 'before';
  try {
    for (;;) {
      passed = 'before';
      const address = entries.next();
      if (address === undefined) return 'end';
      if (!walk.takeOne()) return 'more';
      passed = 'at hand';
      const block = addressBlock(address);
      const slot = address - makeAddress(block, 0);
      if (!walk.fetch(block) || !walk.isUsed(slot)) throw danglingEntry(store, key, address);
      if (walk.show(slot)) continue;
      passed = 'before';
      walk.giveBack();
      return 'more';
    }
  } finally {
    cursor.from = entries.edgeBehind(passed) ?? cursor.from;
  }
}

/** Records as they lie in the file. A block that is intact vouches for all its records at once. */
export function scanStored(store: Store, cursor: ScanCursor, bounds: ScanBounds): 'more' | 'end' {
  const walk = new Walk(store, bounds);
  const position = new StoredPosition(cursor);
  const { untilBlock = Number.POSITIVE_INFINITY } = cursor;
  try {
    const { firstBlock, isReverse } = position;
    const blocks = store.blocksFrom(firstBlock, isReverse);
    for (const { key: number, value: bytes } of blocks) {
      if (number >= untilBlock) return 'end';
      position.enterBlock(number);
      if (!walk.look(number, bytes)) {
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
    walk.finish(cursor);
  }
}

/** The number behind the last block, after LMDB failed a read; 0 when that is lost too. */
function blocksEnd(store: Store): number {
  try {
    return store.committedCounters()?.nextBlock ?? 0;
  } catch (error) {
    if (!isLmdbError(error)) throw error;
    return 0;
  }
}

/** False when the visitor or the bound says to stop. ERR_DAMAGED behind the last slot of a bad block. */
function showSlots(store: Store, walk: Walk, position: StoredPosition, number: number): boolean {
  const { first, step } = position.slots(number, walk.slots);
  try {
    if (!walk.showSlots(first, step)) return false;
  } finally {
    if (walk.reached !== NO_SLOT) position.last = makeAddress(number, walk.reached);
  }
  if (walk.isSound()) return true;
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
    if (this.last !== undefined) this.#cursor.rfa = addressToRfa(this.last);
  }
}
