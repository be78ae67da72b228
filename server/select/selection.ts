// A select that answers with records, pairs or a count: takes rows from its input and sends them frame by
// frame. Started by operation/select.ts, run step by step by the session.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { frameWaitMs } from '../../shared/base/limits.js';
import type { SelectedReply } from '../../shared/protocol/message.js';
import type { Plan } from '../../shared/select/query.js';
import { makeFrame, type RecordFrame } from '../operation/record-frame.js';
import type { RecordSource, SourceStep } from '../operation/record-source.js';
import type { WalkPoint } from './record-walk.js';
import { encodeResume } from './resume-token.js';
import type { RowInput } from './row.js';
import { budgetUsed, type SpentBudget, type Work } from './work.js';

/** How a select ends. */
export interface Ending {
  readonly limit: number;
  /** Rows given before, when it goes on where another stopped. */
  readonly before: number;
  readonly plan: Plan;
  /** Of the query, for its token (see resume-token.ts). */
  readonly identity: string;
}

export interface SelectionOptions extends Ending {
  readonly input: RowInput;
  readonly work: Work;
  /** Bytes of each row, 0 when they differ; `count`: no rows travel; `pairs`: rows lay themselves out. */
  readonly rows: number | 'count' | 'pairs';
}

export class Selection implements RecordSource {
  readonly needsLane = false;
  readonly #options: SelectionOptions;
  #frame: RecordFrame;
  /** When the first row came into the frame. */
  #frameMs = 0;
  #isFull = false;
  #records = 0;

  constructor(options: SelectionOptions) {
    this.#options = options;
    this.#frame = this.#makeFrame();
  }

  step(): Answer<SourceStep> {
    const { input, work } = this.#options;
    if (this.#isComplete()) return this.#end(this.#selected());
    const budget = input.isLooking ? work.spent(input.looked) : undefined;
    if (budget !== undefined && input.point !== 'within') return this.#stop(budget, input.point);
    this.#isFull = false;
    return andThen(
      work.run(input, (recordsMax) => input.advance(this.#take, recordsMax)),
      (state) => {
        if (state === 'end' || this.#isComplete()) return this.#end(this.#selected());
        const isDue = this.#isFull || performance.now() - this.#frameMs > frameWaitMs;
        return this.#frame.count > 0 && isDue ? this.#flush() : { cost: 0 };
      },
    );
  }

  close(): Answer<void> {
    return this.#options.input.close();
  }

  /** Asked for every row, and a private getter is a call of V8's runtime. */
  #isComplete(): boolean {
    return this.#options.before + this.#records >= this.#options.limit;
  }

  readonly #take = (bytes: Buffer, start: number, end: number): boolean => {
    if (this.#frame.count === 0) this.#frameMs = performance.now();
    this.#isFull = !this.#frame.add(bytes, start, end);
    if (this.#isFull) return false;
    this.#records++;
    if (!this.#isComplete()) return true;
    // Not to look for one more: what is not taken is not sought again either, for this was the last.
    this.#options.input.countLast();
    return false;
  };

  #makeFrame(): RecordFrame {
    const { rows } = this.#options;
    if (rows === 'count') return NO_FRAME;
    return rows === 'pairs' ? makeFrame('as they are') : makeFrame(rows);
  }

  #flush(): { reply: ReturnType<RecordFrame['reply']>; cost: number } {
    const reply = this.#frame.reply();
    this.#frame = this.#makeFrame();
    return { reply, cost: reply.records.length };
  }

  #selected(): SelectedReply {
    return { verb: 'selected', records: this.#records, scanned: this.#options.input.looked };
  }

  #end(last: SelectedReply): SourceStep {
    return this.#frame.count > 0 ? { ...this.#flush(), last } : { cost: 0, last };
  }

  #stop(budget: SpentBudget, point: WalkPoint | 'nowhere'): SourceStep {
    const { before, identity, input, plan } = this.#options;
    if (point === 'nowhere') throw budgetUsed(budget, input.looked, plan);
    const resume = encodeResume({ point, records: before + this.#records }, identity);
    return this.#end({ ...this.#selected(), stopped: { budget, resume }, plan });
  }
}

/** Of a count: nothing travels. */
const NO_FRAME: RecordFrame = {
  count: 0,
  add: () => true,
  reply: () => ({ verb: 'data', recordLength: 0, records: Buffer.alloc(0) }),
};
