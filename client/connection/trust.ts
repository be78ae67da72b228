// Whom a connection trusts and how it shows who it is: reads what `tls` of the options names, says what is
// wrong with it before anything is sent, and compares pins. Trust is judged by node:tls alone.

import {
  createHash,
  createPrivateKey,
  type KeyObject,
  timingSafeEqual,
  X509Certificate,
} from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as tls from 'node:tls';
import { RsyndError } from '../../shared/base/error.js';
import { definitionFileBytesMax } from '../../shared/base/limits.js';
import { nameText, validityOf } from '../../shared/tls/certificate-text.js';
import type { RevocationList } from '../../shared/tls/crl.js';
import { isEncryptedKey, splitPem } from '../../shared/tls/pem.js';
import { policyFor } from '../../shared/tls/policy.js';
import { loadNonceSource } from '../../shared/tls/random-state.js';
import type { ComplianceLevel, PemSource, TlsOptions } from '../open-options.js';

const PIN_FORM = /^sha256\/([A-Za-z0-9+/]{43}=)$/;
const PIN_BYTES = 32;

/** All a handshake needs. */
export interface Trust {
  readonly context: tls.SecureContext;
  /** SHA-256 of the only public key that will do. */
  readonly pin: Buffer | undefined;
  /** False only with a pin and no `ca`: the key itself is then what is trusted. */
  readonly needsChain: boolean;
  /** Name the certificate must be for, when not that of the host. */
  readonly servername: string | undefined;
  /** Authorities of the options that have expired, in words; undefined when none has. */
  readonly expiredAuthorities: string | undefined;
  /** What is looked up about the server's certificate after the handshake; undefined: nothing. */
  readonly revocation: RevocationRules | undefined;
}

/** How to find out whether the server's certificate was revoked. */
export interface RevocationRules {
  readonly ocsp: { readonly mode: 'soft' | 'hard'; readonly url: string | undefined } | undefined;
  readonly lists: readonly RevocationList[] | undefined;
  /** Authorities named by the options: they may be issuers that the server does not send. */
  readonly authorities: readonly string[];
}

/**
 * Reads files and makes the TLS context. `env` is the environment (RSYND_CA, NODE_EXTRA_CA_CERTS,
 * SYNSSL_RAND). ERR_TLSCONF naming the option that is unusable, ERR_RNDSTATE.
 */
export async function loadTrust(
  options: TlsOptions,
  scl: ComplianceLevel,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Trust> {
  loadNonceSource(env);
  const pin = options.pin === undefined ? undefined : parsePin(options.pin);
  const ca = await loadAuthorities(options.ca, env);
  const identity = await loadIdentity(options);
  return {
    context: makeContext(scl, ca, identity),
    pin,
    needsChain: pin === undefined || options.ca !== undefined,
    servername: options.servername,
    expiredAuthorities: options.ca === undefined ? undefined : expiredAuthorities(ca ?? []),
    revocation: await loadRevocation(options, ca),
  };
}

/** `sha256/<base64>` to the 32 bytes of the digest. ERR_TLSCONF. */
export function parsePin(pin: string): Buffer {
  const digest = PIN_FORM.exec(pin)?.[1];
  const bytes = digest === undefined ? undefined : Buffer.from(digest, 'base64');
  if (bytes?.length === PIN_BYTES) return bytes;
  throw unusable('tls.pin must be sha256/ and the base64 of 32 bytes, 44 characters ending in =');
}

/** The pin of a certificate's public key (SHA-256 of its SubjectPublicKeyInfo). */
export const pinOf = (certificate: X509Certificate): Buffer =>
  createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest();

/** Text form of a pin, as the option takes it. */
export const pinText = (pin: Buffer): string => `sha256/${pin.toString('base64')}`;

/** Compares without telling by its time where the difference is. */
export const isPinned = (certificate: X509Certificate, pin: Buffer): boolean =>
  timingSafeEqual(pinOf(certificate), pin);

interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string | undefined;
}

