// A reader of LMDB that outlives its reads: one for each open file. While it is taken, LMDB writes no page anew that
// the state it was taken at, or a later one, has.

import * as lmdb from 'lmdb';

/** The environment of an open file, as lmdb-js hands it to its native half. */
export type NativeEnvironment = object;

interface NativeTransaction {
  readonly address: number;
  renew(): void;
  abort(): void;
}

/** What we use of the native half of lmdb-js, which it exports without a type. */
interface Native {
  readonly Txn: new (environment: NativeEnvironment, flags: number) => NativeTransaction;
  resetTxn(address: number): void;
}

const { nativeAddon } = lmdb as unknown as { readonly nativeAddon: Native };
const READ_ONLY = 0x20000;

export type Slot = Pick<ReaderSlot, 'isTaken' | 'take' | 'release' | 'close'>;

/** LMDB's reader that keeps pages for us. */
export class ReaderSlot {
  readonly #transaction: NativeTransaction;
  #isTaken = true;
  #isClosed = false;

  /**
   * To be made before lmdb-js has read anything: cursors are opened on the transaction made last, which
   * must not be this one.
   */
  constructor(environment: NativeEnvironment) {
    this.#transaction = new nativeAddon.Txn(environment, READ_ONLY);
    this.release();
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Keeps the newest state, and all that come after it. */
  take(): void {
    this.release();
    this.#transaction.renew();
    this.#isTaken = true;
  }

  /** Also when it is not taken: lmdb-js may have taken it for a read of its own while it had no other. */
  release(): void {
    if (this.#isClosed) return;
    this.#isTaken = false;
    nativeAddon.resetTxn(this.#transaction.address);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#transaction.abort();
  }
}
