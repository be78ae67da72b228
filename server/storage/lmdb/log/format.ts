// The bytes of `<name>-log`; ../README.md has the tables and the rules.
//
//   | slot 0, 8 KiB | slot 1, 8 KiB | area 0 | area 1 |
//
//   slot    | "RSYNDLG2" 8 | version u16 | area u8 | retired u8 | CRC u32 | generation u64 |
//           | first transaction u64 | epoch 16 | boot id 36 | offset u32 | 8 | digest 32 | …
//           | at 4096: meta page, its first 4096 bytes |
//           CRC: that of what precedes it XOR that of what follows it (CRC-32)
//   entry   | CRC-32 of what follows u32 | bytes of the body u32 | place u16 | transaction u48 | epoch 16 | body |
//           place: how many entries of its transaction precede it; top bit: it is deferred
//
// Big-endian, but for the meta page, which is LMDB's. On disk: never change.

import { logAreaBytes } from '../../../../shared/base/limits.js';
import { recordCrc } from '../../../../shared/record/rfa.js';
import { PAGE_BYTES } from '../format.js';

export const LOG_MAGIC = 'RSYNDLG2';
/** Of version 1, whose programs look at no version: another one keeps them from taking a later log for theirs. */
export const FIRST_MAGIC = 'RSYNDLOG';
/** What is written, and the newest that is read. Version 1 had 0 for offset and place: one entry a transaction. */
export const LOG_VERSION = 2;
export const SLOT_BYTES = 8192;
export const SLOTS = 2;
/** What of a slot tells whose it is. */
export const SLOT_HEAD_BYTES = 48;
export const EPOCH_BYTES = 16;
export const ENTRY_HEAD_BYTES = 32;

const BOOT_ID_BYTES = 36;
const DIGEST_BYTES = 32;
const AT_VERSION = 8;
const AT_AREA = 10;
const AT_RETIRED = 11;
const AT_CRC = 12;
const AT_GENERATION = 16;
const AT_FIRST = 24;
const AT_EPOCH = 32;
const AT_BOOT_ID = 48;
const AT_OFFSET = 84;
const AT_DIGEST = 96;
const AT_META = SLOT_BYTES - PAGE_BYTES;
const ENTRY_AT_LENGTH = 4;
const ENTRY_AT_PLACE = 8;
const ENTRY_AT_TRANSACTION = 10;
const TRANSACTION_BYTES = 6;
/** In the place of an entry: LMDB may have committed it later than it was answered. */
const DEFERRED = 0x8000;
const ENTRY_AT_EPOCH = 16;

export type Area = 0 | 1;

/** Where an area begins in the file. */
export const areaStart = (area: Area): number => SLOTS * SLOT_BYTES + area * logAreaBytes;
export const otherArea = (area: Area): Area => (area === 0 ? 1 : 0);

/** A checkpoint: a state of the LMDB file that is on the disk, and where the steps after it are. */
export interface Slot {
  /** Counts checkpoints; the valid slot with the higher one counts. */
  readonly generation: number;
  /** Random; entries belong to the slot whose epoch they have. */
  readonly epoch: Buffer;
  /** The run of the machine that wrote it. */
  readonly bootId: string;
  /** Where the first entry of transaction `first` is, if that was logged; those in the other area begin at 0. */
  readonly area: Area;
  readonly offset: number;
  readonly first: number;
  /** The whole file is on the disk, not only this state; the log may go. */
  readonly isRetired: boolean;
  /** The meta page of the state, as far as LMDB uses it. */
  readonly meta: Buffer;
  /** Proves that a file is the one the log belongs to: proof.ts. */
  readonly digest: Buffer;
}

export function encodeSlot(slot: Slot): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES);
  bytes.write(LOG_MAGIC, 'latin1');
  bytes.writeUInt16BE(LOG_VERSION, AT_VERSION);
  bytes[AT_AREA] = slot.area;
  bytes[AT_RETIRED] = slot.isRetired ? 1 : 0;
  bytes.writeBigUInt64BE(BigInt(slot.generation), AT_GENERATION);
  bytes.writeBigUInt64BE(BigInt(slot.first), AT_FIRST);
  bytes.set(slot.epoch, AT_EPOCH);
  bytes.write(slot.bootId, AT_BOOT_ID, BOOT_ID_BYTES, 'latin1');
  bytes.writeUInt32BE(slot.offset, AT_OFFSET);
  bytes.set(slot.digest, AT_DIGEST);
  slot.meta.copy(bytes, AT_META);
  bytes.writeUInt32BE(slotCrc(bytes), AT_CRC);
  return bytes;
}

