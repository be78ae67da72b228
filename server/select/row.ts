// Rows on their way through a select: what is made of a matching record (all of it, some of its fields,
// its address) and how one stage hands rows to the next. A row is bytes that are valid during one call.

import type { Answer } from '../../shared/base/answer.js';
import { RFA_BYTES } from '../../shared/record/rfa.js';
import type { BoundOperand } from '../../shared/select/bound.js';
import type { RecordWalk, WalkPoint } from './record-walk.js';

/** Takes the row `bytes[start, end)`; false when it has no room: the same row then comes again. */
export type TakeRow = (bytes: Buffer, start: number, end: number) => boolean;

/** A stage that gives rows, some at each call. */
export interface RowInput {
  /** Records looked at so far. */
  readonly looked: number;
  /** False once all records were looked at and only rows are given: budgets are then of no interest. */
  readonly isLooking: boolean;
  /** Where another query could go on; `within`: not just here; `nowhere`: it could not at all. */
  readonly point: WalkPoint | 'within' | 'nowhere';
  /** Gives rows until one is not taken, or about `recordsMax` were worked on; perhaps none. */
  advance(take: TakeRow, recordsMax: number): Answer<'more' | 'end'>;
  /** A row that was not taken was the last one wanted: it counts as looked at. */
  countLast(): void;
  close(): Answer<void>;
}

export interface RecordAddress {
  readonly block: number;
  readonly slot: number;
}

/** What a row holds of a record. */
export interface RowShape {
  /** Bytes of every row; 0 when they differ. */
  readonly length: number;
  /** Bytes of the longest. */
  readonly lengthMax: number;
  /** The row is the record as it is. */
  readonly isWhole?: true;
  /** Makes the row of a record and hands it on; what `take` says. */
  give(take: TakeRow, bytes: Buffer, range: RecordRange): boolean;
}

/** Where in the bytes the record is, and where in the file. */
export interface RecordRange {
  start: number;
  end: number;
  address: RecordAddress;
}

/** The record as it is. `size` 0: records differ in length, up to `sizeMax`. */
export const wholeRecord = (size: number, sizeMax: number): RowShape => ({
  length: size,
  lengthMax: sizeMax,
  isWhole: true,
  give: (take, bytes, { start, end }) => take(bytes, start, end),
});

/** Its address, 6 bytes. */
export function addressOnly(): RowShape {
  const row = Buffer.alloc(RFA_BYTES);
  return {
    length: RFA_BYTES,
    lengthMax: RFA_BYTES,
    give(take, _bytes, { address }) {
      row.writeUIntBE(address.block, 0, 5);
      row[5] = address.slot;
      return take(row, 0, RFA_BYTES);
    },
  };
}

/** The bytes of some fields, one after another; what a short record lacks is the field's empty value. */
export function someFields(fields: readonly BoundOperand[]): RowShape {
  const length = fields.reduce((sum, field) => sum + field.length, 0);
  const row = Buffer.alloc(length);
  return {
    length,
    lengthMax: length,
    give(take, bytes, { start, end }) {
      let at = 0;
      for (const field of fields) {
        copyField(field, bytes, { from: start + field.offset, end }, row.subarray(at));
        at += field.length;
      }
      return take(row, 0, length);
    },
  };
}

function copyField(
  field: BoundOperand,
  bytes: Buffer,
  { from, end }: { from: number; end: number },
  target: Buffer,
): void {
  const until = from + field.length;
  if (until <= end) return void bytes.copy(target, 0, from, until);
  const there = from < end ? bytes.copy(target, 0, from, end) : 0;
  // Text and bytes keep what there is of them; half a number is none.
  const kept = field.type === 'alpha' || field.type === 'binary' ? there : 0;
  target.fill(emptyByte(field), kept, field.length);
}

/** As the codec of the field writes nothing (scalar-codec.ts): an empty time is blank, zero is midnight. */
function emptyByte({ type, length }: BoundOperand): number {
  if (type === 'alpha' || type === 'time') return 0x20;
  if (type === 'decimal' || type === 'date') return 0x30;
  return type === 'boolean' && length === 1 ? 0x30 : 0;
}

/** Rows straight from a walk. */
export class WalkInput implements RowInput {
  readonly isLooking = true;
  readonly #walk: RecordWalk;
  readonly #shape: RowShape;
  readonly #range: RecordRange = { start: 0, end: 0, address: { block: 0, slot: 0 } };
  #lasts = 0;

  constructor(walk: RecordWalk, shape: RowShape) {
    this.#walk = walk;
    this.#shape = shape;
  }

  get looked(): number {
    return this.#walk.looked + this.#lasts;
  }

  /** Behind all rows taken so far. */
  get point(): WalkPoint {
    return this.#walk.point;
  }

  advance(take: TakeRow, recordsMax: number): Answer<'more' | 'end'> {
    const range = this.#range;
    const shape = this.#shape;
    if (shape.isWhole) return this.#walk.advance(take, recordsMax);
    return this.#walk.advance((bytes, start, end, address) => {
      range.start = start;
      range.end = end;
      range.address = address;
      return shape.give(take, bytes, range);
    }, recordsMax);
  }

  countLast(): void {
    this.#lasts++;
  }

  /** Holds nothing between two steps. */
  close(): void {}
}
