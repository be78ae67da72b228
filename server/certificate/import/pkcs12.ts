// Takes a PKCS#12 file (.p12, .pfx) apart: AES as OpenSSL 3 writes it, 3DES, and the RC2 of old tools, which
// OpenSSL 3 itself no longer reads. node-forge opens the envelope; what is in it comes out as DER and is judged
// by node:crypto alone.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { pkcs12RoundsMax } from '../../../shared/base/limits.js';
import { refusal } from './refuse.js';

/** What was in it; certificates in the order of the file. */
export interface Pkcs12Content {
  readonly keys: readonly KeyObject[];
  readonly certificates: readonly X509Certificate[];
  /** Of the key, else of its certificate; undefined when there is none. */
  readonly friendlyName: string | undefined;
}

const KEY_BAGS = [forge.pki.oids.pkcs8ShroudedKeyBag, forge.pki.oids.keyBag];

/**
 * Opens it. Without a passphrase a blank one is tried.
 * @throws RsyndError ERR_BADCERT: passphrase missing or wrong, encryption unsupported, damaged.
 */
export function readPkcs12(der: Buffer, source: string, passphrase?: string): Pkcs12Content {
  const opened = openPkcs12(der, source, passphrase);
  const bags = opened.safeContents.flatMap(({ safeBags }) => safeBags);
  const keys = bags.filter(({ type }) => KEY_BAGS.includes(type));
  const certificates = bags.filter(({ type }) => type === forge.pki.oids.certBag);
  return {
    keys: keys.map((bag) => readKey(bag, source)),
    certificates: certificates.map((bag) => readCertificate(bag, source)),
    friendlyName: [...keys, ...certificates].map(friendlyNameOf).find((name) => name !== ''),
  };
}

/** One way to try: forge takes text for the older envelopes and UTF-8 bytes for the newer ones. */
interface Attempt {
  readonly password: string;
  /** Its check of the whole file knows only the text form; without it the decryption still has to work. */
  readonly isChecked: boolean;
}

function openPkcs12(
  der: Buffer,
  source: string,
  passphrase: string | undefined,
): forge.pkcs12.Pkcs12Pfx {
  const attempts = attemptsOf(passphrase ?? '');
  refuseManyRounds(der, source);
  let cause: unknown;
  for (const { password, isChecked } of attempts) {
    try {
      const envelope = forge.asn1.fromDer(der.toString('binary'));
      if (!isChecked && Array.isArray(envelope.value)) envelope.value.splice(2);
      return forge.pkcs12.pkcs12FromAsn1(envelope, false, password);
    } catch (error) {
      cause ??= error;
    }
  }
  throw refusal(source, whyClosed(cause, passphrase), cause);
}

/** Whoever made the file says how often a key is hashed; nothing could be stopped in the middle of it. */
function refuseManyRounds(der: Buffer, source: string): void {
  const rounds = roundsIn(der.toString('binary'));
  if (rounds <= pkcs12RoundsMax) return;
  const most = `at most ${pkcs12RoundsMax} are done`;
  throw refusal(
    source,
    `it wants ${rounds} rounds for its passphrase, ${most}; make it with fewer`,
  );
}

/** The largest number that follows a salt, as in all parameters of this kind; 0 for what is no ASN.1. */
function roundsIn(bytes: string): number {
  try {
    return roundsBelow([forge.asn1.fromDer(bytes)]);
  } catch {
    return 0; // whoever reads it says what is wrong
  }
}

function roundsBelow(nodes: readonly forge.asn1.Asn1[]): number {
  const { INTEGER, OCTETSTRING } = forge.asn1.Type;
  const found = nodes.map(({ type, value }, index) => {
    if (Array.isArray(value)) return roundsBelow(value);
    if (type === OCTETSTRING) return roundsIn(value);
    const isCount = type === INTEGER && nodes[index - 1]?.type === OCTETSTRING;
    return isCount ? Number(`0x${Buffer.from(value, 'binary').toString('hex')}`) : 0;
  });
  return Math.max(0, ...found);
}

function attemptsOf(passphrase: string): Attempt[] {
  const plain = { password: passphrase, isChecked: true };
  const isAscii = Buffer.byteLength(passphrase) === passphrase.length;
  const password = Buffer.from(passphrase, 'utf8').toString('binary');
  return isAscii ? [plain] : [plain, { password, isChecked: false }];
}

function whyClosed(cause: unknown, passphrase: string | undefined): string {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (!/MAC could not be verified|password|decrypt/i.test(reason)) {
    return `it cannot be read as PKCS#12 (${reason}); make it again with openssl pkcs12 -export`;
  }
  return passphrase === undefined
    ? 'it is encrypted and there is no passphrase; give --passphrase-file'
    : 'the passphrase is wrong; check --passphrase-file';
}

function readKey(bag: forge.pkcs12.Bag, source: string): KeyObject {
  try {
    return createPrivateKey({ key: derOfKey(bag), format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw refusal(
      source,
      'the private key in it cannot be read: damaged or of no known kind',
      cause,
    );
  }
}

// Of what forge knows (RSA) it gives an object, of all else (EC, Ed25519) the ASN.1.
function derOfKey({ key, asn1 }: forge.pkcs12.Bag): Buffer {
  if (!key) return derOf(asn1);
  return derOf(forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(key)));
}

function readCertificate({ cert, asn1 }: forge.pkcs12.Bag, source: string): X509Certificate {
  try {
    return new X509Certificate(derOf(cert ? forge.pki.certificateToAsn1(cert) : asn1));
  } catch (cause) {
    throw refusal(source, 'a certificate in it cannot be read: it is damaged', cause);
  }
}

const derOf = (asn1: forge.asn1.Asn1): Buffer =>
  Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'binary');

function friendlyNameOf({ attributes }: forge.pkcs12.Bag): string {
  const names: unknown = attributes?.friendlyName;
  return Array.isArray(names) && typeof names[0] === 'string' ? names[0].trim() : '';
}
