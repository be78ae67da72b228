// Makes an error fit to travel: its code and message, never a stack, path or cause.

import { isRsyndError, RsyndError } from '../../shared/base/error.js';
import type { ErrorReply } from '../../shared/protocol/message.js';

/** An unexpected error becomes ERR_IOFAIL; what it was is for the log, not for strangers. */
export function errorReply(error: unknown): ErrorReply {
  const known = isRsyndError(error)
    ? error
    : new RsyndError('ERR_IOFAIL', 'the server met an unexpected error; its log has the details');
  const { code, message, retryable, file } = known;
  return { verb: 'error', code, message, retryable, ...(file === undefined ? {} : { file }) };
}
