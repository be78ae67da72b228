// Pieces of X.509 as ASN.1: what certificates, requests and revocation lists have in common. Called by those who
// make them; nothing here decides anything, and nothing here judges what others made.

import { type KeyObject, sign } from 'node:crypto';
import * as asn1 from 'asn1js';

/** Any piece of ASN.1. */
export type Piece = asn1.BaseBlock;

export const sequence = (...value: Piece[]): asn1.Sequence => new asn1.Sequence({ value });

export const identifier = (value: string): asn1.ObjectIdentifier =>
  new asn1.ObjectIdentifier({ value });

/** A positive number of any length, from its big-endian bytes. */
export const wholeNumber = (bytes: Uint8Array): asn1.Integer =>
  new asn1.Integer({ valueHex: withSign(bytes) });

// The first bit is the sign: a leading zero keeps it out of the number.
const withSign = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  Uint8Array.from((bytes[0] ?? 0) > 0x7f ? [0, ...bytes] : bytes);

/** `[number] EXPLICIT`. */
export const tagged = (tagNumber: number, ...value: Piece[]): asn1.Constructed =>
  new asn1.Constructed({ idBlock: { tagClass: CONTEXT, tagNumber }, value });

/** `[number] IMPLICIT` with these bytes. */
export const taggedBytes = (tagNumber: number, bytes: Uint8Array): asn1.Primitive =>
  new asn1.Primitive({
    idBlock: { tagClass: CONTEXT, tagNumber },
    valueHex: Uint8Array.from(bytes),
  });

const CONTEXT = 3;

/** Whole seconds, in the form RFC 5280 wants: two digits of the year until 2049. */
export function time(date: Date): Piece {
  const valueDate = new Date(Math.floor(date.getTime() / 1000) * 1000);
  return valueDate.getUTCFullYear() < 2050
    ? new asn1.UTCTime({ valueDate })
    : new asn1.GeneralizedTime({ valueDate });
}

export function extension(oid: string, value: Piece, isCritical = false): asn1.Sequence {
  const critical = isCritical ? [new asn1.Boolean({ value: true })] : [];
  return sequence(identifier(oid), ...critical, new asn1.OctetString({ valueHex: value.toBER() }));
}

/** Named bits, first bit first, without zeros at the end as DER wants it. */
export function bits(...positions: number[]): asn1.BitString {
  const last = Math.max(...positions);
  const byte = positions.reduce((sum, position) => sum | (0x80 >> position), 0);
  return new asn1.BitString({ valueHex: Uint8Array.of(byte), unusedBits: 7 - last });
}

const RSA_WITH_SHA256 = '1.2.840.113549.1.1.11';
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';

/** What `signed` signs with. @throws TypeError for keys that are neither RSA nor EC */
export function signatureAlgorithm(key: KeyObject): asn1.Sequence {
  if (key.asymmetricKeyType === 'rsa') {
    return sequence(identifier(RSA_WITH_SHA256), new asn1.Null());
  }
  if (key.asymmetricKeyType === 'ec') return sequence(identifier(ECDSA_WITH_SHA256));
  throw new TypeError(`nothing is signed with ${key.asymmetricKeyType}`);
}

/** DER of `SEQUENCE { content, algorithm, signature }`. */
export function signed(content: asn1.Sequence, key: KeyObject): Buffer {
  const bytes = Buffer.from(content.toBER());
  const valueHex = Uint8Array.from(sign('sha256', bytes, key));
  const whole = sequence(content, signatureAlgorithm(key), new asn1.BitString({ valueHex }));
  return Buffer.from(whole.toBER());
}

/** The parts of a SEQUENCE or SET. Throws Error when it is none. */
export function partsOf(piece: Piece | undefined): Piece[] {
  if (piece instanceof asn1.Constructed) return piece.valueBlock.value;
  throw new Error('a structure is missing');
}

/** Parses DER whole. Throws Error. */
export function parse(der: Uint8Array): Piece {
  const { result, offset } = asn1.fromBER(Uint8Array.from(der));
  if (offset !== der.length || result.error !== '')
    throw new Error(result.error || 'rest behind it');
  return result;
}

/** PEM with this label. */
export function toPem(label: string, der: Uint8Array): string {
  const body = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trim();
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}
