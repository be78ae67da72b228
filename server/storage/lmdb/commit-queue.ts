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
  freeListFaultsMax,
  transactionBytesMax,
  transactionEntriesMax,
  writesWaitingMax,
} from '../../../shared/base/limits.js';
import { DiskSpace, type FreeBytes } from './disk-space.js';
import { GroupTransaction } from './group-transaction.js';
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
import type { Store } from './open-store.js';
import type { WriteTransaction } from './write-transaction.js';

interface WaitingStep {
  run(transaction: WriteTransaction): void;
  /** The transaction is on the disk: gives the answer. */
  settle(): void;
  fail(error: unknown): void;
}

export class CommitQueue {
  readonly #space: DiskSpace;
  readonly #defers: boolean;
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
  #groups: GroupTransaction;

  /** Unless it `defers`, nothing is open between turns. */
  constructor(store: Store, freeBytes: FreeBytes, defers = true) {
    this.#store = store;
    this.#defers = defers;
    this.#log = logOf(store);
    this.#groups = this.#groupsOf(store);
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
    this.#groups.commitAnswered();
  }

  /** Refuses all writes from now on, with this error; undefined takes them again. */
  refuse(error: RsyndError | undefined): void {
    this.#refusal = error;
  }

  /** Goes on with another store of the same file. Nothing may be waiting, and the log is closed. */
  replaceStore(store: Store): void {
    this.#store = store;
    this.#log = logOf(store);
    this.#groups = this.#groupsOf(store);
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
    this.#groups.commitWhenDue();
    try {
      if (this.#refusal !== undefined) throw this.#refusal;
      const transaction = this.#groups.beginGroup();
      this.#takeSteps(transaction, group);
      if (!transaction.isChanged) this.#groups.dropUnchanged();
      else if (!this.#mayKeep() || !this.#groups.keep()) {
        const isLogged = this.#groups.commit();
        isCommitted = true;
        if (!isLogged) this.#log?.checkpoint();
      }
    } catch (error) {
      this.#failGroup(error, group, isCommitted);
      return;
    }
    this.#faults = 0;
    this.#alone = Math.max(0, this.#alone - 1);
    for (const step of group) step.settle();
  }

  /** Moves steps from the queue into `group` and runs them, as many as one transaction may hold. */
  #takeSteps(transaction: WriteTransaction, group: WaitingStep[]): void {
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

  /** What is committed later must not meet a full disk then. */
  #mayKeep(): boolean {
    return this.#defers && this.#alone === 0 && this.#space.isPlentiful;
  }

  #failGroup(error: unknown, group: WaitingStep[], isCommitted: boolean): void {
    this.#groups.undo();
    if (!isCommitted && this.#tryAgain(error, group)) return;
    const failure = error === this.#refusal ? error : this.#failed(error);
    const unasked = group.length === 0 ? this.#waiting.splice(0) : [];
    for (const step of [...group, ...unasked]) step.fail(failure);
  }

  #groupsOf(store: Store): GroupTransaction {
    return new GroupTransaction(store, this.#log, (error) => this.#failed(error));
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
