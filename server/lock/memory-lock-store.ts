// Locks kept in this process: for the engine in memory, for tests, and for directories that cannot be
// written to. With `later` each step runs in a later turn, so that nothing above relies on this one.

import type { Answer } from '../../shared/base/answer.js';
import type { LockEntry, LockStore, LockStores, LockTable } from './lock-store.js';

export interface MemoryLockStoreOptions {
  /** Answer always later, as a store across a network does. @default false */
  readonly later?: boolean;
  /** See `LockStore.inputOnly`. @default false */
  readonly inputOnly?: boolean;
}

/** Stores that last as long as the object returned; several managers may share it. */
export function createMemoryLockStores(options: MemoryLockStoreOptions = {}): LockStores {
  const stores = new Map<string, LockStore>();
  return {
    storeFor: (directory) => {
      const known = stores.get(directory) ?? createMemoryLockStore(options);
      stores.set(directory, known);
      return known;
    },
  };
}

/** One table in memory. `close` keeps it, because others may share it. */
export function createMemoryLockStore(options: MemoryLockStoreOptions = {}): LockStore {
  const rows = new Map<string, Buffer>();
  const run = <T>(change: (table: LockTable) => T): T => {
    const table = new MemoryLockTable(rows);
    try {
      return change(table);
    } catch (error) {
      table.undo();
      throw error;
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  const runLater = <T>(change: (table: LockTable) => T): Promise<T> => {
    const turn = last.then(() => new Promise((next) => setImmediate(next)));
    const answer = turn.then(() => run(change));
    last = answer.catch(() => undefined); // Its caller is told; the next step runs all the same.
    return answer;
  };
  return {
    inputOnly: options.inputOnly ?? false,
    transact: <T>(change: (table: LockTable) => T): Answer<T> =>
      options.later === true ? runLater(change) : run(change),
    close: () => undefined,
  };
}

/** Keys are held as latin1 text: its order is that of the bytes. */
class MemoryLockTable implements LockTable {
  readonly #rows: Map<string, Buffer>;
  readonly #before = new Map<string, Buffer | undefined>();

  constructor(rows: Map<string, Buffer>) {
    this.#rows = rows;
  }

  get(key: Buffer): Buffer | undefined {
    return this.#rows.get(key.toString('latin1'));
  }

  put(key: Buffer, value: Buffer): void {
    this.#rows.set(this.#remember(key), Buffer.from(value));
  }

  remove(key: Buffer): void {
    this.#rows.delete(this.#remember(key));
  }

  range(prefix: Buffer, limit = Number.POSITIVE_INFINITY): readonly LockEntry[] {
    const start = prefix.toString('latin1');
    const found: string[] = [];
    for (const key of this.#rows.keys()) if (key.startsWith(start)) found.push(key);
    found.sort(); // Code units, which for latin1 is the order of the bytes.
    return found.slice(0, limit).map((text) => ({
      key: Buffer.from(text, 'latin1'),
      value: Buffer.from(this.#rows.get(text) ?? []),
    }));
  }

  undo(): void {
    for (const [key, value] of this.#before) {
      if (value === undefined) this.#rows.delete(key);
      else this.#rows.set(key, value);
    }
  }

  #remember(key: Buffer): string {
    const text = key.toString('latin1');
    if (!this.#before.has(text)) this.#before.set(text, this.#rows.get(text));
    return text;
  }
}
