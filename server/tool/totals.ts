// Exact sums of the numeric columns of records, shown after every load and unload: equal totals on both
// sides say that nothing changed on the way. Sums are integers of the smallest unit, never floats.

import { formatDecimal, zonedToNumber, zonedToText } from '../../shared/record/decimal.js';
import type { FieldSpec, FileSpec } from '../../shared/record/file-spec.js';

/** The sum of one column. */
export interface ColumnTotal {
  readonly field: string;
  /** Decimal text with the places of the field. */
  readonly total: string;
  /** Records whose bytes are no number there; they are not in the sum. */
  readonly unreadable: number;
}

/** Digits a JS number holds exactly. */
const EXACT_DIGITS = 15;
/** Past it a running sum is carried over, so that the next addend cannot make it inexact. */
const CARRY_AT = 2 ** 52;

export class Totals {
  readonly #columns: readonly Column[];

  constructor(spec: FileSpec) {
    this.#columns = spec.fields.filter(isNumeric).map((field) => new Column(field));
  }

  add(record: Buffer): void {
    for (const column of this.#columns) column.add(record);
  }

  report(): ColumnTotal[] {
    return this.#columns.map((column) => column.report());
  }
}

const isNumeric = ({ type, overlay }: FieldSpec): boolean =>
  overlay !== true && (type === 'decimal' || type === 'integer' || type === 'unsigned');

class Column {
  readonly #field: FieldSpec;
  readonly #elements: number;
  readonly #read: (record: Buffer, at: number) => number | bigint | undefined;
  #carried = 0n;
  #running = 0;
  #unreadable = 0;

  constructor(field: FieldSpec) {
    this.#field = field;
    this.#elements = (field.dimension ?? []).reduce((product, size) => product * size, 1);
    this.#read = readerOf(field);
  }

  add(record: Buffer): void {
    const { offset, length } = this.#field;
    for (let element = 0; element < this.#elements; element++) {
      const at = offset + element * length;
      if (at + length > record.length) return;
      this.#addValue(this.#read(record, at));
    }
  }

  #addValue(value: number | bigint | undefined): void {
    if (value === undefined || Number.isNaN(value)) this.#unreadable++;
    else if (typeof value === 'bigint') this.#carried += value;
    else {
      this.#running += value;
      if (Math.abs(this.#running) < CARRY_AT) return;
      this.#carried += BigInt(this.#running);
      this.#running = 0;
    }
  }

  report(): ColumnTotal {
    const sum = this.#carried + BigInt(this.#running);
    const negative = sum < 0n;
    const digits = (negative ? -sum : sum).toString();
    const total = formatDecimal({ negative, digits, scale: this.#field.precision ?? 0 });
    return { field: this.#field.name, total, unreadable: this.#unreadable };
  }
}

/** Reads one element in the smallest unit of the field. */
function readerOf({
  type,
  length,
}: FieldSpec): (record: Buffer, at: number) => number | bigint | undefined {
  if (type === 'decimal') return length <= EXACT_DIGITS ? zoned(length) : longZoned(length);
  const signed = type === 'integer';
  if (length <= 6) {
    return (record, at) => (signed ? record.readIntLE(at, length) : record.readUIntLE(at, length));
  }
  return (record, at) => {
    const low = BigInt(record.readUIntLE(at, 6));
    const rest = length - 6;
    const high = signed ? record.readIntLE(at + 6, rest) : record.readUIntLE(at + 6, rest);
    return (BigInt(high) << 48n) | low;
  };
}

const zoned =
  (length: number) =>
  (record: Buffer, at: number): number =>
    zonedToNumber(record, at, length);

const longZoned =
  (length: number) =>
  (record: Buffer, at: number): bigint | undefined => {
    const text = zonedToText(record, at, length, 0);
    return text === undefined ? undefined : BigInt(text);
  };
