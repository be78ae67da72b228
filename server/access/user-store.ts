// users.json: read and changed here and nowhere else. The daemon reads it, rsynctl changes it, also several at
// once: each change reads, decides and writes under the lock of the state directory.

import { RsyndError } from '../../shared/base/error.js';
import { usersMax } from '../../shared/base/limits.js';
import type { StateDirectory } from '../state/state-directory.js';
import { matchesRule, parseCertificateRule } from './certificate-rule.js';
import type { PeerIdentity } from './peer-identity.js';
import { type Action, rightsOf } from './rights.js';
import { decodeUsers, encodeUsers, requireUserName, USERS_FILE, type User } from './user.js';

/** The users at one moment. */
export class UserList {
  readonly all: readonly User[];
  readonly #byName: ReadonlyMap<string, User>;
  readonly #rights = new Map<string, (action: Action, name: string) => boolean>();
  readonly #rules;

  constructor(users: readonly User[]) {
    this.all = users;
    this.#byName = new Map(users.map((user) => [user.name, user]));
    this.#rules = users.flatMap((user) =>
      user.certificates.map((text) => ({ user, rule: parseCertificateRule(text) })),
    );
  }

  get isEmpty(): boolean {
    return this.all.length === 0;
  }

  find(name: string): User | undefined {
    return this.#byName.get(name);
  }

  /** Users a certificate stands for: one, when nothing is wrong. */
  withCertificate(identity: PeerIdentity): readonly User[] {
    const found = this.#rules.filter(({ rule }) => matchesRule(rule, identity));
    return [...new Set(found.map(({ user }) => user))];
  }

  /** May this user do that with the file of this name below the data root? Nobody unknown or disabled may. */
  allows(name: string, action: Action, file: string): boolean {
    const user = this.find(name);
    if (user === undefined || user.disabled) return false;
    let rights = this.#rights.get(name);
    if (rights === undefined) {
      rights = rightsOf(user.grants);
      this.#rights.set(name, rights);
    }
    return rights(action, file);
  }
}

/** The users of a data directory as they are now. ERR_CONFIG names the file and what is wrong in it. */
export const readUsers = (state: StateDirectory): UserList =>
  new UserList(state.readJson(USERS_FILE, decodeUsers) ?? []);

/** What a change of one user may change. */
export type UserChange = Partial<Omit<User, 'name' | 'created' | 'changed'>>;

/** Adds a user. ERR_ENTRYUSED when the name is taken, ERR_INVARG when it is no name. */
export async function addUserEntry(
  state: StateDirectory,
  name: string,
  entry: UserChange,
): Promise<User> {
  requireUserName(name);
  const now = new Date().toISOString();
  const start = { grants: [], certificates: [], disabled: false, created: now, changed: now };
  const made: User = { name, ...start, ...entry };
  await changeUsers(state, (users) => {
    requireFreeName(users, name);
    if (users.all.length >= usersMax) {
      throw new RsyndError('ERR_ENTRYUSED', `there are ${usersMax} users, which is the most`);
    }
    return [...users.all, made];
  });
  return made;
}

/** ERR_ENTRYUSED when there is a user of that name. */
export function requireFreeName(users: UserList, name: string): void {
  if (users.find(name) === undefined) return;
  const why = `there is a user ${name} already; change it with rsynctl user passwd, grant or map`;
  throw new RsyndError('ERR_ENTRYUSED', why);
}

/** Changes a user to what `decide` makes of the present entry. ERR_NOENTRY. */
export async function changeUserEntry(
  state: StateDirectory,
  name: string,
  decide: (user: User, users: UserList) => UserChange,
): Promise<User> {
  let changed: User | undefined;
  await changeUsers(state, (users) => {
    const user = requireUser(users, name);
    const next = { ...user, ...decide(user, users), changed: new Date().toISOString() };
    changed = next;
    return users.all.map((each) => (each === user ? next : each));
  });
  if (changed === undefined) throw new TypeError('the change did not run');
  return changed;
}

/** Removes a user. ERR_NOENTRY. */
export async function removeUserEntry(state: StateDirectory, name: string): Promise<void> {
  await changeUsers(state, (users) => {
    const user = requireUser(users, name);
    return users.all.filter((each) => each !== user);
  });
}

/** The user of that name. ERR_NOENTRY. */
export function requireUser(users: UserList, name: string): User {
  const user = users.find(name);
  if (user !== undefined) return user;
  const why = `no user is named ${JSON.stringify(name.slice(0, 64))}; see rsynctl user list`;
  throw new RsyndError('ERR_NOENTRY', why);
}

/** What is written is judged as what is read: a change that could not be read again is not made. */
function changeUsers(
  state: StateDirectory,
  decide: (users: UserList) => readonly User[],
): Promise<void> {
  return state.change(() => {
    const next = encodeUsers(decide(readUsers(state)));
    decodeUsers(JSON.parse(JSON.stringify(next)));
    state.writeJson(USERS_FILE, next);
  });
}
