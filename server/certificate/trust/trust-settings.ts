// What a server is told about the certificates of its clients. Made from options by config/daemon-options.ts,
// read by the trust keeper; data only.

import { certificateDepthDefault } from '../../../shared/base/limits.js';
import type { CrlPolicy } from '../../../shared/tls/crl-check.js';
import type { OcspMode } from '../../../shared/tls/ocsp-check.js';

/** `optional`: a certificate is asked for, and judged when there is one. `required`: none, no session. */
export const CLIENT_AUTH_WORDS = ['none', 'optional', 'required'] as const;
export type ClientAuth = (typeof CLIENT_AUTH_WORDS)[number];

export interface TrustSettings {
  readonly clientAuth: ClientAuth;
  /** PEM of authorities, besides those of the certificate store. */
  readonly clientCa: string | undefined;
  /** Certificates allowed above the client's own, the root included. */
  readonly clientDepth: number;
  /** Files of revocation lists, PEM or DER. */
  readonly crl: readonly string[];
  readonly crlPolicy: CrlPolicy;
  readonly ocsp: OcspMode;
  readonly ocspUrl: string | undefined;
  /** PEM of a certificate that may sign answers besides the issuer and those it named. */
  readonly ocspIssuer: string | undefined;
  /** Ask the responder a certificate names, when `ocspUrl` is not given. */
  readonly ocspFollow: boolean;
  readonly ocspNonce: 'require' | 'accept';
}

/** The settings alone, out of an object that has others too. */
export const trustSettingsOf = (options: TrustSettings): TrustSettings => ({
  clientAuth: options.clientAuth,
  clientCa: options.clientCa,
  clientDepth: options.clientDepth,
  crl: options.crl,
  crlPolicy: options.crlPolicy,
  ocsp: options.ocsp,
  ocspUrl: options.ocspUrl,
  ocspIssuer: options.ocspIssuer,
  ocspFollow: options.ocspFollow,
  ocspNonce: options.ocspNonce,
});

/** No client is asked for a certificate. */
export const NO_CLIENT_CERTIFICATES: TrustSettings = {
  clientAuth: 'none',
  clientCa: undefined,
  clientDepth: certificateDepthDefault,
  crl: [],
  crlPolicy: 'open',
  ocsp: 'off',
  ocspUrl: undefined,
  ocspIssuer: undefined,
  ocspFollow: false,
  ocspNonce: 'accept',
};
