// The books of one link: which requests wait to be sent, which were sent and are unanswered, and whom each
// reply is for. Knows no socket: `transport` takes requests, `receive` is given replies.
//
//   submit ──▶ waiting ──(room in flight, no congestion)──▶ sent ──last reply──▶ done
//      withdraw:  └─▶ gone                                   └─▶ sent, told to cancel; its reply is for nobody
//
// Waiting requests keep their order, so those of one channel reach the server as they were made.

import { RsyndError } from '../../shared/base/error.js';
import { requestsInFlightMax } from '../../shared/base/limits.js';
import type { Reply, Request } from '../../shared/protocol/message.js';
import { CallClock } from './call-clock.js';
import { SentRequests } from './sent-requests.js';

/** Takes requests towards the server. */
export interface Transport {
  /** Throws ERR_INVARG and kin, with nothing sent, for a request that cannot be carried. */
  send(channel: number, id: number, request: Request): void;
  /** True while the server takes less than is sent; `Exchange.resume` says when that is over. */
  readonly isCongested: boolean;
}

/** What hears the replies to one request. */
export interface Waiter {
  readonly channel: number;
  readonly request: Request;
  /** Its id on the wire, 0 while it has none. The exchange's to set. */
  id: number;
  /** Until when it waits, in milliseconds of `performance.now()`; Infinity while it does not. */
  readonly deadlineAt: number;
  /** Is sent at once, however much is in flight: it proves that we are alive. */
  readonly isUrgent?: boolean;
  /** Takes a reply; true when it was the last one. */
  take(reply: Reply): boolean;
  /** Its deadline has passed. */
  expire(): void;
  /** There will be no reply. */
  fail(error: RsyndError): void;
}

export class Exchange {
  readonly #transport: Transport;
  readonly #waiting = new Set<Waiter>();
  readonly #sent = new SentRequests<Waiter>();
  readonly #clock = new CallClock((now) => this.#expire(now));
  readonly #aborts = new Map<AbortSignal, AbortWatch>();
  #failure: RsyndError | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Requests sent and unanswered. */
  get inFlight(): number {
    return this.#sent.size;
  }

  /** Why nothing can be asked any more. */
  get failure(): RsyndError | undefined {
    return this.#failure;
  }

  /** Sends the request as soon as there is room for it. */
  submit(waiter: Waiter): void {
    if (this.#failure !== undefined) return waiter.fail(this.#failure);
    this.#clock.watch(waiter.deadlineAt);
    if (waiter.isUrgent === true) this.#send(waiter);
    else if (this.#waiting.size === 0 && this.#hasRoom()) this.#send(waiter);
    else this.#waiting.add(waiter);
  }

  /** Nobody wants the replies any more; a request already sent is cancelled on the server. */
  withdraw(waiter: Waiter): void {
    if (this.#waiting.delete(waiter)) return;
    this.tell(waiter, { verb: 'cancel' });
  }

  /** Sends what needs no reply and waits for no room: credit and cancel, about `waiter`. */
  tell(waiter: Waiter, request: Request): void {
    if (waiter.id !== 0) this.#transport.send(waiter.channel, waiter.id, request);
  }

  /** The deadline of a request that was submitted is earlier than it was. */
  watchDeadline(waiter: Waiter): void {
    this.#clock.watch(waiter.deadlineAt);
  }

  /** A reply has come. ERR_PROTOCOL when nobody asked for it. */
  receive(channel: number, id: number, reply: Reply): void {
    const waiter = this.#sent.get(id);
    if (waiter === undefined || waiter.channel !== channel) {
      throw new RsyndError('ERR_PROTOCOL', `a reply (${reply.verb}) to a request never made`);
    }
    if (!waiter.take(reply)) return;
    this.#sent.delete(waiter);
    if (this.#waiting.size > 0) this.resume();
    else if (this.#sent.size === 0) this.#clock.rest();
  }

  /** There may be room again. */
  resume(): void {
    for (const waiter of this.#waiting) {
      if (!this.#hasRoom()) return;
      this.#waiting.delete(waiter);
      this.#send(waiter);
    }
  }

  /** The link is gone: everything unanswered, and everything asked later, fails with `error`. */
  fail(error: RsyndError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const sent = this.#sent.all();
    const orphans = [...sent, ...this.#waiting];
    this.#clock.stop();
    for (const waiter of sent) this.#sent.delete(waiter);
    this.#waiting.clear();
    for (const waiter of orphans) waiter.fail(error);
  }

  /** Calls `onAbort` when `signal` aborts. One listener a signal, however many calls share it. */
  watchAbort(signal: AbortSignal, onAbort: () => void): void {
    let watch = this.#aborts.get(signal);
    if (watch === undefined) {
      watch = new AbortWatch(signal);
      this.#aborts.set(signal, watch);
    }
    watch.add(onAbort);
  }

  unwatchAbort(signal: AbortSignal, onAbort: () => void): void {
    if (this.#aborts.get(signal)?.remove(onAbort) === 0) this.#aborts.delete(signal);
  }

  #hasRoom(): boolean {
    return this.#sent.size < requestsInFlightMax && !this.#transport.isCongested;
  }

  #send(waiter: Waiter): void {
    this.#sent.add(waiter);
    try {
      this.#transport.send(waiter.channel, waiter.id, waiter.request);
    } catch (error) {
      this.#sent.delete(waiter);
      waiter.fail(toRsyndError(error));
    }
  }

  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const waiter of [...this.#sent.all(), ...this.#waiting]) {
      if (waiter.deadlineAt <= now) waiter.expire();
      else next = Math.min(next, waiter.deadlineAt);
    }
    return next;
  }
}

/** Spreads one signal over many calls: platforms warn of more than ten listeners on a signal. */
class AbortWatch {
  readonly #signal: AbortSignal;
  readonly #calls = new Set<() => void>();
  readonly #listener = () => {
    for (const call of [...this.#calls]) call();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#listener, { once: true });
  }

  add(call: () => void): void {
    this.#calls.add(call);
  }

  /** How many are left. */
  remove(call: () => void): number {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#signal.removeEventListener('abort', this.#listener);
    return this.#calls.size;
  }
}

const toRsyndError = (error: unknown): RsyndError =>
  error instanceof RsyndError
    ? error
    : new RsyndError('ERR_INVARG', 'the request cannot be sent', { cause: error });
