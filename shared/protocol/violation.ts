// The one way in which bytes from the other side are refused. Every decoder throws this and nothing
// else.

import { RsyndError } from '../base/error.js';

/** An ERR_PROTOCOL that names the message and what is wrong with it; never its content. */
export const violation = (message: string, what: string): RsyndError =>
  new RsyndError('ERR_PROTOCOL', `${message}: ${what}`);
