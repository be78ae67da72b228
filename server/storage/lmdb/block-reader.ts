// Reads a block of records. Everything that looks into blocks calls these; nothing here writes.
//
//   0            12                 12+4n            low                                  size
//   +------------+------------------+----------------+-------------------------------------+
//   | header     | directory, n × 4 | gap (zeros)    | slots, placed from the end downwards |
//   +------------+------------------+----------------+-------------------------------------+
//
//   header      | CRC-32 of bytes 4… u32 | slots u8 | used u8 | flags u8 | 0 | low u16 | live u16 |
//   directory   | offset u16 | length u16, top bit: the record is in `large` |    offset 0: freed
//   slot        | CRC-32 of the record u32 | insertion number u48 per key with dups | record bytes |
//
// Big-endian. Slot s is found from its directory entry, so its record may move inside the block while
// its address stays. `live` counts the bytes of used slots: gap and holes together are what is free.

import { recordCrc } from '../../../shared/record/rfa.js';
import {
  AT_CRC,
  AT_SLOTS,
  AT_USED,
  BLOCK_HEADER_BYTES,
  CRC_BYTES,
  LARGE_MARK,
  SLOT_ENTRY_BYTES,
  STORED_INSERTION_BYTES,
} from './format.js';

/** Entries in the directory; slot numbers are below it. */
export const slotCount = (block: Buffer): number => block[AT_SLOTS] ?? 0;
export const usedCount = (block: Buffer): number => block[AT_USED] ?? 0;

/** Offset of a slot, 0 when it is freed. */
export function slotStart(block: Buffer, slot: number): number {
  const at = BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES;
  return ((block[at] ?? 0) << 8) | (block[at + 1] ?? 0);
}

/** Bytes of a slot in the block. */
export function slotLength(block: Buffer, slot: number): number {
  const at = BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES + 2;
  return (((block[at] ?? 0) << 8) | (block[at + 1] ?? 0)) & ~LARGE_MARK;
}

/** True when the record of a slot is kept in `large`. */
export const isLarge = (block: Buffer, slot: number): boolean =>
  ((block[BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES + 2] ?? 0) & 0x80) !== 0;

/** CRC as stored for the record of a slot that begins at `start`. */
export const storedCrc = (block: Buffer, start: number): number => block.readUInt32BE(start);

/** Insertion number of the `ordinal`th key with dups, of the slot that begins at `start`. */
export const insertionNumber = (block: Buffer, start: number, ordinal: number): number =>
  block.readUIntBE(start + 4 + ordinal * STORED_INSERTION_BYTES, STORED_INSERTION_BYTES);

/** False when a directory entry cannot be: outside the block, or too short. */
export function isSlotPlausible(block: Buffer, slot: number, overheadBytes: number): boolean {
  const start = slotStart(block, slot);
  const length = slotLength(block, slot);
  const directoryEnd = BLOCK_HEADER_BYTES + slotCount(block) * SLOT_ENTRY_BYTES;
  return start >= directoryEnd && start + length <= block.length && length >= overheadBytes;
}

/** What the CRC of a block is of. */
export const checkedPart = (block: Buffer): Buffer => block.subarray(AT_CRC + CRC_BYTES);

/** True when a block is as it was written; `checked` is its checked part. */
export const isBlockIntact = (block: Buffer, checked = checkedPart(block)): boolean =>
  block.readUInt32BE(AT_CRC) === recordCrc(checked);
