// SCAN: a stream of records without locks, made frame by frame as its reader grants credit. Between
// two frames everybody else has a turn, so that a full scan does not stall another client's reads.

import { type Answer, andThen } from '../../shared/base/answer.js';
import type { ScanRequest } from '../../shared/protocol/message.js';
import type { ScanCursor } from '../storage/engine.js';
import { END, type OpenChannel, requireMode, START } from './open-channel.js';
import { makeFrame } from './record-frame.js';
import type { RecordSource, SourceStep } from './record-source.js';

/** Records looked at for one frame at most, so that one step stays short whatever their size. */
const recordsPerFrameMax = 4096;

/** The stream of one SCAN. */
export class Scan implements RecordSource {
  readonly needsLane = false;
  readonly #channel: OpenChannel;
  readonly #cursor: ScanCursor;
  /** Records given so far. */
  #records = 0;

  /** ERR_BADKEY, ERR_FILOPT. */
  constructor(channel: OpenChannel, { order, direction }: ScanRequest) {
    requireMode(channel, 'scan', 'input', 'update');
    if (order !== 'stored') channel.file.keySpec(order);
    const forward = direction === 'forward';
    this.#channel = channel;
    this.#cursor = { order, direction, from: forward ? START : END, until: forward ? END : START };
  }

  /** The next frame: about `streamFrameBytes`, more when a single record is larger. */
  step(): Answer<SourceStep> {
    const { format, size } = this.#channel.file.spec.record;
    const frame = makeFrame(format === 'fixed' ? size : 0);
    const visit = (bytes: Buffer, start: number, end: number): boolean =>
      frame.add(bytes, start, end);
    const state = this.#channel.file.stored.scan(this.#cursor, visit, recordsPerFrameMax);
    return andThen(state, (settled) => {
      this.#records += frame.count;
      const end =
        settled === 'end' ? { last: { verb: 'end', records: this.#records } as const } : {};
      if (frame.count === 0) return { cost: 0, ...end };
      const reply = frame.reply();
      return { reply, cost: reply.records.length, ...end };
    });
  }

  /** Holds nothing between two steps. */
  close(): void {}
}
