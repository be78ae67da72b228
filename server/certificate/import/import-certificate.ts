// Imports certificates into the store: sorts what files held, judges it by the kind it is meant for, and adds the
// entries. Called by `cert import`; the certificates that answer a request go through `install` instead.

import type { KeyObject, X509Certificate } from 'node:crypto';
import type { CertificateStore, NewCertificate } from '../store/certificate-store.js';
import {
  type CertificateEntry,
  type CertificateKind,
  certificateOf,
  isEntryName,
  type TrustSwitches,
} from '../store/entry.js';
import { commonNameOf, fingerprintOf, oneLine } from '../store/facts.js';
import { isSelfSigned, layChain, leavesOf, type WholeChain, withoutDuplicates } from './chain.js';
import {
  checkAuthority,
  checkKeyKind,
  checkKeyMatches,
  checkPeer,
  remarksOn,
  remarksOnServer,
} from './judge.js';
import type { Material } from './material.js';
import { refusal } from './refuse.js';

export interface ImportOptions {
  /** Name of what was read, for messages. */
  readonly source: string;
  /** @default server with a key, authority when all are, else peer */
  readonly kind?: CertificateKind;
  /** @default the friendly name, else the common name */
  readonly name?: string;
  /** @default for nothing */
  readonly trustedFor?: TrustSwitches;
}

export interface Imported {
  readonly entries: readonly CertificateEntry[];
  /** Sentences for the user that are no reason to refuse. */
  readonly remarks: readonly string[];
}

/**
 * Adds what was read. Of an authority file every authority becomes an entry; those in the store are passed over.
 * @throws RsyndError ERR_BADCERT with the reason; ERR_INVARG when the name is taken.
 */
export async function importCertificate(
  store: CertificateStore,
  material: Material,
  options: ImportOptions,
): Promise<Imported> {
  const certificates = withoutDuplicates(material.certificates);
  if (certificates.length === 0) throw refusal(options.source, 'there is no certificate in it');
  const sorted = { ...material, certificates };
  switch (options.kind ?? kindOf(sorted)) {
    case 'server':
      return importServer(store, sorted, options);
    case 'peer':
      return importPeer(store, sorted, options);
    case 'authority':
      return importAuthorities(store, sorted, options);
  }
}

function kindOf({ keys, certificates }: Material): CertificateKind {
  if (keys.length > 0) return 'server';
  return certificates.every(({ ca }) => ca) ? 'authority' : 'peer';
}

async function importServer(
  store: CertificateStore,
  material: Material,
  options: ImportOptions,
): Promise<Imported> {
  const { source, name } = options;
  const key = theOneKey(material.keys, source);
  const leaf = leafOfKey(material.certificates, key, source);
  const known = authoritiesOf(store);
  const chain = layChain(leaf, material.certificates, source, known);
  const proposedName = material.friendlyName ?? commonNameOf(leaf);
  const added = await store.add([
    { kind: 'server', key, chain: chain.certificates, ...named(name, proposedName, leaf) },
  ]);
  const remarks = [...remarksOn(leaf, store.now()), ...remarksOnServer(leaf)];
  return { entries: added, remarks: [...remarks, ...remarksOnChain(chain)] };
}

/**
 * The certificate of the key; of several (a renewed one appended to the old) the one that ends last.
 * @throws RsyndError ERR_BADCERT `key does not match certificate`.
 */
export function leafOfKey(
  certificates: readonly X509Certificate[],
  key: KeyObject,
  source: string,
): X509Certificate {
  checkKeyKind(key, source);
  const own = certificates.filter((each) => each.checkPrivateKey(key));
  own.sort((a, b) => Date.parse(b.validTo) - Date.parse(a.validTo));
  const [leaf] = own;
  if (leaf !== undefined) return leaf;
  const [some] = leavesOf(certificates);
  if (some === undefined) throw refusal(source, 'there is no certificate in it');
  checkKeyMatches(some, key, source);
  return some;
}

