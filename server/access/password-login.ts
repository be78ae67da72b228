// Is this the password of that user? Asked by login.ts for users who do not come by certificate. The answer takes
// as long for a name that is not there, is disabled or has no password as for one that has, and says no more:
// why it was no is for the server's log alone.

import { setTimeout } from 'node:timers/promises';
import { isRsyndError, RsyndError } from '../../shared/base/error.js';
import {
  missesPerAddressFree,
  missesPerUserFree,
  missesRememberedMax,
  passwordBytesMax,
  refusalDelayMsMax,
  refusalPaceMs,
  userNameBytesMax,
} from '../../shared/base/limits.js';
import { BackOff, countedAddress } from './back-off.js';
import { CheckQueue } from './check-queue.js';
import {
  emptyPasswordHash,
  type PasswordHash,
  parsePasswordHash,
  verifyPassword,
} from './password-hash.js';
import type { User } from './user.js';

/** Why a login was refused, for the log. Never a password. */
export interface LoginRefusal {
  /** The name as it was given, cut. */
  readonly user: string | undefined;
  readonly address: string;
  readonly why: string;
}

export interface PasswordLoginOptions {
  readonly findUser: (name: string) => User | undefined;
  readonly onRefused: (refusal: LoginRefusal) => void;
  /** @default Date.now */
  readonly now?: () => number;
  /** Waits so many milliseconds. @default a timer */
  readonly sleep?: (ms: number) => Promise<unknown>;
  /** The check itself; tests count it. @default verifyPassword */
  readonly verify?: typeof verifyPassword;
}

/** A name and password with the address they came from. */
export interface PasswordTry {
  readonly user: string;
  readonly password: string;
  readonly address: string;
}

const SHOWN_CHARS = 64;

export class PasswordLogin {
  readonly #options: PasswordLoginOptions;
  readonly #addresses: BackOff;
  readonly #users: BackOff;
  readonly #queue: CheckQueue;
  readonly #nobody: PasswordHash = emptyPasswordHash();
  /** User and address of right passwords, the latest last: guesses from elsewhere do not hold these up. */
  readonly #known = new Set<string>();
  #nextRefusalAt = 0;

  constructor(options: PasswordLoginOptions) {
    this.#options = options;
    const { now = Date.now } = options;
    this.#addresses = new BackOff({ free: missesPerAddressFree, now });
    this.#users = new BackOff({ free: missesPerUserFree, now });
    this.#queue = new CheckQueue((address) => this.#addresses.isSuspect(address));
  }

  /** Answers the user whose password it is. ERR_BADUSER. */
  async check({ user: name, password, address }: PasswordTry): Promise<User> {
    const counted = countedAddress(address);
    const mayStart = (): void => this.#requireNoPause(name, address);
    const run = (): Promise<User> => this.#verify(name, password, address);
    try {
      mayStart();
      return await this.#queue.submit({ address: counted, mayStart, run });
    } catch (error) {
      if (isRsyndError(error) && error.retryable) await this.#slowDown();
      throw error;
    }
  }

  /** Who hammers waits for his refusals, so that thousands of them leave the machine to the others. */
  async #slowDown(): Promise<void> {
    const { now = Date.now, sleep = setTimeout } = this.#options;
    this.#nextRefusalAt = Math.max(now(), this.#nextRefusalAt) + refusalPaceMs;
    this.#nextRefusalAt = Math.min(this.#nextRefusalAt, now() + refusalDelayMsMax);
    await sleep(this.#nextRefusalAt - now());
  }

  async #verify(name: string, password: string, address: string): Promise<User> {
    const { findUser, verify = verifyPassword } = this.#options;
    const kept = parsePasswordHash(findUser(name)?.password ?? '');
    const fits = Buffer.byteLength(password) <= passwordBytesMax;
    const isRight = await verify(fits ? password : '', kept ?? this.#nobody);
    // Looked up again: he may have been removed while the check ran.
    const user = findUser(name);
    const why = refusalOf(user, kept !== undefined && fits && isRight);
    if (user !== undefined && why === undefined) {
      this.#remember(name, address);
      return user;
    }
    this.#addresses.miss(countedAddress(address));
    this.#users.miss(countedName(name));
    throw this.#refused(name, address, why ?? 'no such user');
  }

  #refused(name: string, address: string, why: string): RsyndError {
    this.#options.onRefused({ user: name.slice(0, SHOWN_CHARS), address, why });
    return badUser(
      'the user name or the password is not right; ask the administrator of the server for both ' +
        '(rsynctl user show NAME, rsynctl user passwd NAME)',
    );
  }

  #requireNoPause(name: string, address: string): void {
    const ofAddress = this.#addresses.pauseMs(countedAddress(address));
    const isKnown = this.#known.has(knownKey(name, address));
    const pauseMs = Math.max(ofAddress, isKnown ? 0 : this.#users.pauseMs(countedName(name)));
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

function refusalOf(user: User | undefined, isRight: boolean): string | undefined {
  if (user === undefined) return 'no such user';
  if (user.password === undefined) return 'the user has no password, only a certificate';
  if (!isRight) return 'wrong password';
  return user.disabled ? 'the user is disabled' : undefined;
}
