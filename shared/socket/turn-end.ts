// When the connections of one process write. One at a time writes at once. Where several are ready in a turn of the
// event loop, as with many clients that ask one thing each, all write at its end: a peer that is woken by the
// first bytes then finds the rest with them, instead of being woken for each.
//
//   alone ──two in the turn that was looked at──▶ together ──a few turns of one──▶ alone
//
// To learn when a turn ends costs a task, so one who writes alone only looks now and then.

import { connectionsTogetherMax } from '../base/limits.js';

/** Writes before a look, by turns: one number alone might always meet the last write of a turn. */
const WRITES_A_LOOK = [16, 15] as const;
/** Turns of a single write after which they are not waited for any more. */
const SINGLE_TURNS_MAX = 8;

/** One per process and kind of connection. Whoever asks is called once, in this turn. */
export class TurnEnd {
  #due: (() => void)[] = [];
  #isTogether = false;
  #singleTurns = 0;
  #looks = 0;
  #writesToLook: number = WRITES_A_LOOK[0];
  /** Writes of the turn that is looked at; 0 while none is. */
  #writesSeen = 0;

  /** Calls `write` now, or when all have asked who will in this turn. */
  call(write: () => void): void {
    if (this.#isTogether) {
      const due = this.#due.push(write);
      if (due === 1) setImmediate(this.#end);
      if (due === connectionsTogetherMax) this.hurry();
      return;
    }
    write();
    this.#countWrite();
  }

  /** Nobody waits any longer: what comes next in this turn takes its time. */
  hurry(): void {
    const due = this.#due;
    if (due.length === 0) return;
    this.#due = [];
    this.#singleTurns = due.length > 1 ? 0 : this.#singleTurns + 1;
    if (this.#singleTurns > SINGLE_TURNS_MAX) this.#isTogether = false;
    for (const write of due) write();
  }

  #countWrite(): void {
    if (this.#writesSeen > 0) this.#writesSeen++;
    else if (--this.#writesToLook === 0) {
      this.#writesSeen = 1;
      setImmediate(this.#look);
    }
  }

  readonly #look = (): void => {
    this.#isTogether = this.#writesSeen > 1;
    this.#writesSeen = 0;
    this.#writesToLook = WRITES_A_LOOK[++this.#looks % 2 === 0 ? 0 : 1];
    this.#singleTurns = 0;
  };

  readonly #end = (): void => this.hurry();
}
