// How an import says no: ERR_BADCERT with the source and the reason.

import { isRsyndError, RsyndError } from '../../../shared/base/error.js';
import { ERROR_CODES } from '../../../shared/base/error-code.js';

/** The error to throw: `source` is a file name or what stands for one. */
export const refusal = (source: string, why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_BADCERT', `${source}: ${why}`, { file: source, cause });

/** Runs a reader of shared/tls, which speaks of the server's set-up, and has it speak of a certificate. */
export function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isRsyndError(error, 'ERR_TLSCONF')) throw error;
    const why = error.message.slice(`${ERROR_CODES.ERR_TLSCONF.text}: `.length);
    const file = error.file === undefined ? {} : { file: error.file };
    throw new RsyndError('ERR_BADCERT', why, { cause: error.cause, ...file });
  }
}
