// One call of a scan: what it reads with, the block it has at hand, and the records it shows. Used by
// scan.ts. Each block is copied first (block-copies.ts): in one go the processor fetches it several times faster
// than record by record.
//
// Every block is checked against its checksum before records in it are passed, once for each version of it
// (scan-proof.ts). A record that is shown was checked in this very copy, by its own checksum or by that
// of its block.

import { recordCrc } from '../../../shared/record/rfa.js';
import type { ScanCursor, ScanFilter, ScanVisitor } from '../engine.js';
import { makeAddress } from './address.js';
import type { BlockCopy } from './block-copies.js';
import {
  isBlockIntact,
  isLarge,
  isSlotPlausible,
  slotCount,
  slotLength,
  slotStart,
  storedCrc,
} from './block-reader.js';
import { AT_CRC, BLOCK_HEADER_BYTES, FIRST_BLOCK, SLOT_ENTRY_BYTES } from './format.js';
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

export class Walk {
  /** Slots that the last call of `showSlots` or `fetch` has passed, also when that threw. */
  passed = 0;
  /** Records that may still be looked at. */
  left: number;
  readonly #store: Store;
  readonly #cursor: ScanCursor;
  /** The index whose entries lead to the slots; undefined in stored order, which passes freed ones. */
  readonly #key: number | undefined;
  readonly #bounds: ScanBounds;
  readonly #filter: ScanFilter | undefined;
  readonly #address = { block: 0, slot: 0 };
  /** The block at hand. */
  readonly #copy: BlockCopy;
  readonly #block: Buffer;
  /** Whether it agrees with its checksum, or did when this version of it was last looked at. */
  #isProven: boolean | undefined;
  /** Records of the block at hand that were to be shown; of the block before it there were many. */
  #shown = 0;
  #wasClustered = false;

