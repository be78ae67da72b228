// Changes one block in memory; block-reader.ts has the drawing. A write transaction edits each block
// it touches through one of these and puts it back, sealed, at its end. Bytes of freed slots are
// overwritten with zeros at once, so that deleted records do not stay on the disk.

import { recordCrc } from '../../../shared/record/rfa.js';
import { slotCount, slotLength, slotStart, usedCount } from './block-reader.js';
import {
  AT_CRC,
  AT_FLAGS,
  AT_LIVE,
  AT_LOW,
  AT_SLOTS,
  AT_USED,
  BLOCK_HEADER_BYTES,
  FLAG_LISTED,
  LARGE_MARK,
  SLOT_ENTRY_BYTES,
  SLOTS_MAX,
} from './format.js';

/** Freed slots a block may have before they are used again: an address is reused late. */
const FREED_SLOTS_KEPT = 32;

/** An empty block. */
export const emptyBlock = (bytes: number): Buffer => makeEmpty(Buffer.allocUnsafe(bytes));

/** Makes an empty block of what `block` was. */
export function makeEmpty(block: Buffer): Buffer {
  block.fill(0);
  block.writeUInt16BE(block.length, AT_LOW);
  return block;
}

export class BlockWriter {
  readonly bytes: Buffer;

  /** `bytes` must be intact, and is changed from now on. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get used(): number {
    return usedCount(this.bytes);
  }

  get isListed(): boolean {
    return ((this.bytes[AT_FLAGS] ?? 0) & FLAG_LISTED) !== 0;
  }

  set isListed(listed: boolean) {
    this.bytes[AT_FLAGS] = listed ? FLAG_LISTED : 0;
  }

  /** Bytes free for slots and their directory entries, gap and holes together. */
  get freeBytes(): number {
    return this.bytes.length - this.#directoryEnd() - this.bytes.readUInt16BE(AT_LIVE);
  }

  /** Takes a slot of `length` bytes; undefined when there is no room. Its bytes are to be filled. */
  takeSlot(length: number, large: boolean): number | undefined {
    const slot = this.#slotToTake(length);
    if (slot === undefined) return undefined;
    if (slot === slotCount(this.bytes)) this.#growDirectory();
    this.bytes[AT_USED] = this.used + 1;
    this.#place(slot, length, large);
    return slot;
  }

  /** Gives a used slot another length; false when there is no room. Its bytes are to be filled. */
  resizeSlot(slot: number, length: number, large: boolean): boolean {
    if (length > this.freeBytes + slotLength(this.bytes, slot)) return false;
    this.#vacate(slot);
    this.#place(slot, length, large);
    return true;
  }

  /** Makes an empty block know `slots` slots as used once. */
  restoreDirectory(slots: number): void {
    while (slotCount(this.bytes) < slots) this.#growDirectory();
  }

  /** Takes slot `slot` of a block being rebuilt; false when there is no room. Ascending slots only. */
  restoreSlot(slot: number, length: number, large: boolean): boolean {
    const growth = Math.max(0, slot + 1 - slotCount(this.bytes)) * SLOT_ENTRY_BYTES;
    if (length + growth > this.freeBytes) return false;
    this.restoreDirectory(slot + 1);
    this.bytes[AT_USED] = this.used + 1;
    this.#place(slot, length, large);
    return true;
  }

  freeSlot(slot: number): void {
    this.#vacate(slot);
    this.bytes[AT_USED] = this.used - 1;
  }

  /** Writes the checksum; the block is ready to be put. */
  seal(): Buffer {
    this.bytes.writeUInt32BE(recordCrc(this.bytes.subarray(AT_CRC + 4)), AT_CRC);
    return this.bytes;
  }

  #directoryEnd(slots = slotCount(this.bytes)): number {
    return BLOCK_HEADER_BYTES + slots * SLOT_ENTRY_BYTES;
  }

  #slotToTake(length: number): number | undefined {
    const slots = slotCount(this.bytes);
    const freed = slots - this.used;
    const canGrow = slots < SLOTS_MAX && this.freeBytes >= length + SLOT_ENTRY_BYTES;
    if (canGrow && freed < FREED_SLOTS_KEPT) return slots;
    if (freed > 0 && this.freeBytes >= length) return this.#firstFreed();
    return canGrow ? slots : undefined;
  }

  #firstFreed(): number {
    let slot = 0;
    while (slotStart(this.bytes, slot) !== 0) slot++;
    return slot;
  }

  /** One more directory entry, freed for now; the caller saw to the room. */
  #growDirectory(): void {
    const slots = slotCount(this.bytes) + 1;
    if (this.bytes.readUInt16BE(AT_LOW) < this.#directoryEnd(slots)) this.#compact();
    this.bytes[AT_SLOTS] = slots;
  }

  #vacate(slot: number): void {
    const start = slotStart(this.bytes, slot);
    const length = slotLength(this.bytes, slot);
    this.bytes.fill(0, start, start + length);
    this.#setEntry(slot, 0, 0);
    this.bytes.writeUInt16BE(this.bytes.readUInt16BE(AT_LIVE) - length, AT_LIVE);
    if (start === this.bytes.readUInt16BE(AT_LOW)) {
      this.bytes.writeUInt16BE(start + length, AT_LOW);
    }
  }

  #place(slot: number, length: number, large: boolean): void {
    if (this.bytes.readUInt16BE(AT_LOW) - this.#directoryEnd() < length) this.#compact();
    const start = this.bytes.readUInt16BE(AT_LOW) - length;
    this.bytes.writeUInt16BE(start, AT_LOW);
    this.bytes.writeUInt16BE(this.bytes.readUInt16BE(AT_LIVE) + length, AT_LIVE);
    this.#setEntry(slot, start, large ? length | LARGE_MARK : length);
  }

  #setEntry(slot: number, start: number, length: number): void {
    const at = BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES;
    this.bytes.writeUInt16BE(start, at);
    this.bytes.writeUInt16BE(length, at + 2);
  }

  /** Moves the used slots together at the end, so that all that is free is the gap. */
  #compact(): void {
    const before = Buffer.from(this.bytes);
    let low = this.bytes.length;
    for (let slot = 0; slot < slotCount(before); slot++) {
      const start = slotStart(before, slot);
      if (start === 0) continue;
      const length = slotLength(before, slot);
      low -= length;
      before.copy(this.bytes, low, start, start + length);
      this.bytes.writeUInt16BE(low, BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES);
    }
    this.bytes.fill(0, this.#directoryEnd(), low);
    this.bytes.writeUInt16BE(low, AT_LOW);
  }
}
