// Reads the file that --password-file or $RSYND_PASSWORD_FILE names. A password is never an argument: every user
// of the machine could read it in the list of processes.

import { readFileSync, statSync } from 'node:fs';
import { RsyndError } from '../base/error.js';
import { passwordBytesMax } from '../base/limits.js';

/** The first line of the file. ERR_CONFIG names the file and what is wrong with it. */
export function readPasswordFile(file: string): string {
  let text: string;
  try {
    if (statSync(file).size > 2 * passwordBytesMax) throw unusable(file, 'is too long');
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof RsyndError) throw cause;
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw unusable(file, `cannot be read (${reason})`, cause);
  }
  const [password = ''] = text.split(/\r?\n/, 1);
  if (password === '') throw unusable(file, 'is empty; its first line must be the password');
  return password;
}

const unusable = (file: string, why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_CONFIG', `password file ${file} ${why}`, { file, cause });
