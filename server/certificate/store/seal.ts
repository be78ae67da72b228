// Seals private keys with AES-256-GCM under a key of this installation, so that neither a copy of the store nor
// a backup of the data directory without `seal.key` gives a key away. Called by the certificate store and the
// local authority. It knows bytes and the name they are bound to, not what they are.
//
//   seal.key       64 hex digits, one line; $RSYND_SEAL_KEY_FILE lets it live on another disk

import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { constants, copyFileSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RsyndError } from '../../../shared/base/error.js';
import { isObject } from '../../../shared/base/is-object.js';
import { NoPlainFile, readPlainFile } from '../../state/plain-file.js';
import type { StateDirectory } from '../../state/state-directory.js';

/** A sealed secret, as it lies on disk: never change the meaning of a field. */
export interface Sealed {
  /** Which seal key: a wrong one is told from damage. No secret. */
  readonly under: string;
  readonly nonce: string;
  readonly tag: string;
  readonly text: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const KEY = /^[0-9a-f]{64}$/;
const KEY_FILE = 'seal.key';
const KEY_BYTES = 32;
const KEY_FILE_BYTES_MAX = 4096;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class Seal {
  /** Where the key is or will be. */
  readonly path: string;
  #key: Buffer | undefined;

  constructor(state: StateDirectory, env: Environment = process.env) {
    this.path = env.RSYND_SEAL_KEY_FILE || join(state.path, KEY_FILE);
  }

  /**
   * Seals `secret` for the thing `name`; nothing else can be opened with it. Makes the key when there is
   * none and `mayMakeKey`: say so only when nothing was sealed yet. Call it while changing the state.
   * @throws RsyndError ERR_CONFIG when the key is missing or unusable.
   */
  close(secret: Uint8Array, name: string, mayMakeKey: boolean): Sealed {
    const key = this.#readKey() ?? (mayMakeKey ? this.#makeKey() : this.#missing());
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name));
    const text = Buffer.concat([cipher.update(secret), cipher.final()]);
    const [under, tag] = [markOf(key), cipher.getAuthTag().toString('base64')];
    return { under, nonce: nonce.toString('base64'), tag, text: text.toString('base64') };
  }

  /** The secret. ERR_CONFIG: the key is missing, another one, or what was sealed was changed. */
  open(sealed: Sealed, name: string): Buffer {
    const key = this.#readKey() ?? this.#missing();
    if (markOf(key) !== sealed.under) {
      throw this.#unusable('is not the key this store was sealed with; put that one back');
    }
    const bytesOf = (text: string): Buffer => Buffer.from(text, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytesOf(sealed.nonce), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(name)).setAuthTag(bytesOf(sealed.tag));
      return Buffer.concat([decipher.update(bytesOf(sealed.text)), decipher.final()]);
    } catch (cause) {
      const why = `the sealed key of ${name} was changed on disk; import it again`;
      throw new RsyndError('ERR_CONFIG', why, { file: this.path, cause });
    }
  }

  #readKey(): Buffer | undefined {
    if (this.#key !== undefined) return this.#key;
    let text: string;
    try {
      text = readPlainFile(this.path, KEY_FILE_BYTES_MAX).toString('latin1').trim();
    } catch (cause) {
      if (cause instanceof NoPlainFile) throw this.#unusable(cause.message);
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
      if (code === 'ENOENT') return undefined;
      throw this.#unusable(`cannot be read (${code})`, cause);
    }
    if (!KEY.test(text)) throw this.#unusable('is damaged: it must be 64 hexadecimal digits');
    this.#key = Buffer.from(text, 'hex');
    return this.#key;
  }

  #makeKey(): Buffer {
    const key = randomBytes(KEY_BYTES);
    // Whole or not at all: half a key left by a crash would look like a damaged one for ever.
    const draft = `${this.path}.${randomBytes(6).toString('hex')}.new`;
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
      writeFileSync(draft, `${key.toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true });
      putInPlace(draft, this.path);
    } catch (cause) {
      throw this.#unusable('cannot be made', cause);
    } finally {
      rmSync(draft, { force: true });
    }
    this.#key = key;
    return key;
  }

  #missing(): never {
    throw this.#unusable(
      'is missing, and without it no private key of the store can be opened; put it back from a ' +
        'backup, or name the file that holds it in RSYND_SEAL_KEY_FILE',
    );
  }

  #unusable(why: string, cause?: unknown): RsyndError {
    return new RsyndError('ERR_CONFIG', `seal key ${this.path} ${why}`, { file: this.path, cause });
  }
}

/** Never over a key that somebody else has put there meanwhile. */
function putInPlace(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch {
    copyFileSync(draft, path, constants.COPYFILE_EXCL); // a file system without links
  }
}

const markOf = (key: Buffer): string =>
  createHash('sha256').update('rsynd seal').update(key).digest('hex').slice(0, 16);

/** Checks what was read from disk. Throws Error with what is wrong. */
export function decodeSealed(value: unknown): Sealed {
  if (!isObject(value)) throw new Error('a sealed key is no object');
  const { under, nonce, tag, text } = value;
  if ([under, nonce, tag, text].every((part) => typeof part === 'string')) {
    return value as unknown as Sealed;
  }
  throw new Error('a sealed key misses a part');
}
