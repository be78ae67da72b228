// How many records one step of a select may look at so that it takes about `selectStepMs`: others wait at
// most that long for their turn. Learnt from the steps before, because a record may cost 50 ns or 50 µs.

import { selectStepMs, selectStepRecordsMax } from '../../shared/base/limits.js';

/** Records of a first step: cheap enough whatever they are. */
const firstRecords = 64;

export class Pace {
  #records = firstRecords;
  /** Milliseconds of work so far. */
  workedMs = 0;

  /** Records the next step may look at; at least 1. */
  get records(): number {
    return this.#records;
  }

  /** A step began at `sinceMs` (performance.now) and looked at so many records. */
  note(sinceMs: number, looked: number): void {
    const tookMs = performance.now() - sinceMs;
    this.workedMs += tookMs;
    // Rows that were only moved, perhaps to or from a disk, say nothing of what a record costs.
    if (looked === 0) return;
    // Twice as many at most: a step that found everything at hand says little about the next one.
    const fitting = (looked * selectStepMs) / Math.max(tookMs, selectStepMs / 64);
    const next = Math.min(fitting, this.#records * 2, selectStepRecordsMax);
    this.#records = Math.max(1, Math.round(next));
  }
}
