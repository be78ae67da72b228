// Who may have a password checked, and when: the one bound on guessing. It counts misses of addresses and of user
// names, lets checks wait for a core, and answers those who hammer slowly. It sees no password. A server of
// several processes has one for all of them (worker/turn-desk.ts), so that more processes mean no more tries.

import { setTimeout } from 'node:timers/promises';
import { isRsyndError, RsyndError } from '../../shared/base/error.js';
import {
  missesPerAddressFree,
  missesPerUserFree,
  missesRememberedMax,
  refusalDelayMsMax,
  refusalPaceMs,
  userNameBytesMax,
} from '../../shared/base/limits.js';
import { BackOff, countedAddress } from './back-off.js';
import { CheckQueue } from './check-queue.js';

/** Whose password is to be checked, and where it came from. */
export interface LoginTry {
  readonly user: string;
  readonly address: string;
}

/** What came of a check. */
export interface Checked {
  /** False counts as a miss. */
  readonly isRight: boolean;
}

/** Gives turns to password checks. */
export interface Turns {
  /** Runs the check in its turn and counts what came of it. ERR_BADUSER, worth repeating, when it may not run. */
  take<T extends Checked>(tried: LoginTry, check: () => Promise<T>): Promise<T>;
}

export interface LoginTurnsOptions {
  /** @default Date.now */
  readonly now?: (() => number) | undefined;
  /** Waits so many milliseconds. @default a timer */
  readonly sleep?: ((ms: number) => Promise<unknown>) | undefined;
}

export class LoginTurns implements Turns {
  readonly #now: () => number;
  readonly #sleep: (ms: number) => Promise<unknown>;
  readonly #addresses: BackOff;
  readonly #users: BackOff;
  readonly #queue: CheckQueue;
  /** User and address of right passwords, the latest last: guesses from elsewhere do not hold these up. */
  readonly #known = new Set<string>();
  #nextRefusalAt = 0;

  constructor({ now = Date.now, sleep = setTimeout }: LoginTurnsOptions = {}) {
    this.#now = now;
    this.#sleep = sleep;
    this.#addresses = new BackOff({ free: missesPerAddressFree, now });
    this.#users = new BackOff({ free: missesPerUserFree, now });
    this.#queue = new CheckQueue((address) => this.#addresses.isSuspect(address));
  }

  async take<T extends Checked>(tried: LoginTry, check: () => Promise<T>): Promise<T> {
    const address = countedAddress(tried.address);
    const mayStart = (): void => this.#requireNoPause(tried);
    const run = async (): Promise<T> => this.#count(tried, await check());
    try {
      mayStart();
      return await this.#queue.submit({ address, mayStart, run });
    } catch (error) {
      if (isRsyndError(error) && error.retryable) await this.#slowDown();
      throw error;
    }
  }

  #count<T extends Checked>({ user, address }: LoginTry, checked: T): T {
    if (checked.isRight) {
      this.#remember(user, address);
    } else {
      this.#addresses.miss(countedAddress(address));
      this.#users.miss(countedName(user));
    }
    return checked;
  }

  /** Who hammers waits for his refusals, so that thousands of them leave the machine to the others. */
  async #slowDown(): Promise<void> {
    const now = this.#now();
    this.#nextRefusalAt = Math.max(now, this.#nextRefusalAt) + refusalPaceMs;
    this.#nextRefusalAt = Math.min(this.#nextRefusalAt, now + refusalDelayMsMax);
    await this.#sleep(this.#nextRefusalAt - now);
  }

  #requireNoPause({ user, address }: LoginTry): void {
    const ofAddress = this.#addresses.pauseMs(countedAddress(address));
    const isKnown = this.#known.has(knownKey(user, address));
    const pauseMs = Math.max(ofAddress, isKnown ? 0 : this.#users.pauseMs(countedName(user)));
    if (pauseMs === 0) return;
    const whose = ofAddress > 0 ? 'this address' : 'this user name';
    const left = `${Math.ceil(pauseMs / 1000)} s`;
    throw badUser(`too many wrong passwords for ${whose}; try again in ${left}`, true);
  }

  #remember(name: string, address: string): void {
    const key = knownKey(name, address);
    this.#known.delete(key);
    this.#known.add(key);
    const [oldest] = this.#known;
    if (this.#known.size > missesRememberedMax && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** `login rejected on this server`: it does not know by which name it was reached. */
export const badUser = (why: string, retryable = false): RsyndError =>
  new RsyndError('ERR_BADUSER', why, { subject: 'this server', retryable });

/** No user has a longer name, so whoever sends one needs no more room for it. */
const countedName = (name: string): string => name.slice(0, userNameBytesMax);

const knownKey = (name: string, address: string): string => `${countedAddress(address)} ${name}`;
