// The entry that makes an LMDB file one of ours: format version, block size, definition. Read when a
// file is opened, written when it is made and by setSpec.
//
//   | "RSYNDISM" 8 | format version u16 | block bytes u16 | CRC-32 of the rest u32 | FileSpec |
//
// FileSpec is MessagePack.
//
// Big-endian. On disk: never change.

import { pack, unpack } from 'msgpackr';
import { RsyndError } from '../../../shared/base/error.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import { recordCrc } from '../../../shared/record/rfa.js';
import { FORMAT_MAGIC, FORMAT_VERSION } from './format.js';

const AT_VERSION = 8;
const AT_BLOCK_BYTES = 10;
const AT_CHECKSUM = 12;
const AT_SPEC = 16;

export interface Definition {
  readonly spec: FileSpec;
  readonly blockBytes: number;
}

export function encodeDefinition({ spec, blockBytes }: Definition): Buffer {
  const packed = pack(spec);
  const bytes = Buffer.alloc(AT_SPEC + packed.length);
  bytes.write(FORMAT_MAGIC, 'latin1');
  bytes.writeUInt16BE(FORMAT_VERSION, AT_VERSION);
  bytes.writeUInt16BE(blockBytes, AT_BLOCK_BYTES);
  bytes.set(packed, AT_SPEC);
  bytes.writeUInt32BE(recordCrc(bytes.subarray(AT_SPEC)), AT_CHECKSUM);
  return bytes;
}

/** ERR_NOTISM when it is not ours or newer than this program, ERR_DAMAGED when it cannot be read. */
export function decodeDefinition(bytes: Buffer, name: string): Definition {
  if (bytes.toString('latin1', 0, AT_VERSION) !== FORMAT_MAGIC || bytes.length < AT_SPEC) {
    const why = `${name} is an LMDB file, but not one of rsynd`;
    throw new RsyndError('ERR_NOTISM', why, { file: name });
  }
  const version = bytes.readUInt16BE(AT_VERSION);
  if (version > FORMAT_VERSION) {
    const why =
      `${name} has format version ${version}, this program reads up to ${FORMAT_VERSION}; ` +
      'use a newer rsynd';
    throw new RsyndError('ERR_NOTISM', why, { file: name });
  }
  const spec = bytes.subarray(AT_SPEC);
  if (bytes.readUInt32BE(AT_CHECKSUM) !== recordCrc(spec)) {
    const why = `the definition in the header of ${name} cannot be read; restore the file from a copy`;
    throw new RsyndError('ERR_DAMAGED', why, { file: name });
  }
  return { spec: unpack(spec) as FileSpec, blockBytes: bytes.readUInt16BE(AT_BLOCK_BYTES) };
}
