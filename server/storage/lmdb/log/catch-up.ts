// Gives LMDB what a process that died, in this run of the machine, had answered from the log only. To be called by
// everyone who opens a file, before a record is read or written: nobody answers from the log alone while another
// has the file open (openers.ts), so under LMDB's write lock what is in the log only is of a process that is gone.
//
//   1  the pages of LMDB's newest state are flushed
//   2  the log says that this is its checkpoint, and that these entries follow it
//   3  their steps again, in one transaction, which gets the number it had: then LMDB has them
//
// Who dies in between, or goes down with the machine, leaves the rest to the next opener.

import { existsSync } from 'node:fs';
import type { ReadTransaction } from '../environment.js';
import { commitError } from '../lmdb-error.js';
import type { Store } from '../open-store.js';
import { logPath } from '../paths.js';
import { pinState } from './checkpoint.js';
import { LogFile } from './log-file.js';
import { isStateOf } from './proof.js';
import { bodiesOf, disagrees, loggedTransactions, replayTransaction } from './replay.js';

/** ERR_DAMAGED when the log does not agree with the file, ERR_IOFAIL, ERR_NOSPAC. */
export function catchUp(store: Store, bootId: string): void {
  const { path } = store.layout;
  const file = existsSync(logPath(path)) ? LogFile.open(path) : undefined;
  if (file === undefined) return;
  const pins: ReadTransaction[] = [];
  try {
    replayTransaction(store, () => pendingOf(store, file, bootId, pins));
  } catch (error) {
    throw commitError(store.layout, error);
  } finally {
    for (const pin of pins) pin.done();
    file.close();
  }
}

/** Steps that are in the log only, and now behind a checkpoint of the state without them. In a transaction. */
function pendingOf(
  store: Store,
  file: LogFile,
  bootId: string,
  pins: ReadTransaction[],
): Buffer[] | undefined {
  const { data } = store.environment;
  const slot = file.newestSlot();
  if (slot === undefined || slot.isRetired || slot.bootId !== bootId) return undefined;
  const state = data.newest();
  const pending = loggedTransactions(file, slot).find(
    ({ transaction, entries }) =>
      transaction === state.transaction + 1 && entries[0]?.isDeferred === true,
  );
  // A file that was put in the place of another may have that one's log.
  if (pending === undefined || !isStateOf(data, slot)) return undefined;
  // It takes no writes, and a rebuild would do without these.
  if (store.salvage !== undefined) throw disagrees(store);
  data.sync();
  const { area, offset, entries } = pending;
  const { epoch, generation } = slot;
  const next = pinState(store, state, { epoch, generation: generation + 1, area, bootId });
  pins.push(next.pin);
  file.writeSlot({ ...next.slot, offset });
  file.sync();
  return bodiesOf(entries.filter(({ isDeferred }) => isDeferred));
}
