// What the other end of a handshake showed: its certificate, what it sent along, and what the TLS library
// thinks of it. The one place that asks the library for its opinion of a client.

import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { AltName, Certificate } from 'pkijs';
import { certificateNamesMax, presentedCertificatesMax } from '../../../shared/base/limits.js';
import { fingerprintOf, fullName, serialText } from '../../../shared/tls/certificate-text.js';
import type { PeerIdentity } from '../../access/peer-identity.js';

/** Certificates as they were shown, and the library's verdict on them. */
export interface Presented {
  /** The peer's own first, then what belongs above it; empty when there is none. */
  readonly certificates: readonly X509Certificate[];
  /** The library's code (`CERT_HAS_EXPIRED`); undefined when it finds nothing wrong. */
  readonly libraryCode: string | undefined;
  /** What it says in words; all there is to know where node:tls has no code for it (`UNSPECIFIED`). */
  readonly libraryText?: string | undefined;
}

/** Reads them off a socket whose handshake is done and that asked for a certificate. */
export function presentedBy(socket: TLSSocket): Presented {
  const own = socket.getPeerX509Certificate();
  if (own === undefined) return { certificates: [], libraryCode: undefined };
  // `issuerCertificate` goes through what was sent in the order it was sent, duplicates and all; who issued
  // whom is for the judge to find out. (getPeerCertificate(true) loses intermediates here, Node 20.20.)
  const certificates = [own];
  let next = own.issuerCertificate;
  while (next !== undefined && certificates.length < presentedCertificatesMax) {
    certificates.push(next);
    next = next.issuerCertificate;
  }
  const { code, text } = libraryVerdictOf(socket);
  return { certificates, libraryCode: code, libraryText: text };
}

interface LibraryVerdict {
  readonly code?: string;
  readonly text?: string | undefined;
}

/**
 * node:tls hands a server's verdict only to sockets that tls.Server made, from this very call; ours are made
 * from sockets that arrived elsewhere. A library that cannot be asked refuses everybody.
 */
function libraryVerdictOf(socket: TLSSocket): LibraryVerdict {
  const handle: unknown = Reflect.get(socket, '_handle');
  const isAsked = isObject(handle) && typeof handle.verifyError === 'function';
  if (!isAsked || typeof handle.verifyError !== 'function') return { code: 'CERT_JUDGE_FAILED' };
  const error: unknown = handle.verifyError();
  if (error === undefined || error === null) return {};
  if (!isObject(error) || typeof error.code !== 'string') return { code: 'CERT_JUDGE_FAILED' };
  return { code: error.code, text: typeof error.message === 'string' ? error.message : undefined };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** Who a certificate says its holder is. */
export function identityOf(certificate: X509Certificate): PeerIdentity {
  return {
    fingerprint: fingerprintOf(certificate),
    subject: fullName(certificate.subject),
    issuer: fullName(certificate.issuer),
    serial: serialText(certificate.serialNumber),
    names: alternativeNames(certificate),
    notAfter: Date.parse(certificate.validTo),
  };
}

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
/** GeneralName by its tag; other kinds name nobody here. */
const NAME_KINDS: ReadonlyMap<number, string> = new Map([
  [1, 'email'],
  [2, 'dns'],
  [6, 'uri'],
]);

// From the ASN.1 and not from the text node:crypto makes of it: there a comma inside one name could be
// taken for the beginning of another.
function alternativeNames({ raw, subjectAltName }: X509Certificate): string[] {
  if (subjectAltName === undefined) return [];
  const extension = Certificate.fromBER(raw).extensions?.find(
    ({ extnID }) => extnID === SUBJECT_ALTERNATIVE_NAME,
  );
  const names: unknown = extension?.parsedValue;
  if (!(names instanceof AltName)) return [];
  return names.altNames.slice(0, certificateNamesMax).flatMap(({ type, value }) => {
    const kind = NAME_KINDS.get(type);
    if (kind === undefined || typeof value !== 'string' || !isPlain(value)) return [];
    return [`${kind}:${kind === 'dns' ? value.toLowerCase() : value}`];
  });
}

/** Printable ASCII, as these kinds of names are; anything else could look like another name. */
const isPlain = (name: string): boolean => /^[\x21-\x7e]{1,1024}$/.test(name);
