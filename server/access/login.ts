// Who a login makes a session, for good. A certificate that stands for a user decides; else a password in secure
// mode, or the default user in non-secure mode (-n). Asked by sessions; what the user may do is the gate's.

import type { Answer } from '../../shared/base/answer.js';
import { badUser } from './login-turns.js';
import type { LoginRefusal, PasswordLogin } from './password-login.js';
import type { Credentials, PeerIdentity } from './peer-identity.js';
import type { User } from './user.js';
import type { UserList } from './user-store.js';

/** Answers the user a login acts as. ERR_BADUSER. */
export type Authenticate = (credentials: Credentials) => Answer<string>;

/** What of the daemon's options decides about logins. */
export interface LoginRules {
  /** `-n`: everyone acts as the default user, whatever name was sent. */
  readonly nonSecure: boolean;
  /** `-u`. */
  readonly user: string | undefined;
}

export interface LoginOptions {
  readonly rules: LoginRules;
  /** The users as they are now. */
  readonly users: () => UserList;
  /** True when -n was started without any user, and there still is none: everybody may do everything. */
  readonly isOpen: () => boolean;
  readonly passwords: PasswordLogin;
  readonly onRefused: (refusal: LoginRefusal) => void;
  /** Told of a right password, so that a kept one of before can be made stronger. */
  readonly onPassword?: (user: User, password: string) => void;
}

/** The user of `-n` without `-u` on a plain server: nobody in particular. */
const ANYBODY = 'anybody';

const SHOWN_CHARS = 64;

/** Makes the one way in. */
export function createLogin(options: LoginOptions): Authenticate {
  const { rules, users, isOpen } = options;
  const refuse = ({ user, address }: Credentials, why: string, told: string): never => {
    options.onRefused({ user: user?.slice(0, SHOWN_CHARS), address, why });
    throw badUser(told);
  };
  return (credentials) => {
    const mapped = userOfCertificate(users(), credentials, refuse);
    if (mapped !== undefined) return mapped;
    if (isOpen()) return rules.user ?? ANYBODY;
    if (users().isEmpty) return refuse(credentials, 'there are no users', NO_USERS);
    return rules.nonSecure
      ? defaultUser(rules.user, users(), credentials, refuse)
      : byPassword(options, credentials, refuse);
  };
}

type Refuse = (credentials: Credentials, why: string, told: string) => never;

const NO_USERS =
  'this server has no users yet; ask its administrator to add one with rsynctl user add NAME, ' +
  'or to start it with -n -u USER';
const NEEDS_PASSWORD =
  'this server takes no login without user and password; give both, or ask its administrator for them';
const TWO_USERS =
  'the certificate stands for more than one user; ask the administrator to keep one rule (rsynctl user list)';

/** The user a certificate stands for; undefined when there is none or it stands for nobody. */
function userOfCertificate(
  users: UserList,
  credentials: Credentials,
  refuse: Refuse,
): string | undefined {
  const { identity, user: claimed } = credentials;
  if (identity === undefined) return undefined;
  const [user, other] = users.withCertificate(identity);
  if (user === undefined) return undefined;
  const { name, disabled } = user;
  if (other !== undefined) return refuse(credentials, `stands for ${name} and others`, TWO_USERS);
  if (claimed !== undefined && claimed !== name) {
    const told = `the certificate stands for ${name}; leave the user name out, or give that one`;
    return refuse(credentials, `the certificate stands for ${name}`, told);
  }
  if (!disabled) return name;
  return refuse(credentials, 'the user is disabled', disabledText(name));
}

function defaultUser(
  name: string | undefined,
  users: UserList,
  credentials: Credentials,
  refuse: Refuse,
): string {
  const user = name === undefined ? undefined : users.find(name);
  if (user !== undefined && !user.disabled) return user.name;
  if (user !== undefined) return refuse(credentials, 'disabled', disabledText(user.name));
  const told = `the default user of this server is not one of its users; ask its administrator to ${addUser(name)}`;
  return refuse(credentials, 'the default user is not there', told);
}

/** What makes the default user one of the users. */
export const addUser = (name: string | undefined): string =>
  name === undefined
    ? 'start it with -u USER, one of rsynctl user list'
    : `add it with rsynctl user add ${name}`;

const disabledText = (name: string): string =>
  `the user ${name} is disabled; ask the administrator for rsynctl user enable ${name}`;

async function byPassword(
  { passwords, onPassword }: LoginOptions,
  credentials: Credentials,
  refuse: Refuse,
): Promise<string> {
  const { user: name, password, address } = credentials;
  if (name === undefined || password === undefined) {
    return refuse(credentials, 'no user or no password was given', NEEDS_PASSWORD);
  }
  const user = await passwords.check({ user: name, password, address });
  onPassword?.(user, password);
  return user.name;
}

/** A session by who it is. */
export interface LoggedIn {
  readonly user: string;
  readonly identity?: PeerIdentity | undefined;
}

/**
 * Does what let a session in before a change of the users hold after it? Its user may be gone, disabled or
 * another one of that name, and its certificate stand for nobody or somebody else.
 */
export function isStillUser(before: UserList, after: UserList, session: LoggedIn): boolean {
  const { user: name, identity } = session;
  const [then, now] = [before.find(name), after.find(name)];
  if (now === undefined || now.disabled) return false;
  if (then !== undefined && then.created !== now.created) return false;
  if (identity === undefined) return true;
  const mapped = after.withCertificate(identity);
  const isMapped = mapped.length === 1 && mapped[0] === now;
  const wasMapped = then !== undefined && before.withCertificate(identity).includes(then);
  return isMapped || (mapped.length === 0 && !wasMapped);
}
