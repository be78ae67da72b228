// How soon a worker that died is replaced: at once when it had lived for a while, else after a pause that doubles.
// One that dies young again and again will not get better by being started.

import {
  workerDeathsMax,
  workerPauseMs,
  workerPauseMsMax,
  workerSteadyMs,
} from '../../shared/base/limits.js';

export class Deaths {
  #young = 0;

  /** Milliseconds until the next may start after one that lived so long; undefined: no more. */
  pauseAfter(livedMs: number): number | undefined {
    this.#young = livedMs >= workerSteadyMs ? 0 : this.#young + 1;
    if (this.#young >= workerDeathsMax) return undefined;
    // The first death says nothing of the next life.
    if (this.#young <= 1) return 0;
    return Math.min(workerPauseMsMax, workerPauseMs * 2 ** (this.#young - 2));
  }
}
