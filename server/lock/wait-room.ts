// Those of this process who wait for records of one directory. The queue itself is in the table; here
// are the promises, deadlines and abort signals, and the clock that looks at what nobody tells us of:
// records handed over by other processes, holders that died, circles of waits.
//
//   waiting ──granted──▶ settled          in our process: at once, from the step that gave the record
//      └──deadline, abort, deadlock──▶ leaving ──▶ settled (with the record after all, if it was faster)

import type { Answer } from '../../shared/base/answer.js';
import type { RsyndError } from '../../shared/base/error.js';
import {
  deadlockCheckMs,
  deadlockCheckMsMax,
  lockPollMsMax,
  lockPollMsMin,
} from '../../shared/base/limits.js';
import { type Holder, holderOf } from './bury.js';
import { aborted, deadlocked, holdClosed, recordLocked } from './lock-message.js';
import type { Party } from './lock-row.js';
import type { LockStep } from './lock-step.js';
import { give, leaveQueue, type Wish } from './record-queue.js';
import { type BlockedWait, findCycle, mustGiveWay } from './wait-graph.js';

/** What the room needs of the directory and manager around it. */
export interface WaitRoomContext {
  step<T>(rule: (step: LockStep) => T): Answer<T>;
  /** All waits of a session, in whatever directory this process knows. */
  waitsOf(party: Party): Answer<readonly BlockedWait[]>;
  nowMs(): number;
}

/** A place in the queue of a record. */
export interface WaitRequest {
  readonly wish: Wish;
  readonly ticket: number;
  /** For messages. */
  readonly label: string;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  /** Told in the turn of the grant. False: the hold is gone, and its release frees the record. */
  readonly onGranted: () => boolean;
}

interface Waiter extends WaitRequest {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly stopTimers: () => void;
  /** By the clock of the process, so that setting the time of day does no harm. */
  checkAtMs: number;
  checkEveryMs: number;
}

type WhyLeave = (holder: Holder | undefined) => RsyndError;

export class WaitRoom {
  readonly #context: WaitRoomContext;
  readonly #waiters = new Map<number, Waiter>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #pollMs = lockPollMsMin;

  constructor(context: WaitRoomContext) {
    this.#context = context;
  }

  /** Resolves with the record; rejects with ERR_LOCKED, ERR_DEADLOCK, ERR_ABORTED. */
  wait(request: WaitRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        ...request,
        resolve,
        reject,
        stopTimers: this.#startTimers(request),
        checkAtMs: performance.now() + deadlockCheckMs,
        checkEveryMs: deadlockCheckMs,
      };
      this.#waiters.set(request.ticket, waiter);
      if (request.signal?.aborted === true) void this.#abort(request);
      this.#lookSoon();
    });
  }

  /** Tickets that got their record. Those of other processes find out by themselves. */
  wake(tickets: readonly number[]): void {
    for (const ticket of tickets) {
      const waiter = this.#retire(ticket);
      if (waiter !== undefined) settleGranted(waiter);
    }
  }

  /** Turns away waiters whose places in the queue were given up already. */
  dismiss(tickets: Iterable<number>): void {
    for (const ticket of tickets) {
      const waiter = this.#retire(ticket);
      waiter?.reject(aborted(waiter.wish.place));
    }
  }

  #startTimers(request: WaitRequest): () => void {
    const { signal, waitMs } = request;
    const onAbort = (): void => void this.#abort(request);
    const deadline = setTimeout(() => void this.#expire(request), waitMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    return () => {
      clearTimeout(deadline);
      signal?.removeEventListener('abort', onAbort);
    };
  }

  #expire({ ticket, wish, waitMs }: WaitRequest): Promise<void> {
    return this.#leave(ticket, (holder) => recordLocked(wish.place, holder, wish.party, waitMs));
  }

  async #abort({ ticket, wish, signal }: WaitRequest): Promise<void> {
    const waiter = this.#retire(ticket);
    if (waiter === undefined) return;
    try {
      await this.#context.step((step) => {
        if (leaveQueue(step, wish, ticket) === 'granted') give(step, wish.place, wish.hold);
      });
      waiter.reject(aborted(wish.place, signal?.reason));
    } catch (error) {
      waiter.reject(error);
    }
  }

  /** Gives up a place in the queue, unless the record came just now. */
  async #leave(ticket: number, why: WhyLeave): Promise<void> {
    const waiter = this.#retire(ticket);
    if (waiter === undefined) return;
    const { wish } = waiter;
    try {
      const error = await this.#context.step((step) =>
        leaveQueue(step, wish, ticket) === 'left' ? why(holderOf(step, wish.place)) : undefined,
      );
      if (error === undefined) settleGranted(waiter);
      else waiter.reject(error);
    } catch (error) {
      waiter.reject(error);
    }
  }

  /** From here on nobody else settles this waiter. */
  #retire(ticket: number): Waiter | undefined {
    const waiter = this.#waiters.get(ticket);
    this.#waiters.delete(ticket);
    waiter?.stopTimers();
    return waiter;
  }

  #lookSoon(): void {
    this.#pollMs = lockPollMsMin;
    if (this.#looking) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), this.#pollMs);
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      await this.#findGrants();
      await this.#findDeadlocks();
    } catch {
      // The table could not be read this time. The deadline of each wait will say so, if it stays so.
    }
    this.#looking = false;
    clearTimeout(this.#timer);
    if (this.#waiters.size === 0) return;
    this.#timer = setTimeout(() => void this.#look(), this.#pollMs);
    this.#pollMs = Math.min(2 * this.#pollMs, lockPollMsMax);
  }

  /** Wakes those whose record is theirs; asking who holds it buries the dead on the way. */
  #findGrants(): Answer<void> {
    return this.#context.step((step) => {
      const holders = new Map<string, number | undefined>();
      for (const { ticket, wish } of this.#waiters.values()) {
        const { file, rfa } = wish.place;
        const name = `${rfa.toString('latin1')}${file}`;
        if (!holders.has(name)) holders.set(name, holderOf(step, wish.place)?.lock.hold);
        if (holders.get(name) === wish.hold) step.granted.push(ticket);
      }
    });
  }

  async #findDeadlocks(): Promise<void> {
    for (const waiter of [...this.#waiters.values()]) {
      if (waiter.checkAtMs > performance.now()) continue;
      waiter.checkEveryMs = Math.min(2 * waiter.checkEveryMs, deadlockCheckMsMax);
      waiter.checkAtMs = performance.now() + waiter.checkEveryMs;
      await this.#checkDeadlock(waiter);
    }
  }

  async #checkDeadlock({ ticket, label, wish }: Waiter): Promise<void> {
    const { waitsOf, nowMs } = this.#context;
    const waits = await waitsOf(wish.party);
    const start = waits.find(({ wait }) => wait.ticket === ticket && isAt(wait, wish));
    const cycle = start && (await findCycle(start, waitsOf));
    if (cycle === undefined || !mustGiveWay(cycle, nowMs())) return;
    await this.#leave(ticket, () => deadlocked(label, cycle));
  }
}

const isAt = (wait: Wish['place'], { place }: Wish): boolean =>
  wait.file === place.file && wait.rfa.equals(place.rfa);

function settleGranted({ wish, onGranted, resolve, reject }: Waiter): void {
  if (onGranted()) resolve();
  else reject(holdClosed(wish.place.file));
}
