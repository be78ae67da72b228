// One open file of one channel: its claim and the record locks it has. The table is the truth that
// others see; the set kept here answers for our own locks without asking it.

import { type Answer, andThen, isLater } from '../../shared/base/answer.js';
import { locksFreedPerStep, locksPerChannelMax, lockWaitMsMax } from '../../shared/base/limits.js';
import type { Rfa } from '../../shared/record/rfa.js';
import { type Holder, holderOf } from './bury.js';
import type { LockDirectory } from './lock-directory.js';
import type { FileHold, LockOwner, LockWait } from './lock-manager.js';
import { aborted, holdClosed, queueFull, recordLocked, tooManyLocks } from './lock-message.js';
import { holdKey, type Party, type RecordPlace } from './lock-row.js';
import type { LockStep } from './lock-step.js';
import { enqueue, give, leaveQueue, takeFree, type Wish } from './record-queue.js';

export interface FileHoldOptions {
  readonly directory: LockDirectory;
  readonly file: string;
  /** Its number in the table. */
  readonly hold: number;
  readonly owner: LockOwner;
}

type Outcome =
  | { readonly kind: 'granted' | 'full' | 'closed' }
  | { readonly kind: 'held'; readonly holder: Holder }
  | { readonly kind: 'queued'; readonly ticket: number };

interface OwnWait {
  readonly wish: Wish;
  readonly ticket: number;
}

const GRANTED: Outcome = { kind: 'granted' };

export class DirectoryFileHold implements FileHold {
  readonly #directory: LockDirectory;
  readonly #file: string;
  readonly #hold: number;
  readonly #owner: LockOwner;
  readonly #party: Party;
  /** RFAs as latin1 text. Changed inside the steps, so that a release that follows sees them. */
  readonly #locked = new Set<string>();
  readonly #waiting = new Map<string, OwnWait>();
  /** Calls of `lock` that are not answered yet: one place in the queue is enough for a hold. */
  readonly #asked = new Map<string, Promise<void>>();
  /** Takes nothing any more. */
  #released = false;
  /** The table knows it no longer. */
  #freed = false;

  constructor({ directory, file, hold, owner }: FileHoldOptions) {
    this.#directory = directory;
    this.#file = file;
    this.#hold = hold;
    this.#owner = owner;
    this.#party = { process: directory.identity.self, owner: owner.id };
  }

  isLocked(rfa: Rfa): boolean {
    // Asked for each record that is read, mostly by channels without locks: those need no text.
    return this.#locked.size > 0 && !this.#released && this.#locked.has(textOf(rfa));
  }

