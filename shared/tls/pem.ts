// Reads a PEM bundle whose parts may stand in any order: one private key, its certificate, the
// intermediates, perhaps the root, with text, CRLF and EC PARAMETERS between them. Called by the server
// for rsynd.pem and by whoever has a key and a chain. Knows bytes, not files: `source` is only a name
// for messages. The judges are node:crypto and X509Certificate.
//
//     -----BEGIN <label>-----        labels we take: see KEY_LABEL and CERTIFICATE_LABEL
//     Proc-Type: 4,ENCRYPTED         only in old ("traditional") encrypted keys
//     base64
//     -----END <label>-----

import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { RsyndError } from '../base/error.js';
import { pemCertificatesMax } from '../base/limits.js';

/** The parts of a bundle that matter, each a PEM block of its own, in the order of the file. */
export interface PemParts {
  readonly privateKeys: readonly string[];
  readonly certificates: readonly string[];
}

/** A certificate with what issued it, in the order TLS sends them. */
export interface CertificateChain {
  readonly leaf: X509Certificate;
  /** From the issuer of the leaf upwards; the self-signed root is not among them. */
  readonly intermediates: readonly X509Certificate[];
}

const BLOCK = /^-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\n([\s\S]*?)\n-----END \1-----/gm;
const KEY_LABEL = /^(RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY$/;
const CERTIFICATE_LABEL = /^(X509 )?CERTIFICATE$/;

/** Takes a bundle apart. Anything that is neither key nor certificate is passed over. */
export function splitPem(text: string): PemParts {
  const privateKeys: string[] = [];
  const certificates: string[] = [];
  for (const [, label = '', body = ''] of text.replace(/\r\n?/g, '\n').matchAll(BLOCK)) {
    if (KEY_LABEL.test(label)) privateKeys.push(pemBlock(label, body));
    if (CERTIFICATE_LABEL.test(label)) certificates.push(pemBlock('CERTIFICATE', body));
  }
  return { privateKeys, certificates };
}

const pemBlock = (label: string, body: string): string =>
  `-----BEGIN ${label}-----\n${trimLines(body)}\n-----END ${label}-----\n`;

// Editors and mail add blanks at line ends, which OpenSSL does not forgive.
const trimLines = (body: string): string => body.replace(/[ \t]+$/gm, '').trim();

/** Does this key need a passphrase? */
export const isEncryptedKey = (keyPem: string): boolean =>
  keyPem.startsWith('-----BEGIN ENCRYPTED') || /^Proc-Type: 4,ENCRYPTED$/m.test(keyPem);

/**
 * Reads one private key block.
 * @throws RsyndError ERR_TLSCONF: passphrase missing, passphrase wrong, encryption unsupported, damaged.
 */
export function readPrivateKey(keyPem: string, passphrase?: string, source = 'PEM'): KeyObject {
  const isEncrypted = isEncryptedKey(keyPem);
  if (isEncrypted && passphrase === undefined) {
    const fix = 'give --passphrase-file or set RSYND_PASSPHRASE';
    throw unusable(source, `the private key is encrypted and there is no passphrase; ${fix}`);
  }
  try {
    return createPrivateKey(
      isEncrypted ? { key: keyPem, passphrase: passphrase ?? '' } : { key: keyPem },
    );
  } catch (cause) {
    if (!isEncrypted) {
      const fix = 'export it again, for example with openssl pkey';
      throw unusable(source, `the private key cannot be read: it is damaged; ${fix}`, cause);
    }
    throw isBadDecrypt(cause) || canDecrypt(keyPem)
      ? unusable(source, WRONG_PASSPHRASE, cause)
      : unusable(source, UNSUPPORTED_KEY, cause);
  }
}

const WRONG_PASSPHRASE =
  'the passphrase is wrong for the private key; check --passphrase-file or RSYND_PASSPHRASE';

const UNSUPPORTED_KEY =
  'the encryption of the private key is not supported, or the key is damaged; ' +
  'encrypt it again: openssl pkcs8 -topk8 -v2 aes-256-cbc';

const isBadDecrypt = (error: unknown): boolean =>
  error instanceof Error &&
  ('code' in error ? /BAD_DECRYPT/.test(String(error.code)) : /bad decrypt/.test(error.message));

// One wrong passphrase in 256 decrypts to something with sound padding and then fails as if the
// format were unknown. An unsupported cipher never says "bad decrypt", whatever passphrase it gets.
function canDecrypt(keyPem: string): boolean {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      createPrivateKey({ key: keyPem, passphrase: randomBytes(12).toString('hex') });
      return true;
    } catch (error) {
      if (isBadDecrypt(error)) return true;
    }
  }
  return false;
}

/**
 * Parses certificate blocks, naming the one that is damaged.
 * @throws RsyndError ERR_TLSCONF
 */
export function readCertificates(blocks: readonly string[], source = 'PEM'): X509Certificate[] {
  if (blocks.length > pemCertificatesMax) {
    const found = `${blocks.length} certificates, at most ${pemCertificatesMax} are taken`;
    throw unusable(source, `${found}; keep the server's own and its intermediates only`);
  }
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw unusable(source, `certificate ${index + 1} cannot be read: it is damaged`, cause);
    }
  });
}

/**
 * Finds the certificate of a key and lays the chain out from it. Of several certificates for the key
 * (a renewed one appended to the old) the one that ends last is taken.
 * @returns undefined when no certificate belongs to the key.
 */
export function orderChain(
  certificates: readonly X509Certificate[],
  key: KeyObject,
): CertificateChain | undefined {
  const leaf = certificates
    .filter((certificate) => certificate.checkPrivateKey(key))
    .reduce<X509Certificate | undefined>(laterEnding, undefined);
  return leaf && { leaf, intermediates: issuersOf(leaf, certificates) };
}

const laterEnding = (
  best: X509Certificate | undefined,
  next: X509Certificate,
): X509Certificate | undefined =>
  best !== undefined && Date.parse(best.validTo) >= Date.parse(next.validTo) ? best : next;

function issuersOf(
  leaf: X509Certificate,
  certificates: readonly X509Certificate[],
): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set([leaf.fingerprint256]);
  let issuer = issuerOf(leaf, certificates);
  // Cross-signed authorities can issue each other: `seen` ends the walk.
  while (issuer !== undefined && !isSelfSigned(issuer) && !seen.has(issuer.fingerprint256)) {
    chain.push(issuer);
    seen.add(issuer.fingerprint256);
    issuer = issuerOf(issuer, certificates);
  }
  return chain;
}

const issuerOf = (
  certificate: X509Certificate,
  candidates: readonly X509Certificate[],
): X509Certificate | undefined =>
  isSelfSigned(certificate) ? undefined : candidates.find((other) => didIssue(other, certificate));

const didIssue = (issuer: X509Certificate, certificate: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

const isSelfSigned = (certificate: X509Certificate): boolean => didIssue(certificate, certificate);

const unusable = (source: string, why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_TLSCONF', `${source}: ${why}`, { file: source, cause });
