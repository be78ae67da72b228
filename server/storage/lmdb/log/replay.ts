// Takes the steps of a log again: those of one LMDB transaction in one transaction, in which each must have the
// outcome it had.

import { RsyndError } from '../../../../shared/base/error.js';
import { freeListFaultsMax } from '../../../../shared/base/limits.js';
import { rfaToAddress } from '../address.js';
import { isFreeListFault, swallowCommitError } from '../lmdb-error.js';
import type { Store } from '../open-store.js';
import { WriteTransaction } from '../write-transaction.js';
import { decodeEntry, ENTRY_HEAD_BYTES, type Entry, otherArea, type Slot } from './format.js';
import type { LogFile } from './log-file.js';
import { decodeSteps, type LoggedStep } from './step-codec.js';

/** The entries of one LMDB transaction, and where the first of them is. */
export interface LoggedTransaction extends Pick<Slot, 'area' | 'offset'> {
  readonly transaction: number;
  readonly entries: readonly Entry[];
}

/** All transactions behind a checkpoint, in order. */
export function loggedTransactions(file: LogFile, slot: Slot): LoggedTransaction[] {
  const found: (LoggedTransaction & { readonly entries: Entry[] })[] = [];
  let next = slot.first;
  for (const area of [slot.area, otherArea(slot.area)]) {
    const bytes = file.area(area);
    let offset = area === slot.area ? slot.offset : 0;
    for (;;) {
      const entry = decodeEntry(bytes, offset, slot.epoch);
      if (entry === undefined) break;
      const last = found.at(-1);
      if (last?.area === area && isNextOf(last.transaction, last.entries.length, entry)) {
        last.entries.push(entry);
      } else if (isNextOf(next, 0, entry)) {
        found.push({ transaction: next, area, offset, entries: [entry] });
        next++;
      } else break;
      offset += ENTRY_HEAD_BYTES + entry.body.length;
    }
  }
  return found;
}

export const bodiesOf = (entries: readonly Entry[]): Buffer[] => entries.map(({ body }) => body);

const isNextOf = (transaction: number, place: number, entry: Entry): boolean =>
  entry.transaction === transaction && entry.place === place;

/**
 * Takes the steps that `bodiesOf` gives, in the transaction in which that is asked; none when it gives undefined.
 * Once more when LMDB's free list fails it, as commit-queue.ts says. ERR_DAMAGED when a step has another outcome
 * than it had.
 */
export function replayTransaction(
  store: Store,
  bodiesOf: () => readonly Buffer[] | undefined,
): void {
  for (let faults = 0; ; faults++) {
    try {
      return store.environment.transact(() => {
        const bodies = bodiesOf();
        if (bodies === undefined) return 'undo';
        replaySteps(store, bodies);
        return undefined;
      });
    } catch (error) {
      if (!isFreeListFault(error) || faults >= freeListFaultsMax) throw error;
      swallowCommitError(error);
    }
  }
}

function replaySteps(store: Store, bodies: readonly Buffer[]): void {
  // Limits were kept when the steps were taken; the size of the file is another now.
  const transaction = new WriteTransaction(store, 0);
  for (const body of bodies) {
    for (const step of decodeSteps(body, store.layout.indexes.length)) {
      if (!isTakenAgain(transaction, step)) throw disagrees(store);
    }
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

/** Leaves it to the user whether to do without what is in the log only. */
export function disagrees({ layout: { name } }: Store): RsyndError {
  const why =
    `${name}-log does not agree with ${name}; moved away, ${name} opens without the ` +
    'writes that are only there';
  return new RsyndError('ERR_DAMAGED', why, { file: name });
}
