// The certificate by which a client shows who it is: read, and proved to be usable before the server is asked.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { nameText, validityOf } from '../../shared/tls/certificate-text.js';
import { isEncryptedKey, splitPem } from '../../shared/tls/pem.js';
import type { TlsOptions } from '../open-options.js';
import { certificatesOf, loadPem, unusable } from './pem-source.js';

/** What the options name, as it was read. */
export interface GivenIdentity {
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string | undefined;
  readonly isInOne: boolean;
}

/** Undefined when the options name none. ERR_TLSCONF. */
export async function readIdentity(options: TlsOptions): Promise<GivenIdentity | undefined> {
  if (options.cert === undefined || options.key === undefined) return undefined;
  return {
    cert: await loadPem(options.cert, 'tls.cert'),
    key: await loadPem(options.key, 'tls.key'),
    passphrase: options.passphrase,
    isInOne: options.key === options.cert,
  };
}

/** The certificate, and the part of a context that shows it. ERR_TLSCONF. */
export function provenIdentity(given: GivenIdentity): {
  readonly certificate: X509Certificate;
  readonly options: SecureContextOptions;
} {
  const certificates = certificatesOf(given.cert, 'tls.cert');
  const [key] = splitPem(given.key).privateKeys;
  if (key === undefined) {
    throw unusable(
      given.isInOne
        ? 'tls.cert holds no private key; give it as tls.key (--key)'
        : 'tls.key holds no private key in PEM form',
    );
  }
  const { passphrase } = given;
  const certificate = new X509Certificate(certificates[0] ?? '');
  requireCurrent(certificate);
  requireKeyOf(certificate, readKey(key, passphrase));
  const options = { cert: certificates.join(''), key };
  return { certificate, options: passphrase === undefined ? options : { ...options, passphrase } };
}

/** What the server would refuse, said before it is asked. */
export function requireCurrent(certificate: X509Certificate): void {
  const { from, to } = validityOf(certificate);
  if (to < Date.now()) {
    const when = new Date(to).toISOString();
    throw unusable(`${whose(certificate)} expired at ${when}; have a new one issued`);
  }
  if (from > Date.now()) {
    const when = new Date(from).toISOString();
    const why = `is not valid before ${when}; compare the clock of this machine`;
    throw unusable(`${whose(certificate)} ${why}`);
  }
}

function requireKeyOf(certificate: X509Certificate, key: KeyObject): void {
  if (certificate.checkPrivateKey(key)) return;
  const why = 'was issued for another key; give the key it was requested with';
  throw unusable(`tls.cert and tls.key cannot be used together: ${whose(certificate)} ${why}`);
}

function readKey(key: string, passphrase: string | undefined): KeyObject {
  if (isEncryptedKey(key) && passphrase === undefined) {
    throw unusable('tls.key is encrypted and its passphrase is missing; give tls.passphrase');
  }
  try {
    return createPrivateKey(passphrase === undefined ? { key } : { key, passphrase });
  } catch (cause) {
    const why = isEncryptedKey(key) ? 'its passphrase is wrong (tls.passphrase)' : 'it is damaged';
    throw unusable(`tls.key cannot be read: ${why}`, cause);
  }
}

const whose = ({ subject }: X509Certificate): string =>
  `the certificate of tls.cert, ${nameText(subject)},`;
