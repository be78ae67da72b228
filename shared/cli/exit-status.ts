// What the exit status of our programs says. Scripts branch on these: never renumber.

import type { ErrorCode } from '../base/error-code.js';

export const EXIT_STATUS = {
  done: 0,
  failed: 1,
  badUsage: 2,
  notFound: 3,
  inUse: 4,
  notAllowed: 5,
  tls: 6,
  timedOut: 7,
  damaged: 8,
} as const;

export type ExitStatus = (typeof EXIT_STATUS)[keyof typeof EXIT_STATUS];

const STATUS_OF_CODE: { readonly [code in ErrorCode]?: ExitStatus } = {
  ERR_CONFIG: EXIT_STATUS.badUsage,
  ERR_INVARG: EXIT_STATUS.badUsage,
  ERR_BADMODE: EXIT_STATUS.badUsage,
  ERR_FNF: EXIT_STATUS.notFound,
  ERR_RNF: EXIT_STATUS.notFound,
  ERR_NOENTRY: EXIT_STATUS.notFound,
  ERR_BADHOST: EXIT_STATUS.notFound,
  ERR_FINUSE: EXIT_STATUS.inUse,
  ERR_LOCKED: EXIT_STATUS.inUse,
  ERR_ENTRYUSED: EXIT_STATUS.inUse,
  ERR_DEADLOCK: EXIT_STATUS.inUse,
  ERR_PROTEC: EXIT_STATUS.notAllowed,
  ERR_BADUSER: EXIT_STATUS.notAllowed,
  ERR_OUTRDO: EXIT_STATUS.notAllowed,
  ERR_CLNTERR: EXIT_STATUS.tls,
  ERR_NETCRYPT: EXIT_STATUS.tls,
  ERR_TLSCONF: EXIT_STATUS.tls,
  ERR_BADCERT: EXIT_STATUS.tls,
  ERR_RNDSTATE: EXIT_STATUS.tls,
  ERR_TIMEOUT: EXIT_STATUS.timedOut,
  ERR_DAMAGED: EXIT_STATUS.damaged,
};

/** The exit status for an error code; everything without a status of its own is 1. */
export const exitStatusOf = (code: ErrorCode): ExitStatus =>
  STATUS_OF_CODE[code] ?? EXIT_STATUS.failed;
