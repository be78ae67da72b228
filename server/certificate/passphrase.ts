// Where the passphrase of an encrypted key comes from: --passphrase-file, else $RSYND_PASSPHRASE, else a
// prompt on a terminal, else nothing. Asked only when a key is encrypted; it never waits for a terminal
// that is not there.

import { readFile } from 'node:fs/promises';
import { RsyndError } from '../../shared/base/error.js';
import { passphraseBytesMax } from '../../shared/base/limits.js';
import { promptHidden, type Terminal } from './prompt-hidden.js';

/** Gives the passphrase, or undefined when there is none to be had. `file` is only shown. */
export type PassphraseSource = (file: string) => Promise<string | undefined>;

export interface PassphraseOptions {
  /** Value of --passphrase-file; read anew at each reload. */
  readonly file?: string;
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** @default the process's own stdin and stderr */
  readonly terminal?: Terminal;
  /** Where what was typed is kept. @default by this source alone */
  readonly typed?: TypedPassphrase;
}

/** What was typed at a prompt, for sources made later and for other processes of this server. */
export interface TypedPassphrase {
  value?: string;
}

/**
 * Makes the source. What was typed at a prompt is kept in memory, because a later reload (SIGHUP) may not
 * stop to ask: a passphrase that changes must come from a file.
 */
export function passphraseSource(options: PassphraseOptions = {}): PassphraseSource {
  const { file: passphraseFile, env = process.env } = options;
  const terminal = options.terminal ?? { input: process.stdin, output: process.stderr };
  const { typed = {} } = options;
  return async (file) => {
    if (passphraseFile !== undefined) return readPassphraseFile(passphraseFile);
    if (env.RSYND_PASSPHRASE !== undefined) return env.RSYND_PASSPHRASE;
    if (typed.value === undefined && terminal.input.isTTY === true) {
      typed.value = await promptHidden(`Passphrase for ${file}: `, terminal);
    }
    return typed.value;
  };
}

/**
 * The first line of a passphrase file.
 * @throws RsyndError ERR_TLSCONF when it cannot be read, is empty or too long.
 */
async function readPassphraseFile(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw unusable(file, `cannot be read (${reason})`, cause);
  });
  const [passphrase = ''] = text.split(/\r?\n/, 1);
  if (passphrase === '') throw unusable(file, 'is empty; its first line must be the passphrase');
  if (Buffer.byteLength(passphrase) <= passphraseBytesMax) return passphrase;
  throw unusable(file, `holds more than ${passphraseBytesMax} bytes in its first line`);
}

const unusable = (file: string, why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_TLSCONF', `passphrase file ${file} ${why}`, { file, cause });
