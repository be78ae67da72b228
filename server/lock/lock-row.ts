// The rows of a lock table: keys and values, both ways. Only this file knows their bytes. They live no
// longer than one boot of the machine, but processes of different versions may meet in them.
//
//   row      key                                        value
//   process  P process                                  last sign of life, shared clock, ms
//   hold     H file \0 hold                             HoldRow: who has which claim
//   lock     L file \0 rfa                              hold, since, waiters: 6 + 6 + 2 bytes
//   wait     W file \0 rfa ticket                       WaitRow: the queue of a record, in order
//   owner    O process \0 owner ticket                  OwnedWait: the same wait, found by its owner
//   number   N                                          the last hold number or ticket given
//
// Numbers (hold, ticket, owner, times) are 6 bytes, big-endian, so that memcmp order is theirs.

import type { OpenMode, ShareMode } from '../../shared/protocol/message.js';
import { RFA_BYTES, type Rfa } from '../../shared/record/rfa.js';
import type { LockTable } from './lock-store.js';

/** A record of a file of the directory. */
export interface RecordPlace {
  readonly file: string;
  readonly rfa: Rfa;
}

/** A session in the wait graph. */
export interface Party {
  readonly process: string;
  readonly owner: number;
}

export interface HoldRow extends Party {
  readonly label: string;
  readonly mode: OpenMode;
  readonly share: ShareMode;
  /** When the claim was given, wall clock, ms. */
  readonly sinceMs: number;
}

export interface LockRow {
  /** Number of the hold that has the record. */
  readonly hold: number;
  readonly sinceMs: number;
  /** How many wait for it. No lock row, no waiters: a record is handed over, never just left. */
  readonly waiters: number;
}

export interface WaitRow extends Party {
  readonly hold: number;
}

export interface OwnedWait extends RecordPlace {
  readonly ticket: number;
  readonly sinceMs: number;
}

const NUMBER_BYTES = 6;
const NUMBER_KEY = Buffer.from('N');

export const processKey = (process: string): Buffer => Buffer.from(`P${process}`);
export const processPrefix = (): Buffer => Buffer.from('P');
export const holdPrefix = (file?: string): Buffer => filePrefix('H', file);
export const lockPrefix = (file?: string): Buffer => filePrefix('L', file);
export const waitPrefix = (place?: RecordPlace): Buffer =>
  place === undefined ? filePrefix('W') : recordKey('W', place);
export const holdKey = (file: string, hold: number): Buffer =>
  Buffer.concat([holdPrefix(file), number(hold)]);
export const lockKey = (place: RecordPlace): Buffer => recordKey('L', place);
export const waitKey = (place: RecordPlace, ticket: number): Buffer =>
  Buffer.concat([waitPrefix(place), number(ticket)]);
export const ownerPrefix = ({ process, owner }: Party): Buffer =>
  Buffer.concat([ownersPrefix(process), number(owner)]);
export const ownersPrefix = (process: string): Buffer => Buffer.from(`O${process}\0`);
export const ownerKey = (party: Party, ticket: number): Buffer =>
  Buffer.concat([ownerPrefix(party), number(ticket)]);

/** The process of a process row's key. */
export const processOfKey = (key: Buffer): string => key.toString('utf8', 1);

/** File and hold number of a hold row's key. */
export function holdOfKey(key: Buffer): { file: string; hold: number } {
  const at = key.length - NUMBER_BYTES;
  return { file: key.toString('utf8', 1, at - 1), hold: key.readUIntBE(at, NUMBER_BYTES) };
}

/** The record of a lock row's key. */
export function placeOfKey(key: Buffer): RecordPlace {
  const at = key.length - RFA_BYTES;
  return { file: key.toString('utf8', 1, at - 1), rfa: Buffer.from(key.subarray(at)) };
}

