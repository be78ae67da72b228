// How many records one step of a select may look at so that it takes about `selectStepMs`: others wait at
// most that long for their turn. Learnt from the steps before, because a record may cost 50 ns or 50 µs.

import {
  selectStepBytesMax,
  selectStepMs,
  selectStepRecordsMax,
} from '../../shared/base/limits.js';

/** Records of a first step: cheap enough whatever they are. */
const firstRecords = 64;

export class Pace {
  readonly #recordsMax: number;
  #records: number;
  /** Milliseconds of work so far. */
  workedMs = 0;

  /** `bytesPerRecord`: what has to be looked at for one record, at worst. */
  constructor(bytesPerRecord: number) {
    const fitting = Math.floor(selectStepBytesMax / Math.max(1, bytesPerRecord));
    this.#recordsMax = Math.max(1, Math.min(fitting, selectStepRecordsMax));
    this.#records = Math.min(firstRecords, this.#recordsMax);
  }

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
    const next = Math.min(fitting, this.#records * 2, this.#recordsMax);
    this.#records = Math.max(1, Math.round(next));
  }
}
