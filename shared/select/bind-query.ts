// Checks a whole question against a file (bound.ts). Called by the server before it runs one, and by the SDK
// so that a mistake is found before anything is sent. A join is only looked at for itself: its other file
// is bound by who has it open.

import {
  fieldsPerFileMax,
  groupRowBytesMax,
  queryAggregatesMax,
  queryOrdersMax,
  queryRowBytesMax,
  segmentsPerKeyMax,
} from '../base/limits.js';
import type { FileSpec } from '../record/file-spec.js';
import { bindExpression } from './bind.js';
import { bindOperand, isNumeric } from './bind-operand.js';
import type { BoundAggregate, BoundOperand, BoundOrder, BoundQuery } from './bound.js';
import { parseExpression, parseOperand, parseOrder } from './parse.js';
import type { Aggregate, AggregateFunction, Grouping, Join, SelectQuery } from './query.js';
import { selectError } from './select-error.js';

const FUNCTIONS: readonly AggregateFunction[] = ['count', 'sum', 'min', 'max', 'avg'];
/** Names of keys listed in a message about a wrong one. */
const NAMES_SHOWN_MAX = 30;

/** The query for records of the file. ERR_INVOPER for what the file or the query itself does not allow. */
export function bindQuery(query: SelectQuery, spec: FileSpec): BoundQuery {
  const { where, using, orderBy = [], fields, groupBy, join } = query;
  refuseContradictions(query);
  if (join !== undefined) checkJoin(join, spec);
  const expression = typeof where === 'string' ? parseExpression(where) : where;
  const bound: BoundQuery = {
    where: bindExpression(expression, spec),
    orderBy: bindOrders(orderBy, spec),
    ...(using !== undefined && { using: keyNumberOf(using, spec) }),
    ...(fields !== undefined && { fields: bindFields(fields, spec, 'fields') }),
    ...(groupBy !== undefined && { groupBy: bindGrouping(groupBy, spec) }),
    ...limitOf('limit', query.limit),
    ...limitOf('maxScan', query.maxScan),
    ...limitOf('maxMs', query.maxMs),
  };
  refuseOrderOfGroups(bound);
  return bound;
}

/** The place a name of a query means: `total`, `phone[2]`, `rec(5,3)`. */
export const bindName = (name: string, spec: FileSpec): BoundOperand =>
  bindOperand(parseOperand(name), spec);

function refuseContradictions({ fields, groupBy, join }: SelectQuery): void {
  if (groupBy !== undefined && fields !== undefined) {
    throw selectError(
      'groups give their own fields: leave the choice of fields away, or the groups',
    );
  }
  if (groupBy !== undefined && join !== undefined) {
    throw selectError('pairs of a join are not grouped: leave the join away, or the groups');
  }
}

/** Groups come with the fields they are made by, and can be put in order by those alone. */
function refuseOrderOfGroups({ orderBy, groupBy }: BoundQuery): void {
  if (groupBy === undefined) return;
  const same = (one: BoundOperand, other: BoundOperand): boolean =>
    one.offset === other.offset && one.length === other.length && one.type === other.type;
  const foreign = orderBy.find(
    ({ operand }) => !groupBy.fields.some((field) => same(field, operand)),
  );
  if (foreign === undefined) return;
  throw selectError(
    `groups are ordered by fields they are made by, not by ${foreign.operand.text}`,
  );
}

function bindOrders(orderBy: readonly string[], spec: FileSpec): BoundOrder[] {
  checkCount(orderBy, 'orderBy', queryOrdersMax);
  const bound = orderBy.map((term) => {
    const { operand, descending } = parseOrder(term);
    return { operand: bindOperand(operand, spec), descending };
  });
  checkBytes(
    bound.map(({ operand }) => operand),
    'orderBy',
    queryRowBytesMax,
  );
  return bound;
}

function bindFields(fields: readonly string[], spec: FileSpec, what: string): BoundOperand[] {
  checkCount(fields, what, fieldsPerFileMax);
  if (fields.length === 0 && what === 'fields')
    throw selectError('name the fields that shall come');
  const bound = fields.map((name) => bindName(name, spec));
  checkBytes(bound, what, queryRowBytesMax);
  return bound;
}

