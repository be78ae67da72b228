#!/usr/bin/env node
// The program `rsynd`: reads its options, starts the daemon, or with --workers the supervisor of several, prints
// the ready line, and turns signals into stop and reload. Stays in the foreground.

import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { failAndExit, throwUsageErrors } from '../shared/cli/fail.js';
import { singleDashLong } from '../shared/cli/single-dash.js';
import {
  type DaemonOptions,
  type RawOptions,
  readConfigFile,
  resolveOptions,
  warningsOf,
} from './config/daemon-options.js';
import { Daemon, type DaemonParts } from './daemon.js';
import { encryptionWords } from './daemon-words.js';
import { createLockManager } from './lock/create-lock-manager.js';
import { createLmdbLockStores } from './lock/lmdb-lock-store.js';
import { createLog, describeError, type Log } from './observe/log.js';
import { ScanHelper } from './scan-helper/scan-helper.js';
import { createLmdbEngine } from './storage/lmdb/engine.js';
import { Supervisor } from './worker/supervisor.js';

const version = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  }
).version;

interface CommandLine extends RawOptions {
  readonly config?: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

function commandLine(): Command {
  return new Command('rsynd')
    .description('Serves keyed record files below one directory, over TLS with -encrypt.')
    .version(version)
    .option('-p, --port <n>', 'port; 0 picks a free one (default 2330)')
    .option('--host <addr>', 'address to listen on (default 127.0.0.1)')
    .option('-d, --data <dir>', 'root of the served files (default $RSYND_DATA, else ./rsynd-data)')
    .option('--encrypt', 'every byte of every session is TLS')
    .option('--scl <n>', 'security compliance level 0-4 (default 0, now that of 3)')
    .option('--cert <file>', 'PEM with private key and chain (default $DBLDIR/rsynd.pem)')
    .option('--cipher <level>', 'only HIGH is accepted')
    .option('--passphrase-file <file>', 'passphrase of the key (else $RSYND_PASSPHRASE, or asked)')
    .option('-n', 'non-secure mode: no passwords, everyone acts as the default user')
    .option('-u <user>', 'default user; required by -n together with -encrypt')
    .addOption(new Option('-w', 'no remote procedure service in this version').hideHelp())
    .option('--workers <n>', 'processes sharing port and files (default 1)')
    .option('--store <url>', 'where files live (only lmdb: in this version)')
    .option('--config <file>', 'TOML; the command line wins; unknown keys are errors')
    .option('--check', 'validate everything, print what would run, exit')
    .option('--log-level <level>', 'trace debug info warn error fatal silent (default info)')
    .option('--log-file <file>', 'JSON lines (default $RSYNDLOG, else stderr)')
    .option(
      '--client-auth <word>',
      'certificates of clients: none, optional, required (default none)',
    )
    .option('--client-ca <file>', 'PEM of their authorities, besides those of rsynctl cert')
    .option(
      '--client-depth <n>',
      "certificates allowed above a client's, root included (default 4)",
    )
    .option(
      '--crl <file>',
      'revocation list, PEM or DER; one for each authority (repeatable)',
      collect,
    )
    .option(
      '--crl-policy <word>',
      'authority without a current list: open, closed (default closed)',
    )
    .option('--ocsp <word>', 'ask an OCSP responder: off, soft, hard (default off)')
    .option('--ocsp-url <url>', 'its address')
    .option('--ocsp-issuer <file>', 'PEM of a certificate that may sign its answers')
    .option('--ocsp-follow', 'ask whom the certificate names when there is no --ocsp-url')
    .option(
      '--ocsp-nonce <word>',
      'answers without nonce: require, accept (default require if hard)',
    )
    .addOption(new Option('--json', 'errors as JSON on stderr'));
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

async function main(): Promise<void> {
  const program = throwUsageErrors(commandLine());
  program.parse(singleDashLong(program, process.argv.slice(2)), { from: 'user' });
  const { config, check, json: _, ...given } = program.opts<CommandLine>();
  const readOptions = (): DaemonOptions =>
    resolveOptions(given, config === undefined ? {} : readConfigFile(config), process.env);
  const options = readOptions();
  const log = createLog({
    level: options.logLevel,
    ...(options.logFile === undefined ? {} : { file: options.logFile }),
  });
  const parts: DaemonParts = {
    engine: createLmdbEngine(),
    locks: createLockManager(createLmdbLockStores()),
    helper: ScanHelper.forThisMachine((why) => log.warn({ why }, 'the scan helper is lost')),
    log,
    software: `rsynd ${version}`,
  };
  for (const warning of warningsOf(options)) log.warn(warning);
  if (check === true) {
    await Daemon.check(options, parts);
    console.log(
      `rsynd would run host=${options.host} port=${options.port} ${encryptionWords(options)} ` +
        `workers=${options.workers} data=${options.data}`,
    );
    return;
  }
  const start = options.workers === 1 ? Daemon.start : startSupervisor;
  run(await start(options, parts), log, readOptions);
}

/** What this process can find wrong it says itself, once; what else there is to say the first worker says. */
async function startSupervisor(options: DaemonOptions, parts: DaemonParts): Promise<Supervisor> {
  const typed = {};
  await Daemon.check(options, { ...parts, log: createLog({ level: 'silent' }), typed });
  const { log, software } = parts;
  return Supervisor.start(options, { log, software, typed, onFailed: fail });
}

/** A server, of one process or several. */
interface Server {
  readonly readyLine: string;
  reload(options: DaemonOptions): Promise<void>;
  stop(): Promise<void>;
}

function run(daemon: Server, log: Log, readOptions: () => DaemonOptions): void {
  process.on('SIGHUP', () => {
    try {
      void daemon.reload(readOptions());
    } catch (error) {
      log.error(describeError(error), 'configuration not reloaded, the one in use stays');
    }
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => void daemon.stop().then(() => process.exit(0)));
  }
  // A broken invariant ends the process: what is acknowledged is on disk, and going on might spoil it.
  process.on('uncaughtException', (error) => {
    log.fatal(describeError(error), 'unexpected error, ending');
    process.exit(1);
  });
  console.log(daemon.readyLine);
}

const fail = (error: unknown): never => failAndExit(error, process.argv.includes('--json'));

await main().catch(fail);
