// Whole questions as they travel. Called by the codec of `select`.
//
//   query     = [where, using, orderBy, fields, groupBy, join, limit, maxScan, maxMs, resume], nil for none
//   where     = expression (a list, see wire.ts) | text
//   using     = key number | key name
//   orderBy, fields = list of text
//   groupBy   = [count, field…, count, (name, function, field or nil)…]
//   join      = [0 inner | 1 left, channel, count, (own, other)…, where]
//   resume    = hex digits
//   function  = 0 count | 1 sum | 2 min | 3 max | 4 avg
//
// On the wire: never renumber; add at the end.

import {
  definitionNameCharsMax,
  fieldsPerFileMax,
  keysPerFileMax,
  queryAggregatesMax,
  queryOrdersMax,
  queryTextCharsMax,
  resumeBytesMax,
  segmentsPerKeyMax,
} from '../base/limits.js';
import type { Expression } from './expression.js';
import type { Aggregate, AggregateFunction, Grouping, Join, SelectQuery } from './query.js';
import { bytesOfHex, packExpression, unpackExpression } from './wire.js';
import { selectViolation, WireReader } from './wire-reader.js';

const FUNCTIONS: readonly AggregateFunction[] = ['count', 'sum', 'min', 'max', 'avg'];
const JOINS: readonly Join['kind'][] = ['inner', 'left'];
/** A name, quotes around it, sign in front and elements behind it. */
const OPERAND_CHARS_MAX = 3 * definitionNameCharsMax;

type Where = Expression | string;

/** The list of a query. ERR_INVOPER when its condition is larger than one may be. */
export function packQuery(query: SelectQuery): unknown[] {
  const { where, using, orderBy, fields, groupBy, join, limit, maxScan, maxMs, resume } = query;
  return [
    packWhere(where),
    using ?? null,
    orderBy === undefined ? null : [...orderBy],
    fields === undefined ? null : [...fields],
    groupBy === undefined ? null : packGrouping(groupBy),
    join === undefined ? null : packJoin(join),
    limit ?? null,
    maxScan ?? null,
    maxMs ?? null,
    resume === undefined ? null : Buffer.from(resume).toString('hex'),
  ];
}

/** The query of a list. ERR_PROTOCOL naming what is wrong with it. */
export function unpackQuery(value: unknown): SelectQuery {
  const reader = new WireReader(value, 'the query');
  const query: SelectQuery = {
    ...optional('where', unpackWhere(reader.any('where'))),
    ...optional('using', takeUsing(reader)),
    ...optional('orderBy', unpackTexts(reader.any('orderBy'), 'orderBy', queryOrdersMax)),
    ...optional('fields', unpackTexts(reader.any('fields'), 'fields', fieldsPerFileMax)),
    ...optional('groupBy', unpackGrouping(reader.any('groupBy'))),
    ...optional('join', unpackJoin(reader.any('join'))),
    ...optional('limit', takeLimit(reader, 'limit')),
    ...optional('maxScan', takeLimit(reader, 'maxScan')),
    ...optional('maxMs', takeLimit(reader, 'maxMs')),
    ...optional('resume', takeResume(reader)),
  };
  reader.end();
  return query;
}

/** `{ [name]: value }`, or nothing for undefined: to be spread. */
function optional<N extends keyof SelectQuery>(
  name: N,
  value: SelectQuery[N] | undefined,
): { readonly [name in N]?: SelectQuery[N] } {
  const member: { [name in N]?: SelectQuery[N] } = {};
  if (value !== undefined) member[name] = value;
  return member;
}

function packWhere(where: Where | undefined): unknown {
  if (where === undefined) return null;
  return typeof where === 'string' ? where : packExpression(where);
}

function unpackWhere(value: unknown): Where | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') return unpackExpression(value);
  if (value.length <= queryTextCharsMax) return value;
  throw selectViolation(`a condition has at most ${queryTextCharsMax} characters as text`);
}

function takeUsing(reader: WireReader): number | string | undefined {
  if (typeof reader.peek() === 'string') return reader.text('using', definitionNameCharsMax);
  return typeof reader.peek() === 'number'
    ? reader.whole('using', 0, keysPerFileMax)
    : takeNothing(reader, 'using', 'a key number or name');
}

const takeLimit = (reader: WireReader, what: string): number | undefined =>
  typeof reader.peek() === 'number'
    ? reader.whole(what, 1, Number.MAX_SAFE_INTEGER)
    : takeNothing(reader, what, 'a whole number from 1');

const takeResume = (reader: WireReader): Uint8Array | undefined =>
  typeof reader.peek() === 'string'
    ? bytesOfHex(reader.text('resume', 2 * resumeBytesMax))
    : takeNothing(reader, 'resume', 'hex digits');

function takeNothing(reader: WireReader, what: string, expected: string): undefined {
  const value = reader.any(what);
  return value === undefined ? undefined : reader.refuse(what, expected, value);
}

function unpackTexts(value: unknown, what: string, countMax: number): string[] | undefined {
  if (value === undefined) return undefined;
  const reader = new WireReader(value, what);
  if (reader.left > countMax) {
    throw selectViolation(`${what} has ${reader.left} names, at most ${countMax} are taken`);
  }
  return Array.from({ length: reader.left }, () => reader.text('a name', OPERAND_CHARS_MAX));
}

const packGrouping = ({ fields, aggregates }: Grouping): unknown[] => [
  fields.length,
  ...fields,
  aggregates.length,
  ...aggregates.flatMap((aggregate) => [
    aggregate.name,
    FUNCTIONS.indexOf(aggregate.function),
    aggregate.field ?? null,
  ]),
];

function unpackGrouping(value: unknown): Grouping | undefined {
  if (value === undefined) return undefined;
  const reader = new WireReader(value, 'groupBy');
  const fieldCount = reader.count('fields', fieldsPerFileMax);
  const fields = Array.from({ length: fieldCount }, () =>
    reader.text('a field', OPERAND_CHARS_MAX),
  );
  const count = reader.count('aggregates', queryAggregatesMax);
  const aggregates = Array.from({ length: count }, () => takeAggregate(reader));
  reader.end();
  return { fields, aggregates };
}

function takeAggregate(reader: WireReader): Aggregate {
  const name = reader.text('the name of an aggregate', OPERAND_CHARS_MAX);
  const number = reader.whole('a function', 0, FUNCTIONS.length - 1);
  const field =
    typeof reader.peek() === 'string'
      ? reader.text('a field', OPERAND_CHARS_MAX)
      : takeNothing(reader, 'a field', 'text');
  return { name, function: FUNCTIONS[number] ?? 'count', ...(field !== undefined && { field }) };
}

const packJoin = ({ kind, channel, on, where }: Join): unknown[] => [
  JOINS.indexOf(kind),
  channel,
  on.length,
  ...on.flat(),
  packWhere(where),
];

function unpackJoin(value: unknown): Join | undefined {
  if (value === undefined) return undefined;
  const reader = new WireReader(value, 'join');
  const kind = JOINS[reader.whole('the kind of join', 0, JOINS.length - 1)] ?? 'inner';
  const channel = reader.whole('a channel', 0, 2 ** 32 - 1);
  const count = reader.count('pairs of fields', segmentsPerKeyMax);
  const on = Array.from({ length: count }, () => {
    const own = reader.text('a field', OPERAND_CHARS_MAX);
    return [own, reader.text('a field', OPERAND_CHARS_MAX)] as const;
  });
  const where = unpackWhere(reader.any('where'));
  reader.end();
  return { kind, channel, on, ...(where !== undefined && { where }) };
}
