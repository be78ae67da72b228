// What the walk of a select and the thread that helps it share: a piece of memory. No messages go between them while
// they work, so neither waits for the other's turn. All counting is in parts of a file (course.ts).
//
//   control   the last part the walk has for itself | stop | ended | the part the thread is in
//   reports   2 × helpedWindowParts × | part + 1 | bytes to its first match | matches | records |     0: none yet
//   matches   2 halves of helpedMatchBytesMax, of one match behind the other:
//             | address less that of the part's first slot | records up to it, with it | CRC | length | record … |
//
// Numbers have 4 bytes, matches begin at multiples of 4. The thread writes matches and report of a part, then its
// number; who reads the number may read the rest. A window uses the other half than the one before; a half is used
// again when the walk has left the window it was used for.

import {
  helpedMatchBytesMax,
  helpedPartBlocks,
  helpedWindowParts,
} from '../../shared/base/limits.js';
import { makeAddress } from '../storage/lmdb/address.js';
import type { Match } from '../storage/lmdb/unmapped/block-search.js';

const WORD_BYTES = 4;
const AT_POSITION = 0;
const AT_STOP = 1;
const AT_ENDED = 2;
const AT_WORK = 3;
const AT_REPORTS = 4;
const REPORT_WORDS = 4;
const REPORTS = 2 * helpedWindowParts;
const MATCH_WORDS = 4;
const MATCHES_BEGIN = (AT_REPORTS + REPORTS * REPORT_WORDS) * WORD_BYTES;
const MATCHES_END = MATCHES_BEGIN + 2 * helpedMatchBytesMax;

/** Addresses of one part. */
const ADDRESSES = makeAddress(helpedPartBlocks, 0);

const reportOf = (part: number): number => AT_REPORTS + (part % REPORTS) * REPORT_WORDS;

/** What was found in one part. */
export interface Found {
  /** Records in the part. */
  readonly looked: number;
  /** Matches. */
  readonly count: number;
  /** Where the first one is. */
  readonly at: number;
}

/** A match, in the bytes of the board. */
export interface FoundMatch {
  /** Less that of the first slot of the part. */
  readonly address: number;
  /** Records of the part up to it, with it. */
  readonly looked: number;
  readonly crc: number;
  readonly start: number;
  readonly end: number;
  /** Where the one behind it is. */
  readonly next: number;
}

/** The walk's side. What it reads may be anything: nothing is looked up by it outside of the board. */
export class Board {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Buffer;
  readonly #words: Int32Array;
  #position: number;

