// Certificate revocation lists (RFC 5280, chapter 5): from a file to lists that can be asked for a serial
// number. Used by the server for client certificates, by the SDK for the server's. Whole lists only: deltas,
// parts and lists about other authorities' certificates are refused with the reason, because half a list
// read as a whole one would let revoked certificates in.

import { createHash, type X509Certificate } from 'node:crypto';
import { AlgorithmIdentifier, Certificate, RelativeDistinguishedNames } from 'pkijs';
import { RsyndError } from '../base/error.js';
import {
  revocationEntriesMax,
  revocationFileBytesMax,
  revocationListsMax,
} from '../base/limits.js';
import { fingerprintOf, printable, serialText } from './certificate-text.js';
import { DER, type DerElement, DerReader, derElements, derObjectId, derTime } from './der.js';
import { isSignedBy, type SignedData } from './signed-data.js';

/** When and why a certificate was revoked. */
export interface Revocation {
  readonly at: Date;
  readonly reason: string;
}

/** One list of one authority. */
export interface RevocationList {
  /** Where it came from, for messages. */
  readonly source: string;
  /** Name of the authority, in words. */
  readonly issuer: string;
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  /** When the next list is due; undefined when the authority does not say. */
  readonly nextUpdate: number | undefined;
  readonly count: number;
  /** SHA-256 of the whole list, in hex. */
  readonly digest: string;
  /** The entry of a serial number in hex. */
  entryOf(serial: string): Revocation | undefined;
  /** Is it the list of this authority, by name? */
  isOf(issuer: X509Certificate): boolean;
  /** Did this authority sign it? */
  isSignedBy(issuer: X509Certificate): boolean;
}

const PEM_LIST = /-----BEGIN (?:X509 )?CRL-----([A-Za-z0-9+/=\s]+)-----END (?:X509 )?CRL-----/g;

/** The lists of a file: PEM, one or several, or one in DER. ERR_BADCERT names the file and what is wrong. */
export function readRevocationLists(bytes: Buffer, source: string): RevocationList[] {
  if (bytes.length > revocationFileBytesMax) throw bad(source, `has ${bytes.length} bytes`);
  const text = bytes.toString('latin1');
  if (!text.includes('-----BEGIN ')) return [readList(bytes, source)];
  const bodies = [...text.matchAll(PEM_LIST)].map(([, body = '']) => Buffer.from(body, 'base64'));
  if (bodies.length === 0) {
    throw bad(source, 'holds no revocation list (-----BEGIN X509 CRL-----); is it a certificate?');
  }
  if (bodies.length > revocationListsMax) throw bad(source, `holds ${bodies.length} lists`);
  return bodies.map((body) => readList(body, source));
}

function readList(der: Buffer, source: string): RevocationList {
  const list = parse(der, source);
  refuseParts(list.extensions, source);
  const entries = readEntries(list.revoked, source);
  // Only authorities that did sign it are remembered: a handful, however many strangers are tried.
  const signers = new Set<string>();
  return {
    source,
    issuer: nameOf(list.issuer),
    thisUpdate: list.thisUpdate.getTime(),
    nextUpdate: list.nextUpdate?.getTime(),
    count: entries.size,
    digest: createHash('sha256').update(der).digest('hex'),
    entryOf: (serial) => entries.get(serialText(serial)),
    isOf: (issuer) => Certificate.fromBER(issuer.raw).subject.isEqual(list.issuer),
    isSignedBy: (issuer) => {
      const fingerprint = fingerprintOf(issuer);
      if (signers.has(fingerprint)) return true;
      const isSigner = isSignedBy(list.signed, issuer.publicKey);
      if (isSigner) signers.add(fingerprint);
      return isSigner;
    },
  };
}

interface ParsedList {
  readonly issuer: RelativeDistinguishedNames;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  /** Content of the sequence of entries. */
  readonly revoked: Buffer;
  readonly extensions: readonly ListExtension[];
  readonly signed: SignedData;
}

//   CertificateList  SEQUENCE { what is signed, algorithm, signature BIT STRING }
//   what is signed   SEQUENCE { version?, algorithm, issuer, thisUpdate, nextUpdate?, entries?, [0] extensions? }
function parse(der: Buffer, source: string): ParsedList {
  try {
    const outer = new DerReader(der);
    const list = new DerReader(outer.required(DER.sequence).content);
    outer.end();
    const content = list.required(DER.sequence);
    const algorithm = AlgorithmIdentifier.fromBER(list.required(DER.sequence).whole);
    const signature = list.required(DER.bitString).content.subarray(1);
    list.end();
    const signed = { content: content.whole, algorithm, signature };
    return { ...parseContent(content.content), signed };
  } catch (cause) {
    throw bad(source, 'is no revocation list in PEM or DER, or it is damaged', cause);
  }
}

