// Prints the answer of a query row by row, as a table, JSON, JSON Lines or CSV. Nothing is gathered but the
// first rows of a table, so that answers may be of any size.

import { stringify } from 'csv-stringify/sync';
import type { Plan } from '../select/query.js';
import { escapeControls, type TableColumn, tableLines } from './table.js';

export const QUERY_FORMATS = ['table', 'json', 'jsonl', 'csv'] as const;
export type QueryFormat = (typeof QUERY_FORMATS)[number];

/** Where text goes. `write` resolves when there is room for more. */
export interface TextSink {
  write(text: string): Promise<void>;
  /** Characters of a line, on a terminal. */
  readonly lineChars?: number | undefined;
}

/** Text is handed over in pieces of about this size, so that small rows do not mean small writes. */
const PIECE_CHARS = 16 * 1024;

/** Prints all rows; values are in the order of `columns`. Answers how many. */
export async function printRows(
  columns: readonly TableColumn[],
  rows: AsyncIterable<readonly unknown[]>,
  format: QueryFormat,
  sink: TextSink,
): Promise<number> {
  let count = 0;
  const counted = (async function* () {
    for await (const row of rows) {
      count++;
      yield row;
    }
  })();
  let piece = '';
  for await (const text of textOf(columns, counted, format, sink.lineChars)) {
    piece += text;
    if (piece.length < PIECE_CHARS) continue;
    await sink.write(piece);
    piece = '';
  }
  if (piece !== '') await sink.write(piece);
  return count;
}

/** A plan, a fact a line. */
export function planText({ key, ranges, filter, order, estimate, advice }: Plan): string {
  const facts: (readonly [string, string])[] = [
    ['key', key === undefined ? 'none, as stored' : `${key.number} ${key.name}`],
    ...ranges.map((range) => ['range', range] as const),
    ['filter', filter === '' ? 'none' : filter],
    ['order', ORDER_WORDS[order]],
    ['estimate', `${estimate} records to look at`],
    ...(advice === undefined ? [] : [['advice', advice] as const]),
  ];
  return facts.map(([name, value]) => `${name.padEnd(10)}${escapeControls(value)}\n`).join('');
}

const ORDER_WORDS: Readonly<Record<Plan['order'], string>> = {
  none: 'none',
  key: 'that of the key',
  sort: 'sorted',
  top: 'the first few, sorted',
};

type Rows = AsyncIterable<readonly unknown[]>;

function textOf(
  columns: readonly TableColumn[],
  rows: Rows,
  format: QueryFormat,
  lineChars: number | undefined,
): AsyncIterable<string> {
  switch (format) {
    case 'table':
      return tableLines(columns, cellsOf(rows), { lineChars });
    case 'csv':
      return csvOf(columns, rows);
    case 'json':
      return jsonOf(columns, rows);
    default:
      return jsonLinesOf(columns, rows);
  }
}

async function* cellsOf(rows: Rows): AsyncGenerator<readonly string[], void> {
  for await (const row of rows) yield row.map(cellText);
}

/** Blanks at the end of text say nothing to people. */
const cellText = (value: unknown): string => plainText(value).replace(/ +$/, '');

async function* csvOf(columns: readonly TableColumn[], rows: Rows): AsyncGenerator<string, void> {
  const options = { quoted_match: /[\r\n]/, quoted_empty: columns.length === 1 };
  yield stringify([columns.map(({ name }) => name)], options);
  for await (const row of rows) yield stringify([row.map(plainText)], options);
}

async function* jsonOf(columns: readonly TableColumn[], rows: Rows): AsyncGenerator<string, void> {
  let separator = '[';
  for await (const row of rows) {
    yield `${separator}\n${objectText(columns, row)}`;
    separator = ',';
  }
  yield separator === '[' ? '[]\n' : '\n]\n';
}

async function* jsonLinesOf(
  columns: readonly TableColumn[],
  rows: Rows,
): AsyncGenerator<string, void> {
  for await (const row of rows) yield `${objectText(columns, row)}\n`;
}

const objectText = (columns: readonly TableColumn[], row: readonly unknown[]): string =>
  JSON.stringify(
    Object.fromEntries(columns.map(({ name }, index) => [name, jsonValue(row[index])])),
  );

function plainText(value: unknown): string {
  const simple = jsonValue(value);
  if (simple === null) return '';
  return typeof simple === 'object' ? JSON.stringify(simple) : String(simple);
}

/** Large integers become numbers where that is exact, else text; bytes become base64. */
function jsonValue(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return Array.isArray(value) ? value.map(jsonValue) : value;
}
