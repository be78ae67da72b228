// The deadlines of all calls of one link, with one timer: a timer for each call costs more than the rest of
// it. The timer is set for the earliest deadline it was told of; when it fires, everything that is due
// is ended and the earliest of what is left is next. Calls mostly end in time, so it fires rarely.

import { callTimeoutMsMax } from '../../shared/base/limits.js';

/** Ends what is due at `now`, and answers the earliest deadline that is left; Infinity for none. */
export type Sweep = (now: number) => number;

export class CallClock {
  readonly #sweep: Sweep;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(sweep: Sweep) {
    this.#sweep = sweep;
  }

  /** A call with that deadline has begun; both in milliseconds of `performance.now()`. */
  watch(deadlineAt: number): void {
    if (deadlineAt < this.#dueAt) this.#setFor(deadlineAt);
    else this.#timer?.ref();
  }

  /** Nothing is waited for: the timer may run on, but keeps no process alive. */
  rest(): void {
    this.#timer?.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  #setFor(deadlineAt: number): void {
    clearTimeout(this.#timer);
    this.#dueAt = deadlineAt;
    const delayMs = Math.max(0, Math.ceil(deadlineAt - performance.now()));
    this.#timer = setTimeout(this.#fire, Math.min(callTimeoutMsMax, delayMs));
  }

  readonly #fire = (): void => {
    this.stop();
    const next = this.#sweep(performance.now());
    if (next < this.#dueAt) this.#setFor(next);
  };
}
