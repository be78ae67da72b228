// Is this signature by this key? For revocation lists and OCSP answers, whose ASN.1 pkijs takes apart; the
// judge of the signature is node:crypto alone. Loaded only where revocation is checked.

import { constants, type KeyObject, verify } from 'node:crypto';
import { type AlgorithmIdentifier, RSASSAPSSParams } from 'pkijs';

/** What was signed, how, and the signature. */
export interface SignedData {
  /** The signed bytes as they came. */
  readonly content: Uint8Array;
  readonly algorithm: AlgorithmIdentifier;
  readonly signature: Uint8Array;
}

/** Signature algorithms -> digest; undefined where the algorithm has its own. SHA-1 and MD5 do not count. */
const DIGEST_OF_SIGNATURE: ReadonlyMap<string, string | undefined> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', undefined],
  ['1.3.101.113', undefined],
]);
const RSA_PSS = '1.2.840.113549.1.1.10';
const DIGEST_OF_HASH: ReadonlyMap<string, string> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

/** True when `key` made the signature; false also for algorithms that do not count. */
export function isSignedBy(data: SignedData, key: KeyObject): boolean {
  try {
    if (data.algorithm.algorithmId === RSA_PSS) return isPssSignedBy(data, key);
    if (!DIGEST_OF_SIGNATURE.has(data.algorithm.algorithmId)) return false;
    const digest = DIGEST_OF_SIGNATURE.get(data.algorithm.algorithmId);
    return verify(digest, data.content, key, data.signature);
  } catch {
    return false; // a key of another kind than the algorithm: it did not make this signature
  }
}

function isPssSignedBy({ content, algorithm, signature }: SignedData, key: KeyObject): boolean {
  const { hashAlgorithm, saltLength } = new RSASSAPSSParams({ schema: algorithm.algorithmParams });
  const digest = DIGEST_OF_HASH.get(hashAlgorithm.algorithmId);
  if (digest === undefined) return false;
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verify(digest, content, { key, padding, saltLength }, signature);
}
