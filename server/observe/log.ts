// The daemon's log: one JSON object a line, times in ISO 8601. It tells of starts and stops, sessions,
// refused connections with what to do about them, and unexpected errors. Never a password, a key, or
// anything out of a record.

import pino, { type Logger } from 'pino';
import { logBytesKeptMax } from '../../shared/base/limits.js';

export type Log = Logger;

/** What most of us need of a log. */
export type Saying = Pick<Log, 'info' | 'warn' | 'error'>;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** Absent: standard error. */
  readonly file?: string;
  /** Which of several processes writes; in each of its lines. */
  readonly worker?: number;
}

/**
 * Lines are written at once: what happened right before a crash is what one wants to read. A log that
 * cannot be written (its disk is full, its reader is gone) must not end the service: the last lines are
 * kept for when it can be again, and those beyond are dropped.
 */
export function createLog({ level, file, worker }: LogOptions): Log {
  const destination = pino.destination({
    ...(file === undefined ? { fd: 2 } : { dest: file, append: true, mkdir: true }),
    sync: true,
    maxLength: logBytesKeptMax,
    retryEAGAIN: () => false,
  });
  destination.on('error', () => undefined);
  return pino(
    {
      level,
      base: { pid: process.pid, ...(worker !== undefined && { worker }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination,
  );
}

/** Only what went wrong here: for a process whose news another one tells. */
export const errorsOnly = (log: Saying): Saying => ({
  info: () => undefined,
  warn: () => undefined,
  error: log.error.bind(log),
});

/** What may be said of an error in the log: its class, code and message, and a stack for our own. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error };
  const { code } = error as { code?: unknown };
  const isOurs = error.name === 'RsyndError';
  return {
    error: error.message,
    ...(code === undefined ? {} : { code }),
    ...(isOurs ? {} : { stack: error.stack }),
  };
}
