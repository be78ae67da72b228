// Group commit: all writes asked for in one turn of the event loop are one group, so that they share one
// flush to the disk (which is what a write costs). A step is answered only when its group is on the
// disk: in the log (log/commit-log.ts), or when it is too large for that, or no step on records, in the
// LMDB file itself.
//
//   ask ─▶ waiting ─▶ (end of turn) group ─▶ steps one by one ─▶ log ─▶ commit ─▶ answers
//                                      a step that fails by itself is left out, the others go on
//
// A group in the log is answered before LMDB commits, and its transaction stays open for the groups that follow, as
// long as nobody but this process has the file open and nobody looks (open-transaction.ts; limits.ts says how long).
//
// What fails a transaction fails the steps of the group that ran; groups before it in the same transaction are
// answered and in the log, and are taken again from there. After it no write is taken until the file is
// opened anew, because LMDB itself is not to be trusted any more.

import { RsyndError } from '../../../shared/base/error.js';
import {
  deferredBytesMax,
  deferredEntriesMax,
  deferredGroupsMax,
  deferredIdleMs,
  deferredMsMax,
  freeListFaultsMax,
  transactionBytesMax,
  transactionEntriesMax,
  writesWaitingMax,
} from '../../../shared/base/limits.js';
import type { FileState } from './data-file.js';
import { DiskSpace, type FreeBytes } from './disk-space.js';
import {
  commitError,
  damaged,
  isFreeListFault,
  isLmdbError,
  isPageDamage,
  readError,
  swallowCommitError,
} from './lmdb-error.js';
import { CommitLog } from './log/commit-log.js';
import { replayTransaction } from './log/replay.js';
import type { Store } from './open-store.js';
import { WriteTransaction } from './write-transaction.js';

interface WaitingStep {
  run(transaction: WriteTransaction): void;
  /** The transaction is on the disk: gives the answer. */
  settle(): void;
  fail(error: unknown): void;
}

/** LMDB's write transaction while it is open, and what it began on. */
interface Open {
  readonly state: FileState;
  readonly transaction: WriteTransaction;
  readonly sinceMs: number;
  /** Groups in it that are answered. */
  groups: number;
}

