// The transaction that groups of steps are taken in. A group that is in the log is answered, and the transaction
// stays open for those that follow (open-transaction.ts), as long as nobody but this process has the file open, and
// within the bounds of limits.ts. Whatever becomes of it then, no answered group is lost: they are taken again from
// the log, here or by who opens the file next (log/catch-up.ts).
//
//   group ─▶ `keep`: in the log, answered ─▶ group ─▶ … ─▶ `commitAnswered`: somebody looks, or it is time
//      └───▶ `commit`: with all before it, then answered

import {
  deferredBytesMax,
  deferredEntriesMax,
  deferredGroupsMax,
  deferredIdleMs,
  deferredMsMax,
} from '../../../shared/base/limits.js';
import type { FileState } from './data-file.js';
import { commitError, isFreeListFault, swallowCommitError } from './lmdb-error.js';
import type { CommitLog } from './log/commit-log.js';
import { replayTransaction } from './log/replay.js';
import type { Store } from './open-store.js';
import { WriteTransaction } from './write-transaction.js';

interface Open {
  /** What it began on. */
  readonly state: FileState;
  readonly transaction: WriteTransaction;
  readonly sinceMs: number;
  /** Groups in it that are answered. */
  answered: number;
}

export class GroupTransaction {
  readonly #store: Store;
  readonly #log: CommitLog | undefined;
  readonly #failed: (error: unknown) => void;
  #open: Open | undefined;
  /** The steps of a group are being taken. */
  #isRunning = false;
  /** Groups that were kept since the file was opened. */
  #kept = 0;
  /** Outlives a transaction: making one for each costs a store that is read at once a tenth. */
  #timer: NodeJS.Timeout | undefined;

  /** `failed` is told of errors that are no group's: the file takes no more writes. */
  constructor(store: Store, log: CommitLog | undefined, failed: (error: unknown) => void) {
    this.#store = store;
    this.#log = log;
    this.#failed = failed;
  }

  /** For the steps of the next group, which ends with `keep`, `commit`, `dropUnchanged` or `undo`. */
  beginGroup(): WriteTransaction {
    const { transaction } = this.#open ?? this.#begin();
    this.#isRunning = true;
    this.#log?.steps.clear();
    transaction.beginGroup();
    return transaction;
  }

  /** True when the group is in the log and may be answered; false when it is to be committed. */
  keep(): boolean {
    const open = this.#open;
    if (open === undefined || this.#log === undefined) return false;
    const { environment } = this.#store;
    // Once is enough: who opens the file after that waits for the write lock, until `#watch` sees it.
    if (environment.isHeld || (open.answered === 0 && !environment.isAlone())) return false;
    if (!this.#log.log(open.state, true)) return false;
    this.#isRunning = false;
    open.answered++;
    this.#kept++;
    this.#timer ??= this.#watch();
    return true;
  }

  /** False when the group is not in the log: then a checkpoint must follow. */
  commit(): boolean {
    const open = this.#open;
    if (open === undefined) throw new TypeError('there is no group to commit');
    open.transaction.finish();
    const isLogged = this.#log?.log(open.state) === true;
    this.#store.environment.commit();
    this.#closed(open);
    return isLogged;
  }

  /** The group changed nothing. */
  dropUnchanged(): void {
    this.#isRunning = false;
    if (this.#open?.answered === 0) this.undo();
  }

  /** Commits when the transaction holds enough, or was open long enough. */
  commitWhenDue(): void {
    if (this.#open !== undefined && this.#isDue(this.#open)) this.commitAnswered();
  }

  /** Commits the groups that were answered before. */
  commitAnswered(): void {
    const open = this.#open;
    if (open === undefined || this.#isRunning) return;
    try {
      open.transaction.finish();
      this.#store.environment.commit();
      this.#closed(open);
    } catch (error) {
      this.undo();
      if (isFreeListFault(error)) swallowCommitError(error);
      else this.#failed(error);
    }
  }

  /** Undoes the group, and takes those again that were answered before. */
  undo(): void {
    const { environment } = this.#store;
    const open = this.#open;
    this.#log?.failed();
    this.#forget();
    environment.undo();
    if (open === undefined || open.answered === 0) return;
    try {
      // Another process that opened the file just now may have been faster.
      const isMissing = () => environment.data.newest().transaction === open.state.transaction;
      replayTransaction(this.#store, () => (isMissing() ? this.#log?.pending() : undefined));
      this.#log?.committed(open.transaction.diskBytes);
    } catch (error) {
      const loss = commitError(this.#store.layout, error);
      this.#log?.lose(loss);
      environment.lose(loss);
    }
  }

  #begin(): Open {
    const { environment } = this.#store;
    environment.begin(() => this.commitAnswered());
    const state = environment.data.newest();
    const transaction = new WriteTransaction(this.#store, state.bytes, this.#log?.steps);
    this.#open = { state, transaction, sinceMs: performance.now(), answered: 0 };
    return this.#open;
  }

  #closed({ transaction }: Open): void {
    this.#forget();
    this.#log?.committed(transaction.diskBytes);
  }

  #forget(): void {
    this.#open = undefined;
    this.#isRunning = false;
  }

  #isDue({ transaction, answered, sinceMs }: Open): boolean {
    return (
      transaction.entries >= deferredEntriesMax ||
      transaction.heldBytes >= deferredBytesMax ||
      answered >= deferredGroupsMax ||
      this.#log?.hasRoom !== true ||
      performance.now() - sinceMs >= deferredMsMax
    );
  }

  /** Commits when no group came for a moment, when it is time, or when somebody opened the file. */
  #watch(): NodeJS.Timeout {
    const kept = this.#kept;
    const timer = setTimeout(() => {
      this.#timer = undefined;
      const open = this.#open;
      if (open === undefined) return;
      const isBusy = this.#kept > kept && !this.#isDue(open) && this.#store.environment.isAlone();
      if (isBusy) this.#timer = this.#watch();
      else this.commitAnswered();
    }, deferredIdleMs);
    return timer.unref();
  }
}
