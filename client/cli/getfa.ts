#!/usr/bin/env node
// The program `getfa`: asks one file's channel what it is, the way the statement of that name does. For
// people who want to see with their own eyes whether a file travels encrypted.

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { isRsyndError, RsyndError } from '../../shared/base/error.js';
import { failAndExit, throwUsageErrors } from '../../shared/cli/fail.js';
import { singleDashLong } from '../../shared/cli/single-dash.js';
import type { Channel } from '../channel/channel.js';
import { open } from '../open.js';
import type { OpenOptions } from '../open-options.js';
import {
  addConnectionOptions,
  type ConnectionOptions,
  openOptionsOf,
} from './connection-options.js';

/** What is asked when nothing is named. */
const USUAL_KEYWORDS = ['SLE', 'SLC', 'NETCRYPT'];

const HELP = `
Keywords:
  SLE        1 when the connection is encrypted
  SLC        the cipher in use
  NETCRYPT   1 when the file insists on encryption
  RSZ, SPC   record size, file name

Exit: 0 done, 1 failed, 2 bad usage, 3 not found, 4 in use, 5 not allowed, 6 TLS or trust, 7 timed out`;

interface CommandLine extends ConnectionOptions {
  readonly timeout?: string;
  readonly json?: true;
}

function commandLine(): Command {
  const program = addConnectionOptions(new Command('getfa'))
    .description('Asks the channel of one file whether, and with what, it is encrypted.')
    .version(ownVersion())
    .argument('<filespec>', 'FILE@HOST[:PORT], rsynds://[USER@]HOST[:PORT]/FILE, or a path')
    .argument('[keywords...]', 'what to ask (default SLE SLC NETCRYPT)')
    .option('--timeout <ms>', 'milliseconds for everything (default 10000)')
    .option('--json', 'answers as JSON on stdout, errors as JSON on stderr')
    .addHelpText('after', HELP);
  return throwUsageErrors(program);
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const openOptions = (given: CommandLine, filespec: string): OpenOptions => ({
  ...openOptionsOf(given, process.env, filespec),
  ...(given.timeout === undefined ? {} : { timeoutMs: Number(given.timeout) }),
});

async function answers(channel: Channel, keywords: readonly string[]) {
  const found: [string, number | string][] = [];
  for (const keyword of keywords) {
    found.push([keyword.toUpperCase(), await channel.getfa(keyword)]);
  }
  return found;
}

/** Programs of the field write options behind the file, with a slash; here they are options of the program. */
function refuseSlashOptions(keywords: readonly string[]): void {
  const word = keywords.find((each) => each.startsWith('/'));
  if (word !== undefined) throw slashOption(word);
}

/** A file of this machine may have such a name, so the words come only when there is none. */
function explainNotFound(error: unknown, filespec: string): unknown {
  const word = /@[^/\\]+(\/(?:encrypt|scl=).*)$/i.exec(filespec)?.[1];
  return word !== undefined && isRsyndError(error, 'ERR_FNF') ? slashOption(word, error) : error;
}

const slashOption = (word: string, cause?: unknown): RsyndError =>
  new RsyndError(
    'ERR_INVARG',
    `"${word}" is not known here; use -encrypt or -scl=N, in front of the file`,
    {
      cause,
    },
  );

async function main(): Promise<void> {
  const program = commandLine();
  program.parse(singleDashLong(program, process.argv.slice(2)), { from: 'user' });
  const [filespec = '', ...keywords] = program.args;
  refuseSlashOptions(keywords);
  const given = program.opts<CommandLine>();
  await using channel = await open(filespec, openOptions(given, filespec)).catch((error) => {
    throw explainNotFound(error, filespec);
  });
  const found = await answers(channel, keywords.length === 0 ? USUAL_KEYWORDS : keywords);
  if (given.json === true) console.log(JSON.stringify(Object.fromEntries(found)));
  else for (const [keyword, answer] of found) console.log(`${keyword} ${answer}`.trimEnd());
}

await main().catch((error) => failAndExit(error, process.argv.includes('--json')));
