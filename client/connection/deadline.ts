// The budget of a call that has several steps: resolving, connecting, negotiating, logging in, opening. One
// clock and one abort signal for all of them, so that the whole ends in time and never one step later.

import { RsyndError } from '../../shared/base/error.js';

export interface DeadlineOptions {
  readonly timeoutMs: number;
  /** The caller's own wish to stop. */
  readonly signal?: AbortSignal | undefined;
  /** What is being done, for the message: `opening orders.ism`. */
  readonly what: string;
  readonly host?: string | undefined;
}

/** Runs from its construction; must be disposed. */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #options: DeadlineOptions;
  readonly #onAbort = () => this.#controller.abort(abortedError(this.#options));

  constructor(options: DeadlineOptions) {
    this.#options = options;
    this.#timer = setTimeout(
      () => this.#controller.abort(timeoutError(options)),
      options.timeoutMs,
    );
    if (options.signal?.aborted === true) this.#onAbort();
    else options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Aborts with ERR_TIMEOUT or ERR_ABORTED as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** For a call that is one of the steps; its own time is only there should ours not fire. */
  get limits(): { readonly timeoutMs: number; readonly signal: AbortSignal } {
    return { timeoutMs: 2 * this.#options.timeoutMs, signal: this.signal };
  }

  /** `work`, or the reason of this deadline when that comes first; `work` then goes on unwatched. */
  race<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { signal } = this;
      const giveUp = () => reject(signal.reason);
      if (signal.aborted) giveUp();
      signal.addEventListener('abort', giveUp, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
    });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }
}

const timeoutError = ({ what, timeoutMs, host }: DeadlineOptions): RsyndError =>
  new RsyndError(
    'ERR_TIMEOUT',
    `${what} took more than ${timeoutMs} ms; is the server busy or the network slow? ` +
      'timeoutMs allows more',
    host === undefined ? {} : { host },
  );

const abortedError = ({ what, signal, host }: DeadlineOptions): RsyndError =>
  new RsyndError('ERR_ABORTED', `${what} was given up by its signal`, {
    cause: signal?.reason,
    ...(host === undefined ? {} : { host }),
  });
