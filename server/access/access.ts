// Users, logins and the gate of one daemon, put together: what is in users.json decides, also when it changes
// while the daemon runs. Made by the daemon, which ends the sessions that no longer qualify.

import { realpathSync } from 'node:fs';
import { RsyndError } from '../../shared/base/error.js';
import type { OpenMode } from '../../shared/protocol/message.js';
import type { StateDirectory } from '../state/state-directory.js';
import { createGate, type Gate } from './gate.js';
import type { Authenticate } from './login.js';
import { addUser, createLogin, isStillUser, type LoggedIn, type LoginRules } from './login.js';
import type { Turns } from './login-turns.js';
import { hashPassword, isWeaker, parsePasswordHash } from './password-hash.js';
import { type LoginRefusal, PasswordLogin } from './password-login.js';
import { type Action, actionOfMode } from './rights.js';
import type { User } from './user.js';
import { changeUserEntry, readUsers, type UserList } from './user-store.js';

export interface AccessOptions {
  readonly state: StateDirectory;
  /** The data root. */
  readonly root: string;
  readonly rules: LoginRules;
  /** Of several processes together. @default its own */
  readonly turns?: Turns | undefined;
  readonly onRefused: (refusal: LoginRefusal) => void;
  /** Told what went wrong while nobody waits for an answer. */
  readonly onError: (error: unknown, what: string) => void;
}

/** An open file of a session, as far as rights go. */
export interface UsedFile {
  readonly name: string;
  readonly path: string;
  readonly mode: OpenMode;
}

/** A session and what it uses. */
export interface SessionInQuestion extends LoggedIn {
  readonly files: readonly UsedFile[];
}

export class Access {
  readonly authenticate: Authenticate;
  readonly gate: Gate;
  readonly #options: AccessOptions;
  #users: UserList;
  #before: UserList;
  #isOpen: boolean;

  /** ERR_CONFIG when users.json cannot be used, or the default user is not in it. */
  constructor(options: AccessOptions) {
    const { rules, turns, onRefused } = options;
    this.#options = options;
    this.#users = readUsers(options.state);
    this.#before = this.#users;
    this.#isOpen = rules.nonSecure && this.#users.isEmpty;
    if (rules.nonSecure && !this.#users.isEmpty) requireDefaultUser(rules.user, this.#users);
    const findUser = (name: string): User | undefined => this.#users.find(name);
    this.authenticate = createLogin({
      rules,
      users: () => this.#users,
      isOpen: () => this.#isOpen,
      passwords: new PasswordLogin({ findUser, onRefused, turns }),
      onRefused,
      onPassword: (user, password) => void this.#strengthen(user, password),
    });
    this.gate = createGate(undefined, {
      root: realpathSync(options.root),
      allows: (user, action, file) => this.#allows(user, action, file),
    });
  }

  /** What the administrator should know at the start. */
  get warnings(): string[] {
    if (!this.#users.isEmpty) return [];
    if (this.#options.rules.nonSecure) return [];
    return [
      'secure mode has no users yet: every login is refused; start with -n -u USER, ' +
        'or add a user with rsynctl user add NAME and give him rights with rsynctl user grant',
    ];
  }

  /**
   * Reads the users again. True when they are others than before. What cannot be read changes nothing: then the
   * error is reported, and those in use stay.
   */
  reload(): boolean {
    try {
      const users = readUsers(this.#options.state);
      if (JSON.stringify(users.all) === JSON.stringify(this.#users.all)) return false;
      [this.#before, this.#users] = [this.#users, users];
      this.#isOpen &&= users.isEmpty;
      return true;
    } catch (error) {
      this.#options.onError(error, 'users not reloaded, those in use stay');
      return false;
    }
  }

  /** After a reload: why a session may not go on, or undefined when it may. */
  refusalOf(session: SessionInQuestion): RsyndError | undefined {
    if (this.#isOpen) return undefined;
    if (!isStillUser(this.#before, this.#users, session)) {
      const why = `the administrator removed or disabled the user ${session.user}, or changed whom he is; log in again`;
      return new RsyndError('ERR_BADUSER', why, { subject: 'this server' });
    }
    const caller = {
      user: session.user,
      route: { kind: 'remote', encrypted: true, peer: '' },
    } as const;
    try {
      for (const file of session.files) this.gate.permit(caller, file, actionOfMode(file.mode));
      return undefined;
    } catch (error) {
      if (error instanceof RsyndError) return error;
      throw error;
    }
  }

  #allows(user: string, action: Action, file: string): boolean {
    return this.#isOpen || this.#users.allows(user, action, file);
  }

  /** A password kept at less than today's cost is kept anew, now that it is known. */
  async #strengthen({ name, password: kept }: User, password: string): Promise<void> {
    const { cost } = parsePasswordHash(kept ?? '') ?? {};
    if (cost === undefined || !isWeaker(cost)) return;
    try {
      const stronger = await hashPassword(password);
      await changeUserEntry(this.#options.state, name, (user) =>
        user.password === kept ? { password: stronger } : {},
      );
    } catch (error) {
      this.#options.onError(error, `the password of ${name} stays as weakly kept as it was`);
    }
  }
}

function requireDefaultUser(name: string | undefined, users: UserList): void {
  if (name === undefined) {
    const why =
      'there are users, so -n needs -u USER, one of them (rsynctl user list); or leave -n out';
    throw new RsyndError('ERR_CONFIG', why);
  }
  const user = users.find(name);
  if (user !== undefined && !user.disabled) return;
  const why =
    user === undefined
      ? `is not one of the users; ${addUser(name)}`
      : `is disabled; enable it with rsynctl user enable ${name}`;
  throw new RsyndError('ERR_CONFIG', `the default user ${name} ${why}, or leave -n out`);
}
