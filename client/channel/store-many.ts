// Many records into a file: gathered into batches of bounded size, a few batches on the way at a time, so
// that the network and the disk work at once. When a record is refused nothing more is sent, what is
// on the way is waited for, and the error says how many are in the file.

import { errorFromWire, isRsyndError, RsyndError } from '../../shared/base/error.js';
import {
  recordsPerFrameMax,
  storeManyBatchBytes,
  storeManyBatchesInFlightMax,
} from '../../shared/base/limits.js';
import type { StoredManyReply } from '../../shared/protocol/message.js';

export interface StoreManySteps<R> {
  encode(record: R): Uint8Array;
  send(batch: readonly Uint8Array[]): Promise<StoredManyReply>;
}

/** Resolves when all are durable. What `records` itself throws is passed on when the rest has settled. */
export async function storeMany<R>(
  records: Iterable<R> | AsyncIterable<R>,
  steps: StoreManySteps<R>,
): Promise<{ stored: number }> {
  const load = new Load(steps);
  try {
    await (isAsync(records) ? load.addAsync(records) : load.addAll(records));
    load.send();
  } finally {
    await load.settle();
  }
  if (load.failure !== undefined) throw load.explain(load.failure);
  return { stored: load.stored };
}

class Load<R> {
  stored = 0;
  /** The first thing that went wrong. */
  failure: { readonly error: unknown; readonly record: number | undefined } | undefined;
  readonly #steps: StoreManySteps<R>;
  readonly #onTheWay = new Set<Promise<void>>();
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #added = 0;

  constructor(steps: StoreManySteps<R>) {
    this.#steps = steps;
  }

  /** Waits only where a batch is sent: a wait for each record costs more than the record. */
  async addAll(records: Iterable<R>): Promise<void> {
    for (const record of records) {
      if (this.failure !== undefined) return;
      const bytes = this.#encode(record);
      if (bytes === undefined) return;
      if (this.#isFull(bytes)) await this.#sendWithRoom();
      this.#add(bytes);
    }
  }

  async addAsync(records: AsyncIterable<R>): Promise<void> {
    for await (const record of records) {
      if (this.failure !== undefined) return;
      const bytes = this.#encode(record);
      if (bytes === undefined) return;
      if (this.#isFull(bytes)) await this.#sendWithRoom();
      this.#add(bytes);
    }
  }

  /** Undefined when the record is refused. */
  #encode(record: R): Uint8Array | undefined {
    try {
      return this.#steps.encode(record);
    } catch (error) {
      this.#fail(error, this.#added + 1);
      return undefined;
    }
  }

  #isFull(bytes: Uint8Array): boolean {
    return (
      this.#batchBytes + bytes.length > storeManyBatchBytes ||
      this.#batch.length === recordsPerFrameMax
    );
  }

  #add(bytes: Uint8Array): void {
    this.#batch.push(bytes);
    this.#batchBytes += bytes.length;
    this.#added++;
  }

  /** Sends what is gathered, unless something has gone wrong. */
  send(): void {
    const batch = this.#batch;
    if (batch.length === 0 || this.failure !== undefined) return;
    const before = this.#added - batch.length;
    this.#batch = [];
    this.#batchBytes = 0;
    const sent = this.#steps
      .send(batch)
      .then(
        (reply) => this.#take(reply, before),
        (error) => this.#fail(error, undefined),
      )
      .finally(() => this.#onTheWay.delete(sent));
    this.#onTheWay.add(sent);
  }

  async settle(): Promise<void> {
    await Promise.all(this.#onTheWay);
  }

  explain({
    error,
    record,
  }: {
    readonly error: unknown;
    readonly record: number | undefined;
  }): Error {
    if (!isRsyndError(error)) return error instanceof Error ? error : new Error(String(error));
    const which = record === undefined ? '' : `; record ${record} of those given was refused`;
    const certain = record === undefined ? 'at least ' : '';
    const message = `${error.message} (${certain}${this.stored} records were stored${which})`;
    const { code, file, host, retryable } = error;
    return errorFromWire(code, message, {
      retryable,
      cause: error,
      ...(file === undefined ? {} : { file }),
      ...(host === undefined ? {} : { host }),
    });
  }

  async #sendWithRoom(): Promise<void> {
    while (this.#onTheWay.size >= storeManyBatchesInFlightMax) {
      await Promise.race(this.#onTheWay);
    }
    this.send();
    // A turn, in which the batch leaves while the next one is gathered.
    await new Promise(setImmediate);
  }

  #take({ stored, error }: StoredManyReply, before: number): void {
    this.stored += stored;
    if (error === undefined) return;
    const { code, message, retryable, file } = error;
    const details = { retryable, ...(file === undefined ? {} : { file }) };
    this.#fail(errorFromWire(code, message, details), before + stored + 1);
  }

  #fail(error: unknown, record: number | undefined): void {
    this.failure ??= { error: error ?? new RsyndError('ERR_NETPROB'), record };
  }
}

const isAsync = <R>(records: Iterable<R> | AsyncIterable<R>): records is AsyncIterable<R> =>
  Symbol.asyncIterator in records;