function theOneKey(keys: readonly KeyObject[], source: string): KeyObject {
  const [key, ...others] = keys;
  if (key === undefined) {
    const why = 'there is no private key in it, and a server certificate needs its own';
    throw refusal(source, `${why}; give --key FILE, or --kind peer or authority`);
  }
  if (others.every((other) => other.equals(key))) return key;
  throw refusal(source, `there are ${keys.length} private keys; keep the certificate's own only`);
}

async function importPeer(
  store: CertificateStore,
  { keys, certificates, friendlyName }: Material,
  options: ImportOptions,
): Promise<Imported> {
  const { source, name, trustedFor } = options;
  const [leaf, another] = leavesOf(certificates);
  if (leaf === undefined) throw refusal(source, 'the certificates in it issued each other');
  if (another !== undefined) {
    throw refusal(source, 'there are certificates of several servers; import one at a time');
  }
  checkPeer(leaf, source);
  const chain = layChain(leaf, certificates, source, authoritiesOf(store));
  const entries = await store.add([
    {
      kind: 'peer',
      chain: chain.certificates,
      ...named(name, friendlyName ?? commonNameOf(leaf), leaf),
      ...(trustedFor && { trustedFor }),
    },
  ]);
  return { entries, remarks: [...remarksOnKeys(keys), ...remarksOn(leaf, store.now())] };
}

async function importAuthorities(
  store: CertificateStore,
  { keys, certificates, friendlyName }: Material,
  options: ImportOptions,
): Promise<Imported> {
  const { source, name, trustedFor } = options;
  for (const each of certificates) checkAuthority(each, source);
  const known = authoritiesOf(store);
  const chains = certificates.map((each) => layChain(each, certificates, source, known));
  const there = new Set(known.map(fingerprintOf));
  const fresh = certificates.filter((each) => !there.has(fingerprintOf(each)));
  const incoming = fresh.map(
    (each): NewCertificate => ({
      kind: 'authority',
      chain: [each],
      ...named(
        fresh.length === 1 ? name : undefined,
        name ?? friendlyName ?? commonNameOf(each),
        each,
      ),
      ...(trustedFor && { trustedFor }),
    }),
  );
  const entries = await store.add(incoming);
  const skipped = certificates
    .filter((each) => there.has(fingerprintOf(each)))
    .map((each) => `${oneLine(each.subject)} is in the store already`);
  const incomplete = chains.some(({ isComplete }) => !isComplete) ? [NO_ROOT] : [];
  const remarks = certificates.flatMap((each) => remarksOn(each, store.now()));
  return { entries, remarks: [...remarksOnKeys(keys), ...skipped, ...incomplete, ...remarks] };
}

const remarksOnKeys = (keys: readonly KeyObject[]): string[] =>
  keys.length > 0 ? ['the private key was not taken: only server entries have one'] : [];

const NO_ROOT =
  'the root is neither in the file nor in the store: programs that need a whole chain will not trust it';

/** Certificates of the authorities in the store. */
export const authoritiesOf = (store: CertificateStore): X509Certificate[] =>
  store
    .list()
    .filter(({ kind }) => kind === 'authority')
    .flatMap((entry) => certificateOf(entry) ?? []);

/** Remarks on what came with a leaf. */
export function remarksOnChain({ certificates, isComplete, unused }: WholeChain): string[] {
  const remarks = unused.map(
    (each) => `${oneLine(each.subject)} does not belong to the chain and was left out`,
  );
  const last = certificates.at(-1);
  const isAlone = certificates.length === 1 && last !== undefined && !isSelfSigned(last);
  if (isAlone) {
    return [...remarks, 'the certificate of its issuer is not there: clients may need it'];
  }
  return isComplete ? remarks : [...remarks, 'the chain ends before its root'];
}

function named(
  name: string | undefined,
  proposed: string | undefined,
  certificate: X509Certificate,
): Pick<NewCertificate, 'name' | 'proposedName'> {
  const fallback = fingerprintOf(certificate).slice(0, 12);
  const proposedName = proposed !== undefined && isEntryName(proposed) ? proposed : fallback;
  return name === undefined ? { proposedName } : { name, proposedName };
}
