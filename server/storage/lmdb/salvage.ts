// Walks over all blocks of a file, damaged or not, for verify and rebuild. Where the tree of blocks
// cannot be walked any further it asks for each remaining block by its number.

import type { Counters } from './counters.js';
import type { ReadOptions, Snapshot } from './environment.js';
import { FIRST_BLOCK } from './format.js';
import { isLmdbError } from './lmdb-error.js';
import type { Store } from './open-store.js';

export interface SalvagedBlock {
  readonly number: number;
  /** A copy; undefined when it cannot be read. It need not be intact. */
  readonly bytes: Buffer | undefined;
}

/** All blocks in order, on one state of the file. */
export function* salvageBlocks(store: Store, snapshot: Snapshot): Generator<SalvagedBlock> {
  let last = FIRST_BLOCK - 1;
  const range = { start: undefined, end: undefined, ...snapshot.options };
  const walk = store.blocks.getRange(range)[Symbol.iterator]();
  try {
    for (;;) {
      const next = orNothing(snapshot, () => walk.next());
      if (next?.done === true) return;
      if (next === undefined) break;
      last = next.value.key;
      yield { number: last, bytes: copyOf(store, next.value.value) };
    }
  } finally {
    walk.return?.();
  }
  const known = salvageCounters(store, snapshot)?.nextBlock;
  const end = known ?? lastBlock(store, snapshot) + 1;
  for (let number = last + 1; number < end; number++) {
    const block = readOne(store, number, snapshot);
    if (block !== undefined) yield block;
  }
}

/** The counters, undefined when they are damaged or cannot be read. */
export const salvageCounters = (store: Store, snapshot: Snapshot): Counters | undefined =>
  orNothing(snapshot, (options) => store.counters(options));

/** What a read gives, undefined when LMDB fails it. */
function orNothing<T>(snapshot: Snapshot, read: (options: ReadOptions) => T): T | undefined {
  try {
    return snapshot.attempt(read);
  } catch (error) {
    if (!isLmdbError(error)) throw error;
    return undefined;
  }
}

function readOne(store: Store, number: number, snapshot: Snapshot): SalvagedBlock | undefined {
  try {
    const bytes = snapshot.attempt((options) => store.blocks.getBinaryFast(number, options));
    return bytes === undefined ? undefined : { number, bytes: copyOf(store, bytes) };
  } catch (error) {
    if (!isLmdbError(error)) throw error;
    return { number, bytes: undefined };
  }
}

function copyOf(store: Store, shared: Buffer): Buffer | undefined {
  const { blockBytes } = store.layout;
  if (shared.length !== blockBytes) return undefined;
  return Buffer.from(store.environment.shared(shared, blockBytes));
}

function lastBlock(store: Store, snapshot: Snapshot): number {
  const last = orNothing(snapshot, (options) => {
    const range = { start: undefined, end: undefined, reverse: true, limit: 1, ...options };
    return [...store.blocks.getRange(range)][0]?.key;
  });
  return last ?? FIRST_BLOCK - 1;
}

/** Lets everybody else have a turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Blocks looked at in one turn by verify and rebuild. */
export const BLOCKS_PER_TURN = 32;
