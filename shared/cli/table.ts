// Rows for people, in columns. The first rows are held back to see how wide the columns are; later ones may
// push them apart. On a terminal wide text is cut, elsewhere never. Knows nothing of queries.

import { tableCellCharsMax, tableCellCharsMin, tableRowsMeasuredMax } from '../base/limits.js';

export interface TableColumn {
  readonly name: string;
  /** Stands at the right. */
  readonly isNumeric: boolean;
}

export interface TableOptions {
  /** Characters of a line where lines should fit; absent where nothing is cut. */
  readonly lineChars?: number | undefined;
}

const GAP = '  ';
const CUT = '…';

/** The lines of a table, each with its line end. */
export async function* tableLines(
  columns: readonly TableColumn[],
  rows: AsyncIterable<readonly string[]>,
  options: TableOptions = {},
): AsyncGenerator<string, undefined> {
  const held: (readonly string[])[] = [];
  let table: Layout | undefined;
  for await (const row of rows) {
    const clean = row.map(escapeControls);
    if (table !== undefined) yield table.lineOf(clean);
    else if (held.push(clean) === tableRowsMeasuredMax) {
      table = new Layout(columns, held, options);
      yield* table.begin(held);
    }
  }
  if (table === undefined) yield* new Layout(columns, held, options).begin(held);
  return undefined;
}

/** Control characters as \n, \t, \x1b: a terminal must not obey what a file holds. */
export function escapeControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

class Layout {
  readonly #columns: readonly TableColumn[];
  readonly #widths: readonly number[];
  readonly #mayCut: boolean;

  constructor(
    columns: readonly TableColumn[],
    rows: readonly (readonly string[])[],
    { lineChars }: TableOptions,
  ) {
    this.#columns = columns.map((column) => ({ ...column, name: escapeControls(column.name) }));
    const widths = this.#columns.map(({ name }, index) =>
      rows.reduce((width, row) => Math.max(width, (row[index] ?? '').length), name.length),
    );
    this.#mayCut = lineChars !== undefined;
    this.#widths = lineChars === undefined ? widths : fit(widths, lineChars);
  }

  *begin(rows: readonly (readonly string[])[]): Generator<string, void> {
    yield this.lineOf(this.#columns.map(({ name }) => name));
    yield this.lineOf(this.#widths.map((width) => '-'.repeat(width)));
    for (const row of rows) yield this.lineOf(row);
  }

  lineOf(row: readonly string[]): string {
    const cells = this.#columns.map(({ isNumeric }, index) => {
      const width = this.#widths[index] ?? 0;
      const cell = this.#cut(row[index] ?? '', width);
      return isNumeric ? cell.padStart(width) : cell.padEnd(width);
    });
    return `${cells.join(GAP).trimEnd()}\n`;
  }

  #cut(cell: string, width: number): string {
    if (!this.#mayCut || cell.length <= width) return cell;
    return `${cell.slice(0, width - 1)}${CUT}`;
  }
}

/** Takes from the widest column until the line fits, or no column has anything to give. */
function fit(wanted: readonly number[], lineChars: number): number[] {
  const widths = wanted.map((width) =>
    Math.min(width, Math.max(tableCellCharsMax, tableCellCharsMin)),
  );
  let over = widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - lineChars;
  while (over > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= tableCellCharsMin) break;
    widths[widest] = width - 1;
    over--;
  }
  return widths;
}
