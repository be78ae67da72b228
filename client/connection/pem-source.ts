// PEM texts that options name: by a path, as a text or as bytes. Read anew for each connection, so that a changed file
// counts; what is wrong is said by the option's name before anybody is connected to.

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { RsyndError } from '../../shared/base/error.js';
import { definitionFileBytesMax } from '../../shared/base/limits.js';
import { splitPem } from '../../shared/tls/pem.js';
import type { PemSource } from '../open-options.js';

/** Text of a PEM source. The source is named in messages only when it is a path. */
export async function loadPem(source: PemSource, option: string): Promise<string> {
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

/**
 * The certificates of a text, which has one. node:tls passes silently over what is no PEM: a path given for a text
 * would mean "trust nobody".
 */
export function certificatesOf(text: string, option: string): readonly string[] {
  const { certificates, privateKeys } = splitPem(text);
  if (certificates.length === 0) throw unusable(`${option} ${whatInstead(text, privateKeys)}`);
  for (const [index, certificate] of certificates.entries()) {
    refuseDamaged(certificate, `${option}: certificate ${index + 1}`);
  }
  return certificates;
}

function whatInstead(text: string, privateKeys: readonly string[]): string {
  if (privateKeys.length > 0) return 'holds a private key and no certificate; keys are for tls.key';
  const label = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(text)?.[1];
  if (label === undefined) return 'holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)';
  return `holds no certificate in PEM form, but: ${label}`;
}

function refuseDamaged(certificate: string, what: string): void {
  try {
    new X509Certificate(certificate);
  } catch (cause) {
    throw unusable(`${what} cannot be read: it is damaged`, cause);
  }
}

export const isPath = (source: PemSource): source is string =>
  typeof source === 'string' && !source.includes('-----BEGIN ');

export const unusable = (why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_TLSCONF', why, { cause });