  constructor(store: Store, cursor: ScanCursor, bounds: ScanBounds) {
    this.#store = store;
    this.#cursor = cursor;
    this.#key = cursor.order === 'stored' ? undefined : cursor.order;
    this.#bounds = bounds;
    this.#filter = bounds.filter;
    this.left = bounds.recordsMax;
    store.committed.hold();
    this.#copy = store.copies.take(cursor);
    this.#block = this.#copy.bytes;
    if (this.#copy.version !== store.committed.version) this.#copy.block = 0;
  }

  /** Ends the call and adds up what it looked at; `state`: whether there will be another. */
  finish(state: 'more' | 'end'): void {
    const cursor = this.#cursor;
    cursor.looked = (cursor.looked ?? 0) + this.#bounds.recordsMax - this.left;
    this.#store.committed.letGo();
    if (state === 'end') this.#copy.scan = undefined;
    this.#store.copies.give(this.#copy);
  }

  /** Takes a copy of block `number` unless it is at hand; false when `bytes` is no block. */
  look(number: number, bytes: Buffer): boolean {
    if (this.#isAtHand(number)) return true;
    const copy = this.#copy;
    copy.block = 0;
    const { blockBytes } = this.#store.layout;
    if (bytes.length !== blockBytes) return false;
    bytes.copy(this.#block);
    copy.block = number;
    copy.version = this.#store.committed.version;
    copy.isIntact = undefined;
    this.#isProven = undefined;
    this.#wasClustered = this.#shown > CHECKED_SINGLY;
    this.#shown = 0;
    return true;
  }

  /**
   * Reads the block that an entry leads into unless it is at hand. False when there may be no more records.
   * ERR_DAMAGED when there is no such block.
   */
  fetch(number: number, slot: number): boolean {
    if (this.#isAtHand(number)) return true;
    if (this.left <= 0) return false;
    this.passed = 1;
    this.left--;
    const bytes = this.#store.block(number);
    if (bytes === undefined || !this.look(number, bytes)) throw this.#dangling(number, slot);
    this.passed = 0;
    this.left++;
    return true;
  }

  /** Damaged entries may lead to block 0, by which a copy says that it is of none. */
  #isAtHand(number: number): boolean {
    return number === this.#copy.block && number >= FIRST_BLOCK;
  }

  get slots(): number {
    return slotCount(this.#block);
  }

  /**
   * True when records of the block may be passed, and it may be left, without a word. What a filter
   * passes needs no second proof, unless the block was checked in this copy and is bad by now.
   */
  isSound(): boolean {
    if (this.#filter === undefined) return this.#checkBlock();
    this.#isProven ??= this.#proveBlock();
    return this.#isProven && this.#copy.isIntact !== false;
  }

  /**
   * Shows the records of `count` slots of the block, from `first` on in steps of `step`. False when the
   * visitor or the bound said to stop. `passed` tells how far it came.
   */
  showSlots(first: number, step: number, count: number): boolean {
    const { slots } = this;
    const block = this.#block;
    const filter = this.#filter;
    const isSound = this.#isVouchedFor(count);
    const { overheadBytes } = this.#store.layout;
    let { left } = this;
    this.#address.block = this.#copy.block;
    this.passed = 0;
    // Runs for every record of a scan: the directory is read here, not through block-reader.ts.
    let slot = first;
    for (let n = 0; n < count; n++, slot += step) {
      const entry = BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES;
      const at = slot < slots ? ((block[entry] ?? 0) << 8) | (block[entry + 1] ?? 0) : 0;
      if (at === 0 && this.#key === undefined) continue;
      if (left <= 0) return this.#stop(n, left);
      left--;
      const length = ((block[entry + 2] ?? 0) << 8) | (block[entry + 3] ?? 0);
      const start = at + overheadBytes;
      // Looked at in a sound block too: it may have been spoilt since it was proven. LARGE_MARK is past all blocks.
      const isPlain = isSound && at > 0 && length > overheadBytes && at + length <= block.length;
      if (isPlain && filter !== undefined && !filter(block, start, at + length)) continue;
      this.passed = n + 1;
      this.left = left;
      if (isPlain ? this.#give(slot, start, at + length) : this.#show(slot)) continue;
      return this.#stop(n, left + 1);
    }
    this.passed = count;
    this.left = left;
    return true;
  }

  #stop(passed: number, left: number): false {
    this.passed = passed;
    this.left = left;
    return false;
  }

  /**
   * Whether `count` more records are vouched for by their block, as far as that need be known. One or two are
   * checked faster by themselves, the many of a clustered block by that of the block: at once, when the
   * block before it was one of these. Of a filter one never knows.
   */
  #isVouchedFor(count: number): boolean {
    if (this.#key === undefined || this.#filter !== undefined) return this.isSound();
    return this.#isTrusted(count);
  }

  /** Shows what is no plain record of a sound block, if the filter wants it; ERR_DAMAGED when it is bad. */
  #show(slot: number): boolean {
    const block = this.#block;
    if (slot >= this.slots || slotStart(block, slot) === 0)
      throw this.#dangling(this.#copy.block, slot);
    const filter = this.#filter;
    const { overheadBytes } = this.#store.layout;
    if (!isSlotPlausible(block, slot, overheadBytes)) throw this.#badRecord(slot);
    if (isLarge(block, slot)) return this.#showLarge(slot);
    const at = slotStart(block, slot);
    const start = at + overheadBytes;
    const end = at + slotLength(block, slot);
    this.#checkRecord(slot, block.subarray(start, end));
    if (filter !== undefined && !filter(block, start, end)) return true;
    return this.#visit(block, start, end, slot);
  }

  /** Shows a record that is wanted, as soon as it is known to be sound. */
  #give(slot: number, start: number, end: number): boolean {
    if (this.#copy.isIntact !== true && !this.#isTrusted(1)) {
      this.#checkRecord(slot, this.#block.subarray(start, end));
    }
    return this.#visit(this.#block, start, end, slot);
  }

  #showLarge(slot: number): boolean {
    const address = makeAddress(this.#copy.block, slot);
    const record = readLarge(this.#store, address);
    this.#checkRecord(slot, record);
    if (this.#filter?.(record, 0, record.length) === false) return true;
    return this.#visit(record, 0, record.length, slot);
  }

  #checkRecord(slot: number, record: Buffer): void {
    if (recordCrc(record) === storedCrc(this.#block, slotStart(this.#block, slot))) return;
    throw this.#badRecord(slot);
  }

  #badRecord(slot: number): Error {
    return badRecord(this.#store, makeAddress(this.#copy.block, slot));
  }

  #dangling(block: number, slot: number): Error {
    return danglingEntry(this.#store, this.#key ?? 0, makeAddress(block, slot));
  }

  #visit(bytes: Buffer, start: number, end: number, slot: number): boolean {
    this.#address.slot = slot;
    return this.#bounds.visit(bytes, start, end, this.#address);
  }

  #isTrusted(count: number): boolean {
    this.#shown += count;
    const areMany = this.#shown > CHECKED_SINGLY || this.#wasClustered;
    return this.#copy.isIntact === true || (areMany && this.#checkBlock());
  }

  #checkBlock(): boolean {
    const copy = this.#copy;
    copy.isIntact ??= isBlockIntact(copy.bytes, copy.checkedPart);
    return copy.isIntact;
  }

  #proveBlock(): boolean {
    const { proof } = this.#store;
    const checksum = this.#block.readUInt32BE(AT_CRC);
    const number = this.#copy.block;
    if (proof.has(number, checksum)) return true;
    if (!this.#checkBlock()) return false;
    proof.add(number, checksum);
    return true;
  }
}
