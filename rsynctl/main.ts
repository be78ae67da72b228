#!/usr/bin/env node
// The program `rsynctl`: administration of a server's data directory and of running servers. It loads the one
// group of commands that is asked for, so that help comes at once. A group is a file in command/ that exports
// add<Group>(program, tool), and a row here.

import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { RsyndError } from '../shared/base/error.js';
import { failAndExit, throwUsageErrors } from '../shared/cli/fail.js';
import { singleDashLong } from '../shared/cli/single-dash.js';
import { Tool } from './tool.js';

/** Declares the commands of one group. */
type AddGroup = (program: Command, tool: Tool) => void;

interface Group {
  readonly name: string;
  /** One line for the help of the program. */
  readonly about: string;
  load(): Promise<AddGroup>;
}

const GROUPS: readonly Group[] = [
  {
    name: 'user',
    about: 'users, their passwords, rights and certificates',
    load: async () => (await import('./command/user.js')).addUser,
  },
  {
    name: 'ca',
    about: 'the certificate authority of this installation',
    load: async () => (await import('./command/ca.js')).addCa,
  },
  {
    name: 'cert',
    about: 'the certificate store: requests, imports, trust, what the data port presents',
    load: async () => (await import('./command/cert.js')).addCert,
  },
  {
    name: 'query',
    about: 'find records of a file on a server',
    load: async () => (await import('./command/query.js')).addQuery,
  },
  {
    name: 'trust',
    about: 'servers you know by their key',
    load: async () => (await import('./command/trust.js')).addTrust,
  },
  {
    name: 'explain',
    about: 'why a connection was refused, or what a code means',
    load: async () => (await import('./command/explain.js')).addExplain,
  },
  {
    name: 'check',
    about: 'health, for people and monitors',
    load: async () => (await import('./command/check.js')).addCheck,
  },
  {
    name: 'tls-usage',
    about: 'which clients came by which protocol',
    load: async () => (await import('./command/tls-usage.js')).addTlsUsage,
  },
  {
    name: 'ciphers',
    about: 'the cipher suites a server takes',
    load: async () => (await import('./command/ciphers.js')).addCiphers,
  },
  {
    name: 'dltest',
    about: 'is everything there that TLS and storage need',
    load: async () => (await import('./command/dltest.js')).addDltest,
  },
  {
    name: 'audit',
    about: 'a server against NIST SP 800-52r2 (audit tls)',
    load: async () => (await import('./command/audit.js')).addAudit,
  },
];

const HELP = `
Every long option may be written with one dash or two, with = or a space.

Exit: 0 done, 1 failed, 2 bad usage, 3 not found, 4 in use, 5 not allowed, 6 TLS or trust, 7 timed out,
      8 damaged file`;

interface GlobalOptions {
  readonly data?: string;
  readonly json?: boolean;
  /** Milliseconds, though given in seconds. */
  readonly timeout?: number;
}

async function rsynctlProgram(tool: Tool, args: readonly string[]): Promise<Command> {
  const program = new Command('rsynctl')
    .description('Administers rsynd: whoever may write the data directory may use it.')
    .version(ownVersion())
    .configureHelp({ showGlobalOptions: true })
    .option('--data <dir>', "the server's data directory (default $RSYND_DATA, else ./rsynd-data)")
    .option('--json', 'answers as JSON on stdout, errors as JSON on stderr')
    .option('--timeout <seconds>', 'give up after so long (default: never)', parseSeconds)
    .addHelpText('after', HELP);
  for (const { name, about, load } of GROUPS) {
    if (args.includes(name)) (await load())(program, tool);
    else program.command(name).description(about);
  }
  program.hook('preAction', () => takeOptions(tool, program.opts<GlobalOptions>()));
  return throwUsageErrors(program);
}

function takeOptions(tool: Tool, { data, json, timeout }: GlobalOptions): void {
  tool.options = {
    ...(data === undefined ? {} : { data }),
    ...(json === undefined ? {} : { json }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  };
  if (timeout === undefined) return;
  const why = `--timeout ${timeout / 1000}: not done in so many seconds`;
  const late = new RsyndError('ERR_TIMEOUT', why);
  setTimeout(() => failAndExit(late, json), timeout).unref();
}

function parseSeconds(text: string): number {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds > 0) return seconds * 1000;
  throw new InvalidArgumentError('it is a number of seconds above 0.');
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function ignoreClosedPipe(error: Error): void {
  if (!('code' in error && error.code === 'EPIPE')) process.exit(1);
}

async function main(args: readonly string[]): Promise<void> {
  const { stdin, stdout, stderr, env } = process;
  // `| head` has seen enough; the exit status still tells how the work went.
  for (const stream of [stdout, stderr]) stream.on('error', ignoreClosedPipe);
  const tool = new Tool({ stdout, stderr, env, terminal: { input: stdin, output: stderr } });
  const program = await rsynctlProgram(tool, args);
  await program.parseAsync(singleDashLong(program, args), { from: 'user' });
}

const args = process.argv.slice(2);
await main(args).catch((error) =>
  failAndExit(
    error,
    args.some((each) => /^--?json$/.test(each)),
  ),
);
