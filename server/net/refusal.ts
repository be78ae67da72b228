// What the log says about a connection that was not served: who, why, and what to do about it. Data for
// the listener; the daemon turns it into a log line.

import type { RefusedCertificate } from '../certificate/trust/judge-chain.js';
import type { OfferedTls } from './client-hello.js';

/** The other end of a connection. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** A connection that was refused, or left before it could be served. */
export interface Refusal {
  /** Eight characters under which log, client and `rsynctl explain` speak of it. */
  readonly id: string;
  readonly peer: Peer;
  /** The TLS library's code (`ERR_SSL_UNSUPPORTED_PROTOCOL`), or one of `RefusalCode`. */
  readonly code: string;
  /** The TLS library's reason (`unsupported protocol`), or ours. */
  readonly reason: string;
  /** What the client offered, when it got as far as a whole ClientHello. */
  readonly offered?: OfferedTls;
  /** What to do, on which side. */
  readonly advice: string;
  /** The certificate that was refused. */
  readonly certificate?: RefusedCertificate;
}

/** The part of a refusal that says why. */
export type RefusalReason = Pick<Refusal, 'code' | 'reason' | 'advice' | 'certificate'>;

const CLIENT_DISTRUSTS =
  'the client does not trust this certificate: give it the authority (--ca, tls.ca) and connect by a ' +
  'name that the certificate holds';
const RAISE_CLIENT =
  'client and server have no protocol version in common: update the client or raise its -scl, else ' +
  'start the server with a lower -scl';
const NO_CIPHER =
  'client and server have no cipher in common: from -scl=3 on only AEAD with forward secrecy is ' +
  'served; update the client, else start the server with a lower -scl';
const BAD_BYTES = 'the peer does not speak TLS properly: check what connects to this port';

/** Reasons of our own, where the TLS library was not asked or had nothing to say. */
const OWN_REASONS = {
  PLAIN_ON_ENCRYPTED: [
    'a client without encryption on an encrypted port',
    'open with /encrypt (encrypt: true, rsynds://)',
  ],
  TLS_ON_PLAIN: [
    'a TLS client on a port without encryption',
    'start the server with -encrypt, or open without /encrypt',
  ],
  HANDSHAKE_TIMEOUT: [
    'nothing or only half a handshake came in time',
    'check the network and what connects to this port',
  ],
  HANDSHAKE_ABANDONED: [
    'the client closed the connection during the handshake',
    `perhaps ${CLIENT_DISTRUSTS}`,
  ],
  HELLO_TOO_LARGE: ['the ClientHello is too large', BAD_BYTES],
  PENDING_LIMIT: [
    'too many unfinished handshakes, this was the oldest',
    'find out who opens connections without using them',
  ],
  CONNECTION_LIMIT: [
    'the server has as many connections as it may have',
    'close unused connections or raise the limit',
  ],
} as const satisfies Record<string, readonly [reason: string, advice: string]>;

export type RefusalCode = keyof typeof OWN_REASONS;

/** Advice by what the TLS library says; the first expression that fits the code counts. */
const ADVICE: readonly (readonly [code: RegExp, advice: string])[] = [
  [/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE|UNSUPPORTED_CERT|ACCESS)/, CLIENT_DISTRUSTS],
  [/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|ALERT_PROTOCOL_VERSION/, RAISE_CLIENT],
  [/NO_SUITABLE_SIGNATURE_ALGORITHM|LEGACY_SIGALG|INAPPROPRIATE_FALLBACK/, RAISE_CLIENT],
  [/NO_SHARED_CIPHER|NO_CIPHERS|KEY_SHARE|SHARED_GROUP|HANDSHAKE_FAILURE/, NO_CIPHER],
  [/^ECONN|^EPIPE/, OWN_REASONS.HANDSHAKE_ABANDONED[1]],
];

/** What a client is told of its refused certificate, in the error it gets. */
export function certificateRefusalText({ id, code, reason, advice, certificate }: Refusal): string {
  const which =
    certificate === undefined
      ? ''
      : `; certificate ${certificate.id}, ${certificate.subject}, depth ${certificate.depth}`;
  return `the server refuses this client: ${reason} (${code})${which}; ${advice}; ${refusalHint(id)}`;
}

/** Where more is to be had about a refusal. */
export const refusalHint = (id: string): string =>
  `refusal ${id}, for the administrator: rsynctl explain ${id}`;

/** Reason and advice for a code of our own. */
export function ownReason(code: RefusalCode): RefusalReason {
  const [reason, advice] = OWN_REASONS[code];
  return { code, reason, advice };
}

/** Reason and advice by code alone, undefined for codes that are not ours. */
export const ownReasonOf = (code: string): RefusalReason | undefined =>
  isOwnCode(code) ? ownReason(code) : undefined;

const isOwnCode = (code: string): code is RefusalCode => Object.hasOwn(OWN_REASONS, code);

/** What to do about a code of the TLS library, undefined when nothing is known of it. */
export const libraryAdvice = (code: string): string | undefined =>
  ADVICE.find(([expression]) => expression.test(code))?.[1];

/** Reason and advice for an error of the TLS library or of the socket. */
export function libraryReason(error: Error): RefusalReason {
  const code = 'code' in error ? String(error.code) : error.name;
  const reason = 'reason' in error ? String(error.reason) : error.message;
  return { code, reason, advice: libraryAdvice(code) ?? BAD_BYTES };
}

// A TLS record of type alert (21): level fatal (2), handshake_failure (40).
const ALERT_RECORD = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28] as const;

/** Tells a TLS client at once that there will be no TLS here. */
export const handshakeFailureAlert = (): Buffer => Buffer.from(ALERT_RECORD);
