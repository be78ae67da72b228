// Whatever the definition, the records and the question: going through a file by the plan finds exactly
// what looking at every record finds, each once, and in the order the plan promises.

import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { createIsamFile, type IsamFile, openIsamFile } from '../../../server/isam/isam-file.js';
import { planQuery } from '../../../server/select/planner.js';
import type { KeyRange, QueryPlan } from '../../../server/select/query-plan.js';
import { compileSortKey } from '../../../server/select/sort-key.js';
import type { Direction, StorageEngine } from '../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../server/storage/lmdb/engine.js';
import { createMemoryEngine } from '../../../server/storage/memory/engine.js';
import { isRsyndError } from '../../../shared/base/error.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import type { BoundQuery } from '../../../shared/select/bound.js';
import type { Expression } from '../../../shared/select/expression.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';
import { fileArbitrary, picksArbitrary, recordOf } from '../../model/random-spec.js';
import { matches } from '../../model/select-evaluator.js';
import { Dice, datesFile, fieldsOver, type Place, Questions } from './planner-questions.js';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
const QUERIES_PER_FILE = 25;
/** More for a long run. */
const TIMES = Number(process.env.TIMES ?? 1);

interface Seen {
  readonly id: string;
  readonly bytes: Buffer;
}

async function walk(
  file: IsamFile,
  order: number | 'stored',
  direction: Direction,
  { from, until }: KeyRange,
): Promise<Seen[]> {
  const cursor = { order, direction, from, until };
  const seen: Seen[] = [];
  for (let state = 'more'; state === 'more'; ) {
    state = await file.stored.scan(
      cursor,
      (bytes, start, end, { block, slot }) =>
        seen.push({ id: `${block}/${slot}`, bytes: Buffer.from(bytes.subarray(start, end)) }) > 0,
      512,
    );
  }
  return seen;
}

const EVERYTHING: KeyRange = {
  from: { prefix: Buffer.alloc(0), side: 'before' },
  until: { prefix: Buffer.alloc(0), side: 'after' },
};

async function walkPlan(file: IsamFile, plan: QueryPlan): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const range of plan.ranges)
    seen.push(...(await walk(file, plan.order, plan.direction, range)));
  return seen;
}

/** What the plans did, so that a test that proves nothing is noticed. */
const tally = {
  plans: 0,
  narrowed: 0,
  several: 0,
  byKey: 0,
  reverse: 0,
  empty: 0,
  spared: 0,
  matched: 0,
};

async function checkQuery(
  file: IsamFile,
  { where, query }: { readonly where: Expression; readonly query: BoundQuery },
): Promise<void> {
  const all = await walk(file, query.using ?? 'stored', 'forward', EVERYTHING);
  const plan = planQuery(file, query, all.length);
  const isMatch = ({ bytes }: Seen): boolean => matches(where, bytes, file.spec);
  const looked = await walkPlan(file, plan);
  const found = looked.filter(isMatch);
  const expected = all.filter(isMatch);
  const ids = (seen: readonly Seen[]): string =>
    seen
      .map(({ id }) => id)
      .sort()
      .join(' ');
  const say = (what: string): string =>
    `${what}: ${expected.length} match, ${found.length} found; ${JSON.stringify([plan.shown, file.spec.keys])}`;
  if (new Set(looked.map(({ id }) => id)).size !== looked.length)
    throw new Error(say('seen twice'));
  if (ids(found) !== ids(expected)) throw new Error(say('not what a full scan finds'));
  if (plan.sort === 'key') checkOrder(query, found, say);
  if ((plan.sort === 'none') !== (query.orderBy.length === 0) && plan.ranges.length > 0)
    throw new Error(say('order'));
  tally.plans++;
  if (looked.length < all.length) tally.narrowed++;
  if (plan.ranges.length > 1) tally.several++;
  if (plan.ranges.length === 0) tally.empty++;
  if (plan.sort === 'key') tally.byKey++;
  if (plan.direction === 'reverse') tally.reverse++;
  tally.spared += all.length - looked.length;
  tally.matched += found.length;
}

function checkOrder(
  { orderBy }: BoundQuery,
  found: readonly Seen[],
  say: (what: string) => string,
): void {
  const sortKey = compileSortKey(orderBy);
  let last = Buffer.alloc(0);
  for (const { bytes } of found) {
    const key = Buffer.alloc(sortKey.bytes);
    sortKey.write(bytes, 0, bytes.length, key, 0);
    if (Buffer.compare(last, key) > 0) {
      throw new Error(
        say(
          `not in the order ${orderBy.map(({ operand, descending }) => (descending ? '-' : '') + operand.text)}`,
        ),
      );
    }
    last = key;
  }
}

async function fill(file: IsamFile, records: readonly Buffer[]): Promise<Buffer[]> {
  const stored: Buffer[] = [];
  for (const record of records) {
    try {
      stored.push((await file.store(record)).record);
    } catch (error) {
      if (!isRsyndError(error)) throw error;
    }
  }
  return stored;
}

async function checkFile(
  engine: StorageEngine,
  path: string,
  given: {
    readonly spec: FileSpec;
    readonly places: readonly Place[];
    readonly records: readonly Buffer[];
    readonly seed: number;
  },
): Promise<void> {
  const dice = new Dice(given.seed);
  const fields = fieldsOver(given.places, dice, given.spec.record.size);
  const spec = { ...given.spec, fields };
  await createIsamFile(engine, path, spec);
  const file = await openIsamFile(engine, path);
  try {
    const records = await fill(file, given.records);
    const questions = new Questions(dice, spec, records);
    for (let count = 0; count < QUERIES_PER_FILE; count++)
      await checkQuery(file, questions.query());
  } finally {
    await file.close();
    await engine.remove(path);
  }
}

async function checkRandomFiles(t: Test, engine: StorageEngine, runs: number): Promise<void> {
  const directory = temporaryDirectory(t);
  const files = fc.record({
    file: fileArbitrary,
    picks: fc.array(picksArbitrary, { minLength: 1, maxLength: 40 }),
    seed: fc.nat(),
  });
  let count = 0;
  const property = fc.asyncProperty(files, async ({ file, picks, seed }) => {
    const records = picks.map((each) => recordOf(file, each));
    const given = { spec: file.spec, places: file.fields, records, seed };
    await checkFile(engine, join(directory, `file${count++}.ism`), given);
  });
  await fc.assert(property, { seed: SEED, numRuns: runs });
  for (let run = 0; run < runs / 2; run++) {
    const dice = new Dice(SEED + run);
    await checkFile(engine, join(directory, `dates${run}.ism`), {
      ...datesFile(dice),
      seed: SEED + run,
    });
  }
  await engine.close();
}

t.test(`plans find what a full scan finds, in memory (SEED=${SEED})`, async (t) => {
  await checkRandomFiles(t, createMemoryEngine(), 50 * TIMES);
  t.pass('all alike');
});

t.test(`plans find what a full scan finds, in LMDB (SEED=${SEED})`, async (t) => {
  await checkRandomFiles(t, createLmdbEngine(), 14 * TIMES);
  t.pass('all alike');
});

t.test('the plans looked at were of every sort', async (t) => {
  t.comment(JSON.stringify(tally));
  const { plans, narrowed, several, byKey, reverse, matched, spared } = tally;
  t.ok(plans > 1000 && matched > plans && spared > plans / 2, 'records match and are left out');
  for (const [name, count] of Object.entries({ narrowed, several, byKey, reverse })) {
    t.ok(count > plans / 200, `${name}: ${count} of ${plans}`);
  }
});
