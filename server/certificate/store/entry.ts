// One entry of the certificate store and its form on disk, one JSON file an entry. Read by the store, its
// callers and the daemon; it never holds a key in clear.
//
//   request only ──install──▶ version ──install, renew──▶ version, the old ones kept for rollback

import { X509Certificate } from 'node:crypto';
import { isObject } from '../../../shared/base/is-object.js';
import {
  certificateNameCharsMax,
  certificateVersionsKeptMax,
} from '../../../shared/base/limits.js';
import { listOf, textOf } from './json.js';
import { decodeSealed, type Sealed } from './seal.js';

/** server: ours, with a key. peer: another server's own. authority: what issues certificates. */
export const CERTIFICATE_KINDS = ['server', 'peer', 'authority'] as const;
export type CertificateKind = (typeof CERTIFICATE_KINDS)[number];

export const TRUST_SERVICES = ['data', 'replication', 'rest'] as const;
/** What checks certificates of others: the data port, replication, the REST interface. */
export type TrustService = (typeof TRUST_SERVICES)[number];
export type TrustSwitches = Readonly<Record<TrustService, boolean>>;

export const TRUSTED_FOR_NOTHING: TrustSwitches = { data: false, replication: false, rest: false };

/** A certificate with its chain, and its key when it is ours. */
export interface CertificateVersion {
  /** PEM: the certificate, then its issuers upwards, the root too when it was given. */
  readonly chain: string;
  readonly sealedKey?: Sealed;
  /** ISO 8601. */
  readonly installed: string;
}

/** A request whose certificate has not come yet. */
export interface OutstandingRequest {
  /** PEM */
  readonly request: string;
  readonly sealedKey: Sealed;
}

/** On disk as JSON: never change the meaning of a field. */
export interface CertificateEntry {
  readonly format: 1;
  /** 64 hex digits for good: SHA-256 of the first certificate, or of the public key it was requested for. */
  readonly id: string;
  readonly kind: CertificateKind;
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
  readonly trustedFor: TrustSwitches;
  /** Not there while the first request is outstanding. */
  readonly current?: CertificateVersion;
  readonly outstanding?: OutstandingRequest;
  /** Latest first. */
  readonly previous: readonly CertificateVersion[];
}

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/g;

/** The certificates of a version: its own first, its issuers upwards after it. */
export const certificatesOf = ({ chain }: CertificateVersion): X509Certificate[] =>
  (chain.match(BLOCK) ?? []).map((block) => new X509Certificate(block));

/** The certificate of an entry now, undefined while the first is outstanding. */
export const certificateOf = ({ current }: CertificateEntry): X509Certificate | undefined =>
  current && certificatesOf(current)[0];

/** May an entry be called so? */
export const isEntryName = (name: string): boolean =>
  name.trim() === name &&
  name.length > 0 &&
  name.length <= certificateNameCharsMax &&
  !/\p{Cc}/u.test(name);

/** Checks what was read from disk. Throws Error with what is wrong. */
export function decodeEntry(value: unknown): CertificateEntry {
  if (!isObject(value)) throw new Error('it is no object');
  if (value.format !== 1) throw new Error(`format ${String(value.format)} is of another release`);
  const kind = CERTIFICATE_KINDS.find((each) => each === value.kind);
  if (kind === undefined) throw new Error('kind is unknown');
  const { current, outstanding } = value;
  if (current === undefined && outstanding === undefined) throw new Error('it is empty');
  return {
    format: 1,
    id: textOf(value, 'id'),
    kind,
    name: textOf(value, 'name'),
    created: textOf(value, 'created'),
    trustedFor: decodeTrust(value.trustedFor),
    ...(current !== undefined && { current: decodeVersion(current) }),
    ...(outstanding !== undefined && { outstanding: decodeOutstanding(outstanding) }),
    previous: listOf(value, 'previous').slice(0, certificateVersionsKeptMax).map(decodeVersion),
  };
}

function decodeTrust(value: unknown): TrustSwitches {
  if (!isObject(value)) throw new Error('trustedFor is no object');
  const { data, replication, rest } = value;
  return { data: data === true, replication: replication === true, rest: rest === true };
}

function decodeVersion(value: unknown): CertificateVersion {
  if (!isObject(value)) throw new Error('a version is no object');
  const { sealedKey } = value;
  const version = { chain: textOf(value, 'chain'), installed: textOf(value, 'installed') };
  if (certificatesOf(version).length === 0) throw new Error('a version has no certificate');
  return sealedKey === undefined ? version : { ...version, sealedKey: decodeSealed(sealedKey) };
}

function decodeOutstanding(value: unknown): OutstandingRequest {
  if (!isObject(value)) throw new Error('outstanding is no object');
  return { request: textOf(value, 'request'), sealedKey: decodeSealed(value.sealedKey) };
}
