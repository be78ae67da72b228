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

// `at` is where the block begins in `bytes`: reads in place make no view of it.

/** Entries in the directory; slot numbers are below it. */
export const slotCount = (bytes: Buffer, at = 0): number => bytes[at + AT_SLOTS] ?? 0;
export const usedCount = (block: Buffer): number => block[AT_USED] ?? 0;

/** Offset of a slot in its block, 0 when it is freed. */
export function slotStart(bytes: Buffer, slot: number, at = 0): number {
  const entry = at + BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES;
  return ((bytes[entry] ?? 0) << 8) | (bytes[entry + 1] ?? 0);
}

/** Bytes of a slot in the block. */
export function slotLength(bytes: Buffer, slot: number, at = 0): number {
  const entry = at + BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES + 2;
  return (((bytes[entry] ?? 0) << 8) | (bytes[entry + 1] ?? 0)) & ~LARGE_MARK;
}

/** True when the record of a slot is kept in `large`. */
export const isLarge = (bytes: Buffer, slot: number, at = 0): boolean =>
  ((bytes[at + BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES + 2] ?? 0) & 0x80) !== 0;

/** CRC as stored for the record of a slot whose bytes begin at `start`. */
export const storedCrc = (bytes: Buffer, start: number): number => bytes.readUInt32BE(start);

/** Insertion number of the `ordinal`th key with dups, of the slot that begins at `start`. */
export const insertionNumber = (block: Buffer, start: number, ordinal: number): number =>
  block.readUIntBE(start + 4 + ordinal * STORED_INSERTION_BYTES, STORED_INSERTION_BYTES);

/**
 * False when a directory entry cannot be: outside the block, which ends at `end`, or without a record. That of no
 * bytes would agree with a checksum of 0.
 */
export function isSlotPlausible(
  bytes: Buffer,
  slot: number,
  overheadBytes: number,
  at = 0,
  end = bytes.length,
): boolean {
  const start = slotStart(bytes, slot, at);
  const length = slotLength(bytes, slot, at);
  const directoryEnd = BLOCK_HEADER_BYTES + slotCount(bytes, at) * SLOT_ENTRY_BYTES;
  const lengthMin = isLarge(bytes, slot, at) ? overheadBytes : overheadBytes + 1;
  return start >= directoryEnd && at + start + length <= end && length >= lengthMin;
}

/** What the CRC of a block is of. */
export const checkedPart = (block: Buffer): Buffer => block.subarray(AT_CRC + CRC_BYTES);

/** True when a block is as it was written; `checked` is its checked part. */
export const isBlockIntact = (block: Buffer, checked = checkedPart(block)): boolean =>
  block.readUInt32BE(AT_CRC) === recordCrc(checked);
