// What can be said of a certificate, for lists, messages and decisions. Everything is read with node's
// X509Certificate; nothing is stored, so that it cannot disagree with the certificate.

import type { X509Certificate } from 'node:crypto';

const DAY_MS = 86_400_000;
/** From this many days before its end on a certificate is called expiring. */
export const EXPIRING_DAYS = 30;

export type CertificateStatus = 'valid' | 'expiring' | 'expired' | 'notYet' | 'revoked';

/** For people and for JSON; all of it is public. */
export interface CertificateFacts {
  /** SHA-256 of the certificate, 64 hex digits in lower case. */
  readonly fingerprint: string;
  /** `CN=…, O=…`, in the order of the certificate. */
  readonly subject: string;
  readonly issuer: string;
  /** Hex, as openssl prints it. */
  readonly serial: string;
  /** `dns:a.example`, `ip:10.0.0.1`, `email:…` as --san takes them. */
  readonly names: readonly string[];
  /** ISO 8601. */
  readonly notBefore: string;
  readonly notAfter: string;
  /** `RSA 3072`, `ECDSA P-256`, `Ed25519`. */
  readonly key: string;
  readonly isAuthority: boolean;
}

export function factsOf(certificate: X509Certificate): CertificateFacts {
  return {
    fingerprint: fingerprintOf(certificate),
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    serial: certificate.serialNumber,
    names: alternativeNamesOf(certificate),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    key: describeKey(certificate),
    isAuthority: certificate.ca,
  };
}

export const fingerprintOf = (certificate: X509Certificate): string =>
  certificate.fingerprint256.replaceAll(':', '').toLowerCase();

// X509Certificate writes one part a line; a certificate without a subject has undefined there.
export const oneLine = (name: string | undefined): string => (name ?? '').split('\n').join(', ');

/** The common name, undefined when there is none. */
export const commonNameOf = (certificate: X509Certificate): string | undefined =>
  /^CN=(.+)$/m.exec(certificate.subject ?? '')?.[1];

const SAN_KINDS: { readonly [openssl: string]: string } = {
  DNS: 'dns',
  'IP Address': 'ip',
  email: 'email',
};

function alternativeNamesOf({ subjectAltName }: X509Certificate): string[] {
  return (subjectAltName ?? '')
    .split(', ')
    .filter((part) => part !== '')
    .map((part) => {
      const at = part.indexOf(':');
      const kind = part.slice(0, at);
      return `${SAN_KINDS[kind] ?? kind}:${part.slice(at + 1)}`;
    });
}

const CURVES: { readonly [name: string]: string } = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

export function describeKey(certificate: X509Certificate): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
  if (type === 'rsa') return `RSA ${details?.modulusLength}`;
  if (type === 'ec') return `ECDSA ${CURVES[details?.namedCurve ?? ''] ?? details?.namedCurve}`;
  if (type === 'ed25519') return 'Ed25519';
  return type ?? 'unknown';
}

/** Of the dates alone; whether it is revoked its authority says. */
export function statusAt(certificate: X509Certificate, now: Date): CertificateStatus {
  if (now.getTime() > Date.parse(certificate.validTo)) return 'expired';
  if (now.getTime() < Date.parse(certificate.validFrom)) return 'notYet';
  return daysLeft(certificate, now) < EXPIRING_DAYS ? 'expiring' : 'valid';
}

/** Whole days until its end, below zero when that is past. */
export const daysLeft = (certificate: X509Certificate, now: Date): number =>
  Math.floor((Date.parse(certificate.validTo) - now.getTime()) / DAY_MS);