function makeContext(
  scl: ComplianceLevel,
  ca: string[] | undefined,
  identity: Identity | undefined,
): tls.SecureContext {
  const { cert, key, passphrase } = identity ?? {};
  try {
    return tls.createSecureContext({
      ...policyFor(scl),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(passphrase === undefined ? {} : { passphrase }),
    });
  } catch (cause) {
    const why =
      'tls.cert and tls.key cannot be used together: another key, or its passphrase is wrong';
    throw unusable(`${why} or missing (tls.passphrase)`, cause);
  }
}

/** Undefined: the platform's own, as node:tls has them. */
async function loadAuthorities(
  ca: TlsOptions['ca'],
  env: Readonly<Record<string, string | undefined>>,
): Promise<string[] | undefined> {
  if (ca !== undefined) {
    const sources = Array.isArray(ca) ? ca : [ca];
    if (sources.length === 0) throw unusable('tls.ca is an empty list, so nobody would be trusted');
    const loaded = await Promise.all(sources.map((source) => loadCertificates(source, 'tls.ca')));
    checkAuthorities(loaded.flat());
    return loaded.flat();
  }
  const own = env.RSYND_CA;
  if (own === undefined || own === '') return undefined;
  return [...(await platformAuthorities(env)), ...(await loadCertificates(own, 'RSYND_CA'))];
}

/** What node:tls trusts by itself: naming authorities of our own would replace it. */
async function platformAuthorities(
  env: Readonly<Record<string, string | undefined>>,
): Promise<string[]> {
  // Since Node 22.15, and it knows everything that was configured.
  if ('getCACertificates' in tls && typeof tls.getCACertificates === 'function') {
    return tls.getCACertificates('default') as string[];
  }
  const extra = env.NODE_EXTRA_CA_CERTS;
  if (extra === undefined || extra === '') return [...tls.rootCertificates];
  return [...tls.rootCertificates, ...(await loadCertificates(extra, 'NODE_EXTRA_CA_CERTS'))];
}

/** node:tls passes silently over what is no PEM: a path given for a text would mean "trust nobody". */
async function loadCertificates(source: PemSource, option: string): Promise<string[]> {
  const text = await loadPem(source, option);
  const { certificates, privateKeys } = splitPem(text);
  if (certificates.length === 0) throw unusable(`${option} ${whatInstead(text, privateKeys)}`);
  for (const [index, certificate] of certificates.entries()) {
    refuseDamaged(certificate, `${option}: certificate ${index + 1}`);
  }
  return [...certificates];
}

function whatInstead(text: string, privateKeys: readonly string[]): string {
  if (privateKeys.length > 0) return 'holds a private key and no certificate; keys are for tls.key';
  const label = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(text)?.[1];
  if (label === undefined) return 'holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)';
  return `holds no certificate in PEM form, but: ${label}`;
}

/** What the handshake would refuse with less to say: nobody in the list can be the top of a chain. */
function checkAuthorities(pems: readonly string[]): void {
  const certificates = pems.map((pem) => new X509Certificate(pem));
  // By name alone: a server's own self-signed certificate may be what is trusted, and is no authority.
  const roots = certificates.filter(({ subject, issuer }) => subject === issuer);
  const [first] = certificates;
  if (roots.length === 0 && first !== undefined) {
    const top = certificates.at(-1) ?? first;
    throw unusable(
      `tls.ca holds no root: ${nameText(top.subject)} was issued by ${nameText(top.issuer)}; give the ` +
        'certificate of that authority, at the top of the chain',
    );
  }
}

/** Roots of the options past their end: what the handshake refuses then is not the server's fault alone. */
function expiredAuthorities(pems: readonly string[]): string | undefined {
  const ended = pems
    .map((pem) => new X509Certificate(pem))
    .filter((certificate) => validityOf(certificate).to < Date.now())
    .map((certificate) => {
      const when = new Date(validityOf(certificate).to).toISOString();
      return `${nameText(certificate.subject)} of tls.ca expired at ${when}`;
    });
  if (ended.length === 0) return undefined;
  return `${ended.slice(0, 3).join(', ')}: get the new certificate of the authority`;
}

