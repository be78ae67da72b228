// Chooses how a query goes through a file: by which key, over which parts of it, in which direction, and
// whether the records must be sorted. Called by the executor once per query, and for `explain`. It reads
// no record. Plans only leave out what cannot match (query-plan.ts), so that a bad guess costs time only.
//
//   1. `using` names the key: that one, narrowed where the condition allows it.
//   2. Keys that the condition narrows: the one with the least work.
//   3. A key that gives the order, when that is less work than to sort what matches.
//   4. The file as it is stored.

import {
  planRangesShownMax,
  planTextCharsMax,
  planValuesMax,
  topRecordsMax,
} from '../../shared/base/limits.js';
import type { FileSpec, KeySpec } from '../../shared/record/file-spec.js';
import type { BoundExpression, BoundQuery } from '../../shared/select/bound.js';
import type { Plan } from '../../shared/select/query.js';
import type { IsamFile } from '../isam/isam-file.js';
import type { Direction } from '../storage/engine.js';
import { explainFilter } from './explain.js';
import { adviseKey } from './explain-advice.js';
import { type IndexRange, type Narrowing, narrowKey } from './key-range.js';
import { couldMissRecords } from './key-range-left-out.js';
import { estimateRanges, keyReadCost, shareOf, sortCost } from './planner-cost.js';
import { directionOf } from './planner-order.js';
import type { KeyRange, QueryPlan } from './query-plan.js';

/** One way to go, with what it takes. */
interface Way {
  /** Undefined: as stored. */
  readonly key?: { readonly number: number; readonly spec: KeySpec };
  /** Undefined: all of it. */
  readonly ranges?: readonly IndexRange[];
  readonly direction: Direction;
  readonly sort: Plan['order'];
  /** Records to look at. */
  readonly looked: number;
  /** In records looked at as stored. */
  readonly cost: number;
}

interface Question {
  readonly spec: FileSpec;
  readonly query: BoundQuery;
  readonly records: number;
  /** Share of the records that match. */
  readonly share: number;
}

/**
 * The plan of a query over a file of `records` records. The query was bound against the file's
 * definition. With `using`, a null key shows what its index has and no more; no other plan misses a record.
 */
export function planQuery(
  file: Pick<IsamFile, 'spec'>,
  query: BoundQuery,
  records: number,
): QueryPlan {
  const question = { spec: file.spec, query, records, share: shareOf(query.where) };
  const way = chooseWay(question);
  return {
    order: way.key?.number ?? 'stored',
    direction: way.direction,
    ranges: walkOf(way),
    sort: way.sort,
    shown: showPlan(question, way),
  };
}

function chooseWay(question: Question): Way {
  const { spec, query } = question;
  const { where, using } = query;
  if (using !== undefined) {
    const forced = spec.keys[using];
    if (forced === undefined) throw new TypeError(`key ${using} was not checked`);
    return keyWay(question, using, forced, narrowKey(where, forced));
  }
  if (where.op === 'constant' && !where.value) return nothingWay;
  const ordered: Way[] = [];
  const narrowed: Way[] = [];
  const values = valuesOf(where);
  const places = new Set<number>();
  addPlaces(where, places);
  let spent = 0;
  for (const [number, key] of spec.keys.entries()) {
    // The keys of a file times the values of a question: past the bound the keys found by then must do.
    const isTooMuch = spent > 0 && spent + values > planValuesMax;
    const narrowing = isTooMuch ? undefined : narrowKey(where, key);
    const isNarrowable = places.has(key.segments[0]?.offset ?? 0);
    if (isNarrowable && !isTooMuch) spent += values + (narrowing?.ranges.length ?? 0);
    if (narrowing?.ranges.length === 0) return nothingWay;
    if (couldMissRecords(spec, key, where, narrowing?.ranges)) continue;
    const way = keyWay(question, number, key, narrowing);
    if (narrowing !== undefined) narrowed.push(way);
    else if (way.sort === 'key') ordered.push(way);
  }
  return leastWork(narrowed) ?? leastWork([...ordered, storedWay(question)]) ?? nothingWay;
}

/** Conditions, and values of `in`. */
function valuesOf(where: BoundExpression): number {
  if ('terms' in where) return where.terms.reduce((sum, term) => sum + valuesOf(term), 0);
  return where.op === 'in' ? where.values.length : 1;
}

