// Whom a connection trusts and how it shows who it is: reads what `tls` of the options names, says what is
// wrong with it before anything is sent, and compares pins. Trust is judged by node:tls alone.

import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import * as tls from 'node:tls';
import { nameText, validityOf } from '../../shared/tls/certificate-text.js';
import type { RevocationList } from '../../shared/tls/crl.js';
import { policyFor } from '../../shared/tls/policy.js';
import { loadNonceSource } from '../../shared/tls/random-state.js';
import type { ComplianceLevel, PemSource, TlsOptions } from '../open-options.js';
import {
  type GivenIdentity,
  provenIdentity,
  readIdentity,
  requireCurrent,
} from './own-certificate.js';
import { certificatesOf, isPath, loadPem, unusable } from './pem-source.js';
import { type MadeContext, TlsContexts } from './tls-contexts.js';

const PIN_FORM = /^sha256\/([A-Za-z0-9+/]{43}=)$/;
const PIN_BYTES = 32;

type Environment = Readonly<Record<string, string | undefined>>;

/** All a handshake needs. */
export interface Trust {
  /** Digest of all that decides about a server, but for revocation and the name asked for. */
  readonly id: string;
  readonly context: tls.SecureContext;
  /** SHA-256 of the only public key that will do. */
  readonly pin: Buffer | undefined;
  /** False only with a pin and no `ca`: the key itself is then what is trusted. */
  readonly needsChain: boolean;
  /** Name the certificate must be for, when not that of the host. */
  readonly servername: string | undefined;
  /** Authorities of the options that have expired, in words; undefined when none has. */
  expiredAuthorities(): string | undefined;
  /** What is looked up about the server's certificate after the handshake; undefined: nothing. */
  readonly revocation: RevocationRules | undefined;
  /** May a session be resumed? It shows no certificate, so not where that must be looked up. */
  readonly mayResume: boolean;
}

/** How to find out whether the server's certificate was revoked. */
export interface RevocationRules {
  readonly ocsp: { readonly mode: 'soft' | 'hard'; readonly url: string | undefined } | undefined;
  readonly lists: readonly RevocationList[] | undefined;
  /** Authorities named by the options: they may be issuers that the server does not send. */
  readonly authorities: readonly string[];
}

/**
 * Reads files and makes the TLS context, or finds in `contexts` what was made of the same. `env` is the
 * environment (RSYND_CA, NODE_EXTRA_CA_CERTS, SYNSSL_RAND). ERR_TLSCONF naming the option that is unusable,
 * ERR_RNDSTATE.
 */
export async function loadTrust(
  options: TlsOptions,
  scl: ComplianceLevel,
  env: Environment,
  contexts: TlsContexts = new TlsContexts(),
): Promise<Trust> {
  loadNonceSource(env);
  const pin = options.pin === undefined ? undefined : parsePin(options.pin);
  const ca = await readAuthorities(options.ca, env);
  const identity = await readIdentity(options);
  const id = digestOf([scl, ca ?? contexts.digestOf(configuredAuthorities() ?? []), identity]);
  const made = contexts.of(id, () => makeContext(id, scl, ca, identity));
  if (made.own !== undefined) requireCurrent(made.own);
  const revocation = await loadRevocation(options, made.authorities);
  const needsChain = pin === undefined || options.ca !== undefined;
  return {
    id: digestOf([id, options.pin, needsChain]),
    context: made.context,
    pin,
    needsChain,
    servername: options.servername,
    expiredAuthorities: () =>
      options.ca === undefined ? undefined : expiredAuthorities(made.authorities),
    revocation,
    mayResume: options.resume !== false && revocation === undefined,
  };
}

const digestOf = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64');

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

function makeContext(
  id: string,
  scl: ComplianceLevel,
  given: GivenAuthorities | undefined,
  identity: GivenIdentity | undefined,
): MadeContext {
  const authorities =
    given?.texts.flatMap(({ text, option }) => certificatesOf(text, option)) ?? [];
  if (given?.texts[0]?.option === 'tls.ca') checkAuthorities(authorities);
  const ca = given === undefined ? undefined : [...(given.platform ?? []), ...authorities];
  const own = identity === undefined ? undefined : provenIdentity(identity);
  try {
    const context = tls.createSecureContext({
      ...policyFor(scl),
      ...(ca === undefined ? {} : { ca }),
      ...own?.options,
    });
    return { id, context, authorities: ca ?? [], own: own?.certificate };
  } catch (cause) {
    const why =
      'tls.cert and tls.key cannot be used together: another key, or its passphrase is wrong';
    throw unusable(`${why} or missing (tls.passphrase)`, cause);
  }
}

/** Whom to trust, as it was read. */
interface GivenAuthorities {
  readonly texts: readonly { readonly text: string; readonly option: 'tls.ca' | 'RSYND_CA' }[];
  /** What the platform trusts, where that counts too. */
  readonly platform?: readonly string[];
}

/** Undefined: the platform's own, as node:tls has them. */
async function readAuthorities(
  ca: TlsOptions['ca'],
  env: Environment,
): Promise<GivenAuthorities | undefined> {
  if (ca !== undefined) {
    const sources = Array.isArray(ca) ? ca : [ca];
    if (sources.length === 0) throw unusable('tls.ca is an empty list, so nobody would be trusted');
    const option = 'tls.ca';
    const read = async (source: PemSource) =>
      ({ text: await loadPem(source, option), option }) as const;
    return { texts: await Promise.all(sources.map(read)) };
  }
  const own = env.RSYND_CA;
  if (own === undefined || own === '') return undefined;
  const text = await loadPem(own, 'RSYND_CA');
  return { texts: [{ text, option: 'RSYND_CA' }], platform: await platformAuthorities(env) };
}

/** What node:tls trusts by itself: naming authorities of our own would replace it. */
async function platformAuthorities(env: Environment): Promise<readonly string[]> {
  const known = configuredAuthorities();
  if (known !== undefined) return known;
  const extra = env.NODE_EXTRA_CA_CERTS;
  if (extra === undefined || extra === '') return tls.rootCertificates;
  const text = await loadPem(extra, 'NODE_EXTRA_CA_CERTS');
  return [...tls.rootCertificates, ...certificatesOf(text, 'NODE_EXTRA_CA_CERTS')];
}

/** Since Node 22.15, which knows everything that was configured and lets programs change it. */
function configuredAuthorities(): readonly string[] | undefined {
  if (!('getCACertificates' in tls) || typeof tls.getCACertificates !== 'function')
    return undefined;
  return tls.getCACertificates('default') as string[];
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
