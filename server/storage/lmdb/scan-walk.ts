// One call of a scan: what it reads with, the block it has at hand, and the records it shows. Used by
// scan.ts. Each block is copied into a room first (room.ts): in one go the processor fetches it several times faster
// than record by record.
//
// Every block is checked against its checksum before records in it are passed, once for each version of it
// (scan-proof.ts). A record that is shown is checked in this very call, by its own checksum or by that
// of its block.

import { recordCrc } from '../../../shared/record/rfa.js';
import type { ScanCursor, ScanFilter, ScanVisitor } from '../engine.js';
import { makeAddress } from './address.js';
import {
  isBlockIntact,
  isLarge,
  isSlotPlausible,
  slotCount,
  slotLength,
  slotStart,
  storedCrc,
} from './block-reader.js';
import { AT_CRC, BLOCK_HEADER_BYTES, LARGE_MARK, SLOT_ENTRY_BYTES } from './format.js';
import type { Store } from './open-store.js';
import { badRecord, readLarge } from './record-reader.js';

/** Records of one block that are checked one by one before the block as a whole is. */
const CHECKED_SINGLY = 2;

/** What a call of `scan` is given besides its cursor. */
export interface ScanBounds {
  readonly visit: ScanVisitor;
  readonly recordsMax: number;
  readonly filter: ScanFilter | undefined;
}

/** No slot of the block at hand. */
export const NO_SLOT = -1;

export class Walk {
  /** The last slot of the block at hand that was passed. */
  reached = NO_SLOT;
  readonly #store: Store;
  readonly #bounds: ScanBounds;
  readonly #filter: ScanFilter | undefined;
  readonly #address = { block: 0, slot: 0 };
  /** A copy of the block at hand. */
  readonly #block: Buffer;
  #blockNumber = 0;
  /** Whether the block at hand agrees with its checksum; undefined while nobody has asked. */
  #isIntact: boolean | undefined;
  /** The same, or that it did when this version of it was last looked at. */
  #isProven: boolean | undefined;
  /** Records of the block at hand that were to be shown; of the block before it there were many. */
  #shown = 0;
  #wasClustered = false;
  #left: number;

  constructor(store: Store, bounds: ScanBounds) {
    this.#store = store;
    this.#bounds = bounds;
    this.#filter = bounds.filter;
    this.#left = bounds.recordsMax;
    store.committed.hold();
    this.#block = store.takeRoom();
  }

  /** Ends the call and adds up what it looked at. */
  finish(cursor: ScanCursor): void {
    cursor.looked = (cursor.looked ?? 0) + this.#bounds.recordsMax - this.#left;
    this.#store.committed.letGo();
    this.#store.giveRoom(this.#block);
  }

