// Asks one question on a terminal without showing what is typed. Only for passphrases and passwords;
// the caller has made sure that there is a terminal.

import type { Readable, Writable } from 'node:stream';
import { RsyndError } from '../../shared/base/error.js';
import { passphraseBytesMax, passphrasePromptMs } from '../../shared/base/limits.js';

/** What a prompt needs of a terminal; `process.stdin` with `process.stderr` is one. */
export interface Terminal {
  readonly input: Readable & { isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };
  readonly output: Writable;
}

const ENTER = /[\r\n]/;
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const ERASE = new Set(['\u007f', '\b']);

/**
 * Asks and returns the line typed. The terminal is left as it was found.
 * @throws RsyndError ERR_ABORTED on Ctrl-C, Ctrl-D or end of input; ERR_TIMEOUT when nobody answers.
 */
export async function promptHidden(
  question: string,
  terminal: Terminal,
  timeoutMs = passphrasePromptMs,
): Promise<string> {
  const { input, output } = terminal;
  output.write(question);
  input.setRawMode?.(true);
  try {
    return await readLine(input, timeoutMs);
  } finally {
    input.setRawMode?.(false);
    input.pause();
    output.write('\n');
  }
}

function readLine(input: Readable, timeoutMs: number): Promise<string> {
  return new Promise((fulfil, reject) => {
    let typed = '';
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      input.off('data', onData).off('end', onEnd);
      settle();
    };
    const fail = (code: 'ERR_ABORTED' | 'ERR_TIMEOUT', why: string): void =>
      finish(() => reject(new RsyndError(code, why)));
    const onEnd = (): void => fail('ERR_ABORTED', 'nothing was given at the prompt');
    const onData = (chunk: Buffer | string): void => {
      typed = edit(typed, chunk.toString());
      if (typed.includes(CTRL_C) || typed.includes(CTRL_D)) onEnd();
      else if (ENTER.test(typed)) finish(() => fulfil(typed.split(ENTER, 1)[0] ?? ''));
    };
    const timer = setTimeout(() => fail('ERR_TIMEOUT', 'nobody typed the passphrase'), timeoutMs);
    input.on('data', onData).once('end', onEnd).resume();
  });
}

function edit(typed: string, keys: string): string {
  let line = typed;
  for (const key of keys) {
    if (ENTER.test(line)) break;
    line = ERASE.has(key) ? line.slice(0, -1) : line + key;
  }
  return line.length > passphraseBytesMax ? `${line.slice(0, passphraseBytesMax)}\n` : line;
}
