// Reads whom and what the judgement of client certificates rests on: authorities from a file and from the
// certificate store, revocation lists from files and from the local authority. Everything is read whole and
// checked before any of it is used, so that a bad file at reload time changes nothing.

import { createHash, type X509Certificate } from 'node:crypto';
import { RsyndError } from '../../../shared/base/error.js';
import {
  definitionFileBytesMax,
  revocationFileBytesMax,
  revocationListsMax,
} from '../../../shared/base/limits.js';
import { fingerprintOf, nameText, validityOf } from '../../../shared/tls/certificate-text.js';
import { type RevocationList, readRevocationLists } from '../../../shared/tls/crl.js';
import { readCertificates, splitPem } from '../../../shared/tls/pem.js';
import { NoPlainFile, readPlainFile } from '../../state/plain-file.js';
import type { StateDirectory } from '../../state/state-directory.js';
import { CertificateStore } from '../store/certificate-store.js';
import { localRevocationList, trustedAuthorities, trustedPeers } from '../store/trusted.js';
import type { TrustSettings } from './trust-settings.js';

export interface TrustMaterial {
  readonly authorities: readonly X509Certificate[];
  /** Fingerprints of certificates that are trusted by themselves, without an authority. */
  readonly peers: ReadonlySet<string>;
  readonly lists: readonly RevocationList[];
  /** Fingerprints the local authority has revoked: holds before its next list is written. */
  readonly revoked: ReadonlySet<string>;
  /** May sign OCSP answers. */
  readonly ocspResponder: X509Certificate | undefined;
  /** Equal for equal material. */
  readonly digest: string;
}

/** Where the certificate store is, if there is one. */
export interface MaterialSource {
  readonly settings: TrustSettings;
  readonly state: StateDirectory | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** ERR_CONFIG or ERR_BADCERT, naming the option and the file. */
export function readTrustMaterial({ settings, state, env }: MaterialSource): TrustMaterial {
  // A server that asks no client for a certificate must not fail for a store it does not need.
  const isNeeded = settings.clientAuth !== 'none' && state !== undefined;
  const store = isNeeded ? new CertificateStore(state, { env }) : undefined;
  const fromFile = settings.clientCa === undefined ? [] : readAuthorities(settings.clientCa);
  const fromStore = store === undefined ? [] : trustedAuthorities(store, 'data').certificates;
  const peers = store === undefined ? [] : trustedPeers(store, 'data').certificates;
  const local = store === undefined ? undefined : localRevocationList(store);
  const files = settings.crl.map((path) =>
    readRevocationLists(readOption('--crl', path, revocationFileBytesMax), path),
  );
  const lists = files.flat();
  if (local?.der !== undefined) lists.push(...asCurrent(local.der));
  if (lists.length > revocationListsMax) {
    throw bad(`--crl: ${lists.length} lists, at most ${revocationListsMax} are taken`);
  }
  const authorities = unique([...fromFile, ...fromStore]);
  const material = {
    authorities,
    peers: new Set(peers.map(fingerprintOf)),
    lists,
    revoked: local?.revoked ?? new Set<string>(),
    ocspResponder: readResponder(settings.ocspIssuer),
  };
  return { ...material, digest: digestOf(material) };
}

/** The local authority's own list never grows stale here: what it revoked is known from its index. */
const asCurrent = (der: Buffer): RevocationList[] =>
  readRevocationLists(der, 'of the local authority').map((list) => ({
    ...list,
    nextUpdate: undefined,
  }));

function readAuthorities(path: string): X509Certificate[] {
  const { certificates, privateKeys } = splitPem(
    readOption('--client-ca', path).toString('latin1'),
  );
  if (certificates.length === 0) {
    const what = privateKeys.length > 0 ? 'holds a key and no certificate' : 'holds no certificate';
    throw bad(`--client-ca: ${path} ${what} (-----BEGIN CERTIFICATE-----)`);
  }
  const all = readCertificates(certificates, `--client-ca ${path}`);
  const leaf = all.find((certificate) => !certificate.ca);
  if (leaf !== undefined) {
    const why = 'is no authority; give the one that issues the certificates of the clients';
    throw bad(`--client-ca: ${path}: ${nameText(leaf.subject)} ${why}`);
  }
  if (all.every((certificate) => validityOf(certificate).to < Date.now())) {
    throw bad(`--client-ca: ${path}: every authority in it has expired`);
  }
  return all;
}

function readResponder(path: string | undefined): X509Certificate | undefined {
  if (path === undefined) return undefined;
  const { certificates } = splitPem(readOption('--ocsp-issuer', path).toString('latin1'));
  const [certificate] = readCertificates(certificates.slice(0, 1), `--ocsp-issuer ${path}`);
  if (certificate === undefined) throw bad(`--ocsp-issuer: ${path} holds no certificate`);
  return certificate;
}

function readOption(option: string, path: string, bytesMax = definitionFileBytesMax): Buffer {
  try {
    return readPlainFile(path, bytesMax);
  } catch (cause) {
    if (cause instanceof NoPlainFile) throw bad(`${option}: ${path} ${cause.message}`);
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    throw bad(`${option}: ${path} cannot be read (${code}); name a file that is there`, cause);
  }
}

const unique = (certificates: readonly X509Certificate[]): X509Certificate[] => [
  ...new Map(certificates.map((each) => [fingerprintOf(each), each])).values(),
];

function digestOf({
  authorities,
  peers,
  lists,
  revoked,
  ocspResponder,
}: Omit<TrustMaterial, 'digest'>): string {
  const hash = createHash('sha256');
  for (const each of authorities) hash.update(`ca ${fingerprintOf(each)}\n`);
  for (const peer of peers) hash.update(`peer ${peer}\n`);
  for (const { source, digest } of lists)
    hash.update(`list ${source} ${digest}
`);
  for (const each of revoked) hash.update(`revoked ${each}\n`);
  if (ocspResponder !== undefined) hash.update(`responder ${fingerprintOf(ocspResponder)}\n`);
  return hash.digest('hex');
}

const bad = (why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_CONFIG', why, { cause });
