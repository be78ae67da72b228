// Addresses of records. An RFA is 6 bytes and stable for the life of its record, through updates and
// rebuilds; a GRFA is an RFA and the CRC-32 of the record, so it also says "as it was when I read it".
//
//   RFA   | block number, 5 bytes, big-endian | slot, 1 byte |
//   GRFA  | RFA, 6 bytes | CRC-32 of the record, 4 bytes, big-endian |
//
// On the wire and in users' hands: never change.

import { crc32 as zlibCrc32 } from 'node:zlib';
import { RsyndError } from '../base/error.js';

export const RFA_BYTES = 6;
export const GRFA_BYTES = 10;

/** A record's file address: 6 bytes. */
export type Rfa = Buffer;
/** Global RFA: 10 bytes. Accepted wherever an RFA is. */
export type Grfa = Buffer;

/** CRC-32 (IEEE, as zlib) of a record's bytes, unsigned. */
export const recordCrc = (record: Uint8Array): number => zlibCrc32(record);

export function makeRfa(block: number, slot: number): Rfa {
  const rfa = Buffer.allocUnsafe(RFA_BYTES);
  rfa.writeUIntBE(block, 0, 5);
  rfa[5] = slot;
  return rfa;
}

export const rfaBlock = (rfa: Rfa): number => rfa.readUIntBE(0, 5);
export const rfaSlot = (rfa: Rfa): number => rfa.readUInt8(5);

export function makeGrfa(rfa: Rfa, crc: number): Grfa {
  const grfa = Buffer.allocUnsafe(GRFA_BYTES);
  grfa.set(rfa.subarray(0, RFA_BYTES));
  grfa.writeUInt32BE(crc, RFA_BYTES);
  return grfa;
}

/** Splits what a caller gave as address; `crc` is there only when it was a GRFA. */
export function splitAddress(address: Uint8Array): { rfa: Rfa; crc?: number } {
  const bytes = Buffer.from(address);
  if (bytes.length === RFA_BYTES) return { rfa: bytes };
  if (bytes.length === GRFA_BYTES) {
    return { rfa: bytes.subarray(0, RFA_BYTES), crc: bytes.readUInt32BE(RFA_BYTES) };
  }
  throw new RsyndError('ERR_INVALRFA', `an RFA has 6 bytes and a GRFA 10, not ${bytes.length}`);
}
