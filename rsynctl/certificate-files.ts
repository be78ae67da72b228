// What `rsynctl ca` and `rsynctl cert` share: the store of the data directory, passphrases, and files written for
// users.

import { randomBytes } from 'node:crypto';
import { accessSync, constants, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { localAuthorityAsUser } from '../server/certificate/authority/authority-file.js';
import type { Passphrase } from '../server/certificate/import/material.js';
import { passphraseSource } from '../server/certificate/passphrase.js';
import { CertificateStore } from '../server/certificate/store/certificate-store.js';
import { RsyndError } from '../shared/base/error.js';
import type { Tool } from './tool.js';

/** The certificate store of `--data`, with all who use entries of it. */
export function openStore({ state, env }: Tool): CertificateStore {
  return new CertificateStore(state, { env, users: [localAuthorityAsUser(state)] });
}

/** `--passphrase-file`, else $RSYND_PASSPHRASE, else a prompt where there is a terminal. */
export const passphraseOf = ({ env, terminal }: Tool, file?: string): Passphrase =>
  passphraseSource({ env, terminal, ...(file === undefined ? {} : { file }) });

/** Who may read a file: keys are for their owner alone. */
export type Readers = 'owner' | 'all';

/** Asked before a key is made that would be lost if its file could not be written. ERR_IOFAIL. */
export function requireWritable(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (cause) {
    throw unwritable(path, codeOf(cause), cause);
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw unwritable(path, 'EISDIR');
}

/** Writes a file whole, over an old one too. ERR_IOFAIL. */
export function writeOut(path: string, content: string | Uint8Array, readers: Readers): void {
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    const mode = readers === 'owner' ? 0o600 : 0o644;
    writeFileSync(draft, content, { mode, flag: 'wx', flush: true });
    renameSync(draft, path);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw unwritable(path, codeOf(cause), cause);
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown';

const unwritable = (path: string, code: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_IOFAIL', `${path} cannot be written (${code})`, { file: path, cause });

/** Public text for a file, or for stdout when none is named. */
export function answerText(
  tool: Tool,
  text: string,
  facts: Readonly<Record<string, unknown>>,
  out?: string,
): void {
  if (out === undefined) return tool.answer({ ...facts, pem: text }, text.trimEnd());
  writeOut(out, text, 'all');
  tool.answer({ ...facts, file: out }, `wrote ${out}`);
}
