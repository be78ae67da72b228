// The one error class. Expected conditions carry a code of the table; misuse by a programmer is a TypeError.

import { ERROR_CODES, type ErrorCode } from './error-code.js';

/** What may accompany a code. */
export interface ErrorDetails {
  /** Fills `%s` of the code's text: a host, mostly. */
  readonly subject?: string;
  /** Name of the file concerned, as the caller wrote it. */
  readonly file?: string;
  /** Host (and port) concerned. */
  readonly host?: string;
  readonly cause?: unknown;
  /** Overrides the table where one occurrence is known to be (not) worth repeating. */
  readonly retryable?: boolean;
  /** ERR_BUDGET of a read: where a query of the same text goes on. */
  readonly resume?: Buffer;
}

/**
 * An expected failure. `message` begins with the text of its code and goes on with what, why and how
 * to fix it. It names the subject; it never holds a secret or the content of a record.
 */
export class RsyndError extends Error {
  override readonly name = 'RsyndError';
  readonly code: ErrorCode;
  /** The stable number of the code. */
  readonly errno: number;
  /** True when the same call may succeed later without any change. */
  readonly retryable: boolean;
  readonly file?: string;
  readonly host?: string;
  /** Where a select that used up its budget goes on; for `query.resume()`. */
  readonly resume?: Buffer;

  constructor(code: ErrorCode, explanation = '', details: ErrorDetails = {}) {
    const entry = ERROR_CODES[code];
    const text = entry.text.replace('%s', details.subject ?? details.host ?? '');
    super(explanation === '' ? text : `${text}: ${explanation}`, { cause: details.cause });
    this.code = code;
    this.errno = entry.errno;
    this.retryable = details.retryable ?? entry.retryable;
    if (details.file !== undefined) this.file = details.file;
    if (details.host !== undefined) this.host = details.host;
    if (details.resume !== undefined) this.resume = details.resume;
  }
}

/** Rebuilds an error that travelled: the message is taken as it came, text included. */
export function errorFromWire(code: ErrorCode, message: string, details: ErrorDetails): RsyndError {
  const error = new RsyndError(code, '', details);
  error.message = message;
  return error;
}

/** Narrowing question for catch blocks. */
export const isRsyndError = (value: unknown, code?: ErrorCode): value is RsyndError =>
  value instanceof RsyndError && (code === undefined || value.code === code);

/** For the end of a switch over a union: a compile error when a member was forgotten. */
export function unreachable(value: never): never {
  throw new TypeError(`unreachable: ${String(value)}`);
}
