// A line of the table: one piece of work, done by several sides in turn, and how it came out.

import type { PeerName, Task } from './task.js';

export interface Side {
  readonly name: string;
  readonly peer: PeerName;
  readonly task: Task;
}

export interface Line {
  /** For --only. */
  readonly name: string;
  readonly title: string;
  /** What is counted. Of bytes fewer are better, and one round says it all. */
  readonly unit: 'calls/s' | 'records/s' | 'bytes';
  /** Client and server of each side share one CPU: one in flight is bimodal otherwise. */
  readonly isOnOneCpu?: true;
  /** Ours is the first; the others are what it is compared with. */
  readonly sides: readonly [ours: Side, ...others: Side[]];
}

export interface SideOutcome {
  readonly name: string;
  /** Of each round. */
  readonly values: readonly number[];
  /** Microseconds of CPU for one call or record, of all rounds together. */
  readonly clientUs: number;
  readonly serverUs: number;
}

export interface LineOutcome {
  readonly line: Line;
  /** In the order of the line, without those whose peer is missing. */
  readonly sides: readonly SideOutcome[];
  /** Cores that processes which are not ours kept busy meanwhile. */
  readonly foreignCores: number;
}

/** Settings that lines are made of. */
export interface Sizes {
  readonly records: number;
  readonly bulkRecords: number;
  /** How long calls are repeated. */
  readonly forMs: number;
}
