// The counters of a file: read at the start of each write transaction, written once at its end, because
// other processes may write the same file in between.
//
//   | CRC-32 of the rest u32 | records u48 | next block u48 | current block u48 | insertion number u48 |
//   | count u16 | count × ( length u8 | name, latin1 | next number i64 ) |
//
// Big-endian. On disk: never change.

import { recordCrc } from '../../../shared/record/rfa.js';
import { FIRST_BLOCK } from './format.js';

export interface Counters {
  /** Records stored. */
  records: number;
  /** The next block to be made; all below were used once. */
  nextBlock: number;
  /** The block new records go to; 0 when there is none. */
  currentBlock: number;
  /** The next insertion number. */
  insertion: number;
  /** Next number of each sequence autokey. */
  readonly sequences: Map<string, bigint>;
}

const FIXED_BYTES = 30;

export const newCounters = (): Counters => ({
  records: 0,
  nextBlock: FIRST_BLOCK,
  currentBlock: 0,
  insertion: 0,
  sequences: new Map(),
});

export function encodeCounters(counters: Counters): Buffer {
  const names = [...counters.sequences.keys()].map((name) => Buffer.from(name, 'latin1'));
  const size = names.reduce((sum, name) => sum + 1 + name.length + 8, FIXED_BYTES);
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(counters.records, 4, 6);
  bytes.writeUIntBE(counters.nextBlock, 10, 6);
  bytes.writeUIntBE(counters.currentBlock, 16, 6);
  bytes.writeUIntBE(counters.insertion, 22, 6);
  bytes.writeUInt16BE(names.length, 28);
  let at = FIXED_BYTES;
  for (const [name, next] of counters.sequences) {
    at = bytes.writeUInt8(name.length, at);
    at += bytes.write(name, at, 'latin1');
    at = bytes.writeBigInt64BE(next, at);
  }
  bytes.writeUInt32BE(recordCrc(bytes.subarray(4)), 0);
  return bytes;
}

/** Undefined when the bytes are damaged. */
export function decodeCounters(bytes: Buffer): Counters | undefined {
  if (bytes.length < FIXED_BYTES) return undefined;
  if (bytes.readUInt32BE(0) !== recordCrc(bytes.subarray(4))) return undefined;
  const sequences = new Map<string, bigint>();
  let at = FIXED_BYTES;
  for (let count = bytes.readUInt16BE(28); count > 0; count--) {
    const end = at + 1 + bytes.readUInt8(at);
    sequences.set(bytes.toString('latin1', at + 1, end), bytes.readBigInt64BE(end));
    at = end + 8;
  }
  return {
    records: bytes.readUIntBE(4, 6),
    nextBlock: bytes.readUIntBE(10, 6),
    currentBlock: bytes.readUIntBE(16, 6),
    insertion: bytes.readUIntBE(22, 6),
    sequences,
  };
}
