// The supervisor's end of the turns of password checks, one for each worker over the turns of all: it passes a turn
// on when it has come, and takes it back when the check is over or the worker is gone.

import type { Checked, LoginTry, Turns } from '../access/login-turns.js';
import { type Failure, failureOf } from './failure.js';

export interface TurnDeskOptions {
  /** Of the whole server. */
  readonly turns: Turns;
  grant(id: number): void;
  refuse(id: number, failure: Failure): void;
}

interface Running {
  over(checked: Checked): void;
  giveUp(error: Error): void;
}

export class TurnDesk {
  readonly #options: TurnDeskOptions;
  readonly #running = new Map<number, Running>();
  #isClosed = false;

  constructor(options: TurnDeskOptions) {
    this.#options = options;
  }

  /** The worker wants to check a password. */
  ask(id: number, tried: LoginTry): void {
    const { turns, refuse } = this.#options;
    turns.take(tried, () => this.#run(id)).catch((error) => refuse(id, failureOf(error)));
  }

  /** It has: `isRight` is undefined when that came to no end. */
  over(id: number, isRight: boolean | undefined): void {
    const running = this.#running.get(id);
    this.#running.delete(id);
    if (isRight === undefined) running?.giveUp(new Error('the check came to no end'));
    else running?.over({ isRight });
  }

  /** The worker is gone, and with it all who waited there. */
  close(): void {
    this.#isClosed = true;
    for (const { giveUp } of this.#running.values()) giveUp(new Error('the worker is gone'));
    this.#running.clear();
  }

  #run(id: number): Promise<Checked> {
    if (this.#isClosed) return Promise.reject(new Error('the worker is gone'));
    return new Promise((resolve, reject) => {
      this.#running.set(id, { over: resolve, giveUp: reject });
      this.#options.grant(id);
    });
  }
}
