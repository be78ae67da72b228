// From an address to a socket that may carry a login: connects, negotiates TLS as the options ask, judges
// the peer. It never sends a byte of ours in clear where TLS was asked for, and falls back to a connection
// in clear only when nothing was asked for and the peer evidently speaks no TLS.
//
//   required   TLS ──fails──▶ error
//   preferred  TLS ──no TLS there──▶ plain         TLS ──any other failure (trust above all)──▶ error
//   none       plain

import { connect, isIP, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect as connectTls,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';
import { domainToASCII } from 'node:url';
import { isRsyndError, type RsyndError } from '../../shared/base/error.js';
import { isObject } from '../../shared/base/is-object.js';
import { tcpKeepAliveMs } from '../../shared/base/limits.js';
import { validityOf } from '../../shared/tls/certificate-text.js';
import { describeCipher } from '../../shared/tls/cipher-description.js';
import type { ServerAddress } from '../filespec.js';
import type { ResolvedConnect } from '../open-options.js';
import { Incoming, type Receiver } from './incoming.js';
import { withKnownServer } from './known-servers.js';
import type { LinkSecurity } from './link.js';
import type { ShownByServer } from './revocation.js';
import {
  classifyTlsFailure,
  encryptionRequired,
  type FailedHandshake,
  revokedError,
  securityError,
  tlsError,
  unreachable,
  wrongPin,
} from './security-error.js';
import { endsOf, readShownCertificates } from './shown-certificates.js';
import { TlsMemory } from './tls-memory.js';
import {
  type KeptSession,
  sessionKey,
  type TlsSessions,
  type Trusted,
  trustedFor,
} from './tls-sessions.js';
import { isPinned, loadTrust, pinOf, pinText, type RevocationRules, type Trust } from './trust.js';

/** A socket ready for the preamble. */
export interface Dialled {
  readonly socket: Socket;
  /** Gives `receiver` all bytes that come; only once. */
  readonly listen: (receiver: Receiver) => void;
  readonly security: LinkSecurity;
  /**
   * What to say when this server, reached in clear, turns out to want encryption: why TLS failed before,
   * or that it was switched off. Undefined on a TLS connection.
   */
  readonly encryptionRequired: ((cause: unknown) => RsyndError) | undefined;
}

export const IN_CLEAR: LinkSecurity = { sle: 0, slc: '' };

/**
 * `memory` is what was made and kept for connections before. Rejects with ERR_BADHOST, ERR_NOSERVER, ERR_CLNTERR,
 * ERR_NETPROB, or the reason of `signal`.
 */
export async function dial(
  server: ServerAddress,
  given: ResolvedConnect,
  signal: AbortSignal,
  memory: TlsMemory = new TlsMemory(),
): Promise<Dialled> {
  const options = withKnownServer(given, server, process.env);
  if (options.encryption === 'none') {
    return dialPlain(server, signal, (cause) => encryptionRequired(server, cause));
  }
  const trust = await loadTrust(options.tls, options.scl, process.env, memory.contexts);
  const result = await dialTls(server, trust, memory.sessions, signal);
  if (!('failure' in result)) return result;
  const error = tlsError(server, options.scl, result);
  if (options.encryption === 'preferred' && result.failure === 'no-tls') {
    return dialPlain(server, signal, () => error);
  }
  throw error;
}

async function dialPlain(
  server: ServerAddress,
  signal: AbortSignal,
  whenRequired: (cause: unknown) => RsyndError,
): Promise<Dialled> {
  const to = { host: server.host, port: server.port };
  const socket = await connected(connect(to), server, signal);
  return {
    socket,
    listen: (receiver) => socket.on('data', (chunk: Buffer) => receiver.take(chunk)),
    security: IN_CLEAR,
    encryptionRequired: whenRequired,
  };
}

async function dialTls(
  server: ServerAddress,
  trust: Trust,
  sessions: TlsSessions,
  signal: AbortSignal,
): Promise<Dialled | FailedHandshake> {
  const name = nameOf(server, trust);
  const key = trust.mayResume ? sessionKey(server, [name, trust.id]) : undefined;
  const offered = key === undefined ? undefined : sessions.take(key);
  const judge = new Judge(server, trust, name);
  const incoming = new Incoming();
  const socket = connectTls(handshakeOptions(judge, incoming, offered));
  const stapled = keepStapled(socket);
  await connected(socket, server, signal);
  const failed = await handshake(socket, signal);
  if (failed !== undefined) return { ...failed, remark: trust.expiredAuthorities() };
  try {
    const isResumed = offered !== undefined && socket.isSessionReused();
    const trusted = isResumed ? offered.trusted : await judge.judge(socket, stapled(), signal);
    if (key !== undefined) {
      keepSessions(socket, (session) => sessions.keep(key, { session, trusted }));
    }
    return {
      socket,
      listen: (receiver) => incoming.listen(socket, receiver),
      security: describeSecurity(socket),
      encryptionRequired: undefined,
    };
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw signal.reason;
    throw isRsyndError(error) ? error : securityError(server, 'its certificate is unusable', error);
  }
}

/** Judges a server that shows its certificate; one whose session is resumed was judged so before. */
class Judge {
  readonly trust: Trust;
  /** Whom the certificate must be for. */
  readonly name: string;
  readonly server: ServerAddress;
  #ends: readonly number[] = [];

  constructor(server: ServerAddress, trust: Trust, name: string) {
    this.server = server;
    this.trust = trust;
    this.name = name;
  }

  /** Asked by node:tls about a certificate whose chain is good. */
  checkName(certificate: PeerCertificate): Error | undefined {
    this.#ends = endsOf(certificate);
    return checkServerIdentity(this.name, certificate);
  }

  /** All that node:tls has not judged: the pin, and revocation. */
  async judge(
    socket: TLSSocket,
    stapled: Buffer | undefined,
    signal: AbortSignal,
  ): Promise<Trusted> {
    const { pin, revocation } = this.trust;
    if (pin === undefined && revocation === undefined) return trustedFor(this.#ends);
    const shown = { certificates: readShownCertificates(socket), stapled };
    checkPin(this.server, this.trust, shown);
    await refuseRevoked(this.server, revocation, shown, signal);
    return trustedFor(shown.certificates.map((certificate) => validityOf(certificate).to));
  }
}

/** Before TLS 1.3 a session that is resumed has the keys of the one before. */
function keepSessions(socket: TLSSocket, keep: (session: Buffer) => void): void {
  if (socket.getProtocol() === 'TLSv1.3') socket.on('session', keep);
}

/** Whom the certificate must be for. */
function nameOf(server: ServerAddress, trust: Trust): string {
  const name = trust.servername ?? server.host;
  return isIP(name) === 0 ? domainToASCII(name) || name : name;
}

function handshakeOptions(
  judge: Judge,
  { onread }: Incoming,
  offered: KeptSession | undefined,
): ConnectionOptions & Pick<Incoming, 'onread'> {
  const { name, server, trust } = judge;
  return {
    // Passed on to the socket, as the documentation says and the types do not.
    onread,
    host: server.host,
    port: server.port,
    secureContext: trust.context,
    // SNI carries names only; addresses are checked against the certificate all the same.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_, certificate) => judge.checkName(certificate),
    rejectUnauthorized: trust.needsChain,
    ...(trust.revocation?.ocsp === undefined ? {} : { requestOCSP: true }),
    ...(offered === undefined ? {} : { session: offered.session }),
  };
}

/** Undefined once the connection is secure. Rejects only with the reason of `signal`. */
function handshake(socket: TLSSocket, signal: AbortSignal): Promise<FailedHandshake | undefined> {
  return new Promise((resolve, reject) => {
    const wireBytes = wireBytesOf(socket);
    let hasAnswered = false;
    // The first key follows from the server's first message. What it is nobody looks at.
    socket.once('keylog', () => {
      hasAnswered = true;
    });
    const settle = (finish: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.off('secureConnect', onSecure);
      finish();
    };
    const onSecure = () => settle(() => resolve(undefined));
    const onAbort = () => {
      settle(() => reject(signal.reason));
      socket.destroy();
    };
    socket.once('secureConnect', onSecure);
    // Stays for good: a socket without a listener for errors takes the process down.
    socket.on('error', (cause) => {
      const failure = classifyTlsFailure(cause, { hasAnswered, bytes: wireBytes() });
      settle(() => resolve({ failure, cause }));
      socket.destroy();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * How many bytes have come, those of TLS too. Node counts them beneath a TLS socket and has no public name for it;
 * should it not be found there, nothing counts as come.
 */
function wireBytesOf(socket: TLSSocket): () => number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const tcp: unknown = isObject(handle) ? handle._parent : undefined;
  return () => (isObject(tcp) && typeof tcp.bytesRead === 'number' ? tcp.bytesRead : 0);
}

function checkPin(server: ServerAddress, trust: Trust, shown: ShownByServer): void {
  if (trust.pin === undefined) return;
  const [certificate] = shown.certificates;
  if (certificate === undefined) throw securityError(server, 'the server showed no certificate');
  if (!isPinned(certificate, trust.pin)) throw wrongPin(server, pinText(pinOf(certificate)));
}

/** The OCSP answer the server sends along, if it does; known once the handshake is done. */
function keepStapled(socket: TLSSocket): () => Buffer | undefined {
  let answer: Buffer | undefined;
  socket.on('OCSPResponse', (response: Buffer | null) => {
    answer = response ?? undefined;
  });
  return () => answer;
}

/** Looks up whether the server's certificate was revoked; loads what that takes only where it is asked for. */
async function refuseRevoked(
  server: ServerAddress,
  rules: RevocationRules | undefined,
  shown: ShownByServer,
  signal: AbortSignal,
): Promise<void> {
  if (rules === undefined) return;
  const { findRevoked } = await import('./revocation.js');
  const finding = await untilAborted(findRevoked(shown, rules), signal);
  if (finding !== undefined) throw revokedError(server, finding);
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    work.finally(settled).then(resolve, reject);
  });
}

function describeSecurity(socket: TLSSocket): LinkSecurity {
  const { name } = socket.getCipher();
  return { sle: 1, slc: describeCipher(name, socket.getProtocol() ?? '') };
}

/** Resolves when `socket` has a TCP connection. An `error` listener is on it from the first moment and stays. */
function connected<S extends Socket>(
  socket: S,
  server: ServerAddress,
  signal: AbortSignal,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      socket.destroy();
      reject(signal.reason);
    };
    socket.on('error', (cause) => {
      signal.removeEventListener('abort', onAbort);
      reject(unreachable(server, cause));
    });
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, tcpKeepAliveMs);
      resolve(socket);
    });
  });
}