  /** Counts one record as looked at; false when enough were. */
  takeOne(): boolean {
    if (this.#left <= 0) return false;
    this.#left--;
    return true;
  }

  /** The last record taken was not visited after all. */
  giveBack(): void {
    this.#left++;
  }

  /** Takes a copy of block `number`; false when `bytes` is no block. */
  look(number: number, bytes: Buffer): boolean {
    this.#blockNumber = 0;
    const { blockBytes } = this.#store.layout;
    if (bytes.length !== blockBytes) return false;
    bytes.copy(this.#block);
    this.#blockNumber = number;
    this.#isIntact = undefined;
    this.#isProven = undefined;
    this.#wasClustered = this.#shown > CHECKED_SINGLY;
    this.#shown = 0;
    return true;
  }

  /** Reads block `number` unless it is at hand, and keeps it; false when there is none. */
  fetch(number: number): boolean {
    if (number === this.#blockNumber) return true;
    const bytes = this.#store.block(number);
    return bytes !== undefined && this.look(number, bytes);
  }

  get slots(): number {
    return slotCount(this.#block);
  }

  isUsed(slot: number): boolean {
    return slot < this.slots && slotStart(this.#block, slot) !== 0;
  }

  /**
   * True when records of the block may be passed, and it may be left, without a word. What a filter
   * passes needs no second proof, unless the block was checked in this call and is bad by now.
   */
  isSound(): boolean {
    if (this.#filter === undefined) return this.#checkBlock();
    this.#isProven ??= this.#proveBlock();
    return this.#isProven && this.#isIntact !== false;
  }

  /**
   * Shows the records of the block, slot by slot from `first` on in steps of `step`. False when the
   * visitor or the bound said to stop. `reached` tells how far it came, also when it throws.
   */
  showSlots(first: number, step: number): boolean {
    const { slots } = this;
    const block = this.#block;
    const isSound = this.isSound();
    const filter = this.#filter;
    const { overheadBytes } = this.#store.layout;
    this.reached = NO_SLOT;
    let left = this.#left;
    let slot = first;
    // Runs for every record of a scan: the directory is read here, not through block-reader.ts.
    for (; slot >= 0 && slot < slots; slot += step) {
      const entry = BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES;
      const at = ((block[entry] ?? 0) << 8) | (block[entry + 1] ?? 0);
      if (at === 0) continue;
      if (left <= 0) break;
      left--;
      const length = ((block[entry + 2] ?? 0) << 8) | (block[entry + 3] ?? 0);
      const start = at + overheadBytes;
      const isPlain = isSound && length < LARGE_MARK;
      if (isPlain && filter !== undefined && !filter(block, start, at + length)) continue;
      this.reached = slot;
      this.#left = left;
      if (isPlain ? this.#give(slot, start, at + length) : this.show(slot)) continue;
      left++;
      break;
    }
    this.#left = left;
    this.reached = slot === first ? NO_SLOT : slot - step;
    return slot < 0 || slot >= slots;
  }

  /**
   * Shows the record of a used slot to the visitor, if the filter wants it; ERR_DAMAGED when it is bad.
   * What the visitor answers.
   */
  show(slot: number): boolean {
    const filter = this.#filter;
    const { overheadBytes } = this.#store.layout;
    const isSound = filter === undefined ? this.#isTrusted() : this.isSound();
    if (!isSound && !isSlotPlausible(this.#block, slot, overheadBytes)) throw this.#badRecord(slot);
    if (isLarge(this.#block, slot)) return this.#showLarge(slot);
    const at = slotStart(this.#block, slot);
    const start = at + overheadBytes;
    const end = at + slotLength(this.#block, slot);
    const isWanted = filter === undefined || filter(this.#block, start, end);
    if (isWanted) return this.#give(slot, start, end);
    if (!isSound) this.#checkRecord(slot, this.#block.subarray(start, end));
    return true;
  }

  /** Shows a record that is wanted, as soon as it is known to be sound. */
  #give(slot: number, start: number, end: number): boolean {
    if (this.#isIntact !== true && !this.#isTrusted()) {
      this.#checkRecord(slot, this.#block.subarray(start, end));
    }
    return this.#visit(this.#block, start, end, slot);
  }

  #showLarge(slot: number): boolean {
    const address = makeAddress(this.#blockNumber, slot);
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
    return badRecord(this.#store, makeAddress(this.#blockNumber, slot));
  }

  #visit(bytes: Buffer, start: number, end: number, slot: number): boolean {
    this.#address.block = this.#blockNumber;
    this.#address.slot = slot;
    return this.#bounds.visit(bytes, start, end, this.#address);
  }

  /**
   * Whether the next record to be shown is vouched for by its block. One or two records are checked
   * faster by themselves, the many of a clustered block by that of the block: at once, when the block
   * before it was one of these.
   */
  #isTrusted(): boolean {
    const isOneOfMany = ++this.#shown > CHECKED_SINGLY || this.#wasClustered;
    return this.#isIntact === true || (isOneOfMany && this.#checkBlock());
  }

  #checkBlock(): boolean {
    this.#isIntact ??= isBlockIntact(this.#block);
    return this.#isIntact;
  }

  #proveBlock(): boolean {
    const { proof } = this.#store;
    const checksum = this.#block.readUInt32BE(AT_CRC);
    if (proof.has(this.#blockNumber, checksum)) return true;
    if (!this.#checkBlock()) return false;
    proof.add(this.#blockNumber, checksum);
    return true;
  }
}
