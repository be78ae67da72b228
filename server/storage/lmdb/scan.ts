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
import { type ScanBounds, Walk } from './scan-walk.js';

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
  const walk = new Walk(store, cursor, bounds);
  let state: 'more' | 'end' = 'end';
  try {
    state = showEntries(walk, cursor, new IndexWalk(index, range, cursor.direction));
    return state;
  } finally {
    walk.finish(state);
  }
}

function showEntries(walk: Walk, cursor: ScanCursor, entries: IndexWalk): 'more' | 'end' {
  walk.passed = 0;
  try {
    while (entries.next(Math.max(1, walk.left))) {
      const { block, slot, slotStep, count } = entries;
      if (!walk.fetch(block, slot) || !walk.showSlots(slot, slotStep, count)) return 'more';
      walk.passed = 0;
    }
    return 'end';
  } finally {
    cursor.from = entries.edgeBehind(walk.passed) ?? cursor.from;
  }
}

/** Records as they lie in the file. A block that is intact vouches for all its records at once. */
export function scanStored(store: Store, cursor: ScanCursor, bounds: ScanBounds): 'more' | 'end' {
  const position = new StoredPosition(cursor);
  const walk = new Walk(store, cursor, bounds);
  let state: 'more' | 'end' = 'end';
  try {
    state = showBlocks(store, walk, position, cursor.untilBlock);
  } catch (error) {
    if (!isLmdbError(error)) throw error;
    if (position.skipUnreadable(blocksEnd(store))) throw error;
  } finally {
    position.save();
    walk.finish(state);
  }
  return state;
}

function showBlocks(
  store: Store,
  walk: Walk,
  position: StoredPosition,
  untilBlock = Number.POSITIVE_INFINITY,
): 'more' | 'end' {
  if (position.isPastAll) return 'end';
  const { firstBlock, isReverse } = position;
  let isBehind = false;
  for (const { key: number, value: bytes } of store.blocksFrom(firstBlock, isReverse)) {
    // A number that was damaged may lead past blocks that are not: then the next one is out of order, which throws.
    if (isBehind) return 'end';
    isBehind = number >= untilBlock;
    if (isBehind) continue;
    position.enterBlock(number);
    if (!walk.look(number, bytes)) {
      position.passBlock(number);
      throw damaged(store.layout, `block ${number} is unreadable`);
    }
    if (!showSlots(store, walk, position, number)) return 'more';
  }
  if (isBehind || store.isSound(TABLE_BLOCKS)) return 'end';
  position.passAll();
  throw damaged(store.layout, 'blocks are missing, and the records in them');
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
  const { first, step, count } = position.slots(number, walk.slots);
  try {
    if (!walk.showSlots(first, step, count)) return false;
  } finally {
    if (walk.passed > 0) position.last = makeAddress(number, first + (walk.passed - 1) * step);
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

  /** The slots of a block of `slots` still to be looked at: the first, which way on, and how many. */
  slots(block: number, slots: number): { first: number; step: number; count: number } {
    const step = this.isReverse ? -1 : 1;
    const { last } = this;
    let first = this.isReverse ? slots - 1 : 0;
    if (last !== undefined && addressBlock(last) === block) first = addressSlot(last) + step;
    return { first, step, count: Math.max(0, this.isReverse ? first + 1 : slots - first) };
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

  /**
   * When LMDB cannot give the next block: passes it, or all when nobody can say which one that is. False when there
   * can be none any more.
   */
  skipUnreadable(nextBlock: number): boolean {
    const step = this.isReverse ? -1 : 1;
    const start = this.firstBlock ?? (this.isReverse ? nextBlock - 1 : FIRST_BLOCK);
    const unreadable = this.#block === undefined ? start : this.#block + step;
    if (unreadable >= FIRST_BLOCK && unreadable < nextBlock) {
      this.passBlock(unreadable);
      return true;
    }
    const isLost = !this.isPastAll && (nextBlock === 0 || this.#isImpossible(nextBlock));
    if (isLost) this.passAll();
    return isLost;
  }

  /** Whether the block at hand has a number that none can have: then others may follow it. */
  #isImpossible(nextBlock: number): boolean {
    const block = this.#block;
    return block !== undefined && (block < FIRST_BLOCK || block >= nextBlock);
  }

  save(): void {
    if (this.last !== undefined) this.#cursor.rfa = addressToRfa(this.last);
  }
}
