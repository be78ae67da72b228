// A select in update mode: each record that matches is locked, looked at again behind the lock, and becomes
// the current record of its channel, so that write and delete can follow. One record a credit; the next
// step frees the automatic lock as every read does.

import { type Answer, andThen, isLater } from '../../shared/base/answer.js';
import { isRsyndError } from '../../shared/base/error.js';
import type { SelectedReply } from '../../shared/protocol/message.js';
import type { Rfa } from '../../shared/record/rfa.js';
import { becomeCurrent, freeAutomatic, leaveCurrent } from '../operation/locate.js';
import type { OpenChannel } from '../operation/open-channel.js';
import { recordReply } from '../operation/read.js';
import type { RecordSource, SourceStep } from '../operation/record-source.js';
import type { StoredRecord } from '../storage/engine.js';
import { type Candidates, type LockChoice, lockMatching } from './candidates.js';
import type { Predicate } from './query-plan.js';
import { encodeResume } from './resume-token.js';
import type { Ending } from './selection.js';

export interface LockingOptions extends Ending, LockChoice {
  readonly channel: OpenChannel;
  readonly candidates: Candidates;
  readonly matches: Predicate;
}

export class LockingSelection implements RecordSource {
  readonly needsLane = true;
  readonly #options: LockingOptions;
  #records = 0;
  /** The record given last. */
  #given: Rfa | undefined;
  #isFresh = true;

  constructor(options: LockingOptions) {
    this.#options = options;
  }

  step(): Answer<SourceStep> {
    const { channel } = this.#options;
    if (!this.#isFresh && this.#given === undefined) return this.#goOn();
    this.#isFresh = false;
    this.#given = undefined;
    return andThen(leaveCurrent(channel), () => this.#goOn());
  }

  /** Frees the record given last, if nothing was read since. */
  close(): Answer<void> {
    const { channel, candidates } = this.#options;
    const given = this.#given;
    const isOurs = given !== undefined && channel.autoLocked?.equals(given) === true;
    return andThen(isOurs ? freeAutomatic(channel) : undefined, () => candidates.close());
  }

  #goOn(): Answer<SourceStep> {
    const { candidates, before, limit, plan, identity } = this.#options;
    if (candidates.isEnd || before + this.#records >= limit) return this.#end();
    const rfa = candidates.next();
    if (rfa !== undefined) return this.#lockOne(rfa);
    const spent = candidates.spent(plan);
    if (spent === undefined) return andThen(candidates.fill(), () => NOTHING_YET);
    const { budget, point } = spent;
    const resume = encodeResume({ point, records: before + this.#records }, identity);
    return this.#end({ stopped: { budget, resume }, plan });
  }

  #lockOne(rfa: Rfa): Answer<SourceStep> {
    const { channel, matches, onLocked, wait } = this.#options;
    const effective = onLocked === 'wait' ? wait : { ...wait, waitMs: 0 };
    const locked = unlessLocked(onLocked === 'skip', () =>
      lockMatching(channel, rfa, matches, effective),
    );
    return andThen(locked, (stored) => {
      if (stored === undefined) return NOTHING_YET;
      becomeCurrent(channel, { stored, position: undefined }, 'auto');
      this.#given = rfa;
      this.#records++;
      return { reply: recordReply(channel, stored), cost: 1 };
    });
  }

  #end(more: Pick<SelectedReply, 'stopped' | 'plan'> = {}): SourceStep {
    const scanned = this.#options.candidates.looked;
    return { cost: 0, last: { verb: 'selected', records: this.#records, scanned, ...more } };
  }
}

const NOTHING_YET: SourceStep = { cost: 0 };

/** Nothing instead of ERR_LOCKED where that is wanted. */
function unlessLocked(
  isWanted: boolean,
  lock: () => Answer<StoredRecord | undefined>,
): Answer<StoredRecord | undefined> {
  const skip = (error: unknown): undefined => {
    if (!isWanted || !isRsyndError(error, 'ERR_LOCKED')) throw error;
  };
  try {
    const answer = lock();
    return isLater(answer) ? answer.catch(skip) : answer;
  } catch (error) {
    return skip(error);
  }
}
