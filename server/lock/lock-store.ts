// Where locks and claims are kept: a small ordered table of bytes, changed in atomic steps that all
// processes of the machine see. Everything the lock manager knows about grants, queues and death is
// written once over this interface. To add a store: pass test/conformance/lock.ts.

import type { Answer } from '../../shared/base/answer.js';

export interface LockEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The table inside one step. Keys are up to 500 bytes and ordered by memcmp; values are small. */
export interface LockTable {
  get(key: Buffer): Buffer | undefined;
  put(key: Buffer, value: Buffer): void;
  remove(key: Buffer): void;
  /** Copies of the entries whose key begins with `prefix`, in order; at most `limit` of them. */
  range(prefix: Buffer, limit?: number): readonly LockEntry[];
}

/** The table of one directory. */
export interface LockStore {
  /**
   * True where other processes cannot be told of locks (the directory is not writable): then only
   * input-mode claims are given, and they hold inside this process alone.
   */
  readonly inputOnly: boolean;
  /** Runs `change` alone of all processes; nothing of it stays when it throws. Not re-entrant. */
  transact<T>(change: (table: LockTable) => T): Answer<T>;
  close(): Answer<void>;
}

/** Gives the store of a directory: the same object until its file was replaced or it was closed. */
export interface LockStores {
  storeFor(directory: string): LockStore;
}
