// The options of `isutl select` and `rsynctl query`, and what they do: one question in text, answered as a
// table, JSON, JSON Lines or CSV, or counted, or explained. How the file is reached is the program's own.

import type { Command } from 'commander';
import { RsyndError } from '../base/error.js';
import type { FileSpec } from '../record/file-spec.js';
import { parseQuery } from '../select/parse.js';
import type { Plan, SelectQuery } from '../select/query.js';
import { groupColumns, type RecordLayout, recordColumns } from './query-columns.js';
import { planText, printRows, type QueryFormat, type TextSink } from './query-output.js';

export interface QueryOptions {
  /** Also an option of the whole program. */
  readonly json?: boolean;
  readonly jsonl?: boolean;
  readonly csv?: boolean;
  readonly explain?: boolean;
  readonly count?: boolean;
  readonly limit?: string;
  readonly fields?: string;
  readonly orderBy?: string;
  readonly using?: string;
}

/** A file that is open for one query. */
export interface QueriedFile {
  readonly spec: FileSpec;
  /** How the fields asked for come. */
  readonly layout: RecordLayout;
  records(query: SelectQuery): AsyncIterable<Buffer>;
  /** Values of the fields, then of the aggregates. */
  groups(query: SelectQuery): AsyncIterable<readonly unknown[]>;
  count(query: SelectQuery): Promise<number>;
  explain(query: SelectQuery): Promise<Plan>;
}

const HELP = `
Question:
  "state in ('CA','OR') and total >= 100.00 order by total desc limit 10"
  "select number, total where placed between '20240101' and '20241231'"
  "state <> '' group by state: count, sum(total) as total"
  "rec(1, 6) = '000042'"                           bytes of the record, where fields have no names

Without a question: all records.`;

/** Adds the options of a query to a command. `--json` is one of the program's. */
export const addQueryOptions = (command: Command): Command =>
  command
    .argument('[question]', 'what to look for; see below', '')
    .option('--jsonl', 'one JSON object a line')
    .option('--csv', 'comma-separated, with the names in the first line')
    .option('--count', 'how many there are, and nothing else')
    .option('--explain', 'how it would be done, and nothing else')
    .option('--fields <names>', 'only these fields, as in number,total,rec(5,3)')
    .option('--order-by <fields>', 'as in state,-total')
    .option('--using <key>', 'key to go by, number or name')
    .option('--limit <n>', 'at most so many')
    .addHelpText('after', HELP);

/** The question of a command line. ERR_INVOPER with a caret where its text is wrong, ERR_INVARG. */
export function queryOf(text: string, options: QueryOptions): SelectQuery {
  formatOf(options);
  const asked = text.trim() === '' ? {} : parseQuery(text);
  const { limit, fields, orderBy, using } = options;
  return {
    ...asked,
    ...(limit === undefined ? {} : { limit: wholeNumber('--limit', limit) }),
    ...(fields === undefined ? {} : { fields: namesOf('--fields', fields) }),
    ...(orderBy === undefined ? {} : { orderBy: namesOf('--order-by', orderBy) }),
    ...(using === undefined ? {} : { using: /^\d+$/.test(using) ? Number(using) : using }),
  };
}

/** Asks, and prints the answer. Answers how many rows it had, where it had rows. */
export async function answerQuery(
  file: QueriedFile,
  query: SelectQuery,
  options: QueryOptions,
  sink: TextSink,
): Promise<number | undefined> {
  const format = formatOf(options);
  const isJson = format === 'json' || format === 'jsonl';
  if (options.explain === true) {
    const plan = await file.explain(query);
    await sink.write(isJson ? `${JSON.stringify(plan)}\n` : planText(plan));
    return undefined;
  }
  if (options.count === true) {
    const count = await file.count(query);
    await sink.write(isJson ? `${JSON.stringify({ count })}\n` : `${count}\n`);
    return undefined;
  }
  const { groupBy } = query;
  if (groupBy !== undefined) {
    return printRows(groupColumns(groupBy, file.spec), file.groups(query), format, sink);
  }
  const columns = recordColumns(file.spec, query, file.layout);
  const rows = (async function* () {
    for await (const record of file.records(query)) {
      yield columns.map((column) => column.read(record));
    }
  })();
  return printRows(columns, rows, format, sink);
}

/** ERR_INVARG when more than one is asked for. */
function formatOf({ json, jsonl, csv, count, explain }: QueryOptions): QueryFormat {
  const asked = Object.entries({ json, jsonl, csv }).filter(([, is]) => is === true);
  const [first, second] = asked.map(([name]) => name as QueryFormat);
  if (second !== undefined) throw exclude(`--${first}`, `--${second}`);
  if (count === true && explain === true) throw exclude('--count', '--explain');
  return first ?? 'table';
}

const exclude = (one: string, other: string): RsyndError =>
  new RsyndError('ERR_INVARG', `${one} and ${other} exclude each other`);

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Number(text);
  throw new RsyndError('ERR_INVARG', `${option} is a whole number from 1, not ${text}`);
}

/** Commas within brackets belong to a name: `rec(5,3)`, `price[1,2]`. */
function namesOf(option: string, text: string): string[] {
  const names = [''];
  let depth = 0;
  for (const character of text) {
    if (character === '(' || character === '[') depth++;
    if (character === ')' || character === ']') depth--;
    if (character === ',' && depth === 0) names.push('');
    else names[names.length - 1] += character;
  }
  const trimmed = names.map((name) => name.trim());
  if (!trimmed.includes('')) return trimmed;
  throw new RsyndError('ERR_INVARG', `${option} takes names with commas between, as in a,b`);
}