function bindGrouping(grouping: Grouping, spec: FileSpec): NonNullable<BoundQuery['groupBy']> {
  const { fields, aggregates } = grouping;
  checkCount(aggregates, 'groupBy', queryAggregatesMax);
  if (fields.length + aggregates.length === 0) {
    throw selectError('groupBy takes fields, aggregates, or both');
  }
  const bound = {
    fields: bindFields(fields, spec, 'groupBy'),
    aggregates: aggregates.map((aggregate) => bindAggregate(aggregate, spec)),
  };
  const values = [...bound.fields, ...bound.aggregates.flatMap(({ operand }) => operand ?? [])];
  checkBytes(values, 'groupBy', groupRowBytesMax);
  refuseDoubleNames([
    ...bound.fields.map(({ text }) => text),
    ...bound.aggregates.map(({ name }) => name),
  ]);
  return bound;
}

function bindAggregate(aggregate: Aggregate, spec: FileSpec): BoundAggregate {
  const { name, function: asked, field } = aggregate;
  if (typeof name !== 'string' || name === '') throw selectError('an aggregate needs a name');
  if (!FUNCTIONS.includes(asked)) {
    throw selectError(`aggregate ${name}: computed are ${FUNCTIONS.join(', ')}`);
  }
  if (asked === 'count') {
    if (field === undefined) return { name, function: asked };
    throw selectError(`aggregate ${name}: count counts records, it takes no field`);
  }
  if (field === undefined) throw selectError(`aggregate ${name}: ${asked} takes a field`);
  const operand = bindName(field, spec);
  const isTotal = asked === 'sum' || asked === 'avg';
  if (isTotal ? isNumeric(operand) : operand.type !== 'binary') {
    return { name, function: asked, operand };
  }
  throw selectError(
    `aggregate ${name}: ${operand.text} is ${operand.type}, ${asked} is not for that`,
  );
}

function refuseDoubleNames(names: readonly string[]): void {
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double !== undefined) {
    throw selectError(`groups would have two values named ${double}, give one another name`);
  }
}

function checkJoin({ kind, on }: Join, spec: FileSpec): void {
  if (kind !== 'inner' && kind !== 'left') throw selectError("a join is 'inner' or 'left'");
  if (on.length === 0 || on.length > segmentsPerKeyMax) {
    throw selectError(`a join takes 1 to ${segmentsPerKeyMax} pairs of fields, not ${on.length}`);
  }
  for (const [own] of on) bindName(own, spec);
}

function keyNumberOf(using: number | string, spec: FileSpec): number {
  const folded = String(using).toUpperCase();
  const number =
    typeof using === 'number'
      ? using
      : spec.keys.findIndex((key) => key.name.toUpperCase() === folded);
  if (spec.keys[number] !== undefined) return number;
  const shown = spec.keys.slice(0, NAMES_SHOWN_MAX).map((key, index) => `${index} ${key.name}`);
  const more = spec.keys.length > shown.length ? ', …' : '';
  throw selectError(`there is no key ${using}; the keys are ${shown.join(', ')}${more}`);
}

function limitOf<N extends 'limit' | 'maxScan' | 'maxMs'>(
  name: N,
  value: number | undefined,
): { readonly [name in N]?: number } {
  const member: { [name in N]?: number } = {};
  if (value === undefined) return member;
  if (!Number.isSafeInteger(value) || value < 1) {
    throw selectError(`${name} is a whole number from 1, not ${value}`);
  }
  member[name] = value;
  return member;
}

function checkCount(list: readonly unknown[], what: string, max: number): void {
  if (list.length > max) throw selectError(`${what} takes at most ${max}, not ${list.length}`);
}

/** A field may be named again and again, and `rec` may name all of a record each time. */
function checkBytes(operands: readonly BoundOperand[], what: string, max: number): void {
  const bytes = operands.reduce((sum, { length }) => sum + length, 0);
  if (bytes > max) {
    throw selectError(
      `the fields of ${what} have ${bytes} bytes together, at most ${max} are taken`,
    );
  }
}
