// Runs of sorted rows that did not fit into memory. The file lies beside the file that is selected from
// (it holds its records, which must not stray to a shared temporary directory), only its owner may read
// it, and it has no name any more once it is open, so that a crash leaves nothing behind. What is in it is
// as unencrypted as the file itself.
//
//   run    = entry …
//   entry  = key, always the same length | length of the row, 4 bytes, big-endian | row

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { RsyndError } from '../../shared/base/error.js';

/** A run: bytes from `start` to `end` of the file. */
export interface SpilledRun {
  readonly start: number;
  readonly end: number;
}

export class SpillFile {
  readonly #handle: FileHandle;
  #end = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** ERR_IOFAIL when the directory takes no file; ERR_NOSPAC when it has no room. */
  static async make(directory: string): Promise<SpillFile> {
    const path = join(directory, `.rsynd-sort-${randomBytes(8).toString('hex')}`);
    try {
      const handle = await open(path, 'wx+', 0o600);
      await unlink(path);
      return new SpillFile(handle);
    } catch (error) {
      throw spillFailed(error);
    }
  }

  /** Bytes written so far: where the next run begins. */
  get end(): number {
    return this.#end;
  }

  async append(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const part = bytes.subarray(written);
      const { bytesWritten } = await this.#handle
        .write(part, 0, part.length, this.#end)
        .catch(rethrow);
      written += bytesWritten;
      this.#end += bytesWritten;
    }
  }

  /** Fills `target` from `position` on. */
  async read(target: Uint8Array, position: number): Promise<void> {
    let filled = 0;
    while (filled < target.length) {
      const part = target.subarray(filled);
      const { bytesRead } = await this.#handle
        .read(part, 0, part.length, position + filled)
        .catch(rethrow);
      if (bytesRead === 0) throw spillFailed(new Error('the file of sorted rows is cut short'));
      filled += bytesRead;
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

const rethrow = (error: unknown): never => {
  throw spillFailed(error);
};

function spillFailed(cause: unknown): RsyndError {
  const isFull = cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC';
  const way = 'order by a key, set a limit, or select fewer records';
  if (isFull) return new RsyndError('ERR_NOSPAC', `no room to sort; ${way}`, { cause });
  return new RsyndError('ERR_IOFAIL', `rows to sort cannot be put beside the file; ${way}`, {
    cause,
  });
}
