// `isutl select`: a question to a file, answered as a table, JSON, JSON Lines or CSV.

import type { Command } from 'commander';
import {
  addQueryOptions,
  answerQuery,
  type QueryOptions,
  queryOf,
} from '../../../shared/cli/query-command.js';
import { sinkOf } from '../../../shared/cli/text-sink.js';
import type { Tool } from '../tool.js';

export function addSelect(program: Command, tool: Tool): void {
  const command = program
    .command('select')
    .description('find records: conditions, order, fields, groups')
    .argument('<file>', 'record file');
  addQueryOptions(command).action((file: string, question: string, options: QueryOptions) =>
    select(tool, file, question, { ...options, json: tool.json }),
  );
}

async function select(
  tool: Tool,
  name: string,
  question: string,
  options: QueryOptions,
): Promise<void> {
  const query = queryOf(question, options);
  const files = await tool.files();
  const rows = await files.query(name, (file) =>
    answerQuery(file, query, options, sinkOf(tool.stdout)),
  );
  if (rows !== undefined) tool.note(`${rows} ${rows === 1 ? 'row' : 'rows'}`);
}
