// A certificate in words: names in one line, the short id under which messages and logs speak of it. Used by
// both ends when a certificate is judged. The names come from strangers and are cleaned before they are shown.

import type { X509Certificate } from 'node:crypto';

/** Characters of a name in a message. */
const nameShownMax = 256;
/** Hex digits of the fingerprint that tell certificates apart for people. */
const idDigits = 12;

/** SHA-256 of the certificate, 64 hex digits in lower case. */
export const fingerprintOf = (certificate: X509Certificate): string =>
  certificate.fingerprint256.replaceAll(':', '').toLowerCase();

/** The first digits of the fingerprint: enough to find the certificate by. */
export const certificateId = (certificate: X509Certificate): string =>
  fingerprintOf(certificate).slice(0, idDigits);

/** node:crypto's lines (`C=…\nO=…\nCN=…`) as RFC 4514 writes them: `CN=…,O=…,C=…`. */
export const nameText = (lines: string | undefined): string => printable(fullName(lines));

/** The same whole, for comparisons; node:crypto has escaped what could be taken for a separator. */
export const fullName = (lines: string | undefined): string =>
  (lines ?? '').split('\n').reverse().join(',');

/** Serial number in upper case hex without leading zeros, as openssl prints it. */
export const serialText = (hex: string): string => {
  const digits = hex.toUpperCase().replace(/^0+(?=.)/, '');
  return digits.length % 2 === 0 ? digits : `0${digits}`;
};

/** No escape sequences: line ends and marks of direction become question marks. */
export const withoutControls = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '?');

/** Neither escape sequences nor floods. */
export function printable(text: string): string {
  const clean = withoutControls(text);
  return clean.length <= nameShownMax ? clean : `${clean.slice(0, nameShownMax)}...`;
}

/** Milliseconds since 1970 of the dates of a certificate. */
export const validityOf = (certificate: X509Certificate): { from: number; to: number } => ({
  from: Date.parse(certificate.validFrom),
  to: Date.parse(certificate.validTo),
});
