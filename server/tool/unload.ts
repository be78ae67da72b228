// Writes the records of a file as text. Knows neither the format nor how records are stored; counts,
// totals, and says which records the format could not carry.

import { isRsyndError } from '../../shared/base/error.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { RowWriter } from './row.js';
import { type RowProblem, RowProblems } from './row-problems.js';
import { type ColumnTotal, Totals } from './totals.js';

/** Text is handed over in pieces of about this size, so that small records do not mean small writes. */
const PIECE_BYTES = 64 * 1024;

export interface UnloadOptions {
  /** More bad records than this end the unload. */
  readonly badRowsMax: number;
  readonly onProgress?: (recordsRead: number) => void;
}

export interface UnloadReport {
  readonly read: number;
  readonly written: number;
  readonly bad: number;
  readonly problems: readonly RowProblem[];
  /** Of the records written. */
  readonly totals: readonly ColumnTotal[];
  /** False when there were too many bad records, or the output was closed before its end. */
  readonly complete: boolean;
}

/** One unload: `pieces` is read to its end by whoever writes, then `report` is complete. */
export class Unload {
  readonly #records: AsyncIterable<Buffer>;
  readonly #writer: RowWriter;
  readonly #options: UnloadOptions;
  readonly #problems: RowProblems;
  readonly #totals: Totals;
  #read = 0;
  #written = 0;

  constructor(
    records: AsyncIterable<Buffer>,
    spec: FileSpec,
    writer: RowWriter,
    options: UnloadOptions,
  ) {
    this.#records = records;
    this.#writer = writer;
    this.#options = options;
    this.#problems = new RowProblems(options.badRowsMax);
    this.#totals = new Totals(spec);
  }

  async *pieces(): AsyncGenerator<Buffer> {
    let parts: Buffer[] = [Buffer.from(this.#writer.head)];
    let bytes = parts[0]?.length ?? 0;
    for await (const record of this.#records) {
      const row = this.#row(record);
      if (this.#problems.areTooMany) break;
      if (row === undefined) continue;
      parts.push(row);
      bytes += row.length;
      if (bytes < PIECE_BYTES) continue;
      yield Buffer.concat(parts);
      parts = [];
      bytes = 0;
      this.#options.onProgress?.(this.#read);
    }
    if (bytes > 0) yield Buffer.concat(parts);
  }

  report(): UnloadReport {
    return {
      read: this.#read,
      written: this.#written,
      bad: this.#problems.count,
      problems: this.#problems.kept,
      totals: this.#totals.report(),
      complete: !this.#problems.areTooMany,
    };
  }

  #row(record: Buffer): Buffer | undefined {
    this.#read++;
    try {
      const row = this.#writer.write(record);
      this.#totals.add(record);
      this.#written++;
      return Buffer.isBuffer(row) ? row : Buffer.from(row);
    } catch (error) {
      if (!isRsyndError(error, 'ERR_BADDATA')) throw error;
      this.#problems.add(this.#read, error);
      return undefined;
    }
  }
}
