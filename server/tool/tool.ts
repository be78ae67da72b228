// What the commands of isutl share: how they print, how they reach files, and the exit status they end with.
// One instance a run. Output goes through here so that --json, -m and NO_COLOR hold everywhere.

import { EXIT_STATUS, type ExitStatus } from '../../shared/cli/exit-status.js';
import { errorText, exitStatusOfError } from '../../shared/cli/fail.js';
import type { LocalFiles } from './local-files.js';
import { type OutputStream, type ProgressDisplay, startProgress } from './progress.js';

/** `-m`: 0 errors only, 1 one line a file, 2 also one a key or column, 3 everything. */
export type MessageLevel = 0 | 1 | 2 | 3;

/** Options every command takes. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly percent?: boolean;
  readonly messages?: MessageLevel;
}

/** What a tool is made of; tests bring their own. */
export interface ToolParts {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: NodeJS.ProcessEnv;
  /** Called on the first file, so that `--help` does not load a storage engine. */
  readonly openFiles: () => Promise<LocalFiles>;
}

const MESSAGES_DEFAULT: MessageLevel = 2;

export class Tool {
  readonly stdout: OutputStream;
  readonly #parts: ToolParts;
  #options: CommonOptions = {};
  #files: Promise<LocalFiles> | undefined;
  #status: ExitStatus = EXIT_STATUS.done;

  constructor(parts: ToolParts) {
    this.#parts = parts;
    this.stdout = parts.stdout;
  }

  /** Known once the arguments are parsed. */
  set options(options: CommonOptions) {
    this.#options = options;
  }

  get json(): boolean {
    return this.#options.json ?? false;
  }

  get status(): ExitStatus {
    return this.#status;
  }

  /** The first failure decides. */
  fail(status: ExitStatus): void {
    if (this.#status === EXIT_STATUS.done) this.#status = status;
  }

  files(): Promise<LocalFiles> {
    this.#files ??= this.#parts.openFiles();
    return this.#files;
  }

  /** A line on stdout for people, from message level `level` on. */
  print(text: string, level: MessageLevel = 1): void {
    if (!this.json && this.#shows(level)) this.#parts.stdout.write(`${text}\n`);
  }

  /** A line on stderr for people: where stdout carries data, and for bad rows. */
  note(text: string, level: MessageLevel = 1): void {
    if (!this.json && this.#shows(level)) this.#parts.stderr.write(`${text}\n`);
  }

  /** The answer for programs, on stdout unless that carries data. */
  printJson(value: unknown, stream: 'stdout' | 'stderr' = 'stdout'): void {
    if (this.json) this.#parts[stream].write(`${JSON.stringify(value)}\n`);
  }

  /** An error that does not end the run: the next file is still taken. */
  reportError(error: unknown): void {
    const text = errorText(error, this.json);
    if (text !== undefined) this.#parts.stderr.write(`${text}\n`);
    this.fail(exitStatusOfError(error));
  }

  progress(label: string): ProgressDisplay {
    const { stderr, env } = this.#parts;
    const color = (env.NO_COLOR ?? '') === '';
    const quiet = this.json || !this.#shows(1);
    return startProgress(label, {
      stream: stderr,
      percent: this.#options.percent === true && !this.json,
      quiet,
      color,
    });
  }

  async close(): Promise<void> {
    const files = await this.#files?.catch(() => undefined); // why it failed was reported already
    await files?.close();
  }

  #shows(level: MessageLevel): boolean {
    return (this.#options.messages ?? MESSAGES_DEFAULT) >= level;
  }
}
