// What a stream table runs: something that makes replies step by step (a scan, a select). Each step is
// short, so that everybody else has a turn between two.

import type { Answer } from '../../shared/base/answer.js';
import type { Reply } from '../../shared/protocol/message.js';

/** What came of one step. Neither `reply` nor `last`: nothing to say yet, ask again. */
export interface SourceStep {
  /** Something for the client. */
  readonly reply?: Reply;
  /** What it takes of the client's credit: bytes, or 1 a record for a locking select. */
  readonly cost: number;
  /** The end, after which `step` is not called again. */
  readonly last?: Reply;
}

export interface RecordSource {
  /** True when steps change locks or the current record: they then take turns with the channel's requests. */
  readonly needsLane: boolean;
  step(): Answer<SourceStep>;
  /** Frees what it holds; called once, when no step is under way any more, however it ended. */
  close(): Answer<void>;
}
