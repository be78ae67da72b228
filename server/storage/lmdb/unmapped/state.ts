// Describes the newest committed state of an open file for who reads it from the disk, and tells whether it is the
// newest one still. While it is, its pages are as they were: LMDB writes none of its newest state anew, reader or not.

import type { UnmappedState } from '../../engine.js';
import type { Store } from '../open-store.js';

/** Of the state looked at last; undefined when trees or counters of the file are damaged, or it has no blocks. */
export function unmappedState(store: Store, identity: string): UnmappedState | undefined {
  const { blocksRoot, committed, layout, proof, salvage } = store;
  const counters = salvage === undefined ? store.committedCounters() : undefined;
  if (counters === undefined || blocksRoot === undefined) return undefined;
  const { path, blockBytes, overheadBytes } = layout;
  const { transaction, lastPage } = committed;
  const { nextBlock } = counters;
  const proven = proof.shared(nextBlock);
  return {
    path,
    identity,
    transaction,
    blocksRoot,
    lastPage,
    blockBytes,
    overheadBytes,
    nextBlock,
    proven,
  };
}

/** Of a state of this store, to be asked after a look: nothing was committed since. */
export const isNewest = (store: Store, { transaction }: UnmappedState): boolean =>
  store.committed.transaction === transaction && store.salvage === undefined;
