// Addresses of records that matched when they were looked at, for what locks them one by one: by then they
// may have changed or gone, so each is looked at again behind its lock.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { selectBatchRecordsMax } from '../../shared/base/limits.js';
import type { OnLocked } from '../../shared/protocol/message.js';
import type { Rfa } from '../../shared/record/rfa.js';
import type { Plan } from '../../shared/select/query.js';
import type { LockWait } from '../lock/lock-manager.js';
import { lookAgain, orElse } from '../operation/locate.js';
import type { OpenChannel } from '../operation/open-channel.js';
import type { StoredRecord } from '../storage/engine.js';
import type { Predicate } from './query-plan.js';
import type { WalkPoint } from './record-walk.js';
import type { RowInput } from './row.js';
import { budgetUsed, type SpentBudget, type Work } from './work.js';

/** What becomes of records that others have locked. */
export interface LockChoice {
  readonly onLocked: OnLocked;
  readonly wait: LockWait;
}

/** A few addresses, and where more come from. */
export class Candidates {
  readonly #input: RowInput;
  readonly #work: Work;
  readonly #waiting: Rfa[] = [];
  #isEnd = false;

  /** `input` gives addresses. */
  constructor(input: RowInput, work: Work) {
    this.#input = input;
    this.#work = work;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** No more will come. */
  get isEnd(): boolean {
    return this.#isEnd && this.isEmpty;
  }

  get looked(): number {
    return this.#input.looked;
  }

  next(): Rfa | undefined {
    return this.#waiting.shift();
  }

  putBack(rfa: Rfa): void {
    this.#waiting.unshift(rfa);
  }

  /** The budget that is used up, and where to go on; ERR_BUDGET when that cannot be. */
  spent(plan: Plan): { budget: SpentBudget; point: WalkPoint } | undefined {
    const { isLooking, point, looked } = this.#input;
    const budget = isLooking && this.isEmpty ? this.#work.spent(looked) : undefined;
    if (budget === undefined || point === 'within') return undefined;
    if (point === 'nowhere') throw budgetUsed(budget, looked, plan);
    return { budget, point };
  }

  /** One step of looking for more. */
  fill(): Answer<void> {
    const take = (bytes: Buffer, start: number, end: number): boolean => {
      if (this.#waiting.length >= selectBatchRecordsMax) return false;
      this.#waiting.push(Buffer.from(bytes.subarray(start, end)));
      return true;
    };
    const input = this.#input;
    const state = this.#work.run(input, (recordsMax) => input.advance(take, recordsMax));
    return andThen(state, (settled) => {
      this.#isEnd = settled === 'end';
    });
  }

  close(): Answer<void> {
    return this.#input.close();
  }
}

/**
 * Locks the record and looks at it again; undefined, and not locked for it, when it is gone or does not
 * match any more. ERR_LOCKED, ERR_DEADLOCK, ERR_ABORTED.
 */
export function lockMatching(
  channel: OpenChannel,
  rfa: Rfa,
  matches: Predicate,
  wait: LockWait,
): Answer<StoredRecord | undefined> {
  const heldBefore = channel.hold.isLocked(rfa);
  const giveBack = (): Answer<void> => (heldBefore ? undefined : channel.hold.unlock(rfa));
  return andThen(channel.hold.lock(rfa, wait), () =>
    andThen(
      orElse(() => lookAgain(channel, rfa), giveBack),
      (now) =>
        typeof now !== 'string' && matches(now.record, 0, now.record.length)
          ? now
          : andThen(giveBack(), () => undefined),
    ),
  );
}
