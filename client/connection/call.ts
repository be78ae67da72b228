// One request that has one reply: a promise with a budget and a way out. Started by links.

import { errorFromWire, isRsyndError, RsyndError } from '../../shared/base/error.js';
import { callTimeoutMsMax } from '../../shared/base/limits.js';
import type { ErrorReply, Reply, Request } from '../../shared/protocol/message.js';
import type { Exchange, Waiter } from './exchange.js';
import type { CallOptions } from './link.js';

/** Verbs after which, unanswered, the caller cannot know whether something was changed. */
const CHANGING: ReadonlySet<string> = new Set(['create', 'store', 'storeMany', 'write', 'delete']);

/** Sends `request` and resolves with its reply; error replies reject. */
export function startCall(
  exchange: Exchange,
  host: string,
  envelope: { readonly request: Request; readonly channel: number },
  options: CallOptions,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    new Call(exchange, host, envelope, options, { resolve, reject }).start();
  });
}

interface Outcome {
  resolve(reply: Reply): void;
  reject(error: RsyndError): void;
}

class Call implements Waiter {
  readonly request: Request;
  readonly channel: number;
  readonly isUrgent: boolean;
  readonly #exchange: Exchange;
  readonly #host: string;
  readonly #options: CallOptions;
  readonly #outcome: Outcome;
  #timer: NodeJS.Timeout | undefined;
  #isGivenUp = false;

  constructor(
    exchange: Exchange,
    host: string,
    { request, channel }: { readonly request: Request; readonly channel: number },
    options: CallOptions,
    outcome: Outcome,
  ) {
    this.#exchange = exchange;
    this.#host = host;
    this.request = request;
    this.channel = channel;
    this.isUrgent = request.verb === 'ping';
    this.#options = options;
    this.#outcome = outcome;
  }

  start(): void {
    const { signal, timeoutMs } = this.#options;
    if (signal?.aborted === true) {
      this.#outcome.reject(this.#aborted());
      return;
    }
    if (signal !== undefined) this.#exchange.watchAbort(signal, this.#onAbort);
    const budgetMs = Math.min(callTimeoutMsMax, timeoutMs + lockWaitOf(this.request));
    this.#timer = setTimeout(this.#onTimeout, budgetMs);
    this.#exchange.submit(this);
  }

  take(reply: Reply): boolean {
    if (this.#isGivenUp) {
      this.#options.onLate?.(reply);
      return true;
    }
    this.#settle();
    if (reply.verb === 'error') this.#outcome.reject(this.#errorOf(reply));
    else this.#outcome.resolve(reply);
    return true;
  }

  fail(error: RsyndError): void {
    if (this.#isGivenUp) return;
    this.#settle();
    this.#outcome.reject(error);
  }

  readonly #onTimeout = (): void => this.#giveUp(this.#timedOut());
  readonly #onAbort = (): void => this.#giveUp(this.#aborted());

  #giveUp(error: RsyndError): void {
    this.#settle();
    this.#isGivenUp = true;
    this.#exchange.withdraw(this);
    this.#outcome.reject(error);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    const { signal } = this.#options;
    if (signal !== undefined) this.#exchange.unwatchAbort(signal, this.#onAbort);
  }

  #timedOut(): RsyndError {
    const ms = this.#options.timeoutMs + lockWaitOf(this.request);
    const where = this.#host === '' ? '' : ` from ${this.#host}`;
    const why = `${this.request.verb} got no answer${where} within ${ms} ms`;
    return new RsyndError('ERR_TIMEOUT', `${why}${this.#doubt()}`, this.#details());
  }

  #aborted(): RsyndError {
    // The deadline of a larger call says itself what was too slow.
    const reason: unknown = this.#options.signal?.reason;
    if (isRsyndError(reason)) return reason;
    const why = `${this.request.verb} was given up by its signal`;
    const details = { ...this.#details(), cause: reason };
    return new RsyndError('ERR_ABORTED', `${why}${this.#doubt()}`, details);
  }

  #doubt(): string {
    return CHANGING.has(this.request.verb) ? '; it may have been carried out, read to see' : '';
  }

  #errorOf(reply: ErrorReply): RsyndError {
    const { code, message, retryable, file } = reply;
    const details = this.#details();
    const named = file === undefined ? details : { ...details, file };
    return errorFromWire(code, message, { ...named, retryable });
  }

  #details(): { host?: string; file?: string } {
    return {
      ...(this.#host === '' ? {} : { host: this.#host }),
      ...(this.#options.file === undefined ? {} : { file: this.#options.file }),
    };
  }
}

/** A lock wait that was asked for is not the server being slow. */
const lockWaitOf = (request: Request): number => ('waitMs' in request ? request.waitMs : 0);