/** Of all but itself. */
function slotCrc(bytes: Buffer): number {
  const crc = recordCrc(bytes.subarray(AT_GENERATION));
  return (crc ^ recordCrc(bytes.subarray(0, AT_CRC))) >>> 0;
}

/** Undefined when it is torn, was never written, or is of a version that is not known. */
export function decodeSlot(bytes: Buffer): Slot | undefined {
  if (bytes.length < SLOT_BYTES) return undefined;
  const version = bytes.readUInt16BE(AT_VERSION);
  if (version > LOG_VERSION) return undefined;
  const magic = version === 1 ? FIRST_MAGIC : LOG_MAGIC;
  if (bytes.toString('latin1', 0, AT_VERSION) !== magic) return undefined;
  if (bytes.readUInt32BE(AT_CRC) !== slotCrc(bytes)) return undefined;
  return {
    generation: slotGeneration(bytes),
    epoch: slotEpoch(bytes),
    bootId: bytes.toString('latin1', AT_BOOT_ID, AT_BOOT_ID + BOOT_ID_BYTES).replace(/\0+$/, ''),
    area: bytes[AT_AREA] === 0 ? 0 : 1,
    offset: bytes.readUInt32BE(AT_OFFSET),
    first: Number(bytes.readBigUInt64BE(AT_FIRST)),
    isRetired: bytes[AT_RETIRED] !== 0,
    meta: bytes.subarray(AT_META),
    digest: bytes.subarray(AT_DIGEST, AT_DIGEST + DIGEST_BYTES),
  };
}

export const slotGeneration = (head: Buffer): number => Number(head.readBigUInt64BE(AT_GENERATION));
export const slotEpoch = (head: Buffer): Buffer => head.subarray(AT_EPOCH, AT_EPOCH + EPOCH_BYTES);

/** What the head of an entry says, and what it holds. */
export interface Entry {
  /** Its LMDB transaction, and how many entries of that precede it. */
  readonly transaction: number;
  readonly place: number;
  /** It may have been answered before LMDB committed it. */
  readonly isDeferred: boolean;
  readonly body: Buffer;
}

/** Completes an entry whose body stands in `entry` already, behind room for its head. */
export function sealEntry(
  entry: Buffer,
  { transaction, place, isDeferred }: Omit<Entry, 'body'>,
  epoch: Buffer,
): void {
  entry.writeUInt32BE(entry.length - ENTRY_HEAD_BYTES, ENTRY_AT_LENGTH);
  entry.writeUInt16BE(place | (isDeferred ? DEFERRED : 0), ENTRY_AT_PLACE);
  entry.writeUIntBE(transaction, ENTRY_AT_TRANSACTION, TRANSACTION_BYTES);
  entry.set(epoch, ENTRY_AT_EPOCH);
  entry.writeUInt32BE(recordCrc(entry.subarray(ENTRY_AT_LENGTH)), 0);
}

/** The entry at `at` of an area, if it is whole and of that epoch. */
export function decodeEntry(area: Buffer, at: number, epoch: Buffer): Entry | undefined {
  if (at + ENTRY_HEAD_BYTES > area.length) return undefined;
  const end = at + ENTRY_HEAD_BYTES + area.readUInt32BE(at + ENTRY_AT_LENGTH);
  if (end > area.length) return undefined;
  if (!area.subarray(at + ENTRY_AT_EPOCH, at + ENTRY_HEAD_BYTES).equals(epoch)) return undefined;
  if (area.readUInt32BE(at) !== recordCrc(area.subarray(at + ENTRY_AT_LENGTH, end))) {
    return undefined;
  }
  const place = area.readUInt16BE(at + ENTRY_AT_PLACE);
  return {
    transaction: area.readUIntBE(at + ENTRY_AT_TRANSACTION, TRANSACTION_BYTES),
    place: place & ~DEFERRED,
    isDeferred: (place & DEFERRED) !== 0,
    body: area.subarray(at + ENTRY_HEAD_BYTES, end),
  };
}
