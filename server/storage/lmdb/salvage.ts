// Walks over all blocks of a file, damaged or not, for verify and rebuild. Where the tree of blocks
// cannot be walked any further it asks for each remaining block by its number.

import type { ReadOptions } from './environment.js';
import { FIRST_BLOCK } from './format.js';
import { isLmdbError } from './lmdb-error.js';
import type { Store } from './open-store.js';

export interface SalvagedBlock {
  readonly number: number;
  /** A copy; undefined when it cannot be read. It need not be intact. */
  readonly bytes: Buffer | undefined;
}

/** All blocks in order, on one state of the file. */
export function* salvageBlocks(store: Store, options: ReadOptions): Generator<SalvagedBlock> {
  let last = FIRST_BLOCK - 1;
  try {
    const range = { start: undefined, end: undefined, ...options };
    for (const { key: number, value } of store.blocks.getRange(range)) {
      last = number;
      yield { number, bytes: copyOf(store, value) };
    }
    return;
  } catch (error) {
    if (!isLmdbError(error)) throw error;
  }
  const end = store.counters()?.nextBlock ?? lastBlock(store, options) + 1;
  for (let number = last + 1; number < end; number++) {
    const block = readOne(store, number, options);
    if (block !== undefined) yield block;
  }
}

function readOne(store: Store, number: number, options: ReadOptions): SalvagedBlock | undefined {
  try {
    const bytes = store.blocks.getBinaryFast(number, options);
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

function lastBlock(store: Store, options: ReadOptions): number {
  try {
    const range = { start: undefined, end: undefined, reverse: true, limit: 1, ...options };
    for (const { key } of store.blocks.getRange(range)) return key;
  } catch (error) {
    if (!isLmdbError(error)) throw error;
  }
  return FIRST_BLOCK - 1;
}

/** Lets everybody else have a turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Blocks looked at in one turn by verify and rebuild. */
export const BLOCKS_PER_TURN = 32;
