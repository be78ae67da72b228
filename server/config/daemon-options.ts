// What a daemon is told to be: from the command line, the environment, a TOML file and defaults, in
// that order. Everything is checked here, once, so that the daemon can trust it.

import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { RsyndError } from '../../shared/base/error.js';
import {
  certificateDepthDefault,
  certificateDepthMax,
  definitionFileBytesMax,
  userNameBytesMax,
  workersMax,
} from '../../shared/base/limits.js';
import { isResponderUrl } from '../../shared/tls/ocsp-exchange.js';
import { isSecurityLevel, type SecurityLevel } from '../../shared/tls/policy.js';
import { CLIENT_AUTH_WORDS, type TrustSettings } from '../certificate/trust/trust-settings.js';
import { LOG_LEVELS, type LogLevel } from '../observe/log.js';

export const DEFAULT_PORT = 2330;
const DEFAULT_DATA = 'rsynd-data';

/** A daemon's settings, complete and checked. Names are those of the long options. */
export interface DaemonOptions extends TrustSettings {
  /** 0 picks a free one. */
  readonly port: number;
  /** Address to listen on. */
  readonly host: string;
  /** Root of the served files, absolute. */
  readonly data: string;
  readonly encrypt: boolean;
  /** As given; 0 means today's default. */
  readonly scl: SecurityLevel;
  /** `-cert` as given; absent means `$DBLDIR/rsynd.pem`. */
  readonly cert: string | undefined;
  readonly passphraseFile: string | undefined;
  /** `-n`: no passwords, everyone acts as the default user. */
  readonly nonSecure: boolean;
  /** `-u`: the default user. */
  readonly user: string | undefined;
  /** Processes that serve. */
  readonly workers: number;
  readonly store: 'lmdb:';
  readonly logLevel: LogLevel;
  readonly logFile: string | undefined;
}

/** Options that a running daemon cannot change. */
export const RESTART_OPTIONS = [
  'host',
  'port',
  'data',
  'encrypt',
  'nonSecure',
  'user',
  'workers',
] as const;

/** Options as they were written, before anything is checked: command line and TOML alike. */
export interface RawOptions {
  readonly port?: unknown;
  readonly host?: unknown;
  readonly data?: unknown;
  readonly encrypt?: unknown;
  readonly scl?: unknown;
  readonly cert?: unknown;
  readonly cipher?: unknown;
  readonly passphraseFile?: unknown;
  readonly n?: unknown;
  readonly u?: unknown;
  readonly w?: unknown;
  readonly workers?: unknown;
  readonly store?: unknown;
  readonly logLevel?: unknown;
  readonly logFile?: unknown;
  readonly clientAuth?: unknown;
  readonly clientCa?: unknown;
  readonly clientDepth?: unknown;
  readonly crl?: unknown;
  readonly crlPolicy?: unknown;
  readonly ocsp?: unknown;
  readonly ocspUrl?: unknown;
  readonly ocspIssuer?: unknown;
  readonly ocspFollow?: unknown;
  readonly ocspNonce?: unknown;
}

/** Keys of the TOML file, each the long name of an option. */
const TOML_KEYS: Readonly<Record<string, keyof RawOptions>> = {
  port: 'port',
  host: 'host',
  data: 'data',
  encrypt: 'encrypt',
  scl: 'scl',
  cert: 'cert',
  cipher: 'cipher',
  'passphrase-file': 'passphraseFile',
  n: 'n',
  u: 'u',
  workers: 'workers',
  store: 'store',
  'log-level': 'logLevel',
  'log-file': 'logFile',
  'client-auth': 'clientAuth',
  'client-ca': 'clientCa',
  'client-depth': 'clientDepth',
  crl: 'crl',
  'crl-policy': 'crlPolicy',
  ocsp: 'ocsp',
  'ocsp-url': 'ocspUrl',
  'ocsp-issuer': 'ocspIssuer',
  'ocsp-follow': 'ocspFollow',
  'ocsp-nonce': 'ocspNonce',
};

