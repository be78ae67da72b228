// Bad rows of a load or unload, and doubtful ones: all are counted, the first are kept with their messages.
// More than the allowed number ends the work.

import { rowProblemsKeptMax } from '../../shared/base/limits.js';

export interface RowProblem {
  /** Line of the input, or number of the record for an unload, from 1. */
  readonly line: number;
  readonly message: string;
}

export class RowProblems {
  readonly kept: RowProblem[] = [];
  readonly #countMax: number;
  #count = 0;

  /** Up to `countMax` bad rows are gone over. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  add(line: number, { message }: { readonly message: string }): void {
    this.#count++;
    if (this.kept.length < rowProblemsKeptMax) this.kept.push({ line, message });
  }

  get count(): number {
    return this.#count;
  }

  /** True when the next one is one too many. */
  get isNextTooMany(): boolean {
    return this.#count === this.#countMax;
  }

  /** True when there are more than are gone over. */
  get areTooMany(): boolean {
    return this.#count > this.#countMax;
  }
}
