// Where the certificate file is and what is in it, as text. Every way in which a file can be unusable
// has a message of its own, because this is where most first starts with -encrypt fail.

import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RsyndError } from '../../shared/base/error.js';
import { definitionFileBytesMax } from '../../shared/base/limits.js';

/** A place to read from and how it was chosen, for messages. */
export interface CertificateFile {
  readonly path: string;
  /** `-cert` as given, or the environment variable the default comes from. */
  readonly origin: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

// Two letters at least, so that a Windows drive is never taken for a logical.
const LOGICAL = /^([A-Za-z_][A-Za-z0-9_]+):(.+)$/s;

/**
 * The file of `-cert`, else `$DBLDIR/rsynd.pem`. `NAME:rest` is `rest` in the directory that the
 * environment variable NAME (a "logical") holds, when there is one.
 * @throws RsyndError ERR_TLSCONF when there is neither `-cert` nor DBLDIR.
 */
export function resolveCertificateFile(
  option: string | undefined,
  env: Environment = process.env,
): CertificateFile {
  if (option !== undefined) {
    return { path: resolve(expandLogical(option, env)), origin: `-cert=${option}` };
  }
  if (env.DBLDIR) return { path: resolve(env.DBLDIR, 'rsynd.pem'), origin: '$DBLDIR/rsynd.pem' };
  throw new RsyndError(
    'ERR_TLSCONF',
    'there is no certificate file: -cert is not given and DBLDIR, where rsynd.pem is looked for ' +
      'by default, is not set; give -cert=FILE',
  );
}

function expandLogical(option: string, env: Environment): string {
  const [, name = '', rest = ''] = LOGICAL.exec(option) ?? [];
  const directory = name === '' ? undefined : env[name];
  return directory ? join(directory, rest) : option;
}

/** What was read, and who else could. */
export interface CertificateText {
  readonly text: string;
  /** True when the file's mode lets group or others read the private key. */
  readonly isReadableByOthers: boolean;
}

/**
 * Reads a certificate file whole.
 * @throws RsyndError ERR_TLSCONF: missing, a directory, no plain file, too large, unreadable.
 */
export async function readCertificateFile(file: CertificateFile): Promise<CertificateText> {
  try {
    const { mode, size } = await statPlainFile(file);
    if (size > definitionFileBytesMax) throw unusable(file, `is too large (${size} bytes)`);
    const text = await readFile(file.path, 'latin1');
    return { text, isReadableByOthers: process.platform !== 'win32' && (mode & 0o044) !== 0 };
  } catch (cause) {
    if (cause instanceof RsyndError) throw cause;
    throw unusable(file, whyUnreadable(cause), cause);
  }
}

async function statPlainFile(file: CertificateFile): Promise<{ mode: number; size: number }> {
  const facts = await stat(file.path);
  if (facts.isDirectory()) throw unusable(file, 'is a directory; name the PEM file in it');
  if (!facts.isFile()) throw unusable(file, 'is not a plain file');
  return facts;
}

function whyUnreadable(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return 'does not exist; rsynd.pem.example tells how to make it';
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return 'cannot be read: permission denied; let the account of the server read it';
  }
  return `cannot be read: ${code}`;
}

const unusable = (file: CertificateFile, why: string, cause?: unknown): RsyndError =>
  new RsyndError('ERR_TLSCONF', `certificate file ${file.path} (${file.origin}) ${why}`, {
    file: file.path,
    cause,
  });