export class CommitQueue {
  readonly #space: DiskSpace;
  #store: Store;
  /** Undefined where LMDB flushes each transaction itself. */
  #log: CommitLog | undefined;
  #waiting: WaitingStep[] = [];
  #isScheduled = false;
  #refusal: RsyndError | undefined;
  /** Transactions in a row that LMDB's free list failed. */
  #faults = 0;
  /** So many steps get a transaction each. */
  #alone = 0;
  #open: Open | undefined;
  /** Steps of a group are being taken. */
  #isRunning = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Store, freeBytes: FreeBytes) {
    this.#store = store;
    this.#log = logOf(store);
    this.#space = new DiskSpace(store.layout.path, freeBytes);
  }

  /** Runs `step` in the next transaction; answers when it is on the disk. */
  ask<T>(step: (transaction: WriteTransaction) => T): Promise<T> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    return new Promise<T>((resolve, reject) => {
      const fail = (error: unknown): void => reject(readError(this.#store.layout, error));
      this.#waiting.push(waitingStep(step, resolve, fail));
      if (this.#waiting.length >= writesWaitingMax) this.#runAll();
      else this.#schedule();
    });
  }

  /** Commits all that waits, at once. */
  flush(): void {
    this.#runAll();
    this.#commitAnswered();
  }

  /** Refuses all writes from now on, with this error; undefined takes them again. */
  refuse(error: RsyndError | undefined): void {
    this.#refusal = error;
  }

  /** Goes on with another store of the same file. Nothing may be waiting, and the log is closed. */
  replaceStore(store: Store): void {
    this.#store = store;
    this.#log = logOf(store);
  }

  /** Makes durable what is only in the log and removes that. Nothing may be waiting. ERR_IOFAIL. */
  closeLog(): void {
    try {
      this.#log?.close();
    } catch (error) {
      throw commitError(this.#store.layout, error);
    }
  }

  /**
   * A transaction of its own for what is no step on records, such as the header. Waiting steps come
   * first. ERR_NOSPAC, ERR_IOFAIL.
   */
  runAlone(step: () => void): void {
    this.flush();
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#store.salvage !== undefined) {
      throw damaged(this.#store.layout, 'pages of it are damaged, so it takes no writes');
    }
    this.#requireSpace(0);
    const { environment } = this.#store;
    try {
      environment.transact(() => {
        this.#log?.prepare(environment.data.newest());
        step();
      });
      this.#log?.checkpoint();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#runAll();
    });
  }

  #runAll(): void {
    while (this.#waiting.length > 0) this.#runGroup();
  }

  #runGroup(): void {
    const group: WaitingStep[] = [];
    let isCommitted = false;
    if (this.#open !== undefined && this.#isDue(this.#open)) this.#commitAnswered();
    try {
      if (this.#refusal !== undefined) throw this.#refusal;
      const open = this.#open ?? this.#begin();
      this.#isRunning = true;
      this.#takeSteps(open, group);
      if (!open.transaction.isChanged) this.#endUnchanged(open);
      else if (!this.#isDeferred(open)) {
        const isLogged = this.#commit(open);
        isCommitted = true;
        if (!isLogged) this.#log?.checkpoint();
      }
    } catch (error) {
      this.#isRunning = false;
      this.#failGroup(error, group, isCommitted);
      return;
    }
    this.#isRunning = false;
    this.#faults = 0;
    this.#alone = Math.max(0, this.#alone - 1);
    for (const step of group) step.settle();
  }

  #begin(): Open {
    const { environment } = this.#store;
    environment.begin(() => this.#commitAnswered());
    const state = environment.data.newest();
    const transaction = new WriteTransaction(this.#store, state.bytes, this.#log?.steps);
    this.#open = { state, transaction, sinceMs: performance.now(), groups: 0 };
    return this.#open;
  }

  /** Moves steps from the queue into `group` and runs them, as many as one transaction may hold. */
  #takeSteps({ transaction }: Open, group: WaitingStep[]): void {
    this.#log?.steps.clear();
    transaction.beginGroup();
    const stepsMax = this.#alone > 0 ? 1 : writesWaitingMax;
    while (group.length < stepsMax && !isFull(transaction)) {
      const step = this.#waiting.shift();
      if (step === undefined) break;
      group.push(step);
      step.run(transaction);
    }
    if (transaction.isChanged) {
      this.#requireSpace(transaction.diskBytes + 3 * transaction.recordBytes);
    }
  }

  #endUnchanged(open: Open): void {
    if (open.groups > 0) return;
    this.#open = undefined;
    this.#store.environment.undo();
  }

  /** True when the group is in the log, and the transaction stays open for the next. */
  #isDeferred(open: Open): boolean {
    const log = this.#log;
    const mayBe =
      log !== undefined &&
      this.#alone === 0 &&
      this.#space.isPlentiful &&
      this.#store.environment.isUnseen();
    if (!mayBe || !log.log(open.state, true)) return false;
    open.groups++;
    this.#timer ??= this.#watch(open, open.groups);
    return true;
  }

  /** Commits with the group that ran; false when it is not in the log, so that a checkpoint must follow. */
  #commit(open: Open): boolean {
    const { transaction, state } = open;
    transaction.finish();
    const isLogged = this.#log?.log(state) === true;
    this.#store.environment.commit();
    this.#closed(open);
    return isLogged;
  }

  /** The transaction is committed. */
  #closed({ transaction }: Open): void {
    this.#open = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#log?.committed(transaction.diskBytes);
  }

  /** Commits the groups that were answered before. Whatever fails, they are not lost. */
  #commitAnswered(): void {
    const open = this.#open;
    if (open === undefined || this.#isRunning) return;
    try {
      open.transaction.finish();
      this.#store.environment.commit();
      this.#closed(open);
    } catch (error) {
      this.#abandon(open);
      if (isFreeListFault(error)) swallowCommitError(error);
      else this.#failed(error);
    }
  }

  /** Undoes a transaction, and takes its answered groups again from the log. */
  #abandon(open: Open): void {
    const { environment } = this.#store;
    environment.undo();
    this.#open = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (open.groups === 0 || this.#log === undefined) return;
    try {
      // Another process that opened the file just now may have been faster.
      const isMissing = () => environment.data.newest().transaction === open.state.transaction;
      replayTransaction(this.#store, () => (isMissing() ? this.#log?.pending() : undefined));
      this.#log.committed(open.transaction.diskBytes);
    } catch (error) {
      this.#refusal = commitError(this.#store.layout, error);
      this.#log.lose(this.#refusal);
      environment.lose(this.#refusal);
    }
  }

  #failGroup(error: unknown, group: WaitingStep[], isCommitted: boolean): void {
    this.#log?.failed();
    if (this.#open === undefined) this.#store.environment.undo();
    else this.#abandon(this.#open);
    if (!isCommitted && this.#tryAgain(error, group)) return;
    const failure = error === this.#refusal ? error : this.#failed(error);
    const unasked = group.length === 0 ? this.#waiting.splice(0) : [];
    for (const step of [...group, ...unasked]) step.fail(failure);
  }

  #isDue({ transaction, groups, sinceMs }: Open): boolean {
    return (
      transaction.entries >= deferredEntriesMax ||
      transaction.heldBytes >= deferredBytesMax ||
      groups >= deferredGroupsMax ||
      this.#log?.hasRoom !== true ||
      performance.now() - sinceMs >= deferredMsMax
    );
  }

  /** Commits when no group came for a moment, or when it is time. */
  #watch(open: Open, groups: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      const { environment } = this.#store;
      const isBusy = open.groups > groups && !this.#isDue(open) && environment.isUnseen();
      this.#timer = isBusy ? this.#watch(open, open.groups) : undefined;
      if (!isBusy) this.#commitAnswered();
    }, deferredIdleMs);
    return timer.unref();
  }

  /**
   * LMDB 0.9 as lmdb-js 3.5.6 has it now and then misreads its list of free pages in a large
   * transaction after many small ones (HarperFast/harper#689). The transaction is undone, nothing is
   * damaged, and the same steps succeed in transactions of their own. True when they are to be run so.
   */
  #tryAgain(error: unknown, group: WaitingStep[]): boolean {
    if (!isFreeListFault(error) || this.#faults >= freeListFaultsMax) return false;
    swallowCommitError(error);
    this.#faults++;
    this.#alone = group.length;
    this.#waiting.unshift(...group);
    return true;
  }

  #requireSpace(bytes: number): void {
    const free = this.#space.shortage(bytes);
    if (free === undefined) return;
    const { name } = this.#store.layout;
    const why = `the disk of ${name} has ${Math.floor(free / 1024)} KB left; free some and try again`;
    throw new RsyndError('ERR_NOSPAC', why, { file: name });
  }

  /** Refusals of ours and damaged pages that are met leave the file usable, failed commits do not. */
  #failed(error: unknown): unknown {
    if (isPageDamage(error)) return readError(this.#store.layout, error);
    const failure = commitError(this.#store.layout, error);
    if (failure !== error) this.#refusal = failure;
    return failure;
  }
}

const logOf = (store: Store): CommitLog | undefined =>
  store.bootId === undefined ? undefined : new CommitLog(store, store.bootId);

/** True when a transaction holds as much as it may. */
export const isFull = (transaction: WriteTransaction): boolean =>
  transaction.recordBytes >= transactionBytesMax || transaction.entries >= transactionEntriesMax;

function waitingStep<T>(
  step: (transaction: WriteTransaction) => T,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): WaitingStep {
  let settle = (): void => undefined;
  return {
    run(transaction) {
      try {
        const value = step(transaction);
        settle = () => resolve(value);
      } catch (error) {
        // LMDB fails all that follows in a transaction in which it met a damaged page.
        if (transaction.isChanging || isLmdbError(error)) throw error;
        settle = () => reject(error);
      }
    },
    settle: () => settle(),
    fail: reject,
  };
}
