// What the local authority of this installation issued and revoked, one JSON file in the state directory. The
// authority writes it; the store asks it what is revoked; the daemon does too, at every handshake, so a
// revocation holds at once and not only from the next revocation list on.

import { RsyndError } from '../../../shared/base/error.js';
import { isObject } from '../../../shared/base/is-object.js';
import { certificatesIssuedMax, stateFileBytesMax } from '../../../shared/base/limits.js';
import type { StateDirectory } from '../../state/state-directory.js';
import { listOf, textOf } from '../store/json.js';

/** Reasons of RFC 5280, 5.3.1, with their numbers in a revocation list. */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
export type RevocationReason = keyof typeof REVOCATION_REASONS;

export const isRevocationReason = (text: string): text is RevocationReason =>
  Object.hasOwn(REVOCATION_REASONS, text);

/** What a certificate is for; both: a server that is a client of other servers, as in replication. */
export const ISSUE_PROFILES = ['server', 'client', 'both'] as const;
export type IssueProfile = (typeof ISSUE_PROFILES)[number];

/** One certificate that was issued. Times are ISO 8601. */
export interface Issued {
  /** 32 hex digits in lower case. */
  readonly serial: string;
  readonly name: string;
  readonly profile: IssueProfile;
  /** SHA-256 of the certificate, hex in lower case. */
  readonly fingerprint: string;
  readonly subject: string;
  /** DER of the Name in base64, for renewal. */
  readonly subjectDer: string;
  /** True when its holder made the key and asked with a request. */
  readonly fromRequest: boolean;
  /** As --san takes them, for renewal. */
  readonly names: readonly string[];
  readonly notBefore: string;
  readonly notAfter: string;
  readonly revoked?: { readonly at: string; readonly reason: RevocationReason };
}

/** On disk as JSON: never change the meaning of a field. */
export interface IssuedIndex {
  readonly format: 1;
  /** Of the last revocation list made; 0 before the first. */
  readonly listNumber: number;
  /** In the order of issue. */
  readonly issued: readonly Issued[];
}

const FILE = 'authority/issued.json';

/** The index, empty when nothing was ever issued. ERR_CONFIG. */
export const readIssuedIndex = (state: StateDirectory): IssuedIndex =>
  state.readJson(FILE, decodeIndex) ?? { format: 1, listNumber: 0, issued: [] };

/** Call it within `state.change`. ERR_BADCERT when it would be too large to be read again. */
export function writeIssuedIndex(state: StateDirectory, index: IssuedIndex): void {
  const text = JSON.stringify(index);
  if (Buffer.byteLength(text) > stateFileBytesMax) {
    const why = `the index of the local authority would have more than ${stateFileBytesMax} bytes`;
    throw new RsyndError('ERR_BADCERT', why);
  }
  state.write(FILE, text);
}

/** Fingerprints of all certificates that the local authority revoked. */
export const revokedFingerprints = (index: IssuedIndex): ReadonlySet<string> =>
  new Set(index.issued.filter(({ revoked }) => revoked).map(({ fingerprint }) => fingerprint));

function decodeIndex(value: unknown): IssuedIndex {
  if (!isObject(value) || value.format !== 1) throw new Error('it is no index of this release');
  const { listNumber } = value;
  if (typeof listNumber !== 'number' || !Number.isSafeInteger(listNumber) || listNumber < 0) {
    throw new Error('listNumber is no number');
  }
  const issued = listOf(value, 'issued');
  if (issued.length > certificatesIssuedMax) throw new Error(`${issued.length} certificates`);
  return { format: 1, listNumber, issued: issued.map(decodeIssued) };
}

function decodeIssued(value: unknown): Issued {
  if (!isObject(value)) throw new Error('an issued certificate is no object');
  const { revoked } = value;
  const profile = ISSUE_PROFILES.find((each) => each === value.profile);
  if (profile === undefined) throw new Error('a profile is unknown');
  return {
    serial: textOf(value, 'serial'),
    name: textOf(value, 'name'),
    profile,
    fingerprint: textOf(value, 'fingerprint'),
    subject: textOf(value, 'subject'),
    subjectDer: textOf(value, 'subjectDer'),
    fromRequest: value.fromRequest === true,
    names: listOf(value, 'names').map(String),
    notBefore: textOf(value, 'notBefore'),
    notAfter: textOf(value, 'notAfter'),
    ...(revoked !== undefined && { revoked: decodeRevoked(revoked) }),
  };
}

function decodeRevoked(value: unknown): { at: string; reason: RevocationReason } {
  if (!isObject(value)) throw new Error('a revocation is no object');
  const reason = textOf(value, 'reason');
  if (!isRevocationReason(reason)) throw new Error(`the reason ${reason} is unknown`);
  return { at: textOf(value, 'at'), reason };
}
