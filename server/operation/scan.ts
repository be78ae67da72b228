// SCAN: a stream of records without locks, made frame by frame as its reader grants credit. Between
// two frames everybody else has a turn, so that a full scan does not stall another client's reads.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { streamFrameBytes } from '../../shared/base/limits.js';
import type { DataReply, ScanRequest } from '../../shared/protocol/message.js';
import type { ScanCursor } from '../storage/engine.js';
import { END, type OpenChannel, requireMode, START } from './open-channel.js';

/** Records looked at for one frame at most, so that one step stays short whatever their size. */
const recordsPerFrameMax = 4096;

/** What a scan yields next: a frame of records, or that there are no more. */
export type ScanStep = { readonly data: DataReply | undefined; readonly isLast: boolean };

export class Scan {
  readonly #channel: OpenChannel;
  readonly #cursor: ScanCursor;
  /** Records given so far. */
  records = 0;

  /** ERR_BADKEY, ERR_FILOPT. */
  constructor(channel: OpenChannel, { order, direction }: ScanRequest) {
    requireMode(channel, 'scan', 'input', 'update');
    if (order !== 'stored') channel.file.keySpec(order);
    const forward = direction === 'forward';
    this.#channel = channel;
    this.#cursor = { order, direction, from: forward ? START : END, until: forward ? END : START };
  }

  /** The next frame: about `streamFrameBytes`, more when a single record is larger. */
  step(): Answer<ScanStep> {
    const { format, size } = this.#channel.file.spec.record;
    const frame = format === 'fixed' ? new FixedFrame(size) : new VariableFrame();
    const visit = (bytes: Buffer, start: number, end: number): boolean =>
      frame.add(bytes, start, end);
    const state = this.#channel.file.stored.scan(this.#cursor, visit, recordsPerFrameMax);
    return andThen(state, (settled) => {
      this.records += frame.count;
      return { data: frame.count === 0 ? undefined : frame.reply(), isLast: settled === 'end' };
    });
  }
}

/** Records of one length, one after another. */
class FixedFrame {
  readonly #size: number;
  readonly #bytes: Buffer;
  count = 0;

  constructor(size: number) {
    this.#size = size;
    this.#bytes = Buffer.allocUnsafe(Math.max(1, Math.floor(streamFrameBytes / size)) * size);
  }

  add(bytes: Buffer, start: number, end: number): boolean {
    const at = this.count * this.#size;
    if (at === this.#bytes.length) return false;
    bytes.copy(this.#bytes, at, start, end);
    this.count++;
    return true;
  }

  reply(): DataReply {
    const records = this.#bytes.subarray(0, this.count * this.#size);
    return { verb: 'data', recordLength: this.#size, records };
  }
}

/** Each record behind its length, 4 bytes big-endian. */
class VariableFrame {
  #bytes = Buffer.allocUnsafe(streamFrameBytes);
  #used = 0;
  count = 0;

  add(bytes: Buffer, start: number, end: number): boolean {
    const needed = this.#used + 4 + (end - start);
    if (needed > this.#bytes.length && this.count > 0) return false;
    if (needed > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(needed);
    this.#bytes.writeUInt32BE(end - start, this.#used);
    bytes.copy(this.#bytes, this.#used + 4, start, end);
    this.#used = needed;
    this.count++;
    return true;
  }

  reply(): DataReply {
    return { verb: 'data', recordLength: 0, records: this.#bytes.subarray(0, this.#used) };
  }
}
