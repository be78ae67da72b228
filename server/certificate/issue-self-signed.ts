// Issues a certificate nobody has to buy: a local authority made for one installation, and a server
// certificate under it. For `npm start`, tests and first steps. The authority's key is thrown away at once, so
// nobody can ever issue a second certificate from it. Keys come from node:crypto; node-forge only
// writes the ASN.1.

import { generateKeyPair, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';

export interface DevelopmentCertificateOptions {
  /** DNS names and IP addresses the server is reached by; the first is its common name. */
  readonly hosts: readonly string[];
  /** RSA key size. @default 3072; 2048 is quicker, for tests */
  readonly keyBits?: number;
  /** @default 365 */
  readonly validDays?: number;
  /** Start of validity. @default one hour ago, for clocks that differ */
  readonly notBefore?: Date;
}

export interface DevelopmentCertificate {
  /** What clients trust. */
  readonly caPem: string;
  /** What the server loads: private key and certificate, as in rsynd.pem. */
  readonly serverPem: string;
}

interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

interface Issue {
  readonly commonName: string;
  readonly publicKey: string;
  readonly issuer: forge.pki.CertificateField[];
  readonly issuerKey: string;
  readonly notBefore: Date;
  readonly validDays: number;
  readonly extensions: Record<string, unknown>[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const COMMON_NAME_MAX = 64;

/**
 * Issues a certificate for these hosts under an authority of its own.
 * @throws TypeError when there is no host.
 */
export async function issueDevelopmentCertificate(
  options: DevelopmentCertificateOptions,
): Promise<DevelopmentCertificate> {
  const { hosts, keyBits = 3072 } = options;
  const [firstHost] = hosts;
  if (firstHost === undefined) throw new TypeError('issueDevelopmentCertificate: no host given');
  const [authority, server] = await Promise.all([makeKeyPair(keyBits), makeKeyPair(keyBits)]);
  // A name of its own, so that a trust store can hold the authorities of several installations.
  const authorityName = `rsynd development CA ${randomBytes(4).toString('hex')}`;
  const common = {
    issuer: nameOf(authorityName),
    issuerKey: authority.privateKey,
    notBefore: options.notBefore ?? new Date(Date.now() - HOUR_MS),
    validDays: options.validDays ?? 365,
  };
  const caPem = issue({
    ...common,
    commonName: authorityName,
    publicKey: authority.publicKey,
    extensions: authorityExtensions(),
  });
  const serverCert = issue({
    ...common,
    commonName: firstHost,
    publicKey: server.publicKey,
    extensions: serverExtensions(hosts, authority.publicKey),
  });
  return { caPem, serverPem: server.privateKey + serverCert };
}

const makeKeyPair = (keyBits: number): Promise<KeyPair> =>
  promisify(generateKeyPair)('rsa', {
    modulusLength: keyBits,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

const nameOf = (commonName: string): forge.pki.CertificateField[] => [
  { name: 'commonName', value: commonName.slice(0, COMMON_NAME_MAX) },
];

function issue(request: Issue): string {
  const certificate = forge.pki.createCertificate();
  certificate.serialNumber = serialNumber();
  certificate.publicKey = forge.pki.publicKeyFromPem(request.publicKey);
  certificate.validity.notBefore = request.notBefore;
  certificate.validity.notAfter = new Date(
    request.notBefore.getTime() + request.validDays * DAY_MS,
  );
  certificate.setSubject(nameOf(request.commonName));
  certificate.setIssuer(request.issuer);
  certificate.setExtensions(request.extensions);
  certificate.sign(forge.pki.privateKeyFromPem(request.issuerKey), forge.md.sha256.create());
  return toUnixLines(forge.pki.certificateToPem(certificate));
}

// 127 random bits with the first byte in 1..127: positive, and never shortened by ASN.1.
const serialNumber = (): string => {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x01;
  return serial.toString('hex');
};

const authorityExtensions = (): Record<string, unknown>[] => [
  { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
  { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  { name: 'subjectKeyIdentifier' },
];

// keyEncipherment is for the RSA key exchange of levels 1 and 2 only.
const serverExtensions = (
  hosts: readonly string[],
  authorityKey: string,
): Record<string, unknown>[] => [
  { name: 'basicConstraints', cA: false, critical: true },
  { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
  { name: 'extKeyUsage', serverAuth: true },
  { name: 'subjectAltName', altNames: hosts.map(alternativeName) },
  { name: 'subjectKeyIdentifier' },
  { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifierOf(authorityKey) },
];

const SAN_DNS = 2;
const SAN_IP = 7;

const alternativeName = (host: string): Record<string, unknown> =>
  isIP(host) === 0 ? { type: SAN_DNS, value: host } : { type: SAN_IP, ip: host };

const keyIdentifierOf = (publicKey: string): string =>
  forge.pki
    .getPublicKeyFingerprint(forge.pki.publicKeyFromPem(publicKey), { type: 'RSAPublicKey' })
    .getBytes();

const toUnixLines = (pem: string): string => pem.replace(/\r\n/g, '\n');
