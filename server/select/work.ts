// The work of one select: how long its steps are, and whether a budget of the query has ended it.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import type { BoundQuery } from '../../shared/select/bound.js';
import type { Plan } from '../../shared/select/query.js';
import { Pace } from './pace.js';

/** The budget that is used up. */
export type SpentBudget = 'maxScan' | 'maxMs';

export class Work {
  readonly #pace: Pace;
  readonly #maxScan: number;
  readonly #maxMs: number;

  /** `bytesPerRecord`: what has to be looked at for one record, at worst. */
  constructor({ maxScan, maxMs }: Pick<BoundQuery, 'maxScan' | 'maxMs'>, bytesPerRecord: number) {
    this.#pace = new Pace(bytesPerRecord);
    this.#maxScan = maxScan ?? Number.POSITIVE_INFINITY;
    this.#maxMs = maxMs ?? Number.POSITIVE_INFINITY;
  }

  /** True when the query may be stopped before its end. */
  get isBounded(): boolean {
    return this.#maxScan !== Number.POSITIVE_INFINITY || this.#maxMs !== Number.POSITIVE_INFINITY;
  }

  /** Which budget is used up after so many records were looked at. */
  spent(looked: number): SpentBudget | undefined {
    if (looked >= this.#maxScan) return 'maxScan';
    return this.#pace.workedMs >= this.#maxMs ? 'maxMs' : undefined;
  }

  /** One step: tells `advance` how many records it may look at, and learns from how long it took. */
  run<T>(
    counter: { readonly looked: number },
    advance: (recordsMax: number) => Answer<T>,
  ): Answer<T> {
    const sinceMs = performance.now();
    const before = counter.looked;
    const left = Math.max(1, this.#maxScan - before);
    return andThen(advance(Math.min(this.#pace.records, left)), (result) => {
      this.#pace.note(sinceMs, counter.looked - before);
      return result;
    });
  }
}

/** Why a select that cannot be resumed ends when its budget is used. */
export function budgetUsed(budget: SpentBudget, looked: number, plan: Plan): RsyndError {
  const advice = plan.advice === undefined ? '' : `${plan.advice}; or `;
  const why =
    `${budget} ended the select after ${looked} records, before it was sorted or grouped, ` +
    `and such a select cannot be resumed; ${advice}raise ${budget}`;
  return new RsyndError('ERR_BUDGET', why, { retryable: false });
}
