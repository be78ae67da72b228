// What went wrong between dialling and a trusted connection, in the words of the field: which code, why,
// and which option on which side fixes it. Called by dial.ts only; it sees errors, never sockets' data.

import { errorFromWire, RsyndError } from '../../shared/base/error.js';
import type { RevocationFinding } from '../../shared/tls/crl-check.js';
import { minProtocolOf } from '../../shared/tls/policy.js';
import { verifyCode } from '../../shared/tls/verify-code.js';
import type { ServerAddress } from '../filespec.js';
import type { ComplianceLevel } from '../open-options.js';

/** The line every failed negotiation carries, word for word as users of the field search for it. */
const NEGOTIATION_LINE =
  'Error requesting secure connection: socket error: an EOF was observed that violates the protocol.';

/** Reasons of a chain or name that does not hold, and what to do about each. */
const TRUST_FIXES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is self-signed; trust it by tls.ca (--ca FILE) or pin its key by tls.pin',
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate comes from an authority unknown here; give that authority as tls.ca (--ca FILE)',
  UNABLE_TO_GET_ISSUER_CERT:
    'the issuer of its certificate is unknown; give the authority as tls.ca (--ca FILE)',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'the issuer of its certificate is unknown; give the authority as tls.ca (--ca FILE)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the issuer of its certificate is unknown; give the authority as tls.ca (--ca FILE), ' +
    'or let the server send its intermediate certificates',
  CERT_HAS_EXPIRED: 'its certificate has expired; renew it on the server',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; compare the clocks of both machines',
  CERT_REVOKED: 'its certificate was revoked; install a new one on the server',
};

const WRONG_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID';
/** Characters of a certificate's names in a message. */
const namesShownMax = 300;

/** An ERR_CLNTERR with the line of the contract and the TLS library's reason as its cause. */
export function securityError(server: ServerAddress, why: string, cause?: unknown): RsyndError {
  const error = new RsyndError('ERR_CLNTERR', '', { host: server.host, cause });
  const message = `${error.message}\n${why}\n${NEGOTIATION_LINE}`;
  return errorFromWire('ERR_CLNTERR', message, { host: server.host, cause });
}

/** How an attempt at TLS can fail. Only `no-tls` may lead to a connection in clear. */
export type TlsFailure = 'no-tls' | 'nothing-in-common' | 'untrusted' | 'lost';

/** What came of a peer before an attempt failed. */
export interface HeardOfPeer {
  /** A whole answer to the ClientHello. */
  readonly hasAnswered: boolean;
  /** Bytes of any kind. */
  readonly bytes: number;
}

/**
 * Judges an error of the handshake. A peer that says nothing to a ClientHello and hangs up does as servers do that
 * do not speak TLS; one that has answered speaks it, whatever comes then.
 */
export function classifyTlsFailure(error: Error, { hasAnswered, bytes }: HeardOfPeer): TlsFailure {
  const code = codeOf(error);
  if (
    !hasAnswered &&
    /ALERT_HANDSHAKE_FAILURE|WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/.test(code)
  ) {
    return 'no-tls';
  }
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return hasAnswered || bytes > 0 ? 'lost' : 'no-tls';
  if (/^(ERR_SSL_|EPROTO)/.test(code)) return 'nothing-in-common';
  return /^(CERT_|ERR_TLS_|UNABLE_|SELF_SIGNED|DEPTH_ZERO|CRL_|INVALID_|PATH_|HOSTNAME)/.test(code)
    ? 'untrusted'
    : 'lost';
}

/** An attempt that failed. */
export interface FailedHandshake {
  readonly failure: TlsFailure;
  readonly cause: Error;
  /** What is known to be wrong on this side. */
  readonly remark?: string | undefined;
}

