// Keys the file fills in by itself: `sequence` counts stores, `ctimestamp` is the time of the store,
// `timestamp` the time of the last store or write. All are 8-byte little-endian integers in the
// record; times are microseconds since 1970. What a caller puts into their bytes does not matter.
//
// Numbers and times are counters of the file, taken inside the step that stores: no two records get the same,
// whichever process stores them, and times do not go back with the clock.

import type { FileSpec, SegmentSpec } from '../../shared/record/file-spec.js';
import type { CounterOfFile } from '../storage/engine.js';

interface SequenceSegment extends CounterOfFile {
  readonly offset: number;
}

const AUTOKEY_BYTES = 8;
/** Name of the counter of times: in the file, never change. */
const TIME = 'time';

/** Gives times in microseconds, each later than the one before. */
export type UniqueClock = () => bigint;

export function createUniqueClock(nowMs: () => number = Date.now): UniqueClock {
  let last = 0n;
  return () => {
    const now = BigInt(nowMs()) * 1000n;
    last = now > last ? now : last + 1n;
    return last;
  };
}

/** The autokey segments of one file, found once when it is opened. */
export class Autokeys {
  readonly sequences: readonly SequenceSegment[];
  /** A record shorter than this has no room for all of them. */
  readonly reach: number;
  readonly #createdAt: readonly SegmentSpec[];
  readonly #changedAt: readonly SegmentSpec[];
  readonly #clock: UniqueClock;

  constructor(spec: FileSpec, clock: UniqueClock) {
    this.sequences = spec.keys.flatMap((key, number) =>
      key.segments
        .filter((segment) => segment.type === 'sequence')
        .map((segment) => ({
          name: `sequence@${segment.offset}`,
          seed: BigInt(spec.seeds?.[number] ?? 1),
          offset: segment.offset,
        })),
    );
    const ofType = (type: string) =>
      spec.keys.flatMap((key) => key.segments.filter((segment) => segment.type === type));
    this.#createdAt = ofType('ctimestamp');
    this.#changedAt = ofType('timestamp');
    const all = [...this.sequences, ...this.#createdAt, ...this.#changedAt];
    this.reach = Math.max(0, ...all.map(({ offset }) => offset + AUTOKEY_BYTES));
    this.#clock = clock;
  }

  /** True when some segment is filled in, so that records must be copied before they are stored. */
  get any(): boolean {
    return this.sequences.length + this.#createdAt.length + this.#changedAt.length > 0;
  }

  /** True when a change of a record fills something in. */
  get stampsChanges(): boolean {
    return this.#changedAt.length > 0;
  }

  /** What a store takes numbers from, for `fillNew`: all sequences, and one time for all times of it. */
  countersOfStore(): readonly CounterOfFile[] {
    const hasTimes = this.#createdAt.length + this.#changedAt.length > 0;
    return hasTimes ? [...this.sequences, ...this.counterOfChange()] : this.sequences;
  }

  /** What a change takes its time from, for `fillChanged`: now, or just after the time given last. */
  counterOfChange(): readonly CounterOfFile[] {
    return [{ name: TIME, seed: 0n, atLeast: this.#clock() }];
  }

  /** A copy of `record` with numbers and time of a new record filled in. */
  fillNew(record: Uint8Array, numbers: readonly bigint[]): Buffer {
    const filled = Buffer.from(record);
    const time = numbers[this.sequences.length] ?? 0n;
    this.sequences.forEach((segment, index) => {
      filled.writeBigInt64LE(numbers[index] ?? 0n, segment.offset);
    });
    for (const segment of this.#createdAt) filled.writeBigInt64LE(time, segment.offset);
    for (const segment of this.#changedAt) filled.writeBigInt64LE(time, segment.offset);
    return filled;
  }

  /** A copy of `record` with all autokeys of `previous`. */
  keep(record: Uint8Array, previous: Uint8Array): Buffer {
    const filled = Buffer.from(record);
    for (const { offset } of [...this.sequences, ...this.#createdAt, ...this.#changedAt]) {
      filled.set(previous.subarray(offset, offset + AUTOKEY_BYTES), offset);
    }
    return filled;
  }

  /** A copy of `record` with a new time of change. */
  fillChanged(record: Uint8Array, [time = 0n]: readonly bigint[]): Buffer {
    const filled = Buffer.from(record);
    for (const { offset } of this.#changedAt) filled.writeBigInt64LE(time, offset);
    return filled;
  }
}
