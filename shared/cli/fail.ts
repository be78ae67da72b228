// How a program ends when it cannot go on: one message on stderr, as text or as JSON, and the exit status
// that says which kind of failure it was. Called at the top of every program.

import { writeSync } from 'node:fs';
import { type Command, CommanderError } from 'commander';
import { isRsyndError } from '../base/error.js';
import { EXIT_STATUS, type ExitStatus, exitStatusOf } from './exit-status.js';

const STDERR = 2;

/**
 * Makes commander throw instead of ending the process with its own status, and say nothing itself:
 * failAndExit does. Call it when all commands are declared.
 */
export function throwUsageErrors(program: Command): Command {
  program.exitOverride().configureOutput({ outputError: () => {} });
  program.commands.forEach(throwUsageErrors);
  return program;
}

/** The exit status an error stands for. Help and version asked for are no failure. */
export function exitStatusOfError(error: unknown): ExitStatus {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? EXIT_STATUS.done : EXIT_STATUS.badUsage;
  }
  return isRsyndError(error) ? exitStatusOf(error.code) : EXIT_STATUS.failed;
}

/** The one line of an error for stderr; undefined when there is nothing to say. */
export function errorText(error: unknown, json: boolean): string | undefined {
  if (error instanceof CommanderError && error.exitCode === 0) return undefined;
  if (json) return JSON.stringify({ error: errorFacts(error) });
  const { message } = errorFacts(error);
  return `error: ${message}`;
}

interface ErrorFacts {
  readonly code: string;
  readonly errno?: number;
  readonly message: string;
  readonly retryable?: boolean;
  readonly file?: string;
  readonly host?: string;
}

function errorFacts(error: unknown): ErrorFacts {
  if (isRsyndError(error)) {
    const { code, errno, message, retryable, file, host } = error;
    return {
      code,
      errno,
      message,
      retryable,
      ...(file === undefined ? {} : { file }),
      ...(host === undefined ? {} : { host }),
    };
  }
  if (error instanceof CommanderError) {
    // Asked for help by giving nothing at all: the help is on stderr already.
    const message = error.message.replace(/^error: /, '');
    return { code: 'USAGE', message: message === '(outputHelp)' ? 'nothing to do' : message };
  }
  return { code: 'UNEXPECTED', message: error instanceof Error ? error.message : String(error) };
}

/** Says what went wrong and ends the process. */
export function failAndExit(error: unknown, json = false): never {
  const text = errorText(error, json);
  if (text !== undefined) writeStderr(`${text}\n`);
  process.exit(exitStatusOfError(error));
}

/** At once, because the process ends next. */
function writeStderr(text: string): void {
  try {
    writeSync(STDERR, text);
  } catch {
    // Nobody reads stderr any more; the exit status still tells.
  }
}
