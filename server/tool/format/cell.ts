// A cell is one value of a record in a text format: a field, or one element of an array field. Cells carry
// what a field codec alone does not: a number that was never filled in is blank, not zero, and stays blank.
//
//   bytes                     text      JSON
//   blank number, date, time  ''        null
//   date of zeros             '0'       "0"
//   decimal '0000012p'        '-1.20'   "-1.20"     (a number where it is exact without a point)
//   binary                    base64    base64

import type { RecordValues } from '../../../shared/record/field-codec.js';
import { fieldError } from '../../../shared/record/field-error.js';
import type { FieldSpec } from '../../../shared/record/file-spec.js';
import { compileScalar, type ScalarCodec } from '../../../shared/record/scalar-codec.js';

/** A value as JSON has it. */
export type CellValue = string | number | boolean | null;

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;

export class Cell {
  /** `NAME`, or `NAME[2,1]` for an element of an array. */
  readonly name: string;
  readonly field: FieldSpec;
  readonly #codec: ScalarCodec;
  /** Blank means "not filled in"; in text and in bytes it is a value like any other. */
  readonly #knowsBlank: boolean;

  constructor(name: string, field: FieldSpec) {
    this.name = name;
    this.field = field;
    this.#codec = compileScalar(field);
    this.#knowsBlank = ['decimal', 'date', 'time', 'boolean'].includes(field.type);
  }

  get end(): number {
    return this.field.offset + this.field.length;
  }

  /** Undefined when the record ends before the cell. Throws ERR_BADDATA for bytes that are no value. */
  read(record: Buffer): CellValue | undefined {
    const { offset, type } = this.field;
    if (offset >= record.length) return undefined;
    if (this.end > record.length) {
      if (type !== 'alpha') throw fieldError(this.name, 'is cut off by the end of the record');
      return record.toString('latin1', offset).replace(/ +$/, '');
    }
    if (this.#knowsBlank && this.#isFilledWith(record, BLANK)) return null;
    if (type === 'date' && this.#isFilledWith(record, DIGIT_ZERO)) return '0';
    return toCellValue(this.#codec.read(record, offset));
  }

  write(value: unknown, target: Buffer): void {
    const { offset, type } = this.field;
    const isBlank = value === null || (value === '' && type !== 'alpha' && type !== 'binary');
    if (isBlank) this.#writeBlank(target);
    else if (type === 'date' && value === '0') target.fill(DIGIT_ZERO, offset, this.end);
    else this.#codec.write(type === 'binary' ? this.#fromBase64(value) : value, target, offset);
  }

  /** What the cell holds when no value is given at all. */
  fill(target: Buffer): void {
    target.fill(this.#codec.fillByte, this.field.offset, this.end);
  }

  #writeBlank(target: Buffer): void {
    if (this.#knowsBlank) target.fill(BLANK, this.field.offset, this.end);
    else this.fill(target);
  }

  #isFilledWith(record: Buffer, byte: number): boolean {
    for (let at = this.field.offset; at < this.end; at++) if (record[at] !== byte) return false;
    return true;
  }

  #fromBase64(value: unknown): Buffer {
    const bytes = typeof value === 'string' ? decodeBase64(value) : undefined;
    return bytes ?? failBase64(this.name);
  }
}

function failBase64(name: string): never {
  throw fieldError(name, 'takes bytes as base64');
}

/** Undefined for text that is not base64: Buffer.from would skip what it does not know. */
export function decodeBase64(text: string): Buffer | undefined {
  const isBase64 = /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;
  return isBase64 ? Buffer.from(text, 'base64') : undefined;
}

/** Big integers become numbers where these are exact, else text. */
function toCellValue(value: RecordValues[string]): CellValue {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  throw new TypeError(`a scalar cannot be ${typeof value}`);
}
