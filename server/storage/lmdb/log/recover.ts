// Recovers a file after the machine went down under its writers (power, kernel): back to the last
// checkpoint, and then all steps of the log again. Before LMDB opens the file, because its newest pages
// may be torn. ../README.md has the rules.
//
//   nothing to do    no log; or it was written in this run of the machine: a process may have died, but
//                    the system has all it wrote
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
import { freeListFaultsMax } from '../../../../shared/base/limits.js';
import { rfaToAddress } from '../address.js';
import { DataFile } from '../data-file.js';
import { syncDirectory } from '../flush.js';
import { commitError, isFreeListFault, readError, swallowCommitError } from '../lmdb-error.js';
import type { Store } from '../open-store.js';
import { metaPageBytes, twinOf } from '../page-file.js';
import { lockPath, logPath, unusedLogPath } from '../paths.js';
import { WriteTransaction } from '../write-transaction.js';
import { ENTRY_HEAD_BYTES, entryBody, otherArea, type Slot } from './format.js';
import { LogFile } from './log-file.js';
import { digestOfState } from './proof.js';
import { RecoveryClaim } from './recovery-claim.js';
import { decodeSteps, type LoggedStep } from './step-codec.js';

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
      for (const body of loggedBodies(this.#file, this.#slot)) replayTransaction(store, body);
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

/** True when the file has the state of the slot, however many came after it. */
function isLogOf(path: string, { meta, digest }: Slot): boolean {
  const data = new DataFile(path);
  try {
    return digestOfState(data, meta)?.equals(digest) === true;
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

/** The bodies of all entries behind a checkpoint, in order. */
function* loggedBodies(file: LogFile, { area, first, epoch }: Slot): Generator<Buffer> {
  let transaction = first;
  for (const each of [area, otherArea(area)]) {
    const bytes = file.area(each);
    let at = 0;
    for (;;) {
      const body = entryBody(bytes, at, transaction, epoch);
      if (body === undefined) break;
      yield body;
      at += ENTRY_HEAD_BYTES + body.length;
      transaction++;
    }
  }
}

/** Once more when LMDB's free list fails it, as commit-queue.ts says. */
function replayTransaction(store: Store, body: Buffer): void {
  for (let faults = 0; ; faults++) {
    try {
      return store.environment.transact(() => replaySteps(store, body));
    } catch (error) {
      if (!isFreeListFault(error) || faults >= freeListFaultsMax) throw error;
      swallowCommitError(error);
    }
  }
}

function replaySteps(store: Store, body: Buffer): void {
  // Limits were kept when the steps were taken; the size of the file is another now.
  const transaction = new WriteTransaction(store, 0);
  for (const step of decodeSteps(body, store.layout.indexes.length)) {
    if (isTakenAgain(transaction, step)) continue;
    const { name } = store.layout;
    const why =
      `${name}-log does not agree with ${name}; moved away, ${name} opens without the ` +
      'writes that are only there';
    throw new RsyndError('ERR_DAMAGED', why, { file: name });
  }
  transaction.finish();
}

function isTakenAgain(transaction: WriteTransaction, step: LoggedStep): boolean {
  if (step.kind === 'insert') {
    return rfaToAddress(transaction.insert(step.draft).rfa) === step.address;
  }
  if (step.kind === 'update') return typeof transaction.update(step.change) === 'object';
  return typeof transaction.remove(step.removal) === 'object';
}
