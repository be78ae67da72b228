// Walks over all blocks of a file, damaged or not, for verify and rebuild. Both have looked at the
// pages of its trees before, so that only what is sound is asked of LMDB.

import type { Counters } from './counters.js';
import type { Snapshot } from './environment.js';
import { isLmdbError } from './lmdb-error.js';
import type { Store } from './open-store.js';

export interface SalvagedBlock {
  readonly number: number;
  /** A copy; undefined when it cannot be read. It need not be intact. */
  readonly bytes: Buffer | undefined;
}

/** All blocks in order, on one state of the file. */
export function* salvageBlocks(store: Store, snapshot: Snapshot): Generator<SalvagedBlock> {
  const { blockBytes } = store.layout;
  for (const { key: number, value } of store.blocksFrom(undefined, false, snapshot.options)) {
    const isBlock = value.length === blockBytes;
    const bytes = isBlock ? Buffer.from(store.environment.shared(value, blockBytes)) : undefined;
    yield { number, bytes };
  }
}

/** The counters, undefined when they are damaged or cannot be read. */
export function salvageCounters(store: Store, snapshot: Snapshot): Counters | undefined {
  try {
    return snapshot.attempt((options) => store.counters(options));
  } catch (error) {
    if (!isLmdbError(error)) throw error;
    return undefined;
  }
}

/** Lets everybody else have a turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Blocks looked at in one turn by verify and rebuild. */
export const BLOCKS_PER_TURN = 32;
