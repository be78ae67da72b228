// The streams of one session that are under way: scans and selects. Each takes a step when it has credit
// for it and the client keeps up, then lets everybody else have a turn. So a slow reader costs at most the
// credit it granted, and a fast one cannot starve the others.
//
//   running ⇄ waiting (for credit) ──last, error, cancel──▶ ended ──no step under way──▶ closed, answered
//
// A source is closed once and never while one of its steps is under way. Steps of a source that changes
// locks or the current record run in its channel's lane, and so does its closing after a cancel.

import { type Answer, isLater } from '../../shared/base/answer.js';
import { isRsyndError, RsyndError } from '../../shared/base/error.js';
import {
  groupingsPerSessionMax,
  scansPerSessionMax,
  streamCreditBytesMax,
} from '../../shared/base/limits.js';
import type { Reply } from '../../shared/protocol/message.js';
import { errorReply } from '../operation/error-reply.js';
import type { RecordSource, SourceStep } from '../operation/record-source.js';

/** What streams need of the session. */
export interface StreamOutput {
  reply(reply: Reply, channel: number, id: number): void;
  readonly isCongested: boolean;
  onceDrained(goOn: () => void): void;
}

/** Runs `turn` in the lane of a channel when its turn comes; never, when the channel goes before. */
export type TakeTurn = (channel: number, turn: () => Answer<undefined>) => void;

/** A stream that is to be started. */
export interface StreamStart {
  readonly id: number;
  /** The channel it was asked on, and others whose files it reads: closing any of them ends it. */
  readonly channel: number;
  readonly others: readonly number[];
  readonly credit: number;
  /** For messages: `scan`, `select`. */
  readonly verb: string;
  /** It keeps much in memory until it ends: there may be fewer of these. */
  readonly isLarge: boolean;
  /** `signal` is aborted when it is to end before its time. */
  make(signal: AbortSignal): RecordSource;
}

interface Running extends Omit<StreamStart, 'make' | 'credit'> {
  readonly source: RecordSource;
  readonly abort: AbortController;
  credit: number;
  /** `waiting`: for credit. Everything else goes on by itself. */
  state: 'running' | 'waiting' | 'ended';
  isStepping: boolean;
  /** What is said when it is closed; undefined says nothing. */
  last: Reply | undefined;
  /** Set once it is being closed. */
  closed: Answer<void> | 'not yet';
  readonly onClosed: (() => void)[];
}

export class StreamTable {
  readonly #output: StreamOutput;
  readonly #takeTurn: TakeTurn;
  readonly #onUnexpected: (error: unknown) => void;
  readonly #running = new Map<number, Running>();
  /** Those whose next step may be taken, in turn. */
  readonly #due: Running[] = [];

  /** `onUnexpected` is told of errors that are no answer to anything a client did. */
  constructor(output: StreamOutput, takeTurn: TakeTurn, onUnexpected: (error: unknown) => void) {
    this.#output = output;
    this.#takeTurn = takeTurn;
    this.#onUnexpected = onUnexpected;
  }

  /** ERR_CHNEXC when there are too many, ERR_PROTOCOL for an id in use; and what `make` refuses. */
  start({ make, credit, ...start }: StreamStart): void {
    if (this.#running.has(start.id)) {
      throw new RsyndError('ERR_PROTOCOL', `request id ${start.id} is that of a stream under way`);
    }
    if (this.#running.size >= scansPerSessionMax) {
      const why = `this session has ${scansPerSessionMax} scans under way; finish or cancel some`;
      throw new RsyndError('ERR_CHNEXC', why);
    }
    if (start.isLarge) this.#refuseTooManyLarge();
    const abort = new AbortController();
    const running: Running = {
      ...start,
      source: make(abort.signal),
      abort,
      credit: Math.min(credit, streamCreditBytesMax),
      state: 'running',
      isStepping: false,
      last: undefined,
      closed: 'not yet',
      onClosed: [],
    };
    this.#running.set(start.id, running);
    this.#pump(running);
  }

  #refuseTooManyLarge(): void {
    const large = [...this.#running.values()].filter(({ isLarge }) => isLarge);
    if (large.length < groupingsPerSessionMax) return;
    const why = `this session has ${groupingsPerSessionMax} selects with groups under way; finish or cancel some`;
    throw new RsyndError('ERR_CHNEXC', why);
  }

