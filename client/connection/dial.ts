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
  type TLSSocket,
} from 'node:tls';
import { domainToASCII } from 'node:url';
import { isRsyndError, type RsyndError } from '../../shared/base/error.js';
import { tcpKeepAliveMs } from '../../shared/base/limits.js';
import { describeCipher } from '../../shared/tls/cipher-description.js';
import type { ServerAddress } from '../filespec.js';
import type { ResolvedConnect } from '../open-options.js';
import { Incoming, type Take } from './incoming.js';
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
import { readShownCertificates } from './shown-certificates.js';
import { isPinned, loadTrust, pinOf, pinText, type RevocationRules, type Trust } from './trust.js';

/** A socket ready for the preamble. */
export interface Dialled {
  readonly socket: Socket;
  /** Gives `take` all bytes that come; only once. */
  readonly listen: (take: Take) => void;
  readonly security: LinkSecurity;
  /**
   * What to say when this server, reached in clear, turns out to want encryption: why TLS failed before,
   * or that it was switched off. Undefined on a TLS connection.
   */
  readonly encryptionRequired: ((cause: unknown) => RsyndError) | undefined;
}

export const IN_CLEAR: LinkSecurity = { sle: 0, slc: '' };

/** Rejects with ERR_BADHOST, ERR_NOSERVER, ERR_CLNTERR, ERR_NETPROB, or the reason of `signal`. */
export async function dial(
  server: ServerAddress,
  given: ResolvedConnect,
  signal: AbortSignal,
): Promise<Dialled> {
  const options = withKnownServer(given, server, process.env);
  if (options.encryption === 'none') {
    return dialPlain(server, signal, (cause) => encryptionRequired(server, cause));
  }
  const trust = await loadTrust(options.tls, options.scl, process.env);
  const result = await dialTls(server, trust, signal);
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
    listen: (take) => socket.on('data', take),
    security: IN_CLEAR,
    encryptionRequired: whenRequired,
  };
}

async function dialTls(
  server: ServerAddress,
  trust: Trust,
  signal: AbortSignal,
): Promise<Dialled | FailedHandshake> {
  const incoming = new Incoming();
  // Passed on to the socket, as the documentation says and the types do not.
  const options: ConnectionOptions & Pick<Incoming, 'onread'> = {
    ...handshakeOptions(server, trust),
    onread: incoming.onread,
  };
  const socket = connectTls(options);
  const stapled = keepStapled(socket);
  await connected(socket, server, signal);
  const failed = await handshake(socket, signal);
  if (failed !== undefined) return { ...failed, remark: trust.expiredAuthorities };
  try {
    const isAsked = trust.pin !== undefined || trust.revocation !== undefined;
    const certificates = isAsked ? readShownCertificates(socket) : [];
    const shown = { certificates, stapled: stapled() };
    checkPin(server, trust, shown);
    await refuseRevoked(server, trust.revocation, shown, signal);
    return {
      socket,
      listen: (take) => incoming.listen(socket, take),
      security: describeSecurity(socket),
      encryptionRequired: undefined,
    };
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw signal.reason;
    throw isRsyndError(error) ? error : securityError(server, 'its certificate is unusable', error);
  }
}

function handshakeOptions(server: ServerAddress, trust: Trust): ConnectionOptions {
  const name = trust.servername ?? server.host;
  const ascii = isIP(name) === 0 ? domainToASCII(name) || name : name;
  return {
    host: server.host,
    port: server.port,
    secureContext: trust.context,
    // SNI carries names only; addresses are checked against the certificate all the same.
    ...(isIP(ascii) === 0 ? { servername: ascii } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(ascii, certificate),
    rejectUnauthorized: trust.needsChain,
    ...(trust.revocation?.ocsp === undefined ? {} : { requestOCSP: true }),
  };
}

/** Undefined once the connection is secure. Rejects only with the reason of `signal`. */
function handshake(socket: TLSSocket, signal: AbortSignal): Promise<FailedHandshake | undefined> {
  return new Promise((resolve, reject) => {
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
      const failure = classifyTlsFailure(cause, hasAnswered);
      settle(() => resolve({ failure, cause }));
      socket.destroy();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
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
