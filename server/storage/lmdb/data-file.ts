// The LMDB file seen from outside of LMDB, with a file descriptor of our own: which state is its
// newest, the meta page of that state, and flushing it. page-file.ts has the drawing of a meta page.

import { closeSync, fdatasync, fdatasyncSync, fstatSync, openSync, readSync } from 'node:fs';
import { META_BYTES, metaPageBytes, metaTransaction } from './page-file.js';

/** A committed state of an LMDB file. */
export interface FileState {
  /** The transaction that made it: one more than the state before. */
  readonly transaction: number;
  /** Bytes of the file up to its last page. */
  readonly bytes: number;
}

export class DataFile {
  readonly #fd: number;
  readonly #pageBytes: number;
  readonly #metas: Buffer;

  constructor(path: string) {
    this.#fd = openSync(path, 'r');
    const meta = Buffer.alloc(META_BYTES);
    readSync(this.#fd, meta, 0, META_BYTES, 0);
    this.#pageBytes = metaPageBytes(meta);
    this.#metas = Buffer.alloc(this.#pageBytes + META_BYTES);
  }

  /** The newest state. To be asked where no transaction can end meanwhile: inside a write transaction. */
  newest(): FileState {
    const metas = this.#metas;
    readSync(this.#fd, metas, 0, metas.length, 0);
    const first = metaTransaction(metas, 0);
    const second = metaTransaction(metas, this.#pageBytes);
    const { transaction, lastPage } = second.transaction > first.transaction ? second : first;
    return { transaction, bytes: (lastPage + 1) * this.#pageBytes };
  }

  /** The meta page of the newest state. */
  metaOf({ transaction }: FileState): Buffer {
    return this.page(transaction % 2);
  }

  /** A page; zeros where the file has ended. */
  page(number: number): Buffer {
    const page = Buffer.alloc(this.#pageBytes);
    readSync(this.#fd, page, 0, page.length, number * this.#pageBytes);
    return page;
  }

  /** How long the file is by now. */
  bytes(): number {
    return fstatSync(this.#fd).size;
  }

  /** Makes all pages written so far durable. */
  sync(): void {
    fdatasyncSync(this.#fd);
  }

  /** The same, while others work on. */
  flush(done: (error: unknown) => void): void {
    fdatasync(this.#fd, done);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
