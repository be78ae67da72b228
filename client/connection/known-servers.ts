// Servers whose key somebody has compared and written down (`rsynctl trust add`): a file of the user, read when
// a connection names neither authorities nor a pin. A known server is reached by TLS with that key only, so
// that a change of the key is noticed. Nothing is ever added here without being asked for.
//
//   { "servers": { "books.example:2330": { "pin": "sha256/…", "fingerprint": "sha256 in hex", "added": "2026-…" } } }

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { RsyndError } from '../../shared/base/error.js';
import { isObject } from '../../shared/base/is-object.js';
import { definitionFileBytesMax, knownServersMax } from '../../shared/base/limits.js';
import type { ServerAddress } from '../filespec.js';
import type { ResolvedConnect } from '../open-options.js';
import { parsePin } from './trust.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface KnownServer {
  /** `sha256/<base64>` of the public key, as `tls.pin` takes it. */
  readonly pin: string;
  /** SHA-256 of the certificate that was looked at, in hex; for people. */
  readonly fingerprint: string;
  /** When, as an ISO date. */
  readonly added: string;
}

/** `$RSYND_KNOWN_SERVERS`, else `known-servers.json` in the user's configuration directory for rsynd. */
export function knownServersPath(env: Environment): string {
  if (env.RSYND_KNOWN_SERVERS) return env.RSYND_KNOWN_SERVERS;
  const base = env.XDG_CONFIG_HOME || join(homedir(), '.config');
  return join(base, 'rsynd', 'known-servers.json');
}

/** `host:port`, hosts in lower case. */
export const knownName = ({ host, port }: Pick<ServerAddress, 'host' | 'port'>): string =>
  `${host.toLowerCase()}:${port}`;

/** By `host:port`; empty when there is no file. ERR_TLSCONF when it is not what was written. */
export function readKnownServers(env: Environment): Map<string, KnownServer> {
  const path = knownServersPath(env);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return new Map();
    throw unusable(path, 'cannot be read', cause);
  }
  try {
    if (text.length > definitionFileBytesMax) throw new Error('it is too large');
    return decode(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unusable(path, `is not what rsynctl trust writes (${why})`, cause);
  }
}

/** Puts the list in place of the one there was. ERR_TLSCONF. */
export function writeKnownServers(env: Environment, servers: Map<string, KnownServer>): void {
  const path = knownServersPath(env);
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  if (servers.size > knownServersMax) {
    throw unusable(path, `would hold more than ${knownServersMax} servers; remove some`);
  }
  const text = JSON.stringify({ servers: Object.fromEntries(servers) }, undefined, 1);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(draft, `${text}\n`, { mode: 0o600, flag: 'wx', flush: true });
    renameSync(draft, path);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw unusable(path, 'cannot be written', cause);
  }
}

/**
 * The options with what is known of the server: its pin, and TLS whatever else was said. Options that
 * name authorities, a pin or no TLS at all stay as they are: they are the caller's own judgement.
 */
export function withKnownServer(
  options: ResolvedConnect,
  server: ServerAddress,
  env: Environment,
): ResolvedConnect {
  const { tls, encryption } = options;
  if (encryption === 'none' || tls.ca !== undefined || tls.pin !== undefined) return options;
  const known = readKnownServers(env).get(knownName(server));
  if (known === undefined) return options;
  return { ...options, encryption: 'required', tls: { ...tls, pin: known.pin } };
}

function decode(value: unknown): Map<string, KnownServer> {
  const servers = isObject(value) ? value.servers : undefined;
  if (!isObject(servers)) throw new Error('there is no list of servers');
  return new Map(Object.entries(servers).map(([name, entry]) => [name, decodeServer(name, entry)]));
}

function decodeServer(name: string, entry: unknown): KnownServer {
  const { pin, fingerprint, added } = isObject(entry) ? entry : {};
  if (typeof pin !== 'string' || typeof fingerprint !== 'string' || typeof added !== 'string') {
    throw new Error(`the entry of ${name} lacks pin, fingerprint or date`);
  }
  parsePin(pin);
  return { pin, fingerprint, added };
}

const unusable = (path: string, why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_TLSCONF', `the file of known servers ${path} ${why}`, { file: path, cause });
