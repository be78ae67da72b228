// Writes the question to an OCSP responder (RFC 6960) about one certificate, and says by which identifier the
// answer must speak of it. Bytes only; ocsp-exchange.ts sends them.

import { createHash, type X509Certificate } from 'node:crypto';
import { Null, OctetString } from 'asn1js';
import { AlgorithmIdentifier, CertID, Certificate, Extension, OCSPRequest, Request } from 'pkijs';

/** Which certificate, and who issued it. */
export interface OcspQuestion {
  readonly certificate: X509Certificate;
  readonly issuer: X509Certificate;
}

/** Object identifier of the extension that ties an answer to its question. */
export const NONCE_EXTENSION = '1.3.6.1.5.5.7.48.1.2';

/** Digests by which an answer may name an issuer. Names, not signatures: SHA-1 is what everybody speaks. */
const DIGESTS: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);
const SHA1 = '1.3.14.3.2.26';

/** The DER of a nonce's value, as it stands in question and answer. */
export const nonceValue = (nonce: Buffer): Buffer =>
  Buffer.from(new OctetString({ valueHex: toArrayBuffer(nonce) }).toBER());

/** The question in DER. `nonce`: 16 random bytes, to be found in the answer again. */
export function encodeOcspRequest(question: OcspQuestion, nonce: Buffer): Buffer {
  const { nameHash, keyHash, serialNumber } = identify(question, 'sha1');
  const reqCert = new CertID({
    hashAlgorithm: new AlgorithmIdentifier({ algorithmId: SHA1, algorithmParams: new Null() }),
    issuerNameHash: new OctetString({ valueHex: toArrayBuffer(nameHash) }),
    issuerKeyHash: new OctetString({ valueHex: toArrayBuffer(keyHash) }),
    serialNumber,
  });
  const request = new OCSPRequest();
  request.tbsRequest.requestList = [new Request({ reqCert })];
  const extnValue = toArrayBuffer(nonceValue(nonce));
  request.tbsRequest.requestExtensions = [new Extension({ extnID: NONCE_EXTENSION, extnValue })];
  return Buffer.from(request.toSchema(true).toBER());
}

/** Does the answer's identifier mean the certificate of the question? */
export function isAbout(id: CertID, question: OcspQuestion): boolean {
  const digest = DIGESTS.get(id.hashAlgorithm.algorithmId);
  if (digest === undefined) return false;
  const { nameHash, keyHash, serialNumber } = identify(question, digest);
  return (
    nameHash.equals(id.issuerNameHash.valueBlock.valueHexView) &&
    keyHash.equals(id.issuerKeyHash.valueBlock.valueHexView) &&
    Buffer.from(serialNumber.valueBlock.valueHexView).equals(
      id.serialNumber.valueBlock.valueHexView,
    )
  );
}

function identify({ certificate, issuer }: OcspQuestion, digest: string) {
  const { subject, subjectPublicKeyInfo } = Certificate.fromBER(issuer.raw);
  const hash = (bytes: Uint8Array): Buffer => createHash(digest).update(bytes).digest();
  return {
    nameHash: hash(new Uint8Array(subject.valueBeforeDecode)),
    keyHash: hash(subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView),
    serialNumber: Certificate.fromBER(certificate.raw).serialNumber,
  };
}

/** A copy that shares its memory with nothing else, as asn1js keeps what it is given. */
const toArrayBuffer = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;