/** The error a user sees when the handshake failed and there is no other way. */
export function tlsError(
  server: ServerAddress,
  scl: ComplianceLevel,
  { failure, cause, remark }: FailedHandshake,
): RsyndError {
  switch (failure) {
    case 'no-tls':
      return securityError(
        server,
        `${at(server)} answers without encryption, or has no cipher in common with this side; ` +
          'start it with -encrypt, or connect without /encrypt',
        cause,
      );
    case 'nothing-in-common':
      return securityError(
        server,
        `no TLS version or cipher in common with ${at(server)}: this side takes ` +
          `${minProtocolOf(scl)} and up; compare /scl here with -scl there (${cause.message.trim()})`,
        cause,
      );
    case 'untrusted':
      return securityError(
        server,
        `${at(server)} is not trusted: ${trustReason(cause)}${remark === undefined ? '' : `; ${remark}`}`,
        cause,
      );
    case 'lost':
      return new RsyndError('ERR_NETPROB', `the connection was cut while TLS was negotiated`, {
        host: server.host,
        cause,
      });
  }
}

/** The server's certificate was revoked, or it could not be found out that it was not. */
export function revokedError(server: ServerAddress, finding: RevocationFinding): RsyndError {
  const { code, detail } = finding;
  const { reason = 'the certificate is not accepted', advice = '' } = verifyCode(code) ?? {};
  const what = detail === '' ? reason : `${reason}: ${detail}`;
  const cause = Object.assign(new Error(reason), { code });
  return securityError(server, `${at(server)} is not trusted: ${what} (${code}); ${advice}`, cause);
}

/** The server wants encryption and this side was told not to use it. */
export const encryptionRequired = (server: ServerAddress, cause: unknown): RsyndError =>
  securityError(
    server,
    `${at(server)} accepts encrypted connections only; open with encrypt: true (/encrypt)${refusalIn(cause)}`,
    cause,
  );

/** The server's key is not the pinned one. */
export const wrongPin = (server: ServerAddress, actual: string): RsyndError =>
  securityError(
    server,
    `${at(server)} has another public key (${actual}) than the one pinned; if its key was changed on ` +
      'purpose, correct tls.pin, else somebody is in between',
    new Error(`public key ${actual} is not the pinned one`),
  );

/** Nothing was connected: unknown name, nobody listening, no way there. */
export function unreachable(server: ServerAddress, cause: NodeJS.ErrnoException): RsyndError {
  const { host } = server;
  const details = { host, cause };
  switch (codeOf(cause)) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NONAME':
    case 'EAI_FAIL':
      return new RsyndError(
        'ERR_BADHOST',
        'the name does not resolve; check its spelling',
        details,
      );
    case 'ECONNREFUSED':
      return new RsyndError('ERR_NOSERVER', `nobody listens on port ${server.port}`, details);
    default:
      return new RsyndError(
        'ERR_NETPROB',
        `cannot connect to ${at(server)}: ${cause.message}`,
        details,
      );
  }
}

/** The id under which the server keeps its refusal, for the administrator there. */
function refusalIn(cause: unknown): string {
  const id =
    cause instanceof Error ? /refusal ([2-9A-Z]{8})\b/.exec(cause.message)?.[1] : undefined;
  return id === undefined ? '' : ` (refusal ${id}: rsynctl explain ${id} on the server)`;
}

const trustReason = (cause: Error): string => {
  const code = codeOf(cause);
  const fix = code === WRONG_NAME ? wrongName(cause) : TRUST_FIXES[code];
  return fix === undefined ? cause.message : `${fix} (${code})`;
};

/** What checkServerIdentity of node:tls adds to its error. */
interface WrongName {
  readonly host?: string;
  readonly cert?: {
    readonly subjectaltname?: string;
    readonly subject?: { readonly CN?: unknown };
  };
}

function wrongName(cause: Error): string {
  const { host = '', cert } = cause as Error & WrongName;
  const names = cert?.subjectaltname ?? String(cert?.subject?.CN ?? '');
  return (
    `its certificate is for another name: asked for was ${host}, it names ${printable(names)}; ` +
    'connect by a name in it, or say which one by tls.servername (--servername NAME)'
  );
}

/** The certificate comes from somebody who is not trusted: no escape sequences, no floods. */
function printable(names: string): string {
  const text = names.replace(/(?:DNS|IP Address):/g, '').replace(/[^\x20-\x7e]/g, '?');
  if (text === '') return 'nobody';
  return text.length <= namesShownMax ? text : `${text.slice(0, namesShownMax)}...`;
}

const at = ({ host, port }: ServerAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Trying several addresses of a name fails with an AggregateError, whose own code is what counts. */
const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : '';