/** Reads a configuration file. ERR_CONFIG with line and column, or naming the unknown key. */
export function readConfigFile(file: string): RawOptions {
  let table: Record<string, unknown>;
  try {
    if (statSync(file).size > definitionFileBytesMax) throw bad(`${file} is too large`);
    table = parseToml(readFileSync(file, 'utf8'));
  } catch (cause) {
    if (cause instanceof TomlError) {
      throw bad(`${file}:${cause.line}:${cause.column} ${cause.message.split('\n')[0]}`);
    }
    if (cause instanceof RsyndError) throw cause;
    throw bad(`cannot read ${file}; give --config an existing TOML file`, cause);
  }
  const raw: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(table)) {
    const option = Object.hasOwn(TOML_KEYS, key) ? TOML_KEYS[key] : undefined;
    if (option === undefined) {
      throw bad(
        `${file} has the unknown key ${key}; known are ${Object.keys(TOML_KEYS).join(', ')}`,
      );
    }
    raw[option] = value;
  }
  return raw;
}

/** Completes and checks options. ERR_CONFIG says which one, what it may be, and what to do. */
export function resolveOptions(
  commandLine: RawOptions,
  file: RawOptions,
  environment: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
): DaemonOptions {
  const raw: RawOptions = { ...file, ...commandLine };
  refuseWhatIsNotHere(raw);
  const options: DaemonOptions = {
    port: whole('port', raw.port ?? DEFAULT_PORT, 0, 65535),
    host: text('host', raw.host ?? '127.0.0.1'),
    data: dataDirectory(raw.data ?? environment.RSYND_DATA),
    encrypt: bool('encrypt', raw.encrypt ?? false),
    scl: level(raw.scl ?? 0),
    cert: optionalText('cert', raw.cert),
    passphraseFile: optionalText('passphrase-file', raw.passphraseFile),
    nonSecure: bool('n', raw.n ?? false),
    user: optionalText('u', raw.u),
    workers: whole('workers', raw.workers ?? 1, 1, workersMax),
    store: 'lmdb:',
    logLevel: logLevel(raw.logLevel ?? 'info'),
    logFile: optionalText('log-file', raw.logFile ?? environment.RSYNDLOG),
    ...trustSettings(raw),
  };
  checkTogether(options, platform);
  return options;
}

/** What the options say of certificates of clients. */
function trustSettings(raw: RawOptions): TrustSettings {
  const crl = raw.crl === undefined ? [] : paths('crl', raw.crl);
  const ocsp = oneOf('ocsp', ['off', 'soft', 'hard'], raw.ocsp ?? 'off');
  return {
    clientAuth: oneOf('client-auth', CLIENT_AUTH_WORDS, raw.clientAuth ?? 'none'),
    clientCa: optionalText('client-ca', raw.clientCa),
    clientDepth: whole(
      'client-depth',
      raw.clientDepth ?? certificateDepthDefault,
      1,
      certificateDepthMax,
    ),
    crl,
    crlPolicy: oneOf(
      'crl-policy',
      ['open', 'closed'],
      raw.crlPolicy ?? (crl.length > 0 ? 'closed' : 'open'),
    ),
    ocsp,
    ocspUrl: optionalText('ocsp-url', raw.ocspUrl),
    ocspIssuer: optionalText('ocsp-issuer', raw.ocspIssuer),
    ocspFollow: bool('ocsp-follow', raw.ocspFollow ?? false),
    ocspNonce: oneOf(
      'ocsp-nonce',
      ['require', 'accept'],
      raw.ocspNonce ?? (ocsp === 'hard' ? 'require' : 'accept'),
    ),
  };
}

function checkTrust(options: TrustSettings & { readonly encrypt: boolean }): void {
  const { clientAuth, ocsp, ocspUrl, ocspFollow, encrypt } = options;
  if (clientAuth !== 'none' && !encrypt) {
    throw bad(`--client-auth ${clientAuth} needs -encrypt: certificates are shown in TLS only`);
  }
  if (ocspUrl !== undefined && !isResponderUrl(ocspUrl)) {
    throw bad('--ocsp-url is the address of a responder, http://HOST[:PORT]/');
  }
  if (ocsp !== 'off' && ocspUrl === undefined && !ocspFollow) {
    throw bad(
      `--ocsp ${ocsp} needs --ocsp-url URL, or --ocsp-follow to ask whom certificates name`,
    );
  }
}

