// Who a login makes a session. Secure mode will ask the password store, which is not built yet; until
// then it has no users and refuses everybody, and says so.

import type { Answer } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import type { Credentials } from './peer-identity.js';

/** Answers the user a login acts as. ERR_BADUSER. */
export type Authenticate = (credentials: Credentials) => Answer<string>;

/** What of the daemon's options decides about logins. */
export interface LoginRules {
  /** `-n`: everyone acts as the default user, whatever name was sent. */
  readonly nonSecure: boolean;
  /** `-u`. */
  readonly user: string | undefined;
}

/** The user of `-n` without `-u` on a plain server: nobody in particular. */
const ANYBODY = 'anybody';

export function createLogin({ nonSecure, user }: LoginRules): Authenticate {
  if (nonSecure) return () => user ?? ANYBODY;
  return () => {
    const why =
      'this server runs in secure mode and has no users; ask its administrator to start it with -n -u USER';
    throw new RsyndError('ERR_BADUSER', why, { subject: 'this server', retryable: false });
  };
}
