// Finds records by address: one get of the block, one look into its directory, one copy of the record.
// Used by every read and by verify. Each record is checked against its CRC before it is given out.

import { recordCrc } from '../../../shared/record/rfa.js';
import { addressBlock, addressSlot, addressText } from './address.js';
import {
  insertionNumber,
  isLarge,
  isSlotPlausible,
  slotCount,
  slotLength,
  slotStart,
  storedCrc,
} from './block-reader.js';
import type { ReadOptions } from './environment.js';
import { damaged } from './lmdb-error.js';
import type { ValuePlace } from './mapped/tree-page.js';
import type { Store } from './open-store.js';

/** A record by address; `record` is a copy. */
export interface FoundRecord {
  readonly record: Buffer;
  readonly crc: number;
}

// Without `options` they read the committed state; a block is good as long as that is (open-store.ts).

/** Undefined when there is none; ERR_DAMAGED when it has not the length of a block. */
export function readBlock(store: Store, block: number, options?: ReadOptions): Buffer | undefined {
  const bytes = store.block(block, options);
  if (bytes === undefined) return undefined;
  if (bytes.length !== store.layout.blockBytes) throw unreadable(store, block);
  return bytes;
}

const unreadable = (store: Store, block: number): Error =>
  damaged(store.layout, `block ${block} is unreadable`);

/** The record at an address. ERR_DAMAGED when its bytes are not those that were stored. */
export function readRecord(
  store: Store,
  address: number,
  options?: ReadOptions,
): FoundRecord | 'deleted' | 'invalid' {
  const place = options === undefined ? blockPlace(store, addressBlock(address)) : undefined;
  const block = place?.part.bytes ?? readBlock(store, addressBlock(address), options);
  if (block === undefined)
    return wasUsed(store, addressBlock(address), options) ? 'deleted' : 'invalid';
  const at = place?.start ?? 0;
  const slot = addressSlot(address);
  if (slot >= slotCount(block, at)) return 'invalid';
  if (slotStart(block, slot, at) === 0) return 'deleted';
  return recordOfSlot(store, block, address, options, at);
}

/** The record of a used slot, copied and checked. The block begins at `at`. */
export function recordOfSlot(
  store: Store,
  block: Buffer,
  address: number,
  options?: ReadOptions,
  at = 0,
): FoundRecord {
  const slot = addressSlot(address);
  const { overheadBytes, blockBytes } = store.layout;
  if (!isSlotPlausible(block, slot, overheadBytes, at, at + blockBytes)) {
    throw badRecord(store, address);
  }
  const start = at + slotStart(block, slot, at);
  const crc = storedCrc(block, start);
  const record = isLarge(block, slot, at)
    ? readLarge(store, address, options)
    : copyOf(block, start + overheadBytes, start + slotLength(block, slot, at));
  if (recordCrc(record) !== crc) throw badRecord(store, address);
  return { record, crc };
}

/** Where a block of the committed state lies; undefined when it is not there, or not to be read in place. */
function blockPlace(store: Store, block: number): ValuePlace | undefined {
  const place = store.blockPlace(block);
  if (place !== undefined && place.end - place.start !== store.layout.blockBytes) {
    throw unreadable(store, block);
  }
  return place;
}

/** Insertion number by which the record stands in index `key`; undefined when there is no record. */
export function readInsertion(store: Store, key: number, address: number): number | undefined {
  const block = readBlock(store, addressBlock(address));
  const slot = addressSlot(address);
  if (block === undefined || slot >= slotCount(block)) return undefined;
  const start = slotStart(block, slot);
  if (start === 0) return undefined;
  return insertionOfSlot(store, block, key, address);
}

/** The same for a used slot of a block at hand; 0 for a unique key. */
export function insertionOfSlot(store: Store, block: Buffer, key: number, address: number): number {
  const { dups, ordinal } = store.indexLayout(key);
  if (dups === 'none') return 0;
  const slot = addressSlot(address);
  if (!isSlotPlausible(block, slot, store.layout.overheadBytes)) throw badRecord(store, address);
  return insertionNumber(block, slotStart(block, slot), ordinal);
}

export const badRecord = (store: Store, address: number): Error =>
  damaged(
    store.layout,
    `the record at RFA ${addressText(address)} does not agree with its checksum`,
  );

export const danglingEntry = (store: Store, key: number, address: number): Error =>
  damaged(
    store.layout,
    `the index of key ${key} leads to RFA ${addressText(address)}, where no record is`,
  );

export const wrongEntry = (store: Store, key: number, address: number): Error =>
  damaged(
    store.layout,
    `the index of key ${key} leads to RFA ${addressText(address)}, where another record is`,
  );

export function readLarge(store: Store, address: number, options?: ReadOptions): Buffer {
  const bytes = store.largeRecord(address, options);
  if (bytes === undefined) throw badRecord(store, address);
  return Buffer.from(bytes);
}

function copyOf(block: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start);
  block.copy(copy, 0, start, end);
  return copy;
}

function wasUsed(store: Store, block: number, options?: ReadOptions): boolean {
  const counters = options === undefined ? store.committedCounters() : store.counters(options);
  return counters !== undefined && block > 0 && block < counters.nextBlock;
}
