// May this certificate be used for that? Refusals with the reason, and remarks that are no reason to refuse.
// The judge of bytes and signatures is node:crypto; this only asks it.

import type { KeyObject, X509Certificate } from 'node:crypto';
import { daysLeft, describeKey, oneLine, statusAt } from '../store/facts.js';
import { isSelfSigned } from './chain.js';
import { refusal } from './refuse.js';

const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 4096;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** Kinds of keys that TLS can use here. ERR_BADCERT. */
export function checkKeyKind(key: KeyObject, source: string): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const isRsa = type === 'rsa' || type === 'rsa-pss';
  const bits = details?.modulusLength ?? 0;
  if (isRsa && bits < RSA_BITS_MIN) {
    throw refusal(source, `an RSA key of ${bits} bits is too short; make one of 3072`);
  }
  if (isRsa || type === 'ed25519') return;
  if (type === 'ec' && CURVES.includes(details?.namedCurve ?? '')) return;
  const found = type === 'ec' ? `curve ${details?.namedCurve}` : `kind ${type}`;
  const fix = 'take RSA 2048-4096, ECDSA P-256, P-384, P-521 or Ed25519';
  throw refusal(source, `a key of ${found} cannot be used; ${fix}`);
}

/**
 * X509Certificate reads a key and dates only when they are asked for: here they are, once, for all that follows.
 * @throws RsyndError ERR_BADCERT
 */
export function checkReadable(certificates: readonly X509Certificate[], source: string): void {
  certificates.forEach((certificate, index) => {
    const which = `certificate ${index + 1}`;
    const { validFrom, validTo } = certificate;
    if (Number.isNaN(Date.parse(validFrom)) || Number.isNaN(Date.parse(validTo))) {
      throw refusal(source, `${which} cannot be read: its dates are damaged`);
    }
    try {
      certificate.publicKey;
    } catch (cause) {
      throw refusal(
        source,
        `${which} cannot be read: its key is damaged or of no known kind`,
        cause,
      );
    }
  });
}

/** ERR_BADCERT: `key does not match certificate`. */
export function checkKeyMatches(
  certificate: X509Certificate,
  key: KeyObject,
  source: string,
): void {
  if (certificate.checkPrivateKey(key)) return;
  const fix = 'take the key the certificate was requested with';
  throw refusal(source, `key does not match certificate ${oneLine(certificate.subject)}; ${fix}`);
}

/** ERR_BADCERT: a leaf, or one whose own signature is wrong. */
export function checkAuthority(certificate: X509Certificate, source: string): void {
  const subject = oneLine(certificate.subject);
  if (!certificate.ca) {
    const why = `${subject} is no authority: basicConstraints CA:TRUE is missing`;
    throw refusal(source, `${why}; import it as peer, or the certificate that issued it`);
  }
  checkKeyKind(certificate.publicKey, source);
  if (certificate.subject === certificate.issuer && !isSelfSigned(certificate)) {
    throw refusal(source, `${subject} names itself as issuer, but its signature is wrong`);
  }
}

/** ERR_BADCERT: an authority where a server's own certificate is meant. */
export function checkPeer(certificate: X509Certificate, source: string): void {
  checkKeyKind(certificate.publicKey, source);
  // `openssl req -x509` marks every self-signed certificate as authority.
  if (!certificate.ca || isSelfSigned(certificate)) return;
  const why = `${oneLine(certificate.subject)} is an authority, not a server's own certificate`;
  throw refusal(source, `${why}; import it as authority`);
}

/** Sentences about dates, keys and uses; none is a reason to refuse. */
export function remarksOn(certificate: X509Certificate, now: Date): string[] {
  const days = daysLeft(certificate, now);
  const subject = oneLine(certificate.subject) || 'the certificate';
  const dated = {
    expired: `${subject} expired at ${isoOf(certificate.validTo)}`,
    expiring: `${subject} ends in ${days} days, at ${isoOf(certificate.validTo)}`,
    notYet: `${subject} is not valid before ${isoOf(certificate.validFrom)}`,
    valid: '',
    revoked: '',
  }[statusAt(certificate, now)];
  const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  const slow = bits > RSA_BITS_MAX ? `${describeKey(certificate)} makes handshakes slow` : '';
  return [dated, slow].filter((remark) => remark !== '');
}

/** What else is worth saying of a certificate this server is to present. */
export function remarksOnServer(certificate: X509Certificate): string[] {
  const subject = oneLine(certificate.subject) || 'the certificate';
  const remarks: string[] = [];
  if (isSelfSigned(certificate)) {
    remarks.push(`${subject} is self-signed: every client must be given it to trust`);
  }
  // node calls the extended uses keyUsage; undefined means "for everything".
  const uses = certificate.keyUsage as readonly string[] | undefined;
  if (uses !== undefined && uses.length > 0 && !uses.includes(SERVER_AUTH)) {
    remarks.push(`${subject} is not for servers (no serverAuth): most clients will refuse it`);
  }
  if (certificate.subjectAltName === undefined) {
    remarks.push(`${subject} has no alternative names: clients that check host names refuse it`);
  }
  return remarks;
}

const isoOf = (opensslDate: string): string => new Date(opensslDate).toISOString();
