// A checkpoint in the making: a state of an LMDB file that is pinned, and the slot that says where it is.
// It counts once its pages are flushed and its slot is on the disk.

import { checkpointBytesMax, checkpointBytesMin } from '../../../../shared/base/limits.js';
import type { FileState } from '../data-file.js';
import type { ReadTransaction } from '../environment.js';
import { damaged } from '../lmdb-error.js';
import type { Store } from '../open-store.js';
import type { Slot } from './format.js';
import { digestOfState } from './proof.js';

export interface Checkpoint {
  readonly slot: Slot;
  readonly pin: ReadTransaction;
  /** Its pages are on the disk. */
  isFlushed: boolean;
}

/** Pins `state`, the newest of the file. To be called in a write transaction. ERR_DAMAGED. */
export function pinState(
  { environment, layout }: Store,
  state: FileState,
  place: Pick<Slot, 'generation' | 'epoch' | 'area' | 'bootId'>,
): Checkpoint {
  const meta = environment.data.metaOf(state);
  const digest = digestOfState(environment.data, meta);
  if (digest === undefined) throw damaged(layout, 'its header cannot be read');
  const first = state.transaction + 1;
  const slot = { ...place, offset: 0, first, isRetired: false, meta, digest };
  return { slot, pin: environment.pin(), isFlushed: false };
}

/** Bytes written to pages after which the next checkpoint is due. */
export const dueBytes = ({ bytes }: FileState): number =>
  Math.min(checkpointBytesMax, Math.max(checkpointBytesMin, bytes / 16));
