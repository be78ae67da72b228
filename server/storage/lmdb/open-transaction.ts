// LMDB's write transaction of one open file, which may stay open over several groups of steps. Committing costs LMDB
// pages, a list of free ones and a meta page, however little was changed; so groups that are durable already, in
// the log, share one commit. What is in it is answered, and nobody has seen the file without it:
//
//            begin                    commit, or undo
//   closed ────────▶ open (takes LMDB's write lock) ────────▶ closed
//                     │ somebody looks at the file: `settle` commits it first
//                     ▼
//                    lost: what was answered could not be committed. It is in the log; nothing of the file is read or
//                    written until it is opened anew, which takes it from there
//
// lmdb-js ends a transaction when the promise that its step gave is fulfilled, and calls back synchronously: so a
// promise of our own keeps it open. Until then all reads of the file by lmdb-js are of the open transaction.

import { ABORT } from 'lmdb';
import { type Seen, type Transacting, transactOnNewest } from './head.js';

/** All that are open in this process. */
const allOpen = new Set<OpenTransaction>();

/**
 * Commits all that this process has open, of any file: to be called before it waits for another process that may
 * wait for one of them, as who opens a file does. A failure is left to the next who looks at that file.
 */
export function settleAll(): void {
  for (const open of [...allOpen]) {
    try {
      open.settle();
    } catch {
      // Of `lose`: thrown again whenever that file is read or written.
    }
  }
}

export class OpenTransaction {
  readonly #root: Transacting;
  readonly #seen: Seen;
  #finish: ((result: unknown) => void) | undefined;
  #settle: (() => void) | undefined;
  #isSettling = false;
  #loss: Error | undefined;

  constructor(root: Transacting, seen: Seen) {
    this.#root = root;
    this.#seen = seen;
  }

  get isOpen(): boolean {
    return this.#finish !== undefined;
  }

  /** Waits for LMDB's write lock. `settle` is called when somebody is about to look, and must end it. */
  begin(settle: () => void): void {
    this.settle();
    transactOnNewest<unknown>(this.#root, this.#seen, () => ({
      // biome-ignore lint/suspicious/noThenProperty: this is how lmdb-js is kept waiting.
      then: (finish: (result: unknown) => void) => {
        this.#finish = finish;
      },
    }));
    if (this.#finish === undefined) throw new Error('lmdb-js left no transaction open');
    this.#settle = settle;
    allOpen.add(this);
  }

  /** Commits what is open, if anything: to be called before the file is looked at. Throws what was lost. */
  settle(): void {
    if (this.#loss !== undefined) throw this.#loss;
    if (this.#settle === undefined || this.#isSettling) return;
    this.#isSettling = true;
    try {
      this.#settle();
    } finally {
      this.#isSettling = false;
    }
    if (this.#loss !== undefined) throw this.#loss;
  }

  /** Throws when LMDB fails it, and then it is undone. */
  commit(): void {
    this.#end(undefined);
  }

  undo(): void {
    this.#end(ABORT);
  }

  /** From now on the file is neither read nor written. */
  lose(loss: Error): void {
    this.#loss = loss;
  }

  #end(result: unknown): void {
    const finish = this.#finish;
    this.#finish = undefined;
    this.#settle = undefined;
    allOpen.delete(this);
    finish?.(result);
  }
}
