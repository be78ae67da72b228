// The parts of a subject on the command line and at prompts, as users of openssl know them. An empty answer takes
// the default, `.` leaves the part blank.

import { hostname } from 'node:os';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { NAME_PARTS, type NameParts } from '../server/certificate/request/distinguished-name.js';
import { RsyndError } from '../shared/base/error.js';
import type { Tool } from './tool.js';

/** Adds --country to --email. */
export const withNameParts = (command: Command): Command =>
  command
    .option('--country <code>', 'C of the subject, two letters')
    .option('--state <name>', 'ST of the subject')
    .option('--locality <name>', 'L of the subject')
    .option('--org <name>', 'O of the subject')
    .option('--orgunit <name>', 'OU of the subject')
    .option('--commonname <name>', 'CN of the subject')
    .option('--email <address>', 'e-mail address of the subject');

/** Values of an option that may be given several times. */
export const collect = (value: string, before: readonly string[] = []): string[] => [
  ...before,
  value,
];

/** The parts among the options given. */
export function namePartsOf(options: Readonly<Record<string, unknown>>): NameParts {
  const given = NAME_PARTS.flatMap(({ field }) => {
    const value = options[field];
    return typeof value === 'string' ? [[field, value] as const] : [];
  });
  return Object.fromEntries(given);
}

/**
 * Asks for each part in openssl's order; lines may come from a terminal or a script.
 * @throws RsyndError ERR_ABORTED when nobody answers at all.
 */
export async function promptNameParts(tool: Tool, defaults: NameParts): Promise<NameParts> {
  const { input, output } = tool.terminal;
  const lines = createInterface({ input, terminal: false })[Symbol.asyncIterator]();
  output.write('Enter takes what is in brackets, . leaves the part blank.\n');
  const parts: Record<string, string> = {};
  let answers = 0;
  for (const { field, question } of NAME_PARTS) {
    const proposed = defaults[field] ?? (field === 'commonname' ? hostname() : '');
    output.write(`${question} [${proposed}]:`);
    const { value, done } = await lines.next();
    if (!done) answers++;
    const answer = done ? '' : String(value).trim();
    parts[field] = answer === '.' ? '' : answer || proposed;
  }
  await lines.return?.();
  input.pause();
  output.write('\n');
  if (answers > 0) return parts;
  throw new RsyndError(
    'ERR_ABORTED',
    'nobody answered the questions; give --cn and the other parts',
  );
}
