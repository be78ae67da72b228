// One scan as seen by its reader: frames come as the server has them, up to the credit given, and credit
// is given anew as frames are taken. So a reader that stops holds up the server's scan and costs both
// sides a bounded number of bytes. Leaving early cancels the scan on the server.

import { errorFromWire, RsyndError } from '../../shared/base/error.js';
import {
  frameBytesMax,
  streamCreditBytes,
  streamFramesQueuedMax,
} from '../../shared/base/limits.js';
import type { DataReply, Reply, ScanRequest } from '../../shared/protocol/message.js';
import type { Exchange, Waiter } from './exchange.js';
import type { CallOptions } from './link.js';

/** Credit goes back in halves, so that the server always has some. */
const creditBackBytes = streamCreditBytes / 2;

type Result = IteratorResult<DataReply, undefined>;

/** A `next()` that has nothing to give yet. */
interface Taker {
  resolve(result: Result): void;
  reject(error: RsyndError): void;
}

export class RecordStream implements AsyncIterableIterator<DataReply>, Waiter {
  readonly request: ScanRequest;
  readonly channel: number;
  id = 0;
  /** Of the wait for the next frame. */
  deadlineAt = Number.POSITIVE_INFINITY;
  readonly #exchange: Exchange;
  readonly #host: string;
  readonly #options: CallOptions;
  /** idle ─next─▶ running ─end, error, return─▶ ended */
  #state: 'idle' | 'running' | 'ended' = 'idle';
  #error: RsyndError | undefined;
  readonly #frames: DataReply[] = [];
  readonly #takers: Taker[] = [];
  /** Bytes the server may still send. */
  #credit = streamCreditBytes;
  /** Bytes taken since credit was last given back. */
  #taken = 0;

  constructor(
    exchange: Exchange,
    host: string,
    { request, channel }: { readonly request: ScanRequest; readonly channel: number },
    options: CallOptions,
  ) {
    this.#exchange = exchange;
    this.#host = host;
    this.request = { ...request, credit: streamCreditBytes };
    this.channel = channel;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    if (this.#state === 'idle') this.#start();
    const frame = this.#frames.shift();
    if (frame !== undefined) {
      this.#giveBack(frame.records.length);
      return Promise.resolve({ done: false, value: frame });
    }
    if (this.#state === 'ended') return this.#ending();
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
      if (this.#takers.length === 1) this.#awaitFrame();
    });
  }

  /** The reader leaves. */
  return(): Promise<Result> {
    this.#frames.length = 0;
    this.#end(undefined, this.#state === 'running');
    return Promise.resolve(DONE);
  }

  take(reply: Reply): boolean {
    if (reply.verb === 'data') {
      this.#takeData(reply);
      return false;
    }
    if (reply.verb === 'end') this.#end(undefined, false);
    else if (reply.verb === 'error') this.#end(this.#errorOf(reply), false);
    else this.#end(new RsyndError('ERR_PROTOCOL', `a scan answered by ${reply.verb}`), false);
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
    this.#end(new RsyndError('ERR_ABORTED', 'the scan was given up by its signal', details), true);
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

  #takeData(reply: DataReply): void {
    // Credit counts bytes; frames cost something even where they hold next to none.
    if (reply.records.length === 0 || this.#frames.length >= streamFramesQueuedMax) {
      throw new RsyndError('ERR_PROTOCOL', 'the server sends a scan in crumbs');
    }
    this.#credit -= reply.records.length;
    if (this.#credit < -frameBytesMax) {
      throw new RsyndError('ERR_PROTOCOL', 'the server sends more than it has credit for');
    }
    if (this.#state === 'ended') return;
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#frames.push(reply);
      return;
    }
    this.#awaitFrame();
    this.#giveBack(reply.records.length);
    taker.resolve({ done: false, value: reply });
  }

  /** The budget of a wait begins anew with each frame. */
  #awaitFrame(): void {
    const isAwaited = this.#takers.length > 0;
    this.deadlineAt = isAwaited
      ? performance.now() + this.#options.timeoutMs
      : Number.POSITIVE_INFINITY;
    if (isAwaited) this.#exchange.watchDeadline(this);
  }

  #giveBack(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < creditBackBytes || this.#state !== 'running') return;
    this.#exchange.tell(this, { verb: 'credit', bytes: this.#taken });
    this.#credit += this.#taken;
    this.#taken = 0;
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
  #ending(): Promise<Result> {
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
  }

  #timedOut(): RsyndError {
    const why = `the scan brought nothing for ${this.#options.timeoutMs} ms`;
    return new RsyndError('ERR_TIMEOUT', why, this.#details());
  }

  #abortedEarly(signal: AbortSignal): RsyndError {
    const details = { ...this.#details(), cause: signal.reason };
    return new RsyndError('ERR_ABORTED', 'its signal was aborted before the scan began', details);
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

const DONE: Result = { done: true, value: undefined };
