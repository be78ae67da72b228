// What a running server takes from the certificate store and the local authority: whom a service trusts, what is
// revoked, and the certificate it presents. Read only; call again when the state directory changed.

import type { X509Certificate } from 'node:crypto';
import { orderChain } from '../../../shared/tls/pem.js';
import type { StateDirectory } from '../../state/state-directory.js';
import { readIssuedIndex, revokedFingerprints } from '../authority/issued-index.js';
import { CertificateStore } from './certificate-store.js';
import {
  type CertificateEntry,
  type CertificateVersion,
  certificateOf,
  certificatesOf,
  type TrustService,
} from './entry.js';

/** Authorities whose certificates a service accepts; the `ca` of a TLS context. */
export interface TrustedAuthorities {
  readonly certificates: readonly X509Certificate[];
}

/** The authorities that are switched on for `service`, the local one too. ERR_CONFIG. */
export function trustedAuthorities(
  store: CertificateStore,
  service: TrustService,
): TrustedAuthorities {
  const trusted = store
    .list()
    .filter(({ kind, trustedFor }) => kind === 'authority' && trustedFor[service]);
  return { certificates: trusted.flatMap((entry) => certificateOf(entry) ?? []) };
}

/** Certificates of other servers that are switched on for `service`: accepted as they are, compared whole. */
export function trustedPeers(store: CertificateStore, service: TrustService): TrustedAuthorities {
  const trusted = store.list().filter((each) => each.kind === 'peer' && each.trustedFor[service]);
  return { certificates: trusted.flatMap((entry) => certificateOf(entry) ?? []) };
}

/** The last revocation list of the local authority. */
export interface LocalRevocationList {
  /** Undefined when it is not there: whoever made the authority, or revoked, was cut off before. */
  readonly der: Buffer | undefined;
  /** SHA-256 fingerprints, hex in lower case: holds at once, also when the list has passed its nextUpdate. */
  readonly revoked: ReadonlySet<string>;
}

/** Where the authority leaves its last list. */
export const REVOCATION_LIST_FILE = 'authority/crl.der';

/** Undefined when there is no local authority, or it never finished anything. ERR_CONFIG. */
export function localRevocationList(store: CertificateStore): LocalRevocationList | undefined {
  const der = store.state.read(REVOCATION_LIST_FILE);
  const revoked = revokedFingerprints(readIssuedIndex(store.state));
  return der === undefined && revoked.size === 0 ? undefined : { der, revoked };
}

/** What a TLS context takes. `privateKey` is a secret: never log or send this object. */
export interface ActiveServerCertificate {
  /** PEM, PKCS#8, not encrypted. */
  readonly privateKey: string;
  /** PEM: the certificate and its intermediates, as TLS sends them; no root. */
  readonly chain: string;
  /** Id and name of the entry, for the log. */
  readonly id: string;
  readonly name: string;
}

/**
 * The certificate that `cert activate` chose for the data port; undefined when none was.
 * @throws RsyndError ERR_CONFIG when the store or its seal key is unusable.
 */
export function activeServerCertificate(
  state: StateDirectory,
  env: Readonly<Record<string, string | undefined>> = process.env,
): ActiveServerCertificate | undefined {
  const store = new CertificateStore(state, { env });
  const entry = store.active();
  return entry?.current && serverCertificateOf(store, entry, entry.current);
}

/** The same for any server entry. ERR_NOENTRY when it has no key. */
export function serverCertificateOf(
  store: CertificateStore,
  entry: CertificateEntry,
  current: CertificateVersion,
): ActiveServerCertificate {
  const key = store.privateKey(entry);
  const certificates = certificatesOf(current);
  const ordered = orderChain(certificates, key);
  const sent = ordered ? [ordered.leaf, ...ordered.intermediates] : certificates;
  return {
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    chain: sent.map(String).join(''),
    id: entry.id,
    name: entry.name,
  };
}
