// Stores the rows of a text file into a record file. Knows neither the format of the text nor how records
// are stored: it brings the two together in batches, counts, and says which rows were refused and why.

import type { Answer } from '../../shared/base/answer.js';
import { isRsyndError, type RsyndError } from '../../shared/base/error.js';
import type { ErrorCode } from '../../shared/base/error-code.js';
import { loadBatchBytesMax, loadBatchRecordsMax } from '../../shared/base/limits.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { Row } from './row.js';
import { type RowProblem, RowProblems } from './row-problems.js';
import { type ColumnTotal, Totals } from './totals.js';

/** Where records go. */
export interface LoadTarget {
  readonly spec: FileSpec;
  /** Stores in order and stops at the first that cannot be; those before it are stored. */
  storeMany(records: readonly Buffer[]): Answer<{ stored: number; error?: unknown }>;
}

export interface LoadOptions {
  /** More bad rows than this end the load. */
  readonly badRowsMax: number;
  /** Called after each batch. */
  readonly onProgress?: (rowsRead: number) => void;
}

export interface LoadReport {
  /** Of the input; when it ended early, some of them were neither stored nor found bad. */
  readonly read: number;
  readonly stored: number;
  readonly bad: number;
  /** The first of the bad rows, by line. */
  readonly problems: readonly RowProblem[];
  /** Of the records stored, those somebody should look at. */
  readonly questionable: number;
  /** What is doubtful about the first of them, by line. */
  readonly doubts: readonly RowProblem[];
  /** Of the records stored. */
  readonly totals: readonly ColumnTotal[];
  /** False when it ended early because of too many bad rows. */
  readonly complete: boolean;
}

/** What one row can be refused for; everything else concerns the whole file and ends the load. */
const ROW_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_NODUPS',
  'ERR_IRCSIZ',
  'ERR_BADDATA',
  'ERR_INVKVAL',
  'ERR_BADKEY',
]);

/** Rejects when the file cannot take more; what was stored until then stays stored. */
export async function loadRows(
  rows: AsyncIterable<Row>,
  target: LoadTarget,
  options: LoadOptions,
): Promise<LoadReport> {
  const loader = new Loader(target, new RowProblems(options.badRowsMax));
  for await (const row of rows) {
    await loader.take(row);
    if (loader.mustStop) break;
    if (loader.isBatchStart) options.onProgress?.(loader.read);
  }
  return loader.finish();
}

class Loader {
  read = 0;
  #stored = 0;
  readonly #target: LoadTarget;
  readonly #problems: RowProblems;
  readonly #totals: Totals;
  /** No number of them ends a load. */
  readonly #doubts = new RowProblems(Number.POSITIVE_INFINITY);
  #lines: number[] = [];
  /** Doubts about the batch, by index of the record. */
  #batchDoubts = new Map<number, string>();
  #records: Buffer[] = [];
  #bytes = 0;

  constructor(target: LoadTarget, problems: RowProblems) {
    this.#target = target;
    this.#problems = problems;
    this.#totals = new Totals(target.spec);
  }

  get mustStop(): boolean {
    return this.#problems.areTooMany;
  }

  get isBatchStart(): boolean {
    return this.#records.length === 0;
  }

  async take(row: Row): Promise<void> {
    this.read++;
    if (row.error !== undefined) {
      // The load ends with this row: those that came before it are stored first.
      if (this.#problems.isNextTooMany) await this.#flush();
      if (!this.mustStop) this.#problems.add(row.line, row.error);
      return;
    }
    if (row.doubt !== undefined) this.#batchDoubts.set(this.#records.length, row.doubt);
    this.#lines.push(row.line);
    this.#records.push(row.record);
    this.#bytes += row.record.length;
    const isFull = this.#records.length >= loadBatchRecordsMax || this.#bytes >= loadBatchBytesMax;
    if (isFull) await this.#flush();
  }

  async finish(): Promise<LoadReport> {
    if (!this.mustStop) await this.#flush();
    return {
      read: this.read,
      stored: this.#stored,
      bad: this.#problems.count,
      problems: this.#problems.kept.toSorted((a, b) => a.line - b.line),
      questionable: this.#doubts.count,
      doubts: this.#doubts.kept,
      totals: this.#totals.report(),
      complete: !this.mustStop,
    };
  }

  /** Goes on behind each refused record until the batch is through or there are too many. */
  async #flush(): Promise<void> {
    let from = 0;
    while (from < this.#records.length && !this.mustStop) {
      const batch = from === 0 ? this.#records : this.#records.slice(from);
      const { stored, error } = await this.#target.storeMany(batch);
      for (const record of batch.slice(0, stored)) this.#totals.add(record);
      this.#addDoubts(from, from + stored);
      this.#stored += stored;
      from += stored;
      if (error === undefined) break;
      this.#problems.add(this.#lines[from] ?? 0, asRowError(error));
      from++;
    }
    this.#lines = [];
    this.#batchDoubts = new Map();
    this.#records = [];
    this.#bytes = 0;
  }

  /** Of records refused the refusal is said instead. */
  #addDoubts(from: number, end: number): void {
    for (const [index, message] of this.#batchDoubts) {
      if (index >= from && index < end) this.#doubts.add(this.#lines[index] ?? 0, { message });
    }
  }
}

function asRowError(error: unknown): RsyndError {
  if (isRsyndError(error) && ROW_ERRORS.has(error.code)) return error;
  throw error;
}
