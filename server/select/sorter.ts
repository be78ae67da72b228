// Sorts rows with bounded memory and in short steps. All of them: small pieces are sorted as they fill,
// pieces that outgrow the memory are merged into a run in a file, and what there is in the end is merged
// as it is taken.
//
//   add ─▶ piece ─full─▶ pieces ─too many bytes─▶ run in the file       ─▶ merge ─▶ rows
//
// The first few only (sorter-top.ts) never need a file.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import { sortMemoryBytesMax, sortRunBufferBytes, sortRunsMax } from '../../shared/base/limits.js';
import { Merge } from './merge.js';
import type { TakeRow } from './row.js';
import { FileCursor, Piece, type RunCursor } from './sorted-run.js';
import { type SpilledRun, SpillFile } from './spill-file.js';

/** Takes rows in any order and gives them back sorted by key; equal keys in the order they came. */
export interface Sorter {
  /** True when `settle` must be called before more rows are added. */
  readonly isFull: boolean;
  /** `key` has the bytes that the sorter was made for; both are copied. */
  add(key: Buffer, bytes: Buffer, start: number, end: number): void;
  /** Makes room, or begins to give rows when `isLast`; call it until it answers `done`. */
  settle(isLast: boolean, rowsMax: number): Answer<'more' | 'done'>;
  /** After all were added and settled. */
  advance(take: TakeRow, rowsMax: number): Answer<'more' | 'end'>;
  close(): Answer<void>;
}

export interface SorterOptions {
  readonly keyBytes: number;
  /** Where a file may be made. */
  readonly directory: string;
  /** Bytes of rows kept in memory. */
  readonly memoryBytesMax: number;
  readonly runsMax: number;
}

export const sorterLimits = { memoryBytesMax: sortMemoryBytesMax, runsMax: sortRunsMax };

export class RunSorter implements Sorter {
  readonly #options: SorterOptions;
  #pieces: Piece[] = [];
  #piece: Piece;
  #bytes = 0;
  #file: SpillFile | undefined;
  readonly #runs: SpilledRun[] = [];
  /** The run being written. */
  #spill: Merge | undefined;
  #runStart = 0;
  #merge: Merge | undefined;

  constructor(options: SorterOptions) {
    this.#options = options;
    this.#piece = new Piece(options.keyBytes);
  }

  get isFull(): boolean {
    return this.#bytes >= this.#options.memoryBytesMax;
  }

  add(key: Buffer, bytes: Buffer, start: number, end: number): void {
    const before = this.#piece.bytes;
    this.#piece.add(key, bytes, start, end);
    this.#bytes += this.#piece.bytes - before;
    if (this.#piece.isFull) this.#closePiece();
  }

  settle(isLast: boolean, rowsMax: number): Answer<'more' | 'done'> {
    if (this.isFull || this.#spill !== undefined) return this.#spillSome(rowsMax);
    if (!isLast) return 'done';
    return andThen(this.#cursors(), (cursors) => {
      this.#merge = new Merge(cursors, this.#options.keyBytes, 'row');
      return 'done';
    });
  }

  advance(take: TakeRow, rowsMax: number): Answer<'more' | 'end'> {
    if (this.#merge === undefined) throw new TypeError('settle comes before advance');
    return this.#merge.advance(take, rowsMax);
  }

  close(): Answer<void> {
    this.#pieces = [];
    this.#merge = undefined;
    const file = this.#file;
    this.#file = undefined;
    return file?.close();
  }

  #closePiece(): void {
    this.#piece.sort();
    this.#pieces.push(this.#piece);
    this.#piece = new Piece(this.#options.keyBytes);
  }

  /** Puts some of what is in memory into the run being written. */
  async #spillSome(rowsMax: number): Promise<'more' | 'done'> {
    const file = await this.#spillFile();
    this.#spill ??= this.#beginRun(file);
    const parts: Buffer[] = [];
    let bytes = 0;
    const take: TakeRow = (from, start, end) => {
      if (bytes >= 2 * sortRunBufferBytes) return false;
      parts.push(from.subarray(start, end));
      bytes += end - start;
      return true;
    };
    const state = await this.#spill.advance(take, rowsMax);
    await file.append(Buffer.concat(parts, bytes));
    if (state === 'more') return 'more';
    this.#endRun(file);
    return 'done';
  }

  async #spillFile(): Promise<SpillFile> {
    this.#file ??= await SpillFile.make(this.#options.directory);
    return this.#file;
  }

  #beginRun(file: SpillFile): Merge {
    if (this.#runs.length >= this.#options.runsMax) throw tooMuch();
    this.#runStart = file.end;
    return new Merge(this.#pieceCursors(), this.#options.keyBytes, 'entry');
  }

  #endRun(file: SpillFile): void {
    this.#runs.push({ start: this.#runStart, end: file.end });
    this.#spill = undefined;
    this.#pieces = [];
    this.#bytes = 0;
  }

  #pieceCursors(): RunCursor[] {
    if (!this.#piece.isEmpty) this.#closePiece();
    // Pieces hold what came last: they rank behind all runs.
    const rank = this.#options.runsMax;
    return this.#pieces.flatMap((piece, index) => piece.cursor(rank + index) ?? []);
  }

  #cursors(): Answer<readonly RunCursor[]> {
    const file = this.#file;
    const pieces = this.#pieceCursors();
    if (file === undefined) return pieces;
    const { keyBytes } = this.#options;
    const opening = this.#runs.map((run, rank) => FileCursor.open(file, run, keyBytes, rank));
    return Promise.all(opening).then((runs) => [...runs, ...pieces]);
  }
}

function tooMuch(): RsyndError {
  const why =
    'there is too much to sort; order by a key of the file, set a limit, or select fewer records';
  return new RsyndError('ERR_INVOPER', why, { subject: 'select' });
}
