// Randomness for what the program itself makes up: session ids, nonces. `node:crypto` is always the
// source; a file named by $SYNSSL_RAND is mixed in, for machines whose owner does not trust the
// system's generator alone. Used by server and client at start; TLS has its own generator.

import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { RsyndError } from '../base/error.js';
import { randomStateBytesMax, randomStateBytesMin } from '../base/limits.js';

/** Gives fresh random bytes; `bytes` up to 4096. */
export type NonceSource = (bytes: number) => Buffer;

/**
 * The nonce source for an environment. Without SYNSSL_RAND it is `randomBytes`; with it, every nonce is
 * HKDF-SHA256 of fresh random bytes, salted with a digest of the file: never weaker than either.
 * @throws RsyndError ERR_RNDSTATE when SYNSSL_RAND is set and its file cannot be used.
 */
export function loadNonceSource(
  env: Readonly<Record<string, string | undefined>> = process.env,
): NonceSource {
  const path = env.SYNSSL_RAND;
  if (path === undefined || path === '') return randomBytes;
  const salt = createHash('sha256').update(readRandomState(path)).digest();
  return (bytes) => Buffer.from(hkdfSync('sha256', randomBytes(64), salt, 'rsynd nonce', bytes));
}

function readRandomState(path: string): Buffer {
  const state = Buffer.alloc(randomStateBytesMax);
  const length = readStart(path, state);
  if (length >= randomStateBytesMin) return state.subarray(0, length);
  throw cannotLoad(path, `holds ${length} bytes, at least ${randomStateBytesMin} are needed`);
}

// Only files and devices, and without blocking: a pipe nobody writes to would hold the start for ever.
function readStart(path: string, target: Buffer): number {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(file);
    if (!stat.isFile() && !stat.isCharacterDevice()) throw cannotLoad(path, 'is not a file');
    return readSync(file, target);
  } catch (cause) {
    if (cause instanceof RsyndError) throw cause;
    throw cannotLoad(path, 'cannot be read', cause);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

const cannotLoad = (path: string, why: string, cause?: unknown): RsyndError =>
  new RsyndError(
    'ERR_RNDSTATE',
    `${path}, named by SYNSSL_RAND, ${why}; name a readable file of random bytes or unset it`,
    { file: path, cause },
  );
