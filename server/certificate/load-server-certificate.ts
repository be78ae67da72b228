// From a certificate file to a key and a chain that belong together and are valid today. Called at start,
// at each reload and by `--check`. What the TLS library thinks of them is proveCertificate's business.

import type { KeyObject, X509Certificate } from 'node:crypto';
import { RsyndError } from '../../shared/base/error.js';
import {
  type CertificateChain,
  isEncryptedKey,
  orderChain,
  readCertificates,
  readPrivateKey,
  splitPem,
} from '../../shared/tls/pem.js';
import { type CertificateFile, readCertificateFile } from './certificate-file.js';
import type { PassphraseSource } from './passphrase.js';

export interface CertificateSource {
  readonly file: CertificateFile;
  /** Asked only for an encrypted key. @default no passphrase */
  readonly passphrase?: PassphraseSource;
  /** @default the system's clock */
  readonly now?: () => Date;
  /** On Windows a key with a passphrase is refused, as users of the field know it. @default process.platform */
  readonly platform?: NodeJS.Platform;
}

/** A usable server certificate. `key` is a secret: never log or send this object whole. */
export interface ServerCertificate {
  /** Where it comes from: a path, or an entry of the store. */
  readonly path: string;
  /** PEM, decrypted. */
  readonly key: string;
  /** PEM: the leaf, then its intermediates, as TLS sends them. */
  readonly cert: string;
  readonly leaf: X509Certificate;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Sentences for the log that are no reason to refuse: open permissions, near end. */
  readonly warnings: readonly string[];
}

const DAY_MS = 86_400_000;
const WARN_DAYS = 30;

/**
 * Loads and checks a certificate file.
 * @throws RsyndError ERR_TLSCONF with a message of its own for each way the file can be unusable.
 */
export async function loadServerCertificate(source: CertificateSource): Promise<ServerCertificate> {
  const { path } = source.file;
  const { text, isReadableByOthers } = await readCertificateFile(source.file);
  const parts = splitPem(text);
  const keyPem = theOneKey(path, parts.privateKeys);
  if (parts.certificates.length === 0) throw unusable(path, NO_CERTIFICATE);
  const isEncrypted = isEncryptedKey(keyPem);
  if (isEncrypted && (source.platform ?? process.platform) === 'win32') {
    throw unusable(path, NO_PASSPHRASE_ON_WINDOWS);
  }
  const passphrase = isEncrypted ? await source.passphrase?.(path) : undefined;
  const key = readPrivateKey(keyPem, passphrase, path);
  const chain = orderChain(readCertificates(parts.certificates, path), key);
  if (chain === undefined) throw unusable(path, noMatch(parts.certificates.length));
  const certificate = usableCertificate(path, key, chain, source.now?.());
  const warnings = isReadableByOthers ? [openPermissions(path)] : [];
  return { ...certificate, warnings: [...warnings, ...certificate.warnings] };
}

/**
 * A key and its chain as a server presents them, if they are valid `now`. `source` is for messages.
 * @throws RsyndError ERR_TLSCONF
 */
export function usableCertificate(
  source: string,
  key: KeyObject,
  { leaf, intermediates }: CertificateChain,
  now: Date = new Date(),
): ServerCertificate {
  return {
    path: source,
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: [leaf, ...intermediates].map(String).join(''),
    leaf,
    ...checkDates(source, leaf, now),
  };
}

const NO_CERTIFICATE =
  'there is no certificate in it; append the certificate of the key (-----BEGIN CERTIFICATE-----)';

const NO_PASSPHRASE_ON_WINDOWS =
  'a private key with a passphrase is not supported on Windows; take it off (openssl pkey -in FILE ' +
  '-out FILE) and protect the file, or keep key and certificate sealed in the store (rsynctl cert import)';

const noMatch = (count: number): string =>
  `the private key does not match ${count === 1 ? 'the certificate' : `any of ${count} certificates`}` +
  '; take the key the certificate was requested with';

const openPermissions = (path: string): string =>
  `${path} holds a private key that others may read; chmod 600 it`;

function theOneKey(path: string, keys: readonly string[]): string {
  const [key, another] = keys;
  if (key === undefined) {
    const fix = 'append the key of the certificate (-----BEGIN PRIVATE KEY-----)';
    throw unusable(path, `there is no private key in it; ${fix}`);
  }
  if (another === undefined) return key;
  throw unusable(path, `there are ${keys.length} private keys in it; keep the server's own only`);
}

function checkDates(
  path: string,
  leaf: X509Certificate,
  now: Date,
): { notBefore: Date; notAfter: Date; warnings: string[] } {
  const notBefore = new Date(leaf.validFrom);
  const notAfter = new Date(leaf.validTo);
  const today = now.toISOString();
  if (now > notAfter) {
    throw unusable(path, `the certificate expired at ${notAfter.toISOString()}, now ${today}`);
  }
  if (now < notBefore) {
    const from = notBefore.toISOString();
    throw unusable(path, `the certificate is not valid before ${from}, now ${today}`);
  }
  const days = Math.floor((notAfter.getTime() - now.getTime()) / DAY_MS);
  const ending = `${path}: the certificate ends in ${days} days, at ${notAfter.toISOString()}`;
  return { notBefore, notAfter, warnings: days < WARN_DAYS ? [ending] : [] };
}

const unusable = (path: string, why: string): RsyndError =>
  new RsyndError('ERR_TLSCONF', `${path}: ${why}`, { file: path });
