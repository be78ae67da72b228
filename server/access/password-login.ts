// Is this the password of that user? Asked by login.ts for users who do not come by certificate. The answer takes
// as long for a name that is not there, is disabled or has no password as for one that has, and says no more:
// why it was no is for the server's log alone.

import type { RsyndError } from '../../shared/base/error.js';
import { passwordBytesMax } from '../../shared/base/limits.js';
import { badUser, type Checked, type LoginTry, LoginTurns, type Turns } from './login-turns.js';
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
  /** @default its own, by `now` and `sleep` */
  readonly turns?: Turns | undefined;
  /** @default Date.now */
  readonly now?: () => number;
  /** Waits so many milliseconds. @default a timer */
  readonly sleep?: (ms: number) => Promise<unknown>;
  /** The check itself; tests count it. @default verifyPassword */
  readonly verify?: typeof verifyPassword;
}

/** A name and password with the address they came from. */
export interface PasswordTry extends LoginTry {
  readonly password: string;
}

/** The user, or why it was no. */
interface Outcome extends Checked {
  readonly user: User | undefined;
  readonly why: string | undefined;
}

const SHOWN_CHARS = 64;

export class PasswordLogin {
  readonly #options: PasswordLoginOptions;
  readonly #turns: Turns;
  readonly #nobody: PasswordHash = emptyPasswordHash();

  constructor(options: PasswordLoginOptions) {
    this.#options = options;
    const { turns, now, sleep } = options;
    this.#turns = turns ?? new LoginTurns({ now, sleep });
  }

  /** Answers the user whose password it is. ERR_BADUSER. */
  async check({ user: name, password, address }: PasswordTry): Promise<User> {
    const tried = { user: name, address };
    const { isRight, user, why } = await this.#turns.take(tried, () =>
      this.#verify(name, password),
    );
    if (isRight && user !== undefined) return user;
    throw this.#refused(name, address, why ?? 'no such user');
  }

  async #verify(name: string, password: string): Promise<Outcome> {
    const { findUser, verify = verifyPassword } = this.#options;
    const kept = parsePasswordHash(findUser(name)?.password ?? '');
    const fits = Buffer.byteLength(password) <= passwordBytesMax;
    const isRight = await verify(fits ? password : '', kept ?? this.#nobody);
    // Looked up again: he may have been removed while the check ran.
    const user = findUser(name);
    const why = refusalOf(user, kept !== undefined && fits && isRight);
    return { isRight: why === undefined, user, why };
  }

  #refused(name: string, address: string, why: string): RsyndError {
    this.#options.onRefused({ user: name.slice(0, SHOWN_CHARS), address, why });
    return badUser(
      'the user name or the password is not right; ask the administrator of the server for both ' +
        '(rsynctl user show NAME, rsynctl user passwd NAME)',
    );
  }
}

function refusalOf(user: User | undefined, isRight: boolean): string | undefined {
  if (user === undefined) return 'no such user';
  if (user.password === undefined) return 'the user has no password, only a certificate';
  if (!isRight) return 'wrong password';
  return user.disabled ? 'the user is disabled' : undefined;
}
