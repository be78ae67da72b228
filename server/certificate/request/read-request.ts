// Reads a request for a certificate (PKCS#10) that somebody else made, PEM or DER, and checks that it is signed with
// the key it is for. Only its subject, key and alternative names are used: what a certificate may do is
// decided by the authority, not by who asks.

import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import * as asn1 from 'asn1js';
import { checkKeyKind } from '../import/judge.js';
import { refusal } from '../import/refuse.js';
import {
  type AlternativeName,
  decodeAlternativeName,
  SUBJECT_ALT_NAME,
} from './alternative-names.js';
import { type Piece, parse, partsOf } from './der.js';
import { EXTENSION_REQUEST } from './make-request.js';

export interface CertificateRequest {
  /** DER of the Name. */
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  /** Those of a kind we take. */
  readonly names: readonly AlternativeName[];
}

const BLOCK = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([\s\S]+?)-----END/;

/** Digest by signature algorithm; null where the algorithm has its own. */
const DIGESTS: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null],
]);

/** @throws RsyndError ERR_BADCERT: no request, damaged, or not signed with its own key. */
export function readRequest(bytes: Buffer, source: string): CertificateRequest {
  const [, body] = BLOCK.exec(bytes.toString('latin1')) ?? [];
  const der = body === undefined ? bytes : Buffer.from(body, 'base64');
  const request = decode(der, source);
  checkKeyKind(request.publicKey, source);
  return request;
}

function decode(der: Buffer, source: string): CertificateRequest {
  try {
    const [content, algorithm, signature] = partsOf(parse(der));
    const [, subject, publicKeyInfo, attributes] = partsOf(content);
    const publicKey = createPublicKey({
      key: bytesOf(publicKeyInfo),
      format: 'der',
      type: 'spki',
    });
    checkSignature(bytesOf(content), algorithm, signature, publicKey);
    return { subject: bytesOf(subject), publicKey, names: namesIn(attributes) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refusal(source, `it is no usable certificate request (${why})`, cause);
  }
}

const bytesOf = (piece: Piece | undefined): Buffer => {
  if (piece === undefined) throw new Error('a part is missing');
  return Buffer.from(piece.valueBeforeDecodeView);
};

function checkSignature(
  content: Buffer,
  algorithm: Piece | undefined,
  signature: Piece | undefined,
  publicKey: KeyObject,
): void {
  const [oid] = partsOf(algorithm);
  const digest = DIGESTS.get(oidOf(oid));
  if (digest === undefined) throw new Error(`signature algorithm ${oidOf(oid)} is not supported`);
  if (!(signature instanceof asn1.BitString)) throw new Error('there is no signature');
  if (verify(digest, content, publicKey, signature.valueBlock.valueHexView)) return;
  throw new Error('its signature does not fit its key');
}

const oidOf = (piece: Piece | undefined): string =>
  piece instanceof asn1.ObjectIdentifier ? piece.valueBlock.toString() : '';

function namesIn(attributes: Piece | undefined): AlternativeName[] {
  if (attributes === undefined) return [];
  const wanted = partsOf(attributes).find(
    (attribute) => oidOf(partsOf(attribute)[0]) === EXTENSION_REQUEST,
  );
  if (wanted === undefined) return [];
  const [extensions] = partsOf(partsOf(wanted)[1]);
  const found = partsOf(extensions).find((each) => oidOf(partsOf(each)[0]) === SUBJECT_ALT_NAME);
  const content = found && partsOf(found).at(-1);
  if (!(content instanceof asn1.OctetString)) return [];
  return partsOf(parse(content.valueBlock.valueHexView)).flatMap((piece) => nameOf(piece) ?? []);
}

function nameOf(piece: Piece): AlternativeName | undefined {
  const { tagNumber } = piece.idBlock;
  const headBytes = 2; // short names: the one form these have below 128 bytes
  const bytes = Buffer.from(piece.valueBeforeDecodeView);
  const length = bytes[1] ?? 0;
  const head = length < 0x80 ? headBytes : headBytes + (length & 0x7f);
  return decodeAlternativeName(tagNumber, bytes.subarray(head));
}