/** What an administrator should know before relying on such a daemon; nothing here is an error. */
export function warningsOf(options: DaemonOptions): string[] {
  const warnings: string[] = [];
  if (!options.encrypt && (options.scl !== 0 || options.cert !== undefined)) {
    warnings.push('-scl and -cert do nothing without -encrypt: every session is in clear');
  }
  const { clientAuth, clientCa, crl, ocsp } = options;
  if (clientAuth === 'none' && (clientCa !== undefined || crl.length > 0 || ocsp !== 'off')) {
    warnings.push(
      '--client-ca, --crl and --ocsp do nothing without --client-auth optional or required',
    );
  }
  return warnings;
}

/** Options of the public surface that are refused with the reason, rather than half obeyed. */
function refuseWhatIsNotHere(raw: RawOptions): void {
  if (raw.cipher !== undefined && String(raw.cipher).toUpperCase() !== 'HIGH') {
    throw bad(
      `-cipher=${String(raw.cipher)} is not accepted; HIGH is the only level, leave the option out`,
    );
  }
  if (raw.w !== undefined) {
    throw bad('-w: this version has no remote procedure service; leave the option out');
  }
  const store = String(raw.store ?? 'lmdb:');
  if (store !== 'lmdb:') {
    throw bad(`--store ${store.split(':')[0]}: is not available in this version; use lmdb:`);
  }
}

function checkTogether(options: DaemonOptions, platform: NodeJS.Platform): void {
  checkTrust(options);
  if (options.nonSecure && options.encrypt && platform === 'win32') {
    throw bad('-n with -encrypt is not supported on Windows; use secure mode there');
  }
  if (options.nonSecure && options.encrypt && options.user === undefined) {
    throw bad('-n with -encrypt needs -u USER: the user that every session acts as');
  }
  if (options.user !== undefined && Buffer.byteLength(options.user) > userNameBytesMax) {
    throw bad(`-u takes a user name of at most ${userNameBytesMax} bytes`);
  }
}

/** The root of the served files. Only the default one is made; a name that was given must be right. */
function dataDirectory(given: unknown): string {
  if (given === undefined) mkdirSync(DEFAULT_DATA, { recursive: true });
  const path = resolve(text('data', given ?? DEFAULT_DATA));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) return path;
  const what = found === undefined ? 'is not there; create it' : 'is not a directory; remove it';
  throw bad(`the data directory ${path} ${what} or name another with -d DIR`);
}

function level(value: unknown): SecurityLevel {
  const number = whole('scl', value, 0, 4);
  if (isSecurityLevel(number)) return number;
  throw bad(`scl is a level from 0 to 4, not ${number}`);
}

function logLevel(value: unknown): LogLevel {
  const found = LOG_LEVELS.find((level) => level === value);
  if (found === undefined) throw bad(`--log-level is one of ${LOG_LEVELS.join(', ')}`);
  return found;
}

function whole(name: string, value: unknown, min: number, max: number): number {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) {
    return number;
  }
  throw bad(`${name} is a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`);
}

function text(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw bad(`${name} is a text that is not empty`);
}

const optionalText = (name: string, value: unknown): string | undefined =>
  value === undefined ? undefined : text(name, value);

/** A list, or one alone, of files. */
const paths = (name: string, value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).map((each) => resolve(text(name, each)));

function oneOf<T extends string>(name: string, words: readonly T[], value: unknown): T {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw bad(`${name} is one of ${words.join(', ')}, not ${JSON.stringify(value)}`);
}

function bool(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw bad(`${name} is true or false, not ${JSON.stringify(value)}`);
}

const bad = (why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_CONFIG', why, { cause });