/** Record and ticket of a wait row's key. */
export function waitOfKey(key: Buffer): { place: RecordPlace; ticket: number } {
  const at = key.length - NUMBER_BYTES;
  return { place: placeOfKey(key.subarray(0, at)), ticket: key.readUIntBE(at, NUMBER_BYTES) };
}

/** A new hold number or ticket, larger than all before it. */
export function takeNumber(table: LockTable): number {
  const last = table.get(NUMBER_KEY)?.readUIntBE(0, NUMBER_BYTES) ?? 0;
  table.put(NUMBER_KEY, number(last + 1));
  return last + 1;
}

export const encodeTime = (ms: number): Buffer => number(Math.max(0, Math.floor(ms)));
export const decodeTime = (value: Buffer): number => value.readUIntBE(0, NUMBER_BYTES);

export function readLock(table: LockTable, place: RecordPlace): LockRow | undefined {
  const value = table.get(lockKey(place));
  return value === undefined ? undefined : decodeLock(value);
}

export const decodeLock = (value: Buffer): LockRow => ({
  hold: value.readUIntBE(0, NUMBER_BYTES),
  sinceMs: value.readUIntBE(NUMBER_BYTES, NUMBER_BYTES),
  waiters: value.readUInt16BE(2 * NUMBER_BYTES),
});

export function writeLock(table: LockTable, place: RecordPlace, row: LockRow): void {
  const value = Buffer.allocUnsafe(2 * NUMBER_BYTES + 2);
  value.writeUIntBE(row.hold, 0, NUMBER_BYTES);
  value.writeUIntBE(row.sinceMs, NUMBER_BYTES, NUMBER_BYTES);
  value.writeUInt16BE(row.waiters, 2 * NUMBER_BYTES);
  table.put(lockKey(place), value);
}

export function readHold(table: LockTable, file: string, hold: number): HoldRow | undefined {
  const value = table.get(holdKey(file, hold));
  return value === undefined ? undefined : decodeHold(value);
}

export const encodeHold = (row: HoldRow): Buffer => Buffer.from(JSON.stringify(row));
export const decodeHold = (value: Buffer): HoldRow => decode<HoldRow>(value, 'process');
export const encodeWait = (row: WaitRow): Buffer => Buffer.from(JSON.stringify(row));
export const decodeWait = (value: Buffer): WaitRow => decode<WaitRow>(value, 'hold');

export const encodeOwned = ({ file, rfa, sinceMs }: RecordPlace & { sinceMs: number }): Buffer =>
  Buffer.from(JSON.stringify({ file, rfa: rfa.toString('hex'), sinceMs }));

export function decodeOwned(key: Buffer, value: Buffer): OwnedWait {
  const row = decode<{ file: string; rfa: string; sinceMs: number }>(value, 'file');
  const ticket = key.readUIntBE(key.length - NUMBER_BYTES, NUMBER_BYTES);
  return { file: row.file, rfa: Buffer.from(row.rfa, 'hex'), sinceMs: row.sinceMs, ticket };
}

/** The writer was another process of this program: one field is looked at, to tell it from garbage. */
function decode<T>(value: Buffer, field: string): T {
  const row: unknown = JSON.parse(value.toString());
  if (typeof row !== 'object' || row === null || !(field in row)) {
    throw new TypeError(`a row of the lock table has no ${field}`);
  }
  return row as T;
}

function recordKey(kind: 'L' | 'W', { file, rfa }: RecordPlace): Buffer {
  const fileBytes = Buffer.byteLength(file);
  const key = Buffer.allocUnsafe(fileBytes + 2 + RFA_BYTES);
  key.write(kind, 0);
  key.write(file, 1);
  key[fileBytes + 1] = 0;
  rfa.copy(key, fileBytes + 2, 0, RFA_BYTES);
  return key;
}

const filePrefix = (kind: string, file?: string): Buffer =>
  Buffer.from(file === undefined ? kind : `${kind}${file}\0`);

function number(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(NUMBER_BYTES);
  bytes.writeUIntBE(value, 0, NUMBER_BYTES);
  return bytes;
}
