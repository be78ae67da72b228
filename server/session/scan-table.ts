// The scans of one session that are under way. Each makes a frame when it has credit for it and the
// client keeps up, then lets everybody else have a turn. So a slow reader costs at most the credit it
// granted, and a fast one cannot starve the others.

import { type Answer, isLater } from '../../shared/base/answer.js';
import { isRsyndError, RsyndError } from '../../shared/base/error.js';
import { scansPerSessionMax, streamCreditBytesMax } from '../../shared/base/limits.js';
import type { Reply, ScanRequest } from '../../shared/protocol/message.js';
import { errorReply } from '../operation/error-reply.js';
import type { OpenChannel } from '../operation/open-channel.js';
import { Scan, type ScanStep } from '../operation/scan.js';

/** What a scan needs of the session's output. */
export interface ScanOutput {
  reply(reply: Reply, channel: number, id: number): void;
  readonly isCongested: boolean;
  onceDrained(goOn: () => void): void;
}

interface Running {
  readonly scan: Scan;
  readonly channel: number;
  readonly id: number;
  credit: number;
  /** `waiting`: for credit. Everything else goes on by itself. */
  state: 'running' | 'waiting' | 'ended';
}

export class ScanTable {
  readonly #output: ScanOutput;
  readonly #onUnexpected: (error: unknown) => void;
  readonly #running = new Map<number, Running>();

  /** `onUnexpected` is told of errors that are no answer to anything a client did. */
  constructor(output: ScanOutput, onUnexpected: (error: unknown) => void) {
    this.#output = output;
    this.#onUnexpected = onUnexpected;
  }

  /** ERR_CHNEXC when there are too many, ERR_PROTOCOL for an id in use; and what Scan refuses. */
  start(channel: OpenChannel, request: ScanRequest, number: number, id: number): void {
    if (this.#running.has(id)) {
      throw new RsyndError('ERR_PROTOCOL', `request id ${id} is that of a scan under way`);
    }
    if (this.#running.size >= scansPerSessionMax) {
      const why = `this session has ${scansPerSessionMax} scans under way; finish or cancel some`;
      throw new RsyndError('ERR_CHNEXC', why);
    }
    const scan = new Scan(channel, request);
    const credit = Math.min(request.credit, streamCreditBytesMax);
    const running: Running = { scan, channel: number, id, credit, state: 'running' };
    this.#running.set(id, running);
    this.#pump(running);
  }

  /** More credit for scan `id`; ignored when it has ended meanwhile. */
  grant(id: number, bytes: number): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    running.credit = Math.min(running.credit + bytes, streamCreditBytesMax);
    if (running.state !== 'waiting') return;
    running.state = 'running';
    this.#pump(running);
  }

  /** True when `id` was a scan; it is answered with ERR_ABORTED. */
  cancel(id: number): boolean {
    const running = this.#running.get(id);
    if (running === undefined) return false;
    this.#finish(running, errorReply(new RsyndError('ERR_ABORTED', 'the scan was cancelled')));
    return true;
  }

  /** Ends the scans of a channel that is being closed. */
  stopChannel(channel: number): void {
    for (const running of [...this.#running.values()]) {
      if (running.channel === channel) this.cancel(running.id);
    }
  }

  /** Ends all of them without a word: the client is gone. */
  close(): void {
    for (const running of this.#running.values()) running.state = 'ended';
    this.#running.clear();
  }

  #pump(running: Running): void {
    if (running.state === 'ended') return;
    if (running.credit <= 0) {
      running.state = 'waiting';
    } else if (this.#output.isCongested) {
      this.#output.onceDrained(() => this.#pump(running));
    } else {
      this.#step(running);
    }
  }

  #step(running: Running): void {
    let answer: Answer<ScanStep>;
    try {
      answer = running.scan.step();
    } catch (error) {
      return this.#fail(running, error);
    }
    if (!isLater(answer)) return this.#deliver(running, answer);
    answer.then(
      (step) => this.#deliver(running, step),
      (error) => this.#fail(running, error),
    );
  }

  #deliver(running: Running, { data, isLast }: ScanStep): void {
    if (running.state === 'ended') return;
    if (data !== undefined) {
      running.credit -= data.records.length;
      this.#output.reply(data, running.channel, running.id);
    }
    if (isLast) this.#finish(running, { verb: 'end', records: running.scan.records });
    else setImmediate(() => this.#pump(running));
  }

  #fail(running: Running, error: unknown): void {
    if (running.state === 'ended') return;
    if (!isRsyndError(error)) this.#onUnexpected(error);
    this.#finish(running, errorReply(error));
  }

  #finish(running: Running, last: Reply): void {
    if (running.state === 'ended') return;
    running.state = 'ended';
    this.#running.delete(running.id);
    this.#output.reply(last, running.channel, running.id);
  }
}
