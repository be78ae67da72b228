// One scan or select as seen by its reader: frames come as the server has them, up to the credit given, and
// credit is given anew as frames are taken. So a reader that stops holds up the server's work and costs
// both sides a bounded number of bytes. Leaving early cancels the work on the server. A locking select
// has credit in records, one at a time: the next is locked only when it is asked for.

import { errorFromWire, RsyndError, unreachable } from '../../shared/base/error.js';
import {
  frameBytesMax,
  streamCreditBytes,
  streamFramesQueuedMax,
} from '../../shared/base/limits.js';
import type {
  DataReply,
  Reply,
  ScanRequest,
  SelectRequest,
} from '../../shared/protocol/message.js';
import { creditOfRows } from '../../shared/protocol/select.js';
import type { Exchange, Waiter } from './exchange.js';
import type { CallOptions, SelectFrame } from './link.js';

/** Credit goes back in halves, so that the server always has some. */
const creditBackBytes = streamCreditBytes / 2;

/** A `next()` that has nothing to give yet. */
interface Taker<F> {
  resolve(result: IteratorResult<F, undefined>): void;
  reject(error: RsyndError): void;
}

/** What is asked, and of which channel. */
export interface StreamQuestion<Q> {
  readonly request: Q;
  readonly channel: number;
}

/** The frames of a scan; its end is that of the iteration. */
export const scanStream = (
  exchange: Exchange,
  host: string,
  question: StreamQuestion<ScanRequest>,
  options: CallOptions,
): AsyncIterableIterator<DataReply> =>
  new RecordStream<DataReply>(exchange, host, question, options, scanFrame);

/** The frames of a select; `selected` is one of them, the last. */
export const selectStream = (
  exchange: Exchange,
  host: string,
  question: StreamQuestion<SelectRequest>,
  options: CallOptions,
): AsyncIterableIterator<SelectFrame> =>
  new RecordStream<SelectFrame>(exchange, host, question, options, selectFrame);

/** The reply as a frame of the stream; undefined where it is none. */
const scanFrame = (reply: Reply): DataReply | undefined =>
  reply.verb === 'data' ? reply : undefined;

function selectFrame(reply: Reply, { request }: Waiter): SelectFrame | undefined {
  if (reply.verb === 'selected') return reply;
  const isLocking = request.verb === 'select' && request.locking;
  if (isLocking) return reply.verb === 'record' ? reply : undefined;
  return reply.verb === 'data' || reply.verb === 'rows' ? reply : undefined;
}

class RecordStream<F extends SelectFrame> implements AsyncIterableIterator<F, undefined>, Waiter {
  readonly request: ScanRequest | SelectRequest;
  readonly channel: number;
  id = 0;
  /** Of the wait for the next frame. */
  deadlineAt = Number.POSITIVE_INFINITY;
  readonly #exchange: Exchange;
  readonly #host: string;
  readonly #options: CallOptions;
  readonly #frameOf: (reply: Reply, waiter: Waiter) => F | undefined;
  /** The verb, for messages. */
  readonly #what: string;
  /** Of a locking select: one record at a time. */
  readonly #isSingle: boolean;
  /** idle ─next─▶ running ─end, error, return─▶ ended */
  #state: 'idle' | 'running' | 'ended' = 'idle';
  #error: RsyndError | undefined;
  readonly #frames: F[] = [];
  readonly #takers: Taker<F>[] = [];
  /** Bytes (records) the server may still send. */
  #credit: number;
  /** Bytes taken since credit was last given back. */
  #taken = 0;

