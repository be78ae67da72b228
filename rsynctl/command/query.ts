// `rsynctl query`: a question to a file of a server, with the connection options of a client. Needs no data
// directory: it is a client like any other.

import type { Command } from 'commander';
import type { Channel } from '../../client/channel/channel.js';
import { OpenedChannel } from '../../client/channel/opened-channel.js';
import {
  addConnectionOptions,
  type ConnectionOptions,
  openOptionsOf,
} from '../../client/cli/connection-options.js';
import { open } from '../../client/open.js';
import type { Aggregates, Query } from '../../client/select/query.js';
import {
  addQueryOptions,
  answerQuery,
  type QueriedFile,
  type QueryOptions,
  queryOf,
} from '../../shared/cli/query-command.js';
import { sinkOf, type TextStream } from '../../shared/cli/text-sink.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { Grouping, SelectQuery } from '../../shared/select/query.js';
import type { Tool } from '../tool.js';

/** A select may look at all records before the first one comes. */
const TIMEOUT_MS_DEFAULT = 10 * 60_000;

/** Declares `query`. `stdout` is where rows go; the tool's own where it is none of the process. */
export function addQuery(program: Command, tool: Tool, stdout: TextStream = process.stdout): void {
  const command = program
    .command('query')
    .description('find records of a file on a server: conditions, order, fields, groups')
    .argument('<filespec>', 'FILE@HOST[:PORT], rsynds://[USER@]HOST[:PORT]/FILE, or a path');
  addConnectionOptions(addQueryOptions(command)).action(
    (filespec: string, question: string, options: ConnectionOptions & QueryOptions) =>
      query(tool, stdout, filespec, question, { ...options, json: tool.json }),
  );
}

async function query(
  tool: Tool,
  stdout: TextStream,
  filespec: string,
  question: string,
  options: ConnectionOptions & QueryOptions,
): Promise<void> {
  const asked = queryOf(question, options);
  const timeoutMs = tool.timeoutMs ?? TIMEOUT_MS_DEFAULT;
  const connect = openOptionsOf(options, tool.env, filespec);
  await using channel = await open(filespec, { ...connect, timeoutMs });
  const rows = await answerQuery(new RemoteQuery(channel), asked, options, sinkOf(stdout));
  if (rows !== undefined) tool.note(`${rows} ${rows === 1 ? 'row' : 'rows'}`);
}

type GroupValues = Readonly<Record<string, unknown>>;

class RemoteQuery implements QueriedFile {
  readonly spec: FileSpec;
  readonly layout = 'whole';
  readonly #channel: Channel<Buffer>;

  constructor(channel: Channel<Buffer>) {
    // open() makes no others; the interface for programs does not say what the file is.
    if (!(channel instanceof OpenedChannel)) throw new TypeError('not a channel of open()');
    this.spec = channel.spec;
    this.#channel = channel;
  }

  records(asked: SelectQuery): AsyncIterable<Buffer> {
    const all = this.#ask(asked);
    return asked.fields === undefined ? all : all.sparse(...asked.fields);
  }

  async *groups(asked: SelectQuery): AsyncGenerator<readonly unknown[], void> {
    const { groupBy = { fields: [], aggregates: [] } } = asked;
    const names = [...groupBy.fields, ...groupBy.aggregates.map(({ name }) => name)];
    for await (const group of this.#grouped(asked, groupBy)) {
      yield names.map((name) => group[name]);
    }
  }

  count(asked: SelectQuery): Promise<number> {
    return this.#ask(asked).count();
  }

  explain(asked: SelectQuery) {
    const { groupBy, fields } = asked;
    if (groupBy !== undefined) return this.#grouped(asked, groupBy).explain();
    const all = this.#ask(asked);
    return fields === undefined ? all.explain() : all.sparse(...fields).explain();
  }

  #ask({ where, using, orderBy, limit }: SelectQuery): Query<Buffer> {
    let asked = this.#channel.select(where);
    if (using !== undefined) asked = asked.using(using);
    if (orderBy !== undefined) asked = asked.orderBy(...orderBy);
    return limit === undefined ? asked : asked.limit(limit);
  }

  #grouped(asked: SelectQuery, { fields, aggregates }: Grouping): Query<GroupValues, Buffer> {
    const byName = Object.fromEntries(
      aggregates.map(({ name, function: what, field }) => [
        name,
        what === 'count' || field === undefined ? (['count'] as const) : ([what, field] as const),
      ]),
    );
    const all: Aggregates = byName;
    return this.#ask(asked).groupBy(fields, all);
  }
}
