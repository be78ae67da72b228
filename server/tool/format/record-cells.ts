// All cells of a record, and the way from cells to bytes. Every record that is written out as cells is put
// together again at once: when that gives other bytes the format would change it, and that is an error.

import { RsyndError } from '../../../shared/base/error.js';
import type { FieldSpec, FileSpec } from '../../../shared/record/file-spec.js';
import { Cell, type CellValue } from './cell.js';

const BLANK = 0x20;

/** A field with its cells in row-major order; overlays have none. */
export interface FieldCells {
  readonly field: FieldSpec;
  readonly cells: readonly Cell[];
}

export class RecordCells {
  readonly fields: readonly FieldCells[];
  readonly cells: readonly Cell[];
  readonly #spec: FileSpec;
  readonly #template: Buffer;
  /** A variable record is never so short that a key would be cut off. */
  readonly #bytesMin: number;

  constructor(spec: FileSpec) {
    this.#spec = spec;
    const stored = spec.fields.filter((field) => field.overlay !== true);
    this.fields = stored.map((field) => ({ field, cells: cellsOf(field) }));
    this.cells = this.fields.flatMap(({ cells }) => cells);
    this.#template = Buffer.alloc(spec.record.size, BLANK);
    for (const cell of this.cells) cell.fill(this.#template);
    this.#bytesMin = spec.record.format === 'variable' ? keyReach(spec) : spec.record.size;
  }

  /** Values in the order of `cells`; undefined behind the end of a short record. ERR_BADDATA. */
  read(record: Buffer): (CellValue | undefined)[] {
    const values = this.cells.map((cell) => cell.read(record));
    const again = this.write(values.map((value, index) => [index, value] as const));
    if (!again.equals(record)) throw new RsyndError('ERR_BADDATA', this.#difference(record, again));
    return values;
  }

  /** The record of some cells, by index; undefined ones are as good as not given. ERR_BADDATA. */
  write(values: Iterable<readonly [index: number, value: unknown]>): Buffer {
    const target = Buffer.from(this.#template);
    let last: Cell | undefined;
    for (const [index, value] of values) {
      const cell = this.cells[index];
      if (cell === undefined || value === undefined) continue;
      cell.write(value, target);
      if (last === undefined || cell.end > last.end) last = cell;
    }
    return this.#spec.record.format === 'variable' ? this.#cut(target, last) : target;
  }

  /** A variable record ends with its last value, trailing blanks of text left away. */
  #cut(record: Buffer, last: Cell | undefined): Buffer {
    let end = last?.end ?? 0;
    if (last?.field.type === 'alpha') {
      while (end > last.field.offset && record[end - 1] === BLANK) end--;
    }
    return record.subarray(0, Math.max(this.#bytesMin, end));
  }

  #difference(record: Buffer, again: Buffer): string {
    const changed = (cell: Cell): boolean =>
      !record
        .subarray(cell.field.offset, cell.end)
        .equals(again.subarray(cell.field.offset, cell.end));
    const cell = this.cells.find(changed);
    const where = cell === undefined ? 'bytes outside of its fields' : `bytes in ${cell.name}`;
    return `the record holds ${where} that this format would change; use --format jsonl or fixed`;
  }
}

function cellsOf(field: FieldSpec): Cell[] {
  const { dimension = [], ...scalar } = field;
  const count = dimension.reduce((product, size) => product * size, 1);
  if (dimension.length === 0) return [new Cell(field.name, scalar)];
  return Array.from({ length: count }, (_, element) => {
    const name = `${field.name}[${subscripts(element, dimension).join(',')}]`;
    return new Cell(name, { ...scalar, name, offset: field.offset + element * field.length });
  });
}

/** 1-based subscripts of an element in row-major order. */
function subscripts(element: number, dimension: readonly number[]): number[] {
  let rest = element;
  const reversed = dimension.toReversed().map((size) => {
    const subscript = (rest % size) + 1;
    rest = Math.floor(rest / size);
    return subscript;
  });
  return reversed.toReversed();
}

const keyReach = (spec: FileSpec): number =>
  spec.keys
    .filter((key) => key.nullKey?.kind !== 'short')
    .flatMap((key) => key.segments)
    .reduce((reach, segment) => Math.max(reach, segment.offset + segment.length), 1);
