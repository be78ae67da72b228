// Comma-separated text (RFC 4180): a header row with the names of cells, then one row a record. UTF-8; a
// byte order mark is accepted. Columns may come in any order and may be missing; unknown ones are refused.

import { Readable } from 'node:stream';
import { type CsvError, parse } from 'csv-parse';
import { stringify } from 'csv-stringify/sync';
import { RsyndError } from '../../../shared/base/error.js';
import { textRowBytesMax } from '../../../shared/base/limits.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import { nearestWord } from '../../../shared/record/keyword.js';
import type { ByteSource, Row, RowReader, RowWriter } from '../row.js';
import { RecordCells } from './record-cells.js';
import { requireFields } from './require-fields.js';

/** One row as csv-parse gives it with `info`. */
interface CsvRow {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

export function csvReader(spec: FileSpec): RowReader {
  requireFields(spec, 'csv');
  const cells = new RecordCells(spec);
  return (input) => readCsv(input, cells, overlayNames(spec));
}

/** Columns that lie over others: their bytes are given by those. */
const overlayNames = (spec: FileSpec): ReadonlySet<string> =>
  new Set(spec.fields.filter(({ overlay }) => overlay).map(({ name }) => name.toUpperCase()));

async function* readCsv(
  input: ByteSource,
  cells: RecordCells,
  overlays: ReadonlySet<string>,
): AsyncGenerator<Row> {
  const broken: Row[] = [];
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    record_delimiter: ['\n', '\r\n'],
    skip_records_with_error: true,
    max_record_size: textRowBytesMax,
  });
  parser.on('skip', (error: CsvError | undefined) =>
    broken.push(brokenRow(error, parser.info.lines)),
  );
  const source = Readable.from(input, { objectMode: false });
  source.on('error', (error) => parser.destroy(error));
  let columns: readonly (number | undefined)[] | undefined;
  let line = 1;
  for await (const { record, info } of source.pipe(parser) as AsyncIterable<CsvRow>) {
    // The parser tells of broken rows ahead of good ones that came before them.
    for (let next = broken[0]; next !== undefined && next.line <= line; next = broken[0]) {
      yield next;
      broken.shift();
      line = next.line + 1;
    }
    if (columns === undefined) columns = matchColumns(record, cells, overlays);
    else yield makeRow(record, line, columns, cells);
    line = info.lines + 1;
  }
  // The last ones may be long: said is where they begin, which is where to look for a missing quote.
  for (const row of broken.splice(0)) {
    yield { ...row, line: Math.min(line, row.line) };
    line = row.line + 1;
  }
  if (columns === undefined) throw new RsyndError('ERR_BADDATA', 'the input has no header row');
}

/** In our words where the parser's show content, or do not say what became of the rows behind. */
const WHY_BROKEN: { readonly [code: string]: string } = {
  CSV_INVALID_CLOSING_QUOTE:
    'text follows a closing quote; a quote within a value is written twice',
  CSV_QUOTE_NOT_CLOSED: 'a quote is not closed: nothing from here to the end of the input was read',
};

function brokenRow(error: CsvError | undefined, line: number): Row {
  const why = WHY_BROKEN[error?.code ?? ''] ?? error?.message ?? 'the row cannot be read';
  return { line, error: new RsyndError('ERR_BADDATA', why) };
}

/** For each column the cell it fills. Names are case-blind. */
function matchColumns(
  header: readonly string[],
  { cells }: RecordCells,
  overlays: ReadonlySet<string>,
): readonly (number | undefined)[] {
  const byName = new Map(cells.map((cell, index) => [cell.name.toUpperCase(), index]));
  const seen = new Set<string>();
  return header.map((column) => {
    const name = column.trim().toUpperCase();
    if (seen.has(name)) throw new RsyndError('ERR_BADDATA', `column ${column} is there twice`);
    seen.add(name);
    if (overlays.has(name)) return undefined;
    return byName.get(name) ?? failColumn(column, [...byName.keys()]);
  });
}

function failColumn(column: string, names: readonly string[]): never {
  const near = nearestWord(column.trim().toUpperCase(), names);
  const hint =
    near === undefined ? `; the fields are ${names.join(', ')}` : `, did you mean ${near}`;
  throw new RsyndError('ERR_BADDATA', `column ${JSON.stringify(column)} is no field${hint}`);
}

function makeRow(
  values: readonly string[],
  line: number,
  columns: readonly (number | undefined)[],
  cells: RecordCells,
): Row {
  try {
    if (values.length !== columns.length) {
      const why = `the row has ${values.length} columns, the header ${columns.length}`;
      throw new RsyndError('ERR_BADDATA', why);
    }
    const given = columns.flatMap((cell, column) =>
      cell === undefined ? [] : [[cell, values[column]] as const],
    );
    return { line, record: cells.write(given) };
  } catch (error) {
    if (error instanceof RsyndError) return { line, error };
    throw error;
  }
}

/** Empty text is written in quotes where it would leave an empty line. */
export function csvWriter(spec: FileSpec): RowWriter {
  requireFields(spec, 'csv');
  const cells = new RecordCells(spec);
  const options = { quoted_match: /[\r\n]/, quoted_empty: cells.cells.length === 1 };
  return {
    head: stringify([cells.cells.map(({ name }) => name)], options),
    write: (record) => {
      const values = cells.read(record);
      return stringify([values.map((value) => (value == null ? '' : String(value)))], options);
    },
  };
}
