// Frames of records for a client: what `data` replies of scans and selects are made of. A frame is full
// at about `streamFrameBytes`; a single record may be larger. It knows nothing of files.

import { streamFrameBytes } from '../../shared/base/limits.js';
import type { DataReply } from '../../shared/protocol/message.js';
import { DATA_ROOM_BYTES } from '../../shared/protocol/stream.js';
import { RoomCopier } from '../storage/room.js';
import { takeFrameBuffer } from './frame-buffers.js';

/** A frame being filled. */
export interface RecordFrame {
  /** Records in it. */
  readonly count: number;
  /** Takes a copy of `bytes[start, end)`; false when it is full. */
  add(bytes: Buffer, start: number, end: number): boolean;
  /** What is in it; it takes no more then. */
  reply(): DataReply;
}

/** A frame of records of `size` bytes; 0: of any length; `as they are`: nothing is put between them. */
export function makeFrame(size: number | 'as they are'): RecordFrame {
  if (size === 'as they are') return new VariableFrame(0);
  return size > 0 ? new FixedFrame(size) : new VariableFrame(LENGTH_BYTES);
}

const LENGTH_BYTES = 4;

/** Records of one length, one after another. */
class FixedFrame implements RecordFrame {
  readonly #size: number;
  readonly #bytes: Buffer;
  readonly #copier = new RoomCopier();
  #used = DATA_ROOM_BYTES;
  count = 0;

  constructor(size: number) {
    this.#size = size;
    const isOrdinary = size <= streamFrameBytes;
    this.#bytes = isOrdinary ? takeFrameBuffer() : Buffer.allocUnsafe(DATA_ROOM_BYTES + size);
  }

  add(bytes: Buffer, start: number, end: number): boolean {
    const at = this.#used;
    if (at + this.#size > this.#bytes.length) return false;
    this.#copier.copy(bytes, start, end, this.#bytes, at);
    this.#used = at + this.#size;
    this.count++;
    return true;
  }

  reply(): DataReply {
    return replyOf(this.#bytes.subarray(0, this.#used), this.#size);
  }
}

/** Each record behind its length, 4 bytes big-endian; or behind nothing. */
class VariableFrame implements RecordFrame {
  readonly #headBytes: 0 | typeof LENGTH_BYTES;
  readonly #copier = new RoomCopier();
  #bytes = takeFrameBuffer();
  #used = DATA_ROOM_BYTES;
  count = 0;

  constructor(headBytes: 0 | typeof LENGTH_BYTES) {
    this.#headBytes = headBytes;
  }

  add(bytes: Buffer, start: number, end: number): boolean {
    const at = this.#used + this.#headBytes;
    const needed = at + (end - start);
    if (needed > this.#bytes.length && this.count > 0) return false;
    if (needed > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(needed);
    if (this.#headBytes > 0) this.#bytes.writeUInt32BE(end - start, this.#used);
    this.#copier.copy(bytes, start, end, this.#bytes, at);
    this.#used = needed;
    this.count++;
    return true;
  }

  reply(): DataReply {
    return replyOf(this.#bytes.subarray(0, this.#used), 0);
  }
}

const replyOf = (roomy: Buffer, recordLength: number): DataReply => ({
  verb: 'data',
  recordLength,
  records: roomy.subarray(DATA_ROOM_BYTES),
  roomy,
});
