// Recovers a file after the machine went down under its writers (power, kernel): back to the last
// checkpoint, and then all steps of the log again. Before LMDB opens the file, because its newest pages
// may be torn. ../README.md has the rules.
//
//   nothing to do    no log; or it was written in this run of the machine: a process may have died, but
//                    the system has all it wrote, and catch-up.ts sees to what it had not written yet
//   beginRecovery    one process at a time; the meta page of the checkpoint is written back
//   replay           LMDB has the file open; steps again, each with the outcome it had; the log is removed

import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { RsyndError } from '../../../../shared/base/error.js';
import { DataFile } from '../data-file.js';
import { syncDirectory } from '../flush.js';
import { commitError, readError } from '../lmdb-error.js';
import type { Store } from '../open-store.js';
import { metaPageBytes, twinOf } from '../page-file.js';
import { lockPath, logPath, unusedLogPath } from '../paths.js';
import type { Slot } from './format.js';
import { LogFile } from './log-file.js';
import { isStateOf } from './proof.js';
import { RecoveryClaim } from './recovery-claim.js';
import { bodiesOf, loggedTransactions, replayTransaction } from './replay.js';

/** A recovery under way: the file is at its checkpoint. */
export class Recovery {
  readonly #path: string;
  readonly #file: LogFile;
  readonly #slot: Slot;
  readonly #claim: RecoveryClaim;
  #isOver = false;

  constructor(path: string, file: LogFile, slot: Slot, claim: RecoveryClaim) {
    this.#path = path;
    this.#file = file;
    this.#slot = slot;
    this.#claim = claim;
  }

  /** Takes all steps of the log again and removes it. ERR_DAMAGED when one has another outcome. */
  replay(store: Store): void {
    const { environment } = store;
    // A power failure now must find the checkpoint as it is.
    const pin = environment.pin();
    try {
      for (const { entries } of loggedTransactions(this.#file, this.#slot)) {
        replayTransaction(store, () => bodiesOf(entries));
      }
      environment.data.sync();
      this.#file.retire(this.#path, this.#slot);
      syncDirectory(this.#path);
    } catch (error) {
      throw commitError(store.layout, error);
    } finally {
      pin.done();
      this.end();
    }
  }

  /** Leaves the rest to the next who opens the file. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#file.close();
    this.#claim.release();
  }
}

/**
 * Undefined when the file at `path` needs no recovery. Waits while another process recovers it.
 * ERR_DAMAGED, ERR_FINUSE.
 */
export function beginRecovery(path: string, name: string, bootId: string): Recovery | undefined {
  if (!existsSync(logPath(path)) || !isFromEarlierRun(path, name, bootId)) return undefined;
  const claim = RecoveryClaim.take(path, name);
  let file: LogFile | undefined;
  try {
    file = LogFile.open(path);
    const slot = file?.newestSlot();
    // Another process may have recovered the file while we waited.
    if (file !== undefined && slot !== undefined && isToBeRecovered(slot, bootId)) {
      if (isLogOf(path, slot)) {
        restoreCheckpoint(path, slot);
        return new Recovery(path, file, slot, claim);
      }
      putAside(path, name);
    }
  } catch (error) {
    file?.close();
    claim.release();
    throw readError({ name }, error);
  }
  file?.close();
  claim.release();
  return undefined;
}

function isFromEarlierRun(path: string, name: string, bootId: string): boolean {
  const file = LogFile.open(path);
  if (file === undefined) return false;
  try {
    const slot = file.newestSlot();
    if (slot !== undefined) return isToBeRecovered(slot, bootId);
  } finally {
    file.close();
  }
  const why =
    `${name}-log cannot be read, and ${name} may miss what was written last; ` +
    `moved away, ${name} opens as it is: then run \`isutl -v\``;
  throw new RsyndError('ERR_DAMAGED', why, { file: name });
}

const isToBeRecovered = (slot: Slot, bootId: string): boolean =>
  slot.bootId !== bootId && !slot.isRetired;

function isLogOf(path: string, slot: Slot): boolean {
  const data = new DataFile(path);
  try {
    return isStateOf(data, slot);
  } finally {
    data.close();
  }
}

function restoreCheckpoint(path: string, { meta }: Slot): void {
  const fd = openSync(path, 'r+');
  try {
    for (const page of [meta, twinOf(meta)]) {
      const pageBytes = metaPageBytes(meta);
      const position = Number(page.readBigUInt64LE(0)) * pageBytes;
      writeSync(fd, page, 0, Math.min(page.length, pageBytes), position);
    }
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  // Of readers before the machine went down.
  rmSync(lockPath(path), { force: true });
}

function putAside(path: string, name: string): void {
  renameSync(logPath(path), unusedLogPath(path));
  process.emitWarning(
    `${name}-log is not the log of this ${name}, which was perhaps put back from a copy; ` +
      `it is now ${name}-log.unused`,
  );
}
