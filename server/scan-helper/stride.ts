// How far a walk gets in its next step of looking for itself: in records, as the pace of the steps before allows for,
// and about how many blocks these are, which the thread need not look through.

import { Pace } from '../select/pace.js';

export class Stride {
  readonly #pace: Pace;
  #recordsOfBlock = 1;

  /** `bytesPerRecord`: what has to be looked at for one record, at worst. */
  constructor(bytesPerRecord: number) {
    this.#pace = new Pace(bytesPerRecord);
  }

  get records(): number {
    return this.#pace.records;
  }

  get blocks(): number {
    return Math.ceil(this.records / this.#recordsOfBlock);
  }

  /** A step began at `sinceMs` (performance.now), looked at so many records and got so many blocks on. */
  note(sinceMs: number, looked: number, blocks: number): void {
    this.#pace.note(sinceMs, looked);
    if (blocks > 0) this.#recordsOfBlock = Math.max(1, looked / blocks);
  }
}
