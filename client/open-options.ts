// The options of connect() and open(): what they are, and one place that merges fields with the option
// string, fills in defaults and refuses contradictions before anything is sent. It opens nothing.

import { setMaxListeners } from 'node:events';
import { RsyndError } from '../shared/base/error.js';
import type { ErrorCode } from '../shared/base/error-code.js';
import { callTimeoutMsDefault, callTimeoutMsMax, userNameBytesMax } from '../shared/base/limits.js';
import type { ChannelLock, OpenMode, ShareMode } from '../shared/protocol/message.js';
import type { FileDefinition } from '../shared/record/file-definition.js';
import type { ServerAddress } from './filespec.js';

/** Security compliance level: 0 and 3 TLS 1.2 and up, 1 TLS 1.0, 2 TLS 1.1, 4 TLS 1.3. */
export type ComplianceLevel = 0 | 1 | 2 | 3 | 4;

/** PEM text, a Buffer of it, or the path of a file that holds it. */
export type PemSource = string | Buffer;

/** Whom to trust and who we are. */
export interface TlsOptions {
  /**
   * Certificate authorities to trust instead of the platform's.
   * @default the platform's roots, and those in the file named by the environment's RSYND_CA
   */
  ca?: PemSource | PemSource[];
  /** Name the certificate must be for. @default the host, unless that is an address */
  servername?: string;
  /** Our own certificate chain, for servers that ask for one; may hold its key too. */
  cert?: PemSource;
  /** Private key of `cert`. @default looked for in `cert` */
  key?: PemSource;
  /** Passphrase of `key`. */
  passphrase?: string;
  /**
   * `sha256/<base64>`: SHA-256 of the server's public key (SubjectPublicKeyInfo). The key must be this
   * one; a self-signed certificate is then fine. Together with `ca` both must hold.
   */
  pin?: string;
  /**
   * Asks whether the server's certificate was revoked, by OCSP: the answer the server sends along (stapled)
   * counts, else the responder at `url` is asked. `hard`: without a good answer there is no connection.
   * `soft`: only a bad answer refuses it. Costs a round trip to the responder for each connection.
   * @default 'off'
   */
  ocsp?: 'off' | 'soft' | 'hard' | { mode: 'soft' | 'hard'; url?: string };
  /**
   * Revocation lists (PEM, DER, or a path): one for every authority of the server's chain, each current, or
   * there is no connection. @default none
   */
  crl?: PemSource | PemSource[];
  /**
   * False: each connection proves everything anew. Else a session of TLS 1.3 that the server offered is resumed, under
   * the very same options, within the hour and while its certificates are valid; never with `ocsp` or `crl`.
   * @default true
   */
  resume?: boolean;
}

/** How to reach a server. */
export interface ConnectOptions {
  /**
   * `/encrypt`. True: TLS or failure, never a byte in clear first. False: no TLS.
   * Giving `scl` or `tls.pin`, or a `rsynds://` address, means true; `tls.ca` alone only says whom to
   * trust where there is TLS.
   * @default TLS where the server speaks it, else in clear; a certificate that is not trusted is a
   * failure all the same
   */
  encrypt?: boolean;
  /** `/scl`: the lowest protocol this side accepts. @default 0, which is 3 */
  scl?: ComplianceLevel;
  /** The same as the OPEN statement writes them: `'/encrypt /scl=3'`. */
  options?: string;
  /** Who logs in. @default the server's default user */
  user?: string;
  password?: string;
  tls?: TlsOptions;
  /** Budget of one call in milliseconds, connecting included; lock waits come on top. @default 10 000 */
  timeoutMs?: number;
  /** Aborts every call made with these options, now and later, with ERR_ABORTED. */
  signal?: AbortSignal;
}

/** How to open a file. */
export interface OpenOptions extends ConnectOptions {
  /** `output` replaces the file, `append` only adds to it. @default 'input' */
  mode?: OpenMode;
  /** What others may do with it meanwhile. @default 'all' */
  share?: ShareMode;
  /** @default 'auto' in update mode: reads lock the record they return */
  lock?: ChannelLock;
  /** Makes records typed objects. */
  definition?: FileDefinition;
}

/** `required`: TLS or failure. `preferred`: TLS first, in clear where there is none. `none`: in clear. */
export type Encryption = 'required' | 'preferred' | 'none';

