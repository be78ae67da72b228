// One request that has one reply: a promise with a budget and a way out. Started by links.

import { errorFromWire, isRsyndError, RsyndError } from '../../shared/base/error.js';
import type { ErrorReply, Reply, Request } from '../../shared/protocol/message.js';
import type { Exchange, Waiter } from './exchange.js';
import type { CallOptions } from './link.js';

/** Verbs after which, unanswered, the caller cannot know whether something was changed. */
const CHANGING: ReadonlySet<string> = new Set(['create', 'store', 'storeMany', 'write', 'delete']);

const isChanging = (request: Request): boolean =>
  CHANGING.has(request.verb) || (request.verb === 'select' && request.action === 'delete');

/** Sends `request` and resolves with its reply; error replies reject. */
export const startCall = (
  exchange: Exchange,
  host: string,
  request: Request,
  channel: number,
  options: CallOptions,
): Promise<Reply> => startCallFor(exchange, host, request, channel, options, (reply) => reply);

/** As `startCall`, for what `read` makes of the reply: a promise less than asking it afterwards. */
export function startCallFor<T>(
  exchange: Exchange,
  host: string,
  request: Request,
  channel: number,
  options: CallOptions,
  read: (reply: Reply) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (reply: Reply): void => resolve(read(reply));
    new Call(exchange, host, request, channel, options, settle, reject).start();
  });
}

// One object for each call and nothing beside it: at 64 in flight collecting garbage cost a quarter.
class Call implements Waiter {
  id = 0;
  deadlineAt = Number.POSITIVE_INFINITY;
  readonly request: Request;
  readonly channel: number;
  readonly #exchange: Exchange;
  readonly #host: string;
  readonly #options: CallOptions;
  /** May throw what is to be rejected with. */
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: unknown) => void;
  /** Only where there is a signal. */
  #onAbort: (() => void) | undefined;
  #isGivenUp = false;

  constructor(
    exchange: Exchange,
    host: string,
    request: Request,
    channel: number,
    options: CallOptions,
    resolve: (reply: Reply) => void,
    reject: (error: unknown) => void,
  ) {
    this.#exchange = exchange;
    this.#host = host;
    this.request = request;
    this.channel = channel;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get isUrgent(): boolean {
    return this.request.verb === 'ping';
  }

  start(): void {
    const { signal, timeoutMs } = this.#options;
    if (signal?.aborted === true) return this.#reject(this.#aborted());
    if (signal !== undefined) {
      this.#onAbort = () => this.#giveUp(this.#aborted());
      this.#exchange.watchAbort(signal, this.#onAbort);
    }
    this.deadlineAt = performance.now() + timeoutMs + lockWaitOf(this.request);
    this.#exchange.submit(this);
  }

  take(reply: Reply): boolean {
    if (this.#isGivenUp) {
      this.#options.onLate?.(reply);
      return true;
    }
    this.#settle();
    if (reply.verb === 'error') this.#reject(this.#errorOf(reply));
    else this.#take(reply);
    return true;
  }

  #take(reply: Reply): void {
    try {
      this.#resolve(reply);
    } catch (error) {
      this.#reject(error);
    }
  }

  fail(error: RsyndError): void {
    if (this.#isGivenUp) return;
    this.#settle();
    this.#reject(error);
  }

  expire(): void {
    this.#giveUp(this.#timedOut());
  }

  #giveUp(error: RsyndError): void {
    this.#settle();
    this.#isGivenUp = true;
    this.#exchange.withdraw(this);
    this.#reject(error);
  }

  #settle(): void {
    this.deadlineAt = Number.POSITIVE_INFINITY;
    const { signal } = this.#options;
    if (signal === undefined || this.#onAbort === undefined) return;
    this.#exchange.unwatchAbort(signal, this.#onAbort);
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
    return isChanging(this.request) ? '; it may have been carried out, read to see' : '';
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
