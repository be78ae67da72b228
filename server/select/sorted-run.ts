// Sorted rows, in memory (a piece) or in a file (a run), and a cursor over each that a merge can use.
// An entry is laid out as in spill-file.ts.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { sortPieceRecordsMax, sortRunBufferBytes } from '../../shared/base/limits.js';
import type { SpilledRun, SpillFile } from './spill-file.js';

const LENGTH_BYTES = 4;
const firstBytes = 4096;

/** Stands on one entry: its key begins at `at` of `bytes`. */
export interface RunCursor {
  readonly bytes: Buffer;
  readonly at: number;
  /** Order among equal keys: the lower comes first. */
  readonly rank: number;
  /** Goes to the next entry; false when there is none. */
  next(): Answer<boolean>;
}

/** A few rows that are sorted at once. */
export class Piece {
  readonly #keyBytes: number;
  #bytes = Buffer.allocUnsafe(firstBytes);
  #used = 0;
  #starts: number[] = [];

  constructor(keyBytes: number) {
    this.#keyBytes = keyBytes;
  }

  get isFull(): boolean {
    return this.#starts.length >= sortPieceRecordsMax || this.#used >= sortRunBufferBytes;
  }

  get isEmpty(): boolean {
    return this.#starts.length === 0;
  }

  /** Bytes of memory it takes, roughly. */
  get bytes(): number {
    return this.#bytes.length + this.#starts.length * 8;
  }

  add(key: Buffer, bytes: Buffer, start: number, end: number): void {
    const at = this.#used;
    const rowAt = at + this.#keyBytes + LENGTH_BYTES;
    this.#reserve(rowAt + end - start);
    key.copy(this.#bytes, at, 0, this.#keyBytes);
    this.#bytes.writeUInt32BE(end - start, at + this.#keyBytes);
    bytes.copy(this.#bytes, rowAt, start, end);
    this.#used = rowAt + end - start;
    this.#starts.push(at);
  }

  /** Sorts it; equal keys stay in the order they came. */
  sort(): void {
    const bytes = this.#bytes;
    const size = this.#keyBytes;
    this.#starts.sort((a, b) => bytes.compare(bytes, b, b + size, a, a + size) || a - b);
  }

  /** Standing on the first entry; `undefined` for an empty piece. */
  cursor(rank: number): RunCursor | undefined {
    return this.isEmpty ? undefined : new PieceCursor(this.#bytes, this.#starts, rank);
  }

  #reserve(needed: number): void {
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
  }
}

class PieceCursor implements RunCursor {
  readonly bytes: Buffer;
  readonly rank: number;
  readonly #starts: readonly number[];
  #index = 0;
  at: number;

  constructor(bytes: Buffer, starts: readonly number[], rank: number) {
    this.bytes = bytes;
    this.#starts = starts;
    this.rank = rank;
    this.at = starts[0] ?? 0;
  }

  next(): boolean {
    const at = this.#starts[++this.#index];
    if (at === undefined) return false;
    this.at = at;
    return true;
  }
}

/** Reads a run piece by piece. */
export class FileCursor implements RunCursor {
  readonly rank: number;
  readonly #file: SpillFile;
  readonly #keyBytes: number;
  readonly #end: number;
  /** Where in the file the bytes at hand end. */
  #position: number;
  bytes: Buffer = Buffer.alloc(0);
  at = 0;

  private constructor(file: SpillFile, run: SpilledRun, keyBytes: number, rank: number) {
    this.#file = file;
    this.#position = run.start;
    this.#end = run.end;
    this.#keyBytes = keyBytes;
    this.rank = rank;
  }

  /** Standing on the first entry of a run, which has one. */
  static async open(
    file: SpillFile,
    run: SpilledRun,
    keyBytes: number,
    rank: number,
  ): Promise<FileCursor> {
    const cursor = new FileCursor(file, run, keyBytes, rank);
    await cursor.#fill(0);
    return cursor;
  }

  next(): Answer<boolean> {
    this.at = this.#entryEnd();
    if (this.at + this.#headBytes <= this.bytes.length && this.#entryEnd() <= this.bytes.length) {
      return true;
    }
    if (this.at === this.bytes.length && this.#position === this.#end) return false;
    return andThen(this.#fill(this.at), () => true);
  }

  get #headBytes(): number {
    return this.#keyBytes + LENGTH_BYTES;
  }

  #entryEnd(): number {
    return this.at + this.#headBytes + this.bytes.readUInt32BE(this.at + this.#keyBytes);
  }

  /** Keeps the bytes from `from` on and reads more behind them, at least one whole entry. */
  async #fill(from: number): Promise<void> {
    await this.#readTo(from, Math.max(sortRunBufferBytes, this.#headBytes));
    if (this.#entryEnd() > this.bytes.length) await this.#readTo(0, this.#entryEnd());
  }

  async #readTo(from: number, size: number): Promise<void> {
    const kept = this.bytes.subarray(from);
    const more = Math.min(size - kept.length, this.#end - this.#position);
    const bytes = Buffer.allocUnsafe(kept.length + more);
    kept.copy(bytes);
    await this.#file.read(bytes.subarray(kept.length), this.#position);
    this.#position += more;
    this.bytes = bytes;
    this.at = 0;
  }
}
