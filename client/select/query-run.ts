// One run of a query: its frames from the server, what they come to, and its end. Knows of frames and
// counts, not of what records mean; that is row-shape.ts.
//
//   SelectFrame… ─▶ QueryRun ─▶ DataReply… ─▶ RecordIterator      records, one by one or many in a frame
//                       └─────▶ RowsReply…                        groups

import { RsyndError } from '../../shared/base/error.js';
import type { DataReply, RowsReply, SelectedReply } from '../../shared/protocol/message.js';
import { creditOfRows } from '../../shared/protocol/select.js';
import type { Rfa } from '../../shared/record/rfa.js';
import type { SelectFrame } from '../connection/link.js';
import { budgetError } from './budget-error.js';
import type { QueryStats } from './query.js';
import type { QuerySource } from './query-source.js';

const DONE = { done: true, value: undefined } as const;

/** What a query expects to come. */
export type RunKind = 'records' | 'pairs' | 'groups';

export class QueryRun implements AsyncIterableIterator<DataReply | RowsReply, undefined> {
  scanned = 0;
  returned = 0;
  bytes = 0;
  readonly #frames: AsyncIterator<SelectFrame, undefined>;
  readonly #source: QuerySource<unknown>;
  readonly #kind: RunKind;
  /** The record of a locking select that came last. */
  #locked: Rfa | undefined;

  constructor(
    frames: AsyncIterator<SelectFrame, undefined>,
    source: QuerySource<unknown>,
    kind: RunKind,
  ) {
    this.#frames = frames;
    this.#source = source;
    this.#kind = kind;
  }

  get stats(): QueryStats {
    const { scanned, returned, bytes } = this;
    return { scanned, returned, bytes };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<DataReply | RowsReply, undefined>> {
    try {
      const frame = await this.#frames.next();
      if (frame.done !== true && frame.value.verb !== 'selected') {
        return { done: false, value: this.#take(frame.value) };
      }
      this.#leave();
      if (frame.done !== true && frame.value.verb === 'selected') this.#finish(frame.value);
      return DONE;
    } catch (error) {
      this.#leave();
      await this.#frames.return?.();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<DataReply | RowsReply, undefined>> {
    this.#leave();
    await this.#frames.return?.();
    return DONE;
  }

  #take(frame: Exclude<SelectFrame, SelectedReply>): DataReply | RowsReply {
    if ((frame.verb === 'rows') !== (this.#kind === 'groups')) {
      throw this.#nonsense(`${frame.verb} came for ${this.#kind}`);
    }
    if (frame.verb === 'rows') {
      this.bytes += creditOfRows(frame.rows);
      return frame;
    }
    if (frame.verb === 'data') {
      this.bytes += frame.records.length;
      return frame;
    }
    this.#locked = frame.rfa;
    this.#source.arrive(frame);
    this.bytes += frame.record.length;
    return { verb: 'data', recordLength: frame.record.length, records: frame.record };
  }

  #finish(selected: SelectedReply): void {
    this.scanned = selected.scanned;
    if (selected.records !== this.returned) {
      throw this.#nonsense(`it says ${selected.records} were sent, ${this.returned} came`);
    }
    if (selected.stopped !== undefined) throw budgetError(this.#source, selected);
  }

  #leave(): void {
    if (this.#locked !== undefined) this.#source.leave(this.#locked);
    this.#locked = undefined;
  }

  #nonsense(what: string): RsyndError {
    return new RsyndError('ERR_PROTOCOL', `a select: ${what}`, { file: this.#source.name });
  }
}