/** Connect options with nothing left to decide. */
export interface ResolvedConnect {
  readonly encryption: Encryption;
  readonly scl: ComplianceLevel;
  readonly user?: string;
  readonly password?: string;
  readonly tls: TlsOptions;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Open options with nothing left to decide. */
export interface ResolvedOpen {
  readonly mode: OpenMode;
  readonly share: ShareMode;
  readonly lock: ChannelLock;
}

const CONNECT_FIELDS = [
  'encrypt',
  'scl',
  'options',
  'user',
  'password',
  'tls',
  'timeoutMs',
  'signal',
];
const OPEN_FIELDS = [...CONNECT_FIELDS, 'mode', 'share', 'lock', 'definition'];
const TLS_FIELDS = [
  'ca',
  'servername',
  'cert',
  'key',
  'passphrase',
  'pin',
  'ocsp',
  'crl',
  'resume',
];
const OCSP_MODES: readonly unknown[] = ['off', 'soft', 'hard'];
const OPTION_WORDS = '/encrypt and /scl=0 … /scl=4';
const MODES: readonly OpenMode[] = ['input', 'update', 'output', 'append'];
const SHARES: readonly ShareMode[] = ['exclusive', 'read', 'all'];
const LOCKS: readonly ChannelLock[] = ['auto', 'none'];

/** Everything about the connection. Throws ERR_INVARG with the option's name. */
export function resolveConnect(options: ConnectOptions, server?: ServerAddress): ResolvedConnect {
  refuseUnknown(options, OPEN_FIELDS, 'option');
  const words = parseOptionWords(options.options);
  const encrypt = agreed('encrypt', checkedFlag(options.encrypt), words.encrypt);
  const scl = agreed('scl', checkedLevel(options.scl), words.scl);
  const user = agreed('user', checkedUser(options.user), server?.user);
  const tls = checkedTls(options.tls);
  const insists = reasonsForTls({ scl, tls, secure: server?.secure === true });
  if (encrypt === false && insists.length > 0) {
    throw invalid(`encrypt is false, yet ${insists.join(' and ')} asks for TLS; drop one of them`);
  }
  return {
    encryption:
      encrypt === false ? 'none' : encrypt || insists.length > 0 ? 'required' : 'preferred',
    scl: scl ?? 0,
    tls,
    timeoutMs: checkedTimeout(options.timeoutMs),
    ...(user === undefined ? {} : { user }),
    ...(options.password === undefined
      ? {}
      : { password: checkedPassword(options.password, user) }),
    ...(options.signal === undefined ? {} : { signal: checkedSignal(options.signal) }),
  };
}

/** Everything about the channel. Throws ERR_BADMODE. */
export function resolveOpen(options: OpenOptions): ResolvedOpen {
  const mode = oneOf('mode', MODES, options.mode ?? 'input');
  const share = oneOf('share', SHARES, options.share ?? 'all');
  const lock = oneOf('lock', LOCKS, options.lock ?? (mode === 'update' ? 'auto' : 'none'));
  return { mode, share, lock };
}

/** Fields of the connection that a channel of an existing connection cannot have anew. */
export function refuseConnectFields(options: OpenOptions): void {
  const given = (['user', 'password', 'tls'] as const).filter(
    (name) => options[name] !== undefined,
  );
  if (given.length === 0) return;
  throw invalid(`${given.join(', ')}: these belong to connect(), this connection has its own`);
}

function reasonsForTls(given: {
  scl: ComplianceLevel | undefined;
  tls: TlsOptions;
  secure: boolean;
}): string[] {
  const reasons: string[] = [];
  if (given.secure) reasons.push('rsynds://');
  if (given.scl !== undefined) reasons.push('scl');
  if (given.tls.pin !== undefined) reasons.push('tls.pin');
  return reasons;
}

function parseOptionWords(text: string | undefined): { encrypt?: true; scl?: ComplianceLevel } {
  if (text === undefined) return {};
  if (typeof text !== 'string') throw invalid("options must be a string such as '/encrypt /scl=3'");
  const found: { encrypt?: true; scl?: ComplianceLevel } = {};
  for (const word of text.split(/\s+|(?=\/)/).filter((part) => part !== '')) {
    const level = /^\/scl=(.*)$/i.exec(word)?.[1];
    if (level !== undefined) {
      const value = checkedLevel(/^\d$/.test(level) ? Number(level) : level) ?? 0;
      found.scl = agreed('/scl', found.scl, value) ?? value;
    } else if (/^\/encrypt$/i.test(word)) {
      found.encrypt = true;
    } else {
      throw invalid(`options: "${word}" is not known; there are ${OPTION_WORDS}`);
    }
  }
  return found;
}

function agreed<T>(name: string, one: T, other: T): T {
  if (one === undefined) return other;
  if (other === undefined || one === other) return one;
  throw invalid(`${name} is given twice, as ${String(one)} and as ${String(other)}; drop one`);
}

function checkedFlag(value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid('encrypt must be true or false');
}

function checkedLevel(value: unknown): ComplianceLevel | undefined {
  if (value === undefined) return undefined;
  if (value === 0 || value === 1 || value === 2 || value === 3 || value === 4) return value;
  throw invalid(`scl must be 0, 1, 2, 3 or 4, not "${String(value)}"`);
}

function checkedUser(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const fits =
    typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= userNameBytesMax;
  if (fits) return value;
  throw invalid(`user must be a name of 1 to ${userNameBytesMax} bytes`);
}

function checkedPassword(value: unknown, user: string | undefined): string {
  if (typeof value !== 'string') throw invalid('password must be a string');
  if (user === undefined) throw invalid('password is given without a user');
  return value;
}

function checkedTimeout(value: unknown): number {
  if (value === undefined) return callTimeoutMsDefault;
  if (typeof value === 'number' && value > 0 && value <= callTimeoutMsMax) return value;
  throw invalid(`timeoutMs must be a number above 0 and up to ${callTimeoutMsMax}`);
}

function checkedSignal(value: unknown): AbortSignal {
  if (!(value instanceof AbortSignal)) throw invalid('signal must be an AbortSignal');
  // Many files may be opened under one signal; the platform would warn of more than ten listeners.
  setMaxListeners(0, value);
  return value;
}

function checkedTls(tls: TlsOptions | undefined): TlsOptions {
  if (tls === undefined) return {};
  refuseUnknown(tls, TLS_FIELDS, 'tls option');
  for (const field of ['servername', 'passphrase', 'pin'] as const) {
    if (tls[field] !== undefined && typeof tls[field] !== 'string') {
      throw invalid(`tls.${field} must be a string`);
    }
  }
  if (tls.cert === undefined && tls.key !== undefined) {
    throw invalid('tls.key is given without tls.cert, the certificate it belongs to');
  }
  checkOcsp(tls.ocsp);
  if (tls.resume !== undefined && typeof tls.resume !== 'boolean') {
    throw invalid('tls.resume must be true or false');
  }
  // One file may hold both, as rsynctl ca issue writes it.
  return tls.cert === undefined ? tls : { ...tls, key: tls.key ?? tls.cert };
}

function checkOcsp(ocsp: TlsOptions['ocsp']): void {
  if (ocsp === undefined) return;
  const isObject = typeof ocsp === 'object' && ocsp !== null;
  const { mode, url } = isObject ? ocsp : { mode: ocsp, url: undefined };
  if (isObject) refuseUnknown(ocsp, ['mode', 'url'], 'option of tls.ocsp');
  if (!OCSP_MODES.includes(mode)) {
    throw invalid("tls.ocsp is 'off', 'soft', 'hard' or { mode, url }");
  }
  const isUrl = typeof url === 'string' && /^https?:[/][/][^/]/.test(url) && URL.canParse(url);
  if (url !== undefined && !isUrl) {
    throw invalid('tls.ocsp.url is the address of a responder, http://HOST[:PORT]/');
  }
}

function refuseUnknown(options: object, known: readonly string[], what: string): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('options must be an object');
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw invalid(`"${unknown}" is no ${what}; there are ${known.join(', ')}`);
}

function oneOf<T extends string>(name: string, known: readonly T[], value: T): T {
  if (known.includes(value)) return value;
  const why = `${name} "${String(value)}" is not one of ${known.join(', ')}`;
  throw invalid(why, 'ERR_BADMODE');
}

const invalid = (why: string, code: ErrorCode = 'ERR_INVARG') => new RsyndError(code, why);
