// What the commands of rsynctl share: where the data is, how they print, how long they may take. One instance
// a run. Answers go to stdout, as text or as JSON; questions and remarks go to stderr.

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import type { Terminal } from '../server/certificate/prompt-hidden.js';
import { StateDirectory } from '../server/state/state-directory.js';
import { RsyndError } from '../shared/base/error.js';

const DEFAULT_DATA = 'rsynd-data';

/** Options every command takes. */
export interface CommonOptions {
  /** As given; absent means `$RSYND_DATA`, else `./rsynd-data`. */
  readonly data?: string;
  readonly json?: boolean;
  /** Budget of the whole run, from `--timeout` in seconds. */
  readonly timeoutMs?: number;
}

/** What a tool is made of; tests bring their own. */
export interface ToolParts {
  readonly stdout: Pick<Writable, 'write'>;
  readonly stderr: Pick<Writable, 'write'>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where passwords and passphrases are asked for; there may be nobody at it. */
  readonly terminal: Terminal;
}

export class Tool {
  readonly #parts: ToolParts;
  #options: CommonOptions = {};

  constructor(parts: ToolParts) {
    this.#parts = parts;
  }

  /** Known once the arguments are parsed. */
  set options(options: CommonOptions) {
    this.#options = options;
  }

  get json(): boolean {
    return this.#options.json ?? false;
  }

  /** Undefined when the run may take as long as it needs; the program itself ends it then. */
  get timeoutMs(): number | undefined {
    return this.#options.timeoutMs;
  }

  get env(): Readonly<Record<string, string | undefined>> {
    return this.#parts.env;
  }

  get terminal(): Terminal {
    return this.#parts.terminal;
  }

  /** The data directory, absolute. ERR_CONFIG when it is not there. */
  get data(): string {
    const path = this.#dataPath;
    if (isDirectory(path)) return path;
    const why = `the data directory ${path} is not there; name the one of the server with --data DIR`;
    throw new RsyndError('ERR_CONFIG', why, { file: path });
  }

  /** The server's own directory below it: users, certificates, refusals. ERR_CONFIG. */
  get state(): StateDirectory {
    return new StateDirectory(this.data);
  }

  /** The same where there is a data directory: for commands that also work without one. */
  get stateIfAny(): StateDirectory | undefined {
    return isDirectory(this.#dataPath) ? new StateDirectory(this.#dataPath) : undefined;
  }

  get #dataPath(): string {
    return resolve(this.#options.data ?? this.env.RSYND_DATA ?? DEFAULT_DATA);
  }

  /** The answer of a command: `value` with --json, else the lines of `text`. */
  answer(value: unknown, text: string): void {
    const line = this.json ? JSON.stringify(value) : text;
    if (line !== '') this.#parts.stdout.write(`${line}\n`);
  }

  /** A remark for people, on stderr, so that stdout holds the answer alone. */
  note(text: string): void {
    if (!this.json) this.#parts.stderr.write(`${text}\n`);
  }
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