async function loadRevocation(
  options: TlsOptions,
  authorities: readonly string[] = [],
): Promise<RevocationRules | undefined> {
  const { ocsp = 'off', crl } = options;
  const { mode, url } = typeof ocsp === 'object' ? ocsp : { mode: ocsp, url: undefined };
  if (mode === 'off' && crl === undefined) return undefined;
  return {
    ocsp: mode === 'off' ? undefined : { mode, url },
    lists: crl === undefined ? undefined : await loadLists(crl),
    authorities,
  };
}

async function loadLists(crl: PemSource | PemSource[]): Promise<RevocationList[]> {
  const sources = Array.isArray(crl) ? crl : [crl];
  if (sources.length === 0) throw unusable('tls.crl is an empty list; leave it out instead');
  // Loaded here and not above: who looks nothing up needs no ASN.1.
  const { readRevocationLists } = await import('../../shared/tls/crl.js');
  const read = async (source: PemSource): Promise<RevocationList[]> => {
    const name = isPath(source) ? source : 'given as tls.crl';
    return readRevocationLists(Buffer.from(await loadPem(source, 'tls.crl'), 'latin1'), name);
  };
  return (await Promise.all(sources.map(read))).flat();
}

const isPath = (source: PemSource): source is string =>
  typeof source === 'string' && !source.includes('-----BEGIN ');

function refuseDamaged(certificate: string, what: string): void {
  try {
    new X509Certificate(certificate);
  } catch (cause) {
    throw unusable(`${what} cannot be read: it is damaged`, cause);
  }
}

async function loadIdentity(options: TlsOptions): Promise<Identity | undefined> {
  if (options.cert === undefined || options.key === undefined) return undefined;
  const certificates = await loadCertificates(options.cert, 'tls.cert');
  const { privateKeys } = splitPem(await loadPem(options.key, 'tls.key'));
  const [key] = privateKeys;
  if (key === undefined) {
    const isInOne = options.key === options.cert;
    throw unusable(
      isInOne
        ? 'tls.cert holds no private key; give it as tls.key (--key)'
        : 'tls.key holds no private key in PEM form',
    );
  }
  checkIdentity(certificates, key, options.passphrase);
  return { cert: certificates.join(''), key, passphrase: options.passphrase };
}

/** What the server would refuse, said before it is asked. */
function checkIdentity(
  [first = '']: readonly string[],
  key: string,
  passphrase: string | undefined,
): void {
  const certificate = new X509Certificate(first);
  const who = `the certificate of tls.cert, ${nameText(certificate.subject)},`;
  const { from, to } = validityOf(certificate);
  if (to < Date.now()) {
    throw unusable(`${who} expired at ${new Date(to).toISOString()}; have a new one issued`);
  }
  if (from > Date.now()) {
    const when = new Date(from).toISOString();
    throw unusable(`${who} is not valid before ${when}; compare the clock of this machine`);
  }
  if (!certificate.checkPrivateKey(readKey(key, passphrase))) {
    const why = 'was issued for another key; give the key it was requested with';
    throw unusable(`tls.cert and tls.key cannot be used together: ${who} ${why}`);
  }
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

/** Text of a PEM source. The source is named in messages only when it is a path. */
async function loadPem(source: PemSource, option: string): Promise<string> {
  if (Buffer.isBuffer(source)) return source.toString('latin1');
  if (typeof source !== 'string') throw unusable(`${option} must be a path, PEM text or a Buffer`);
  if (source.includes('-----BEGIN ')) return source;
  if (source.includes('\n') || source === '') {
    throw unusable(`${option} is neither PEM text (-----BEGIN …) nor the path of a file`);
  }
  try {
    const bytes = await readFile(source);
    if (bytes.length <= definitionFileBytesMax) return bytes.toString('latin1');
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const what = isMissing ? 'is not there' : 'cannot be read';
    throw unusable(`${option}: the file ${source} ${what}, and it is no PEM text`, cause);
  }
  throw unusable(`${option}: the file ${source} is too large for certificates`);
}

const unusable = (why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_TLSCONF', why, { cause });