/** Where in the record its conditions look. */
function addPlaces(where: BoundExpression, places: Set<number>): void {
  if (where.op === 'constant') return;
  if ('terms' in where) for (const term of where.terms) addPlaces(term, places);
  else places.add(where.operand.offset);
}

/** The first of those that take least. */
const leastWork = (ways: readonly Way[]): Way | undefined =>
  ways.reduce<Way | undefined>(
    (best, way) => (best && best.cost <= way.cost ? best : way),
    undefined,
  );

const nothingWay: Way = { ranges: [], direction: 'forward', sort: 'none', looked: 0, cost: 0 };

function keyWay(
  question: Question,
  number: number,
  spec: KeySpec,
  narrowing: Narrowing | undefined,
): Way {
  const { query, records } = question;
  const { orderBy, where } = query;
  const inRanges =
    narrowing === undefined ? records : estimateRanges(narrowing.ranges, spec, records);
  const direction = directionOf({ key: spec, fixed: narrowing?.fixed ?? 0, orderBy, where });
  const isSorted = orderBy.length > 0 && direction === undefined;
  const sort = isSorted ? sortOf(query) : orderBy.length > 0 ? 'key' : 'none';
  return {
    key: { number, spec },
    ...(narrowing !== undefined && { ranges: narrowing.ranges }),
    direction: direction ?? 'forward',
    sort,
    ...workOf(question, inRanges, { isSorted, readCost: keyReadCost }),
  };
}

function storedWay(question: Question): Way {
  const { query, records } = question;
  const isSorted = query.orderBy.length > 0;
  const sort = isSorted ? sortOf(query) : 'none';
  return {
    direction: 'forward',
    sort,
    ...workOf(question, records, { isSorted, readCost: 1 }),
  };
}

/** `top` keeps the first few in memory; groups need all. */
function sortOf({ limit, groupBy }: BoundQuery): 'top' | 'sort' {
  const isFew = limit !== undefined && limit <= topRecordsMax && groupBy === undefined;
  return isFew ? 'top' : 'sort';
}

/** What is not sorted stops at the limit. */
function workOf(
  { query, records, share }: Question,
  inRanges: number,
  { isSorted, readCost }: { readonly isSorted: boolean; readonly readCost: number },
): Pick<Way, 'looked' | 'cost'> {
  const matches = Math.min(inRanges, records * share);
  const { limit = Infinity, groupBy } = query;
  const stops = !isSorted && groupBy === undefined && limit < matches;
  const looked = Math.ceil(stops ? Math.max(limit, (inRanges * limit) / matches) : inRanges);
  return { looked, cost: looked * readCost + (isSorted ? matches * sortCost : 0) };
}

const NO_BYTES = Buffer.alloc(0);
const rangeCharsMax = planTextCharsMax / 8;

/** The ranges as edges, in the order of the walk. */
function walkOf({ ranges, direction }: Way): KeyRange[] {
  const walk = ranges?.map(
    ({ least, greatest }): KeyRange => ({
      from: { prefix: least, side: 'before' },
      until: { prefix: greatest, side: 'after' },
    }),
  ) ?? [{ from: { prefix: NO_BYTES, side: 'before' }, until: { prefix: NO_BYTES, side: 'after' } }];
  if (direction === 'forward') return walk;
  return walk.map(({ from, until }) => ({ from: until, until: from })).reverse();
}

function showPlan({ spec, query }: Question, way: Way): Plan {
  const { key, ranges } = way;
  const isWhole = ranges === undefined;
  const advice = isWhole ? adviseKey(spec, query.where) : undefined;
  return {
    ...(key !== undefined && { key: { number: key.number, name: key.spec.name } }),
    ranges: showRanges(ranges ?? [], way.direction),
    filter: explainFilter(query.where),
    order: way.sort,
    estimate: way.looked,
    ...(advice !== undefined && { advice }),
  };
}

function showRanges(ranges: readonly IndexRange[], direction: Direction): string[] {
  const walk = direction === 'forward' ? ranges : [...ranges].reverse();
  // Images of one number are several ranges and one thing to say.
  const texts = [...new Set(walk.map(({ text }) => text))];
  const shown = texts.slice(0, planRangesShownMax).map(cutText);
  const more = texts.length - shown.length;
  return more > 0 ? [...shown, `… ${more} more`] : shown;
}

/** Ranges that were joined carry the text of all of them. */
const cutText = (text: string): string =>
  text.length <= rangeCharsMax ? text : `${text.slice(0, rangeCharsMax)}…`;
