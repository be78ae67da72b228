// Turns of password checks as a worker has them: asked of the supervisor, which counts misses for all workers. The
// check itself, and with it the password, stays here.

import type { Checked, LoginTry, Turns } from '../access/login-turns.js';
import type { FromWorker } from './message.js';

interface Asked {
  grant(): void;
  refuse(error: Error): void;
}

export class RemoteTurns implements Turns {
  readonly #send: (message: FromWorker) => void;
  /** Bounded by the sessions of this process: each has one login under way. */
  readonly #asked = new Map<number, Asked>();
  #last = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  take<T extends Checked>(tried: LoginTry, check: () => Promise<T>): Promise<T> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const run = async (): Promise<T> => {
        const checked = await check();
        this.#send({ kind: 'turn over', id, isRight: checked.isRight });
        return checked;
      };
      const giveUp = (error: unknown): void => {
        this.#send({ kind: 'turn over', id });
        reject(error);
      };
      this.#asked.set(id, { grant: () => void run().then(resolve, giveUp), refuse: reject });
      this.#send({ kind: 'ask turn', id, tried });
    });
  }

  /** The supervisor says yes. */
  granted(id: number): void {
    this.#take(id)?.grant();
  }

  /** The supervisor says no. */
  refused(id: number, error: Error): void {
    this.#take(id)?.refuse(error);
  }

  #take(id: number): Asked | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    return asked;
  }
}
