// The records of a scan one by one, out of frames that hold many. Leaving the loop, or a record that cannot
// be decoded, ends the scan on the server. A record of a raw channel is a view of its frame: who keeps
// one of them for long keeps its frame of some 64 KiB, and may copy it instead.

import type { DataReply } from '../../shared/protocol/message.js';
import { type RecordCutter, type RecordDecoder, toBuffer } from './record-shape.js';

const LENGTH_BYTES = 4;
const NO_RECORDS: Buffer = Buffer.alloc(0);

export class RecordIterator<R> implements AsyncIterableIterator<R, undefined> {
  readonly #frames: AsyncIterator<DataReply, undefined>;
  readonly #decode: RecordDecoder<R>;
  readonly #cut: RecordCutter<R> | undefined;
  #records: Buffer = NO_RECORDS;
  #recordLength = 0;
  #position = 0;
  #given = 0;
  /** Calls of next() that are not answered yet; later ones follow them in order. */
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** Records are numbered in this scan, from 1. `cut`: makes as `decode` does all records of a length at once. */
  constructor(
    frames: AsyncIterator<DataReply, undefined>,
    decode: RecordDecoder<R>,
    cut?: RecordCutter<R>,
  ) {
    this.#frames = frames;
    this.#decode = decode;
    this.#cut = cut;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<R, undefined>> {
    if (this.#waiting === 0 && this.#position < this.#records.length) return this.#give();
    this.#waiting++;
    const turn = this.#last
      .then(() => this.#advance())
      .finally(() => {
        this.#waiting--;
      });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Puts all records that are left into a list, a frame at a time. Not while a next() is awaited. */
  async collect(into: R[]): Promise<void> {
    try {
      while (await this.#refill()) {
        while (this.#position < this.#records.length) {
          into.push(this.#take(++this.#given));
        }
      }
    } catch (error) {
      await this.return();
      throw error;
    }
  }

  /** The records of one frame after another, as lists. Instead of next(), not beside it. */
  async *batches(): AsyncGenerator<R[], undefined> {
    try {
      while (await this.#refill()) yield this.#rest();
    } finally {
      await this.return();
    }
    return undefined;
  }

  async return(): Promise<IteratorResult<R, undefined>> {
    this.#records = NO_RECORDS;
    this.#position = 0;
    await this.#frames.return?.();
    return { done: true, value: undefined };
  }

  async #advance(): Promise<IteratorResult<R, undefined>> {
    return (await this.#refill()) ? this.#give() : { done: true, value: undefined };
  }

  /** False when there are no more records. */
  async #refill(): Promise<boolean> {
    while (this.#position >= this.#records.length) {
      const frame = await this.#frames.next();
      if (frame.done === true) return false;
      this.#records = toBuffer(frame.value.records);
      this.#recordLength = frame.value.recordLength;
      this.#position = 0;
    }
    return true;
  }

  /** All that is left of the frame. What comes before a record that cannot be decoded is given first. */
  #rest(): R[] {
    if (this.#cut !== undefined && this.#recordLength > 0) return this.#cutRest(this.#cut);
    const batch: R[] = [];
    while (this.#position < this.#records.length) {
      const start = this.#position;
      try {
        batch.push(this.#take(this.#given + 1));
      } catch (error) {
        if (batch.length === 0) throw error;
        this.#position = start;
        break;
      }
      this.#given++;
    }
    return batch;
  }

  #cutRest(cut: RecordCutter<R>): R[] {
    const batch = cut(this.#records, this.#position, this.#recordLength);
    this.#position = this.#records.length;
    this.#given += batch.length;
    return batch;
  }

  // Not async, because it runs once a record: a promise already settled costs a third.
  #give(): Promise<IteratorResult<R, undefined>> {
    try {
      const value = this.#take(++this.#given);
      return Promise.resolve({ done: false, value });
    } catch (error) {
      return this.return().then(() => Promise.reject(error));
    }
  }

  /** The next record, the position behind it. */
  #take(number: number): R {
    const records = this.#records;
    let start = this.#position;
    let length = this.#recordLength;
    if (length === 0) {
      length = records.readUInt32BE(start);
      start += LENGTH_BYTES;
    }
    this.#position = start + length;
    return this.#decode(records, start, start + length, number);
  }
}
