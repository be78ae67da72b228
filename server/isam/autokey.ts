// Keys the file fills in by itself: `sequence` counts stores, `ctimestamp` is the time of the store,
// `timestamp` the time of the last store or write. All are 8-byte little-endian integers in the
// record; times are microseconds since 1970. What a caller puts into their bytes does not matter.

import type { FileSpec, SegmentSpec } from '../../shared/record/file-spec.js';

/** One counter to take a number from; its name lives in the file and must not change. */
interface SequenceSegment {
  readonly name: string;
  readonly seed: bigint;
  readonly offset: number;
}

const AUTOKEY_BYTES = 8;

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

  /** The times of one store; taken once, however often the record is then made. */
  takeTime(): bigint {
    return this.#createdAt.length + this.#changedAt.length > 0 ? this.#clock() : 0n;
  }

  /** A copy of `record` with numbers and time of a new record filled in. */
  fillNew(record: Uint8Array, numbers: readonly bigint[], time: bigint): Buffer {
    const filled = Buffer.from(record);
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

  /** A copy of `record` with a new time of change; the record itself when the file has none. */
  fillChanged(record: Uint8Array): Uint8Array {
    if (this.#changedAt.length === 0) return record;
    const filled = Buffer.from(record);
    const time = this.#clock();
    for (const { offset } of this.#changedAt) filled.writeBigInt64LE(time, offset);
    return filled;
  }
}