  lock(rfa: Rfa, wait: LockWait): Answer<void> {
    if (this.#released) throw holdClosed(this.#file);
    const text = textOf(rfa);
    if (this.#locked.has(text)) return undefined;
    const earlier = this.#asked.get(text);
    if (earlier !== undefined) return earlier;
    if (wait.signal?.aborted === true) throw aborted({ file: this.#file }, wait.signal.reason);
    if (this.#locked.size >= locksPerChannelMax) throw tooManyLocks(this.#file);
    const wish = { place: this.#place(rfa), hold: this.#hold, party: this.#party };
    const taken = this.#guarded(text, (step) => this.#take(step, text, wish, wait.waitMs));
    const answer = andThen(taken, (outcome) => this.#goOn(outcome, text, wish, wait));
    return isLater(answer) ? this.#noteAsked(text, answer) : undefined;
  }

  unlock(rfa: Rfa): Answer<void> {
    const text = textOf(rfa);
    if (this.#released || !this.#locked.has(text)) return undefined;
    return this.#directory.step((step) => {
      this.#locked.delete(text);
      give(step, this.#place(rfa), this.#hold);
    });
  }

  release(): Answer<void> {
    if (this.#freed) return undefined;
    this.#released = true;
    return andThen(this.#freeLocks(), () => {
      if (this.#freed) return undefined; // Lost, or released by another call, while turns went by.
      const tickets = [...this.#waiting.values()].map(({ ticket }) => ticket);
      const freed = this.#directory.step((step) => this.#freeClaim(step));
      return andThen(freed, () => {
        this.#freed = true;
        this.#directory.holds.delete(this);
        this.#directory.waitRoom.dismiss(tickets);
      });
    });
  }

  /** True when the table could not be told of the release; the directory then tries again. */
  get isHalfReleased(): boolean {
    return this.#released && !this.#freed;
  }

  /** The table lost this hold (see README, Death): nothing is locked by it any more. */
  lose(): void {
    this.#released = true;
    this.#freed = true;
    this.#locked.clear();
    this.#directory.holds.delete(this);
    this.#directory.waitRoom.dismiss([...this.#waiting.values()].map(({ ticket }) => ticket));
  }

  #take(step: LockStep, text: string, wish: Wish, waitMs: number): Outcome {
    if (this.#released) return { kind: 'closed' };
    const holder = holderOf(step, wish.place);
    if (holder === undefined) takeFree(step, wish.place, wish.hold);
    if (holder === undefined || holder.lock.hold === wish.hold) {
      this.#locked.add(text);
      return GRANTED;
    }
    if (!(waitMs > 0)) return { kind: 'held', holder };
    const ticket = enqueue(step, wish, holder.lock);
    return ticket === 'full' ? { kind: 'full' } : { kind: 'queued', ticket };
  }

  #goOn(outcome: Outcome, text: string, wish: Wish, wait: LockWait): Answer<void> {
    switch (outcome.kind) {
      case 'granted':
        return undefined;
      case 'closed':
        throw holdClosed(this.#file);
      case 'held':
        throw recordLocked(wish.place, outcome.holder, this.#party, 0);
      case 'full':
        throw queueFull(wish.place);
      case 'queued':
        return this.#wait(outcome.ticket, text, wish, wait);
    }
  }

  #wait(ticket: number, text: string, wish: Wish, { waitMs, signal }: LockWait): Promise<void> {
    this.#waiting.set(text, { wish, ticket });
    const granted = this.#directory.waitRoom.wait({
      wish,
      ticket,
      label: this.#owner.label,
      waitMs: Math.min(waitMs, lockWaitMsMax),
      // Released between the step and its answer: then it leaves the queue again at once.
      signal: this.#released ? AbortSignal.abort() : signal,
      onGranted: () => this.#receive(text),
    });
    return granted.finally(() => this.#waiting.delete(text));
  }

  #noteAsked(text: string, answer: Promise<void>): Promise<void> {
    const noted = answer.finally(() => this.#asked.delete(text));
    this.#asked.set(text, noted);
    return noted;
  }

  #receive(text: string): boolean {
    if (this.#released) return false;
    this.#locked.add(text);
    return true;
  }

  /**
   * In small steps, a turn each: one of 10,000 locks would hold up everybody for 60 ms, and write so many pages
   * that a full disk would fail it.
   */
  #freeLocks(): Answer<void> {
    const some: string[] = [];
    for (const text of this.#locked) if (some.push(text) >= locksFreedPerStep) break;
    if (some.length === 0) return undefined;
    const freed = this.#directory.step((step) => {
      for (const text of some) give(step, this.#place(Buffer.from(text, 'latin1')), this.#hold);
    });
    return andThen(freed, () => {
      for (const text of some) this.#locked.delete(text);
      return this.#locked.size === 0 ? undefined : nextTurn().then(() => this.#freeLocks());
    });
  }

  #freeClaim(step: LockStep): void {
    for (const { wish, ticket } of this.#waiting.values()) leaveQueue(step, wish, ticket);
    for (const { wish } of this.#waiting.values()) give(step, wish.place, this.#hold);
    step.table.remove(holdKey(this.#file, this.#hold));
  }

  /** A step that failed gave nothing: what it noted as locked is taken back. */
  #guarded<T>(text: string, rule: (step: LockStep) => T): Answer<T> {
    const forget = (error: unknown): never => {
      this.#locked.delete(text);
      throw error;
    };
    try {
      const answer = this.#directory.step(rule);
      return isLater(answer) ? answer.catch(forget) : answer;
    } catch (error) {
      return forget(error);
    }
  }

  #place(rfa: Rfa): RecordPlace {
    return { file: this.#file, rfa };
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const textOf = (rfa: Rfa): string => rfa.toString('latin1');