function parseContent(content: Buffer): Omit<ParsedList, 'signed'> {
  const fields = new DerReader(content);
  fields.optional(DER.integer);
  fields.required(DER.sequence);
  const issuer = RelativeDistinguishedNames.fromBER(fields.required(DER.sequence).whole);
  const thisUpdate = derTime(fields.required(DER.utcTime, DER.generalizedTime));
  const next = fields.optional(DER.utcTime, DER.generalizedTime);
  const revoked = fields.optional(DER.sequence)?.content ?? Buffer.alloc(0);
  const wrapped = fields.optional(DER.explicit0)?.content ?? Buffer.alloc(0);
  fields.end();
  const extensions = [...derElements(wrapped)].flatMap((each) => [...derElements(each.content)]);
  const nextUpdate = next === undefined ? undefined : derTime(next);
  return { issuer, thisUpdate, nextUpdate, revoked, extensions: extensions.map(readExtension) };
}

/** An entry is SEQUENCE { serial number, time, extensions? }. */
function readEntries(revoked: Buffer, source: string): Map<string, Revocation> {
  const entries = new Map<string, Revocation>();
  try {
    for (const { content } of derElements(revoked)) {
      if (entries.size >= revocationEntriesMax) {
        throw bad(source, `has more than ${revocationEntriesMax} entries`);
      }
      const fields = new DerReader(content);
      const serial = fields.required(DER.integer).content.toString('hex');
      const at = derTime(fields.required(DER.utcTime, DER.generalizedTime));
      const listed = fields.optional(DER.sequence)?.content ?? Buffer.alloc(0);
      const extensions = [...derElements(listed)].map(readExtension);
      refuseCritical(extensions, ENTRY_EXTENSIONS, source);
      entries.set(serialText(serial), { at, reason: reasonOf(extensions) });
    }
  } catch (cause) {
    if (cause instanceof RsyndError) throw cause;
    throw bad(source, 'has a damaged entry', cause);
  }
  return entries;
}

interface ListExtension {
  readonly id: string;
  readonly isCritical: boolean;
  readonly value: Buffer;
}

function readExtension({ content }: DerElement): ListExtension {
  const fields = new DerReader(content);
  const id = derObjectId(fields.required(DER.objectId).content);
  const isCritical = fields.optional(DER.boolean)?.content[0] === 0xff;
  return { id, isCritical, value: fields.required(DER.octetString).content };
}

const DELTA = '2.5.29.27';
const ISSUING_POINT = '2.5.29.28';
const REASON = '2.5.29.21';
/** Authority key identifier, list number. */
const LIST_EXTENSIONS: readonly string[] = ['2.5.29.35', '2.5.29.20'];
/** Reason, invalidity date. */
const ENTRY_EXTENSIONS: readonly string[] = [REASON, '2.5.29.24'];

function refuseParts(extensions: readonly ListExtension[], source: string): void {
  const ids = extensions.map(({ id }) => id);
  if (ids.includes(DELTA)) throw bad(source, 'is a delta list; give the complete one');
  if (ids.includes(ISSUING_POINT)) {
    throw bad(source, 'covers only a part of its authority (issuing point); give the complete one');
  }
  refuseCritical(extensions, LIST_EXTENSIONS, source);
}

/** A critical extension that is not understood changes the meaning of what it stands in. */
function refuseCritical(
  extensions: readonly ListExtension[],
  known: readonly string[],
  source: string,
): void {
  const unknown = extensions.find(({ isCritical, id }) => isCritical && !known.includes(id));
  if (unknown === undefined) return;
  throw bad(source, `has the critical extension ${unknown.id}, which is not understood`);
}

/** CRLReason of RFC 5280, by number. */
const REASONS: readonly string[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  '',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
];

/** Words of a CRLReason. */
export const revocationReason = (number: number): string => REASONS[number] || 'unspecified';

/** ENUMERATED in one byte. */
function reasonOf(extensions: readonly ListExtension[]): string {
  const value = extensions.find(({ id }) => id === REASON)?.value;
  return revocationReason(value?.[0] === DER.enumerated ? (value[2] ?? 0) : 0);
}

const nameOf = (issuer: RelativeDistinguishedNames): string =>
  printable(
    issuer.typesAndValues
      .map(
        ({ type, value }) => `${SHORT_NAMES.get(type) ?? type}=${String(value.valueBlock.value)}`,
      )
      .reverse()
      .join(','),
  );

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
]);

const bad = (source: string, why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_BADCERT', `the revocation list ${source} ${why}`, { file: source, cause });
