// Parts of a file, and in which order the thread looks through them: from the far end of a window towards the walk, so
// that both meet somewhere in it however fast either is, and neither waits; then likewise in the next window.
//
//   part    5   6   7   8   9  10  11  12 | 13 …
//           walk ──▶            ◀── thread
//                   the walk goes on until it comes to a part that was looked through

import { helpedPartBlocks, helpedWindowParts } from '../../shared/base/limits.js';
import { FIRST_BLOCK } from '../storage/lmdb/format.js';

/** The part that a block is in. */
export const partOf = (block: number): number =>
  Math.floor((block - FIRST_BLOCK) / helpedPartBlocks);

/** The first block of a part. */
export const firstBlockOf = (part: number): number => FIRST_BLOCK + part * helpedPartBlocks;

/** What the thread does next: look through a part, wait until the walk leaves its part, or nothing any more. */
export type Next = { readonly part: number; readonly isInNewWindow: boolean } | 'wait' | 'end';

export class Course {
  readonly #end: number;
  #windowStart: number;
  #windowEnd: number;
  #next = -1;

  /** Of parts up to and without `end`, for a walk that is in part `position`. */
  constructor(position: number, end: number) {
    this.#end = end;
    this.#windowStart = position;
    this.#windowEnd = position;
  }

  next(position: number): Next {
    if (this.#next > position && this.#next >= this.#windowStart) {
      return { part: this.#next--, isInNewWindow: false };
    }
    const start = Math.max(this.#windowEnd, position + 1);
    if (start >= this.#end) return 'end';
    // The window before this one, whose room the next one takes, is left when the walk has come into this one.
    if (position < this.#windowStart) return 'wait';
    this.#windowStart = start;
    this.#windowEnd = Math.min(start + helpedWindowParts, this.#end);
    this.#next = this.#windowEnd - 1;
    return { part: this.#next--, isInNewWindow: true };
  }

  /** Leaves the rest of the window to the walk. */
  skipWindow(): void {
    this.#next = -1;
  }
}
