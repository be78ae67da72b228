// Makes a request for a certificate (PKCS#10): the name parts, alternative names, the public key, signed with its
// private key. The caller keeps the key.

import { createPublicKey, type KeyObject } from 'node:crypto';
import * as asn1 from 'asn1js';
import { type AlternativeName, alternativeNamesExtension } from './alternative-names.js';
import { identifier, parse, sequence, signed, tagged, toPem } from './der.js';
import { checkName, encodeName, type NameParts } from './distinguished-name.js';

export const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

/** PEM of the request. ERR_INVARG when a part of the name cannot be written. */
export function makeRequest(
  name: NameParts,
  names: readonly AlternativeName[],
  key: KeyObject,
): string {
  checkName(name);
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const content = sequence(
    new asn1.Integer({ value: 0 }),
    encodeName(name),
    parse(publicKey),
    tagged(0, ...(names.length > 0 ? [wantedExtensions(names)] : [])),
  );
  return toPem('CERTIFICATE REQUEST', signed(content, key));
}

const wantedExtensions = (names: readonly AlternativeName[]): asn1.Sequence =>
  sequence(
    identifier(EXTENSION_REQUEST),
    new asn1.Set({ value: [sequence(alternativeNamesExtension(names))] }),
  );
