// The LMDB file seen from outside of LMDB, with a file descriptor of our own: which state is its
// newest, the meta page of that state, and flushing it. page-file.ts has the drawing of a meta page.

import { closeSync, fdatasync, fdatasyncSync, openSync, readSync } from 'node:fs';
import { PAGE_BYTES } from './format.js';
import { META_BYTES, metaTransaction } from './page-file.js';

/** A committed state of an LMDB file. */
export interface FileState {
  /** The transaction that made it: one more than the state before. */
  readonly transaction: number;
  /** Bytes of the file up to its last page. */
  readonly bytes: number;
}

export class DataFile {
  readonly #fd: number;
  readonly #metas = Buffer.alloc(PAGE_BYTES + META_BYTES);

  constructor(path: string) {
    this.#fd = openSync(path, 'r');
  }

  /** The newest state. To be asked where no transaction can end meanwhile: inside a write transaction. */
  newest(): FileState {
    const metas = this.#metas;
    readSync(this.#fd, metas, 0, metas.length, 0);
    const first = metaTransaction(metas, 0);
    const second = metaTransaction(metas, PAGE_BYTES);
    const { transaction, lastPage } = second.transaction > first.transaction ? second : first;
    return { transaction, bytes: (lastPage + 1) * PAGE_BYTES };
  }

  /** The meta page of the newest state. */
  metaOf({ transaction }: FileState): Buffer {
    return this.page(transaction % 2);
  }

  /** A page; zeros where the file has ended. */
  page(number: number): Buffer {
    const page = Buffer.alloc(PAGE_BYTES);
    readSync(this.#fd, page, 0, PAGE_BYTES, number * PAGE_BYTES);
    return page;
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
