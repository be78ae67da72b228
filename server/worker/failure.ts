// An error on its way between supervisor and worker.

import { errorFromWire, isRsyndError } from '../../shared/base/error.js';
import type { ErrorCode } from '../../shared/base/error-code.js';

/** Why something cannot be. */
export interface Failure {
  /** Undefined for what is no RsyndError. */
  readonly code?: ErrorCode | undefined;
  readonly message: string;
  readonly retryable?: boolean;
}

export function failureOf(error: unknown): Failure {
  if (!isRsyndError(error)) return { message: error instanceof Error ? error.message : 'unknown' };
  const { code, message, retryable } = error;
  return { code, message, retryable };
}

export function errorOf({ code, message, retryable = false }: Failure): Error {
  return code === undefined ? new Error(message) : errorFromWire(code, message, { retryable });
}