  /** More credit for stream `id`; ignored when it has ended meanwhile. */
  grant(id: number, bytes: number): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    running.credit = Math.min(running.credit + bytes, streamCreditBytesMax);
    if (running.state !== 'waiting') return;
    running.state = 'running';
    this.#pump(running);
  }

  /** True when `id` was a stream; it is answered with ERR_ABORTED when it has stopped. */
  cancel(id: number): boolean {
    const running = this.#running.get(id);
    if (running === undefined) return false;
    const { source, channel } = running;
    if (!this.#end(running, cancelled(running)) || running.isStepping) return true;
    if (!source.needsLane) this.#close(running);
    else this.#takeTurn(channel, () => this.#close(running));
    return true;
  }

  /** Ends the streams of a channel that is being closed; resolves when they are closed. */
  stopChannel(channel: number): Answer<void> {
    const closing: Promise<void>[] = [];
    for (const running of [...this.#running.values()]) {
      if (running.channel !== channel && !running.others.includes(channel)) continue;
      this.#end(running, cancelled(running));
      const closed = this.#settled(running);
      if (isLater(closed)) closing.push(closed);
    }
    return closing.length === 0 ? undefined : Promise.all(closing).then(() => undefined);
  }

  /** Ends all of them without a word: the client is gone. `stopChannel` closes them. */
  abandon(): void {
    for (const running of this.#running.values()) {
      this.#end(running, undefined);
      running.last = undefined;
    }
  }

  #settled(running: Running): Answer<void> {
    if (!running.isStepping) this.#close(running);
    if (running.closed === 'not yet') {
      return new Promise((resolve) => running.onClosed.push(resolve));
    }
    return running.closed;
  }

  #pump(running: Running): void {
    if (running.state === 'ended') return;
    if (running.credit <= 0) {
      running.state = 'waiting';
    } else if (this.#output.isCongested) {
      this.#output.onceDrained(() => this.#pump(running));
    } else if (running.source.needsLane) {
      this.#takeTurn(running.channel, () => this.#step(running));
    } else {
      this.#step(running);
    }
  }

  /** One step of the session in each turn of the event loop: who has many streams gets no more than others. */
  #goOnLater(running: Running): void {
    this.#due.push(running);
    if (this.#due.length === 1) setImmediate(this.#goOn);
  }

  readonly #goOn = (): void => {
    const running = this.#due.shift();
    if (this.#due.length > 0) setImmediate(this.#goOn);
    if (running !== undefined) this.#pump(running);
  };

  #step(running: Running): Answer<undefined> {
    if (running.state === 'ended') return undefined;
    running.isStepping = true;
    let answer: Answer<SourceStep>;
    try {
      answer = running.source.step();
    } catch (error) {
      return this.#fail(running, error);
    }
    if (!isLater(answer)) return this.#deliver(running, answer);
    return answer.then(
      (step) => this.#deliver(running, step),
      (error) => this.#fail(running, error),
    );
  }

  #deliver(running: Running, { reply, cost, last }: SourceStep): Answer<undefined> {
    running.isStepping = false;
    if (running.state === 'ended') return this.#close(running);
    running.credit -= cost;
    if (reply !== undefined) this.#output.reply(reply, running.channel, running.id);
    if (last !== undefined) this.#end(running, last);
    if (last !== undefined) return this.#close(running);
    this.#goOnLater(running);
    return undefined;
  }

  #fail(running: Running, error: unknown): Answer<undefined> {
    running.isStepping = false;
    if (running.state !== 'ended' && !isRsyndError(error)) this.#onUnexpected(error);
    this.#end(running, errorReply(error));
    return this.#close(running);
  }

  /** False when it had ended before. */
  #end(running: Running, last: Reply | undefined): boolean {
    if (running.state === 'ended') return false;
    running.state = 'ended';
    running.last = last;
    running.abort.abort();
    return true;
  }

  /** Answered when it is closed, so that a turn in a lane lasts until then. */
  #close(running: Running): Answer<undefined> {
    if (running.closed !== 'not yet') return undefined;
    running.closed = undefined;
    try {
      const closing = running.source.close();
      if (!isLater(closing)) return this.#finish(running);
      const closed = closing.catch(this.#onUnexpected).then(() => this.#finish(running));
      running.closed = closed;
      return closed;
    } catch (error) {
      this.#onUnexpected(error);
      return this.#finish(running);
    }
  }

  #finish(running: Running): undefined {
    this.#running.delete(running.id);
    const { last, channel, id } = running;
    if (last !== undefined) this.#output.reply(last, channel, id);
    for (const resolve of running.onClosed) resolve();
    return undefined;
  }
}

const cancelled = ({ verb }: Running): Reply =>
  errorReply(new RsyndError('ERR_ABORTED', `the ${verb} was cancelled`));
