// What can be wrong with the other end's certificate: the TLS library's own codes and ours where it has none,
// each in words with a way out. One table for the server's log, the client's error and `rsynctl explain`.
// Written for either side: "the certificate" is the one shown by the other end.

/** Meaning and remedy of a code. */
export interface VerifyCode {
  readonly reason: string;
  readonly advice: string;
}

const KNOW_ISSUER =
  'give the authority that issued it to the side that refuses (--client-ca at the server, tls.ca at the ' +
  'client), and let the other side send its intermediate certificates';
const NEW_LIST =
  'fetch a new revocation list from the authority and put it in place of the old file';
const RESPONDER =
  'see whether the OCSP responder runs, and whether its address is the one configured';

/** Codes as OpenSSL and Node name them. */
const LIBRARY = {
  CERT_HAS_EXPIRED: ['the certificate has expired', 'renew it, or correct the clock'],
  CERT_NOT_YET_VALID: [
    'the certificate is not valid yet',
    'compare the clocks of both machines, or wait until it begins',
  ],
  CERT_REVOKED: [
    'the certificate was revoked by its authority',
    'ask the authority for a new certificate and key; a revoked one never becomes good again',
  ],
  DEPTH_ZERO_SELF_SIGNED_CERT: [
    'the certificate is self-signed and nobody vouches for it',
    'use one issued by an authority that the refusing side trusts, or let it trust this very certificate',
  ],
  SELF_SIGNED_CERT_IN_CHAIN: ['the chain ends in a root that is not trusted here', KNOW_ISSUER],
  UNABLE_TO_GET_ISSUER_CERT: ['the issuer of the certificate is unknown', KNOW_ISSUER],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['the issuer of the certificate is unknown', KNOW_ISSUER],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'the certificate came alone and its issuer is unknown here',
    KNOW_ISSUER,
  ],
  CERT_CHAIN_TOO_LONG: [
    'there are more certificates up to the root than allowed',
    'raise --client-depth at the server, or have the certificate issued nearer to the root',
  ],
  INVALID_CA: [
    'a certificate that is no authority issued another',
    'have the certificate issued by an authority (basicConstraints CA:TRUE)',
  ],
  PATH_LENGTH_EXCEEDED: [
    'an authority issued another one, which its own certificate forbids (path length)',
    'have the certificate issued by an authority that may',
  ],
  INVALID_PURPOSE: [
    'the certificate is not meant for this',
    'a client needs extended key usage clientAuth, a server serverAuth; have it issued for that',
  ],
  CERT_UNTRUSTED: ['the root is not trusted for this purpose', KNOW_ISSUER],
  CERT_REJECTED: ['the root is marked as not to be used for this purpose', KNOW_ISSUER],
  CERT_SIGNATURE_FAILURE: [
    'a signature in the chain is wrong',
    'the certificate is damaged or forged: install it again as its authority issued it',
  ],
  UNABLE_TO_GET_CRL: [
    'there is no revocation list of the authority that issued it, and --crl-policy is closed',
    'give the list of this authority too (--crl FILE, one for every authority in use), or --crl-policy open',
  ],
  CRL_HAS_EXPIRED: ['the revocation list of its authority has ended', NEW_LIST],
  CRL_NOT_YET_VALID: [
    'the revocation list of its authority is not valid yet',
    'compare the clock with that of the authority',
  ],
  CRL_SIGNATURE_FAILURE: [
    'the revocation list was not signed by the authority it names',
    'the file is damaged or forged: fetch it again from the authority',
  ],
} as const satisfies Record<string, readonly [reason: string, advice: string]>;

/** Codes of ours, where the library is silent or says something else. */
const OWN = {
  NO_PEER_CERTIFICATE: [
    'the client showed no certificate, and this server asks for one',
    'give certificate and key to the client (tls.cert and tls.key, or --cert and --key)',
  ],
  CERT_DAMAGED: ['the certificate cannot be read', 'have it issued again'],
  CERT_JUDGE_TIMEOUT: ['judging the certificate took too long', RESPONDER],
  CERT_JUDGE_FAILED: [
    'the certificate could not be judged',
    'see the log of the server; this is a fault to report',
  ],
  PROTOCOL_TOO_LOW: [
    'the connection has a protocol that the level does not allow any more',
    'update the client or raise its -scl',
  ],
  OCSP_NO_ANSWER: ['the OCSP responder did not answer', RESPONDER],
  OCSP_CERT_UNKNOWN: [
    'the OCSP responder does not know the certificate',
    'the responder answers for another authority, or the certificate was never issued: ask the authority',
  ],
  OCSP_VERIFY_FAILED: [
    "the OCSP answer is not signed by the certificate's authority, nor by one it named for that",
    'configure the responder of the authority, or name its certificate (--ocsp-issuer FILE)',
  ],
  OCSP_NOT_CURRENT: [
    'the OCSP answer is too old or from the future',
    'compare the clocks, or see why the responder does not make new answers',
  ],
  OCSP_NONCE_MISMATCH: [
    'the OCSP answer is not to this question (its nonce is missing or another)',
    'somebody repeats old answers, or the responder knows no nonces: then --ocsp-nonce accept',
  ],
} as const satisfies Record<string, readonly [reason: string, advice: string]>;

/** Codes this program itself finds. */
export type VerifyFinding = keyof typeof LIBRARY | keyof typeof OWN;

const TABLE: Readonly<Record<string, readonly [reason: string, advice: string]>> = {
  ...LIBRARY,
  ...OWN,
};

/** Meaning and remedy, undefined for codes not in the table. */
export function verifyCode(code: string): VerifyCode | undefined {
  const row = Object.hasOwn(TABLE, code) ? TABLE[code] : undefined;
  return row === undefined ? undefined : { reason: row[0], advice: row[1] };
}

/** All codes of the table, for documents and lists. */
export const verifyCodes = (): string[] => Object.keys(TABLE);
