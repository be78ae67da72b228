// Rules of loads: many records at once, in any order of their keys, beside a list sorted here.

import { randomNumbers } from '../bench/record.js';
import { type Row, rowDraft, type StorageRule, walkIds } from './storage-rows.js';

const LOADS = 6;
const ROWS_PER_LOAD = 400;

/** Mostly ascending, now and then far ahead, and then among those that are there. */
function* ascendingMostly(random: (below: number) => number): Generator<Row> {
  for (let next = 0; ; ) {
    next += random(8) === 0 ? 1000 : 2;
    const id = Math.max(0, random(10) === 0 ? next - 999 : next);
    yield { id: `${id}`.padStart(8, '0'), group: `g${random(9)}`, rank: `${9 - (next >> 14)}` };
  }
}

function takeNew(rows: Generator<Row>, known: Map<string, Row>): Row[] {
  const news: Row[] = [];
  while (news.length < ROWS_PER_LOAD) {
    const row: Row = rows.next().value;
    if (known.has(row.id)) continue;
    known.set(row.id, row);
    news.push(row);
  }
  return news;
}

/** Ids of the rows in the order of a column, others as they stand. */
const idsBy = (rows: Iterable<Row>, column: 'id' | 'group' | 'rank'): string[] => {
  const text = (row: Row): string => row[column] ?? '';
  return [...rows]
    .sort((a, b) => (text(a) < text(b) ? -1 : Number(text(a) > text(b))))
    .map(({ id }) => id);
};

export const LOAD_RULES: Readonly<Record<string, StorageRule>> = {
  'keeps every index in order whether the keys of a load ascend or not': async (t, file) => {
    const seed = Number(process.env.STORAGE_SEED ?? Date.now() % 2 ** 31);
    t.comment(`STORAGE_SEED=${seed}`);
    const rows = ascendingMostly(randomNumbers(seed));
    const known = new Map<string, Row>();
    for (let load = 0; load < LOADS; load++) {
      const news = takeNew(rows, known);
      t.same(await file.insertMany(news.map(rowDraft)), { stored: news.length });
    }
    t.same(await walkIds(file, 0), idsBy(known.values(), 'id'));
    t.same(await walkIds(file, 1), idsBy(known.values(), 'group'), 'first come, first');
    t.same(
      await walkIds(file, 2),
      idsBy([...known.values()].reverse(), 'rank'),
      'last come, first',
    );
  },

  'refuses what a load stores twice, whether its keys ascend or not': async (t, file) => {
    const ascending = Array.from({ length: 100 }, (_, n) => ({ id: `${1000 + n}` }));
    for (const [again, stored] of [
      ['1099', 100],
      ['1000', 0],
      ['1050', 0],
      ['2000', 1],
    ] as const) {
      const drafts = [...(stored === 100 ? ascending : []), { id: again }, { id: again }];
      const outcome = await file.insertMany(drafts.map(rowDraft));
      t.equal(outcome.stored, stored);
      t.match(outcome.error, { code: 'ERR_NODUPS' });
    }
    t.equal((await file.facts()).records, 101);
  },
};
