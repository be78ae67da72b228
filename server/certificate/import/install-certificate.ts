// Puts the certificate that an authority made from our request into its place: it must belong to the key that stayed
// here. Takes what `openssl x509 -req` makes, of version 1 or 3, alone or with its chain in any order.

import { isRsyndError } from '../../../shared/base/error.js';
import type { CertificateStore } from '../store/certificate-store.js';
import type { CertificateEntry } from '../store/entry.js';
import { layChain, withoutDuplicates } from './chain.js';
import { authoritiesOf, leafOfKey, remarksOnChain } from './import-certificate.js';
import { remarksOn, remarksOnServer } from './judge.js';
import type { Material } from './material.js';
import { refusal } from './refuse.js';

export interface Installed {
  readonly entry: CertificateEntry;
  /** Sentences for the user that are no reason to refuse. */
  readonly remarks: readonly string[];
}

/**
 * Installs for the outstanding request of `reference`, or else anew for the key in use.
 * @throws RsyndError ERR_BADCERT: it does not match the key, is expired; what was there stays.
 */
export async function installCertificate(
  store: CertificateStore,
  reference: string,
  material: Material,
  source: string,
): Promise<Installed> {
  const entry = store.find(reference);
  const certificates = withoutDuplicates(material.certificates);
  if (certificates.length === 0) throw refusal(source, 'there is no certificate in it');
  const leaf = leafOfKey(certificates, keyOf(store, entry), source);
  if (store.now().getTime() > Date.parse(leaf.validTo)) {
    throw refusal(source, `the certificate expired at ${new Date(leaf.validTo).toISOString()}`);
  }
  const chain = layChain(leaf, certificates, source, authoritiesOf(store));
  const installed = await store.install(entry.id, chain.certificates);
  const remarks = [...remarksOn(leaf, store.now()), ...remarksOnServer(leaf)];
  return { entry: installed, remarks: [...remarks, ...remarksOnChain(chain)] };
}

function keyOf(store: CertificateStore, entry: CertificateEntry) {
  try {
    return store.requestedKey(entry);
  } catch (error) {
    if (isRsyndError(error, 'ERR_NOENTRY') && entry.current) return store.privateKey(entry);
    throw error;
  }
}
