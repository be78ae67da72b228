// The parts of a subject: country to e-mail, in openssl's order, and how they are written into certificates and
// requests.

import * as asn1 from 'asn1js';
import { RsyndError } from '../../../shared/base/error.js';
import { identifier, type Piece, parse, partsOf, sequence } from './der.js';

/** Parts that are absent or empty are left out. */
export interface NameParts {
  readonly country?: string;
  readonly state?: string;
  readonly locality?: string;
  readonly org?: string;
  readonly orgunit?: string;
  readonly commonname?: string;
  readonly email?: string;
}

export interface NamePart {
  readonly field: keyof NameParts;
  readonly oid: string;
  /** What a prompt asks, in openssl's words. */
  readonly question: string;
  /** In characters, from RFC 5280. */
  readonly max: number;
}

/** In the order they are asked and written. */
export const NAME_PARTS: readonly NamePart[] = [
  { field: 'country', oid: '2.5.4.6', question: 'Country Name (2 letter code)', max: 2 },
  { field: 'state', oid: '2.5.4.8', question: 'State or Province Name (full name)', max: 128 },
  { field: 'locality', oid: '2.5.4.7', question: 'Locality Name (eg, city)', max: 128 },
  { field: 'org', oid: '2.5.4.10', question: 'Organization Name (eg, company)', max: 64 },
  {
    field: 'orgunit',
    oid: '2.5.4.11',
    question: 'Organizational Unit Name (eg, section)',
    max: 64,
  },
  { field: 'commonname', oid: '2.5.4.3', question: 'Common Name (e.g. server FQDN)', max: 64 },
  { field: 'email', oid: '1.2.840.113549.1.9.1', question: 'Email Address', max: 255 },
];

/** ERR_INVARG names the part that cannot be written. */
export function checkName(parts: NameParts): void {
  for (const { field, max } of NAME_PARTS) {
    const value = parts[field] ?? '';
    if (value.length > max) throw unusable(field, value, `at most ${max} characters`);
    if (/\p{Cc}/u.test(value)) throw unusable(field, '', 'no control characters');
  }
  const { country = '', email = '' } = parts;
  if (country !== '' && !/^[A-Za-z]{2}$/.test(country)) {
    throw unusable('country', country, 'a code of two letters');
  }
  if (email !== '' && !/^[\x21-\x7e]+@[\x21-\x7e]+$/.test(email)) {
    throw unusable('email', email, 'an address in ASCII');
  }
}

const unusable = (field: string, value: string, wanted: string): RsyndError =>
  new RsyndError('ERR_INVARG', `${field} ${JSON.stringify(value)}: it must be ${wanted}`);

/** The Name of X.509, one part a SET. Checked by `checkName` before. */
export function encodeName(parts: NameParts): asn1.Sequence {
  const given = NAME_PARTS.filter(({ field }) => (parts[field] ?? '') !== '');
  const sets = given.map(({ field, oid }) => {
    const value = encodePart(field, parts[field] ?? '');
    return new asn1.Set({ value: [sequence(identifier(oid), value)] });
  });
  return sequence(...sets);
}

// Two parts have a type of their own by their standards; all else is UTF-8.
function encodePart(field: keyof NameParts, value: string): Piece {
  if (field === 'country') return new asn1.PrintableString({ value: value.toUpperCase() });
  if (field === 'email') return new asn1.IA5String({ value });
  return new asn1.Utf8String({ value });
}

const COMMON_NAME = '2.5.4.3';

/** The common names in the DER of a Name that somebody else wrote, in its order. */
export function commonNamesOf(subject: Uint8Array): string[] {
  const parts = partsOf(parse(subject)).flatMap(partsOf).map(partsOf);
  return parts.flatMap(([oid, value]) => {
    const isOne = oid instanceof asn1.ObjectIdentifier && oid.valueBlock.toString() === COMMON_NAME;
    if (!isOne) return [];
    return value instanceof asn1.BaseStringBlock ? [value.getValue()] : [''];
  });
}
