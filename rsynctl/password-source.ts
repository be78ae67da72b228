// Where rsynctl gets a new password from: a file, a random one, or a person who types it twice. It is never an
// argument, which every user of the machine could read in the list of processes.

import { randomInt } from 'node:crypto';
import { promptHidden } from '../server/certificate/prompt-hidden.js';
import { RsyndError } from '../shared/base/error.js';
import { readPasswordFile } from '../shared/cli/password-file.js';
import type { Tool } from './tool.js';

/** Options of commands that set a password. */
export interface PasswordOptions {
  readonly passwordFile?: string;
  readonly generate?: true;
}

/** A password and whether it was made here: then the answer must show it, once. */
export interface NewPassword {
  readonly password: string;
  readonly isGenerated: boolean;
}

/** ERR_INVARG, ERR_CONFIG (the file), ERR_ABORTED and ERR_TIMEOUT (the person). */
export async function newPassword(tool: Tool, options: PasswordOptions): Promise<NewPassword> {
  const { passwordFile = tool.env.RSYND_PASSWORD_FILE, generate } = options;
  if (generate === true && options.passwordFile !== undefined) {
    throw new RsyndError('ERR_INVARG', '--generate and --password-file exclude each other');
  }
  if (generate === true) return { password: randomPassword(), isGenerated: true };
  const password =
    passwordFile === undefined ? await askTwice(tool) : readPasswordFile(passwordFile);
  return { password, isGenerated: false };
}

async function askTwice({ terminal }: Tool): Promise<string> {
  if (terminal.input.isTTY !== true) {
    const why =
      'nobody is at a terminal to type the password; give --password-file F or --generate';
    throw new RsyndError('ERR_INVARG', why);
  }
  const password = await promptHidden('New password: ', terminal);
  if (password === (await promptHidden('The same again: ', terminal))) return password;
  throw new RsyndError('ERR_INVARG', 'the two passwords differ; nothing was changed');
}

/** Letters and digits that nobody takes for another, some 115 bits of them. */
const LETTERS = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const GENERATED_CHARS = 20;

const randomPassword = (): string =>
  Array.from({ length: GENERATED_CHARS }, () => LETTERS.charAt(randomInt(LETTERS.length))).join('');
