// Password checks wait here for a core. Each takes some 70 ms of one, so only a few run at a time, and addresses
// take turns: however many tries one address has waiting, another's comes after one of them at most. Somebody
// who guessed wrong lately never has the last free place.
//
//   submit ─▶ waiting by address ─▶ turn ─▶ mayStart? ─▶ run ─▶ answer
//                                              └ no: refused without costing anything

import { RsyndError } from '../../shared/base/error.js';
import {
  passwordChecksMax,
  passwordChecksWaitingMax,
  passwordChecksWaitingPerAddressMax,
} from '../../shared/base/limits.js';

/** One check and who asked for it. */
export interface Check<T> {
  /** As counted (back-off.ts). */
  readonly address: string;
  /** Asked when its turn has come: throws when it should not be run any more. */
  readonly mayStart: () => void;
  readonly run: () => Promise<T>;
}

interface Waiting {
  readonly start: () => Promise<void>;
}

export class CheckQueue {
  readonly #isSuspect: (address: string) => boolean;
  /** In the order of their turns; none is empty. */
  readonly #lines = new Map<string, Waiting[]>();
  #waiting = 0;
  #running = 0;

  constructor(isSuspect: (address: string) => boolean) {
    this.#isSuspect = isSuspect;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Runs the check in its turn. ERR_BADUSER, worth repeating, when too many wait. */
  submit<T>(check: Check<T>): Promise<T> {
    const line = this.#lines.get(check.address) ?? [];
    const isFull =
      this.#waiting >= passwordChecksWaitingMax ||
      line.length >= passwordChecksWaitingPerAddressMax;
    if (isFull) return Promise.reject(busy());
    return new Promise((resolve, reject) => {
      const start = async (): Promise<void> => {
        check.mayStart();
        resolve(await check.run());
      };
      line.push({ start: () => start().catch(reject) });
      this.#lines.set(check.address, line);
      this.#waiting++;
      this.#startNext();
    });
  }

  #startNext(): void {
    while (this.#running < passwordChecksMax) {
      const address = this.#nextAddress();
      if (address === undefined) return;
      this.#running++;
      this.#take(address)
        ?.start()
        .finally(() => {
          this.#running--;
          this.#startNext();
        });
    }
  }

  /** Whose turn it is; nobody's when only suspects wait and one place is left. */
  #nextAddress(): string | undefined {
    const isLastPlace = this.#running === passwordChecksMax - 1;
    for (const address of this.#lines.keys()) {
      if (!(isLastPlace && this.#isSuspect(address))) return address;
    }
    return undefined;
  }

  /** Takes the first of a line, which then queues behind the others'. */
  #take(address: string): Waiting | undefined {
    const line = this.#lines.get(address);
    const first = line?.shift();
    this.#lines.delete(address);
    if (line !== undefined && line.length > 0) this.#lines.set(address, line);
    if (first !== undefined) this.#waiting--;
    return first;
  }
}

const busy = (): RsyndError =>
  new RsyndError('ERR_BADUSER', 'the server is busy with other logins; try again in a moment', {
    subject: 'this server',
    retryable: true,
  });