  /** `part`: where the walk is. `memory`: of a board that nobody uses any more. */
  constructor(part: number, memory = new SharedArrayBuffer(MATCHES_END)) {
    this.memory = memory;
    this.bytes = Buffer.from(memory);
    this.#words = new Int32Array(memory);
    this.#words.fill(0, 0, MATCHES_BEGIN / WORD_BYTES);
    this.#position = part;
    Atomics.store(this.#words, AT_POSITION, part);
  }

  /** The walk has come so far: nobody needs to look through this part, nor what is ahead of it, any more. */
  enter(part: number): void {
    if (part === this.#position) return;
    this.#position = part;
    Atomics.store(this.#words, AT_POSITION, part);
    Atomics.notify(this.#words, AT_POSITION);
  }

  /** No more is wanted. */
  stop(): void {
    Atomics.store(this.#words, AT_STOP, 1);
    Atomics.notify(this.#words, AT_POSITION);
  }

  get isStopped(): boolean {
    return Atomics.load(this.#words, AT_STOP) !== 0;
  }

  /** There is no thread any more that would say so. */
  endForThread(): void {
    Atomics.store(this.#words, AT_ENDED, 1);
  }

  /** Nobody uses its memory any more. */
  get isLeft(): boolean {
    return this.isStopped && this.isEnded;
  }

  /** The thread has done with this select. */
  get isEnded(): boolean {
    return Atomics.load(this.#words, AT_ENDED) !== 0;
  }

  /** What was found in the part, if it was looked through. */
  found(part: number): Found | undefined {
    const words = this.#words;
    const report = reportOf(part);
    if (!this.#isFound(part)) return undefined;
    const [at = 0, count = 0, looked = 0] = words.subarray(report + 1, report + REPORT_WORDS);
    return looked < count ? undefined : { at, count, looked };
  }

  /** Undefined when no match can be there. */
  match(at: number): FoundMatch | undefined {
    const words = this.#words;
    const word = at / WORD_BYTES;
    const address = words[word] ?? -1;
    const looked = words[word + 1] ?? 0;
    const crc = (words[word + 2] ?? 0) >>> 0;
    const start = at + MATCH_WORDS * WORD_BYTES;
    const end = start + (words[word + 3] ?? 0);
    const isInside = at >= MATCHES_BEGIN && end > start && end <= MATCHES_END;
    if (!isInside || looked <= 0 || address < 0 || address >= ADDRESSES) return undefined;
    return { address, looked, crc, start, end, next: wholeWords(end) };
  }

  /**
   * The walk, in part `from`, goes on by itself up to and with part `to`, but not into one that the thread is in or has
   * looked through. Answers the first part that it does not go into.
   */
  claim(from: number, to: number): number {
    const work = Atomics.load(this.#words, AT_WORK);
    let until = from + 1;
    while (until <= to && until !== work && !this.#isFound(until)) until++;
    this.enter(until - 1);
    return until;
  }

  /** Nothing that was found is ahead of part `from`, and nothing will be. */
  isSpent(from: number): boolean {
    if (!this.isEnded) return false;
    for (let part = from; part < from + REPORTS; part++) if (this.#isFound(part)) return false;
    return true;
  }

  #isFound(part: number): boolean {
    return Atomics.load(this.#words, reportOf(part)) === part + 1;
  }
}

/** The thread's side. */
export class HelperBoard {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  /** Where the next match goes, and the end of the half. */
  #next = MATCHES_BEGIN;
  #limit = MATCHES_END;
  /** The part at hand: where its first match is, and how many there are. */
  #first = 0;
  #count = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#bytes = Buffer.from(memory);
  }

  get position(): number {
    return Atomics.load(this.#words, AT_POSITION);
  }

  get isStopped(): boolean {
    return Atomics.load(this.#words, AT_STOP) !== 0;
  }

  /** Sleeps until the walk is elsewhere than in `position`; false when it is not after `patienceMs`. */
  waitForWalk(position: number, patienceMs: number): boolean {
    return Atomics.wait(this.#words, AT_POSITION, position, patienceMs) !== 'timed-out';
  }

  /** A new window: matches go to the other half. */
  turn(): void {
    this.#next = this.#limit === MATCHES_END ? MATCHES_BEGIN : this.#limit;
    this.#limit = this.#next + helpedMatchBytesMax;
  }

  begin(part: number): void {
    Atomics.store(this.#words, AT_WORK, part);
    this.#first = this.#next;
    this.#count = 0;
  }

  /** Adds a match to the part at hand; false when the half is full. */
  add(address: number, { bytes, start, end, crc, looked }: Match): boolean {
    const at = this.#next;
    const recordAt = at + MATCH_WORDS * WORD_BYTES;
    const next = wholeWords(recordAt + end - start);
    if (next > this.#limit) return false;
    const word = at / WORD_BYTES;
    this.#words[word] = address;
    this.#words[word + 1] = looked;
    this.#words[word + 2] = crc;
    this.#words[word + 3] = end - start;
    bytes.copy(this.#bytes, recordAt, start, end);
    this.#next = next;
    this.#count++;
    return true;
  }

  /** All that was added since `begin` is what there is in the part. */
  report(part: number, looked: number): void {
    const at = reportOf(part);
    this.#words[at + 1] = this.#first;
    this.#words[at + 2] = this.#count;
    this.#words[at + 3] = looked;
    Atomics.store(this.#words, at, part + 1);
  }

  end(): void {
    Atomics.store(this.#words, AT_ENDED, 1);
  }
}

const wholeWords = (at: number): number => (at + WORD_BYTES - 1) & -WORD_BYTES;
