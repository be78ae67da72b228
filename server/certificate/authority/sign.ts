// Writes what an authority signs: certificates and revocation lists. Knows what each profile may do and nothing of
// names, files or who may ask.

import { createHash, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import * as asn1 from 'asn1js';
import { type AlternativeName, alternativeNamesExtension } from '../request/alternative-names.js';
import {
  bits,
  extension,
  identifier,
  parse,
  partsOf,
  sequence,
  signatureAlgorithm,
  signed,
  tagged,
  taggedBytes,
  time,
  wholeNumber,
} from '../request/der.js';
import { type IssueProfile, REVOCATION_REASONS, type RevocationReason } from './issued-index.js';

/** What a certificate is to say. */
export interface CertificateContent {
  /** DER of the Name. */
  readonly subject: Uint8Array;
  /** DER of the Name. */
  readonly issuer: Uint8Array;
  readonly publicKey: KeyObject;
  readonly issuerPublicKey: KeyObject;
  readonly profile: IssueProfile | 'authority';
  readonly names: readonly AlternativeName[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const OID = {
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
  listNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** Bits of keyUsage. */
const DIGITAL_SIGNATURE = 0;
const KEY_ENCIPHERMENT = 2;
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

/** Signs a certificate with a serial number of its own. */
export function signCertificate(
  content: CertificateContent,
  issuerKey: KeyObject,
): X509Certificate {
  const publicKey = content.publicKey.export({ type: 'spki', format: 'der' });
  const der = signed(
    sequence(
      tagged(0, new asn1.Integer({ value: 2 })), // version 3
      wholeNumber(newSerial()),
      signatureAlgorithm(issuerKey),
      parse(content.issuer),
      sequence(time(content.notBefore), time(content.notAfter)),
      parse(content.subject),
      parse(publicKey),
      tagged(3, sequence(...extensionsOf(content))),
    ),
    issuerKey,
  );
  return new X509Certificate(der);
}

// 127 random bits with the first byte in 1..127: positive, and always of the same length.
function newSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x01;
  return serial;
}

function extensionsOf(content: CertificateContent): asn1.Sequence[] {
  const { profile, names, publicKey, issuerPublicKey } = content;
  const identifiers = [
    extension(
      OID.subjectKeyIdentifier,
      new asn1.OctetString({ valueHex: Uint8Array.from(keyIdentifier(publicKey)) }),
    ),
    authorityIdentifier(issuerPublicKey),
  ];
  if (profile === 'authority') return [...authorityUses(), ...identifiers];
  const alternative = names.length > 0 ? [alternativeNamesExtension(names)] : [];
  return [...leafUses(profile, publicKey), ...alternative, ...identifiers];
}

const authorityUses = (): asn1.Sequence[] => [
  // Path length 0: nobody this authority certifies can be an authority.
  extension(
    OID.basicConstraints,
    sequence(new asn1.Boolean({ value: true }), new asn1.Integer({ value: 0 })),
    true,
  ),
  extension(OID.keyUsage, bits(KEY_CERT_SIGN, CRL_SIGN), true),
];

function leafUses(profile: IssueProfile, publicKey: KeyObject): asn1.Sequence[] {
  // keyEncipherment is for the RSA key exchange of levels 1 and 2 only, and only of servers.
  const enciphers = profile !== 'client' && publicKey.asymmetricKeyType === 'rsa';
  const uses = enciphers ? [DIGITAL_SIGNATURE, KEY_ENCIPHERMENT] : [DIGITAL_SIGNATURE];
  const purposes = [
    ...(profile === 'client' ? [] : [OID.serverAuth]),
    ...(profile === 'server' ? [] : [OID.clientAuth]),
  ];
  return [
    extension(OID.basicConstraints, sequence(), true),
    extension(OID.keyUsage, bits(...uses), true),
    extension(OID.extendedKeyUsage, sequence(...purposes.map(identifier))),
  ];
}

const authorityIdentifier = (publicKey: KeyObject): asn1.Sequence =>
  extension(OID.authorityKeyIdentifier, sequence(taggedBytes(0, keyIdentifier(publicKey))));

/** SHA-1 of the key's bits, the first method of RFC 5280, 4.2.1.2: a label, not a proof. */
function keyIdentifier(publicKey: KeyObject): Buffer {
  const [, key] = partsOf(parse(publicKey.export({ type: 'spki', format: 'der' })));
  if (!(key instanceof asn1.BitString)) throw new TypeError('a public key has no bits');
  return createHash('sha1').update(key.valueBlock.valueHexView).digest();
}

/** What a revocation list is to say. */
export interface RevocationListContent {
  /** DER of the Name. */
  readonly issuer: Uint8Array;
  readonly issuerPublicKey: KeyObject;
  readonly number: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revoked: readonly RevokedSerial[];
}

export interface RevokedSerial {
  /** Hex */
  readonly serial: string;
  readonly at: Date;
  readonly reason: RevocationReason;
}

/** DER of a signed revocation list (version 2, with number and reasons). */
export function signRevocationList(content: RevocationListContent, issuerKey: KeyObject): Buffer {
  const { issuer, thisUpdate, nextUpdate, revoked, issuerPublicKey } = content;
  // The list itself may not be there when it is empty.
  const list = revoked.length > 0 ? [sequence(...revoked.map(revokedSerial))] : [];
  const number = extension(OID.listNumber, new asn1.Integer({ value: content.number }));
  return signed(
    sequence(
      new asn1.Integer({ value: 1 }),
      signatureAlgorithm(issuerKey),
      parse(issuer),
      time(thisUpdate),
      time(nextUpdate),
      ...list,
      tagged(0, sequence(authorityIdentifier(issuerPublicKey), number)),
    ),
    issuerKey,
  );
}

function revokedSerial({ serial, at, reason }: RevokedSerial): asn1.Sequence {
  const code = REVOCATION_REASONS[reason];
  const value = new asn1.Enumerated({ value: code });
  // "unspecified" is said by saying nothing (RFC 5280, 5.3.1).
  const extensions = code === 0 ? [] : [sequence(extension(OID.reasonCode, value))];
  return sequence(wholeNumber(Buffer.from(serial, 'hex')), time(at), ...extensions);
}

/** DER of the subject of a certificate. */
export function subjectDerOf(certificate: X509Certificate): Buffer {
  const [content] = partsOf(parse(certificate.raw));
  const [, , , , , subject] = partsOf(content);
  if (subject === undefined) throw new TypeError('a certificate of version 3 has six parts');
  return Buffer.from(subject.valueBeforeDecodeView);
}
