// Deletes what a query finds: each record is locked, looked at again behind the lock and removed. A few
// are removed together, so that they share a commit; then everybody else has a turn.

import type { Answer } from '../../shared/base/answer.js';
import { andThen } from '../../shared/base/answer.js';
import { isRsyndError, RsyndError } from '../../shared/base/error.js';
import { streamFrameBytes } from '../../shared/base/limits.js';
import type { SelectedReply } from '../../shared/protocol/message.js';
import type { Rfa } from '../../shared/record/rfa.js';
import type { OpenChannel } from '../operation/open-channel.js';
import type { RecordSource, SourceStep } from '../operation/record-source.js';
import { unlock } from '../operation/write.js';
import type { StoredRecord } from '../storage/engine.js';
import { type Candidates, type LockChoice, lockMatching } from './candidates.js';
import type { Predicate } from './query-plan.js';
import { encodeResume } from './resume-token.js';
import type { Ending } from './selection.js';

export interface DeletingOptions extends Ending, LockChoice {
  readonly channel: OpenChannel;
  readonly candidates: Candidates;
  readonly matches: Predicate;
}

/** Locked and about to be removed. */
interface Doomed {
  readonly stored: StoredRecord;
  readonly heldBefore: boolean;
}

export class Deleting implements RecordSource {
  readonly needsLane = true;
  readonly #options: DeletingOptions;
  #deleted = 0;

  constructor(options: DeletingOptions) {
    this.#options = options;
  }

  step(): Answer<SourceStep> {
    const { candidates, before, plan, identity } = this.#options;
    if (candidates.isEnd || this.#wanted <= 0) return this.#end();
    if (!candidates.isEmpty) return this.#removeSome();
    const spent = candidates.spent(plan);
    if (spent === undefined) return andThen(candidates.fill(), () => NOTHING_YET);
    const { budget, point } = spent;
    const resume = encodeResume({ point, records: before + this.#deleted }, identity);
    return this.#end({ stopped: { budget, resume }, plan });
  }

  close(): Answer<void> {
    return this.#options.candidates.close();
  }

  get #wanted(): number {
    return this.#options.limit - this.#options.before - this.#deleted;
  }

  async #removeSome(): Promise<SourceStep> {
    const doomed: Doomed[] = [];
    try {
      const refused = await this.#lockSome(doomed);
      await this.#removeAll(doomed);
      if (refused !== undefined) throw refused;
      return NOTHING_YET;
    } catch (error) {
      throw this.#told(error);
    }
  }

  /** Locks a few; what refused one of them, where that is to be said. */
  async #lockSome(doomed: Doomed[]): Promise<unknown> {
    const { candidates, onLocked, channel, matches, wait } = this.#options;
    let bytes = 0;
    while (doomed.length < this.#wanted && bytes < streamFrameBytes) {
      const rfa = candidates.next();
      if (rfa === undefined) return undefined;
      // To wait with records of ours locked would be to hold up others: those are removed first.
      const waitMs = onLocked === 'wait' && doomed.length === 0 ? wait.waitMs : 0;
      const heldBefore = channel.hold.isLocked(rfa);
      try {
        const stored = await lockMatching(channel, rfa, matches, { ...wait, waitMs });
        if (stored === undefined) continue;
        bytes += stored.record.length;
        doomed.push({ stored, heldBefore });
      } catch (error) {
        if (!isRsyndError(error, 'ERR_LOCKED')) return error;
        if (onLocked === 'skip') continue;
        if (onLocked === 'fail' || doomed.length === 0) return error;
        candidates.putBack(rfa);
        return undefined;
      }
    }
    return undefined;
  }

  /** In one turn, so that they share a commit. The first failure is thrown when all have settled. */
  async #removeAll(doomed: readonly Doomed[]): Promise<void> {
    const { file } = this.#options.channel;
    const outcomes = await Promise.allSettled(
      doomed.map(async ({ stored }) => {
        await file.remove(stored);
        this.#deleted++;
      }),
    );
    for (const [index, one] of doomed.entries()) {
      const isGone = outcomes[index]?.status === 'fulfilled';
      if (isGone || !one.heldBefore) await this.#giveBack(one.stored.rfa, isGone);
    }
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #giveBack(rfa: Rfa, isGone: boolean): Promise<void> {
    const { channel } = this.#options;
    if (isGone && channel.current?.rfa.equals(rfa) === true) channel.current = undefined;
    await unlock(channel, { verb: 'unlock', rfa });
  }

  #end(more: Pick<SelectedReply, 'stopped' | 'plan'> = {}): SourceStep {
    const scanned = this.#options.candidates.looked;
    return { cost: 0, last: { verb: 'selected', records: this.#deleted, scanned, ...more } };
  }

  /** The same error, saying how far it came. */
  #told(error: unknown): unknown {
    if (!isRsyndError(error)) return error;
    const done = `${this.#deleted} records were deleted before`;
    const { retryable, file, cause } = error;
    const told = new RsyndError(error.code, '', { retryable, cause, ...(file ? { file } : {}) });
    told.message = `${error.message}; ${done}`;
    return told;
  }
}

const NOTHING_YET: SourceStep = { cost: 0 };
