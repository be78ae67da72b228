// From files to keys and certificates, whatever form they have: PEM in any order and mix, DER of a certificate or
// a key, PKCS#12. What belongs together and whether it may be used is decided by who calls this.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { RsyndError } from '../../../shared/base/error.js';
import { definitionFileBytesMax } from '../../../shared/base/limits.js';
import {
  isEncryptedKey,
  readCertificates,
  readPrivateKey,
  splitPem,
} from '../../../shared/tls/pem.js';
import { checkReadable } from './judge.js';
import { unsupportedCipherOf } from './key-cipher.js';
import { refusal, refusing } from './refuse.js';

/** What some files held, in their order, duplicates included. */
export interface Material {
  readonly keys: readonly KeyObject[];
  readonly certificates: readonly X509Certificate[];
  /** A name that came with it (PKCS#12). */
  readonly friendlyName: string | undefined;
}

/** Asked only when something is encrypted; undefined when there is none to be had. */
export type Passphrase = (source: string) => Promise<string | undefined>;

/** Reads a file whole. ERR_FNF, ERR_BADCERT: a directory, too large, not readable. */
export async function readMaterialFile(path: string): Promise<Buffer> {
  try {
    const facts = await stat(path);
    if (!facts.isFile()) throw refusal(path, 'it is not a plain file');
    if (facts.size > definitionFileBytesMax) throw refusal(path, `it has ${facts.size} bytes`);
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof RsyndError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    if (code === 'ENOENT') throw new RsyndError('ERR_FNF', path, { file: path, cause });
    throw refusal(path, `it cannot be read (${code})`, cause);
  }
}

/**
 * Reads what `bytes` hold; `source` is its name in messages.
 * @throws RsyndError ERR_BADCERT with the reason.
 */
export async function readMaterial(
  bytes: Buffer,
  source: string,
  passphrase: Passphrase,
): Promise<Material> {
  const material = await read(bytes, source, passphrase);
  checkReadable(material.certificates, source);
  return material;
}

async function read(bytes: Buffer, source: string, passphrase: Passphrase): Promise<Material> {
  const text = bytes.toString('latin1');
  if (text.includes('-----BEGIN ')) return readPem(text, source, passphrase);
  if (bytes[0] === ASN1_SEQUENCE) return readDer(bytes, source, passphrase);
  throw refusal(source, 'it is neither PEM (-----BEGIN …) nor DER nor PKCS#12');
}

const ASN1_SEQUENCE = 0x30;

async function readPem(text: string, source: string, passphrase: Passphrase): Promise<Material> {
  const { privateKeys, certificates } = splitPem(text);
  if (privateKeys.length + certificates.length === 0) throw refusal(source, nothingIn(text));
  const keys: KeyObject[] = [];
  for (const pem of privateKeys) keys.push(await readKey(pem, source, passphrase));
  return {
    keys,
    certificates: refusing(() => readCertificates(certificates, source)),
    friendlyName: undefined,
  };
}

function nothingIn(text: string): string {
  const [, label = ''] = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text) ?? [];
  if (/REQUEST/.test(label)) return 'it is a request; give the certificate made from it';
  if (label === 'PKCS7' || label === 'CMS') {
    return 'it is PKCS#7; take the certificates out of it: openssl pkcs7 -print_certs';
  }
  if (/CRL/.test(label)) return 'it is a revocation list, not a certificate';
  return `there is no complete certificate or private key in it${label && `, only ${label}`}`;
}

async function readKey(pem: string, source: string, passphrase: Passphrase): Promise<KeyObject> {
  const isEncrypted = isEncryptedKey(pem);
  const given = isEncrypted ? await passphrase(source) : undefined;
  try {
    return refusing(() => readPrivateKey(pem, given, source));
  } catch (error) {
    const cipher = isEncrypted ? unsupportedCipherOf(pem) : undefined;
    if (cipher === undefined) throw error;
    const fix = 'encrypt it again on its old machine: openssl pkcs8 -topk8 -v2 aes-256-cbc';
    throw refusal(
      source,
      `the private key is encrypted with ${cipher}, not supported; ${fix}`,
      error,
    );
  }
}

async function readDer(bytes: Buffer, source: string, passphrase: Passphrase): Promise<Material> {
  const certificate = attempt(() => new X509Certificate(bytes));
  if (certificate) return { keys: [], certificates: [certificate], friendlyName: undefined };
  if (isPkcs12(bytes)) {
    const { readPkcs12 } = await import('./pkcs12.js');
    return readPkcs12(bytes, source, await passphrase(source));
  }
  const key = readDerKey(bytes) ?? (await readEncryptedDerKey(bytes, source, passphrase));
  return { keys: [key], certificates: [], friendlyName: undefined };
}

/** SEQUENCE { INTEGER 3, SEQUENCE … }, the length of the first in any form. */
function isPkcs12(bytes: Buffer): boolean {
  const lengthByte = bytes[1] ?? 0;
  const at = lengthByte < 0x80 ? 2 : 2 + (lengthByte & 0x7f);
  return bytes.subarray(at, at + 4).equals(Buffer.from([0x02, 0x01, 0x03, ASN1_SEQUENCE]));
}

const DER_KEY_TYPES = ['pkcs8', 'pkcs1', 'sec1'] as const;

function readDerKey(bytes: Buffer): KeyObject | undefined {
  for (const type of DER_KEY_TYPES) {
    const key = attempt(() => createPrivateKey({ key: bytes, format: 'der', type }));
    if (key) return key;
  }
  return undefined;
}

/** Encrypted PKCS#8 is the last thing it may be: as PEM it goes the way of all keys. */
async function readEncryptedDerKey(
  bytes: Buffer,
  source: string,
  passphrase: Passphrase,
): Promise<KeyObject> {
  if (!hasEncryptionScheme(bytes)) {
    throw refusal(source, 'it is DER, but neither certificate, private key nor PKCS#12');
  }
  const body = bytes.toString('base64').replace(/.{64}/g, '$&\n').trim();
  const label = 'ENCRYPTED PRIVATE KEY';
  return readKey(`-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`, source, passphrase);
}

/** Identifiers of PKCS#5 and PKCS#12 encryption near its beginning. */
function hasEncryptionScheme(bytes: Buffer): boolean {
  const start = bytes.subarray(0, 64).toString('hex');
  return start.includes('2a864886f70d0105') || start.includes('2a864886f70d010c01');
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined; // not of this form; the next one is tried
  }
}
