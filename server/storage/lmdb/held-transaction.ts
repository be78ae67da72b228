// The read transaction of keyed reads: one for each open file, kept while the file is open and taken anew once in a
// turn. lmdb-js has one of its own for everything else, but sets a timer whenever it takes that anew, which in
// a server that answers one read in a turn costs half as much as the read.
//
//   idle ──take()──▶ in use for this turn ──end of turn, or something was committed──▶ idle
//
// Between turns it holds up no reuse of pages.

import * as lmdb from 'lmdb';

/** The environment of an open file, as lmdb-js hands it to its native half. */
export type NativeEnvironment = object;

/** A read transaction of lmdb-js. */
export interface ReadTransaction {
  done(): void;
}

/** What is passed with a read, so that it is one of that transaction. */
export interface ReadOptions {
  readonly transaction: ReadTransaction;
}

interface NativeTransaction extends ReadTransaction {
  readonly address: number;
  abort(): void;
}

/** What we use of the native half of lmdb-js, which it exports without a type. */
interface Native {
  readonly Txn: new (environment: NativeEnvironment, flags: number) => NativeTransaction;
  resetTxn(address: number): void;
}

const { nativeAddon } = lmdb as unknown as { readonly nativeAddon: Native };
const READ_ONLY = 0x20000;

export class HeldTransaction {
  readonly #transaction: NativeTransaction;
  readonly #options: ReadOptions;
  #isInUse = false;
  #isClosed = false;

  /**
   * To be made before lmdb-js has read anything: cursors are opened on the transaction made last, which
   * must not be this one.
   */
  constructor(environment: NativeEnvironment) {
    this.#transaction = new nativeAddon.Txn(environment, READ_ONLY);
    this.#options = { transaction: this.#transaction };
    this.release();
  }

  /** To be passed with each read of one step; the first of a turn sees all that is committed by now. */
  take(): ReadOptions {
    if (!this.#isInUse) {
      this.#isInUse = true;
      setImmediate(this.release);
    }
    return this.#options;
  }

  /** The next read takes the state of the file anew; LMDB does that by itself. */
  readonly release = (): void => {
    if (this.#isClosed) return;
    this.#isInUse = false;
    nativeAddon.resetTxn(this.#transaction.address);
  };

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#transaction.abort();
  }
}