  constructor(
    exchange: Exchange,
    host: string,
    { request, channel }: StreamQuestion<ScanRequest | SelectRequest>,
    options: CallOptions,
    frameOf: (reply: Reply, waiter: Waiter) => F | undefined,
  ) {
    this.#exchange = exchange;
    this.#host = host;
    this.#what = request.verb;
    this.#frameOf = frameOf;
    this.#isSingle = request.verb === 'select' && request.locking;
    this.#credit = this.#isSingle ? 1 : streamCreditBytes;
    this.request = { ...request, credit: this.#credit };
    this.channel = channel;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<F, undefined>> {
    if (this.#state === 'idle') this.#start();
    else if (this.#isSingle) this.#giveBack(1);
    const frame = this.#frames.shift();
    if (frame !== undefined) {
      if (!this.#isSingle) this.#giveBack(costOf(frame));
      return Promise.resolve({ done: false, value: frame });
    }
    if (this.#state === 'ended') return this.#ending();
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
      if (this.#takers.length === 1) this.#awaitFrame();
    });
  }

  /** The reader leaves. */
  return(): Promise<IteratorResult<F, undefined>> {
    this.#frames.length = 0;
    this.#end(undefined, this.#state === 'running');
    return Promise.resolve(DONE);
  }

  take(reply: Reply): boolean {
    const frame = this.#frameOf(reply, this);
    if (frame !== undefined) {
      this.#takeFrame(frame);
      if (frame.verb !== 'selected') return false;
      this.#end(undefined, false);
    } else if (reply.verb === 'error') this.#end(this.#errorOf(reply), false);
    else if (reply.verb === 'end' && this.#what === 'scan') this.#end(undefined, false);
    else this.#end(this.#misplaced(reply), false);
    return true;
  }

  expire(): void {
    this.#end(this.#timedOut(), true);
  }

  fail(error: RsyndError): void {
    this.#end(error, false);
  }

  readonly #onAbort = (): void => {
    const details = { ...this.#details(), cause: this.#options.signal?.reason };
    this.#frames.length = 0;
    this.#end(
      new RsyndError('ERR_ABORTED', `the ${this.#what} was given up by its signal`, details),
      true,
    );
  };

  #start(): void {
    const { signal } = this.#options;
    this.#state = 'running';
    if (signal?.aborted === true) {
      this.#end(this.#abortedEarly(signal), false);
      return;
    }
    if (signal !== undefined) this.#exchange.watchAbort(signal, this.#onAbort);
    this.#exchange.submit(this);
  }

  #takeFrame(frame: F): void {
    const cost = costOf(frame);
    this.#checkCost(frame, cost);
    if (this.#state === 'ended') return;
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#frames.push(frame);
      return;
    }
    this.#awaitFrame();
    if (!this.#isSingle) this.#giveBack(cost);
    taker.resolve({ done: false, value: frame });
  }

  #checkCost(frame: F, cost: number): void {
    if (frame.verb === 'selected') return;
    // Credit counts bytes; frames cost something even where they hold next to none.
    if (cost === 0 || this.#frames.length >= streamFramesQueuedMax) {
      throw new RsyndError('ERR_PROTOCOL', `the server sends a ${this.#what} in crumbs`);
    }
    this.#credit -= cost;
    if (this.#credit < (this.#isSingle ? 0 : -frameBytesMax)) {
      throw new RsyndError('ERR_PROTOCOL', 'the server sends more than it has credit for');
    }
  }

  /** The budget of a wait begins anew with each frame. */
  #awaitFrame(): void {
    const isAwaited = this.#takers.length > 0;
    this.deadlineAt = isAwaited
      ? performance.now() + this.#options.timeoutMs + this.#lockWaitMs
      : Number.POSITIVE_INFINITY;
    if (isAwaited) this.#exchange.watchDeadline(this);
  }

  /** A lock wait that was asked for is not the server being slow. */
  get #lockWaitMs(): number {
    return this.#isSingle && 'waitMs' in this.request ? this.request.waitMs : 0;
  }

  #giveBack(cost: number): void {
    this.#taken += cost;
    const isEnough = this.#isSingle || this.#taken >= creditBackBytes;
    if (!isEnough || this.#state !== 'running') return;
    const bytes = this.#taken;
    this.#credit += bytes;
    this.#taken = 0;
    // Last: a server in this process may answer before it returns.
    this.#exchange.tell(this, { verb: 'credit', bytes });
  }

  #end(error: RsyndError | undefined, mustCancel: boolean): void {
    if (this.#state === 'ended') return;
    const wasRunning = this.#state === 'running';
    this.#state = 'ended';
    this.deadlineAt = Number.POSITIVE_INFINITY;
    const { signal } = this.#options;
    if (wasRunning && signal !== undefined) this.#exchange.unwatchAbort(signal, this.#onAbort);
    if (mustCancel) this.#exchange.withdraw(this);
    this.#error = error;
    for (const taker of this.#takers.splice(0)) {
      this.#ending().then(taker.resolve, taker.reject);
    }
  }

  /** An error is told once; after it the stream is simply at its end, as iterators are. */
  #ending(): Promise<IteratorResult<F, undefined>> {
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
  }

  #timedOut(): RsyndError {
    const why = `the ${this.#what} brought nothing for ${this.#options.timeoutMs + this.#lockWaitMs} ms`;
    return new RsyndError('ERR_TIMEOUT', why, this.#details());
  }

  #abortedEarly(signal: AbortSignal): RsyndError {
    const details = { ...this.#details(), cause: signal.reason };
    const why = `its signal was aborted before the ${this.#what} began`;
    return new RsyndError('ERR_ABORTED', why, details);
  }

  #misplaced(reply: Reply): RsyndError {
    const why = `a ${this.#what} answered by ${reply.verb}`;
    return new RsyndError('ERR_PROTOCOL', why, this.#details());
  }

  #errorOf(reply: Extract<Reply, { verb: 'error' }>): RsyndError {
    const { code, message, retryable } = reply;
    return errorFromWire(code, message, { ...this.#details(), retryable });
  }

  #details(): { host?: string; file?: string } {
    return {
      ...(this.#host === '' ? {} : { host: this.#host }),
      ...(this.#options.file === undefined ? {} : { file: this.#options.file }),
    };
  }
}

const DONE: IteratorResult<never, undefined> = { done: true, value: undefined };

/** What a frame takes of the credit. */
function costOf(frame: SelectFrame): number {
  switch (frame.verb) {
    case 'data':
      return frame.records.length;
    case 'rows':
      return creditOfRows(frame.rows);
    case 'record':
      return 1;
    case 'selected':
      return 0;
    default:
      return unreachable(frame);
  }
}
