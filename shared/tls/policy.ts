// The one place that holds protocols and ciphers: security levels 0-4 as data with reasons.
// Every end of every connection (server, client, proof of a certificate) builds its TLS context from
// `policyFor`; nobody else may name a protocol version or a cipher.

import { constants } from 'node:crypto';
import type { SecureContextOptions, SecureVersion } from 'node:tls';

/** What a user may ask for; 0 means "the default of this release". */
export type SecurityLevel = 0 | 1 | 2 | 3 | 4;

/** A level after 0 was resolved. */
export type ResolvedLevel = 1 | 2 | 3 | 4;

/** The part of the options of `tls.createSecureContext` that the level decides. */
export type TlsPolicyOptions = Required<
  Pick<
    SecureContextOptions,
    'minVersion' | 'maxVersion' | 'ciphers' | 'honorCipherOrder' | 'secureOptions'
  >
>;

/** One row of the table. */
export interface LevelPolicy {
  readonly minVersion: SecureVersion;
  readonly ciphers: string;
  /** True when every start must warn that the level is below what is recommended. */
  readonly isLegacy: boolean;
  /** Why the level exists and what it costs, for logs and documents. */
  readonly reason: string;
}

/** What 0 means in this release. A change here is a line in CHANGELOG and an event at start. */
const DEFAULT_LEVEL: ResolvedLevel = 3;

// Suites of TLS 1.3 have names of their own and cannot be excluded by the words below, so they are
// written out. All are AEAD with forward secrecy; CCM stays out, nothing on a server needs it.
const TLS13_SUITES = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';

// aNULL: nobody proves who he is. eNULL: nothing is encrypted. RC4 and 3DES: broken, and HIGH
// would drop them, but a library that changes its mind about HIGH must not change ours.
// PSK, SRP and DSS: there is no way to configure them here, so they only lengthen a ClientHello.
const NEVER = '!aNULL:!eNULL:!RC4:!3DES:!MD5:!PSK:!SRP:!DSS';

// OpenSSL 3 refuses the SHA-1 signatures of TLS 1.0 and 1.1 above security level 0, on both ends.
const LEGACY_CIPHERS = `${TLS13_SUITES}:HIGH:${NEVER}:@SECLEVEL=0`;

// ECDHE only: finite-field DHE is forward secret too, but lets a client make the server compute
// far more than itself. SECLEVEL=2 refuses RSA keys below 2048 bits and SHA-1 in certificates.
const MODERN_CIPHERS = `${TLS13_SUITES}:ECDHE+AESGCM:ECDHE+CHACHA20:${NEVER}:@SECLEVEL=2`;

/** Levels -> what they allow. The highest protocol is always TLS 1.3. */
export const LEVEL_POLICIES: Readonly<Record<ResolvedLevel, LevelPolicy>> = {
  1: {
    minVersion: 'TLSv1',
    ciphers: LEGACY_CIPHERS,
    isLegacy: true,
    reason: 'TLS 1.0 for clients that cannot be changed; its ciphers have known attacks (BEAST)',
  },
  2: {
    minVersion: 'TLSv1.1',
    ciphers: LEGACY_CIPHERS,
    isLegacy: true,
    reason: 'TLS 1.1 for older clients; withdrawn by RFC 8996 since 2021',
  },
  3: {
    minVersion: 'TLSv1.2',
    ciphers: MODERN_CIPHERS,
    isLegacy: false,
    reason: 'TLS 1.2 and 1.3, AEAD with forward secrecy only, as NIST SP 800-52r2 asks',
  },
  4: {
    minVersion: 'TLSv1.3',
    ciphers: MODERN_CIPHERS,
    isLegacy: false,
    reason: 'TLS 1.3 only, where both ends are under control',
  },
};

/** Narrowing question for values from command lines and configuration. */
export const isSecurityLevel = (value: unknown): value is SecurityLevel =>
  value === 0 || value === 1 || value === 2 || value === 3 || value === 4;

/** What a level asked for means in this release: 0 becomes the default, the others stay. */
export const resolveLevel = (level: SecurityLevel): ResolvedLevel =>
  level === 0 ? DEFAULT_LEVEL : level;

/**
 * Options for `tls.createSecureContext`, for server and client ends alike. They must be passed again
 * with every new context: a context made without them silently has Node's own defaults.
 */
export function policyFor(level: SecurityLevel): TlsPolicyOptions {
  const { minVersion, ciphers } = LEVEL_POLICIES[resolveLevel(level)];
  return {
    minVersion,
    maxVersion: 'TLSv1.3',
    ciphers,
    honorCipherOrder: true,
    // A client could otherwise make the server do handshake after handshake on one connection.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** The lowest protocol of a level, as the ready line and the log print it: `TLSv1.2`. */
export const minProtocolOf = (level: SecurityLevel): SecureVersion =>
  LEVEL_POLICIES[resolveLevel(level)].minVersion;
