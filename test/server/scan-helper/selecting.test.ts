// Selects of a session are the same with a helper and without, whatever becomes of the rows.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { helpedBlocksMin } from '../../../shared/base/limits.js';
import type { SelectRequest } from '../../../shared/protocol/message.js';
import type { SelectQuery } from '../../../shared/select/query.js';
import { ask } from '../../model/select-harness.js';
import { makeGround, SessionHarness } from '../../model/session-harness.js';
import { makeHelper, makeTemplate, moment } from './helped-file.js';

const template = makeTemplate(t);

const where = "rec(1,8) like '%3'";
const QUERIES: readonly (readonly [SelectQuery, Partial<SelectRequest>?])[] = [
  [{ where }],
  [{ where }, { action: 'count' }],
  [{ where, orderBy: ['-rec(1,8)'] }],
  [{ where, orderBy: ['rec(1,8)'], limit: 40 }],
  [{ where, limit: 700 }],
  [{ where, fields: ['rec(1,8)'] }],
  [
    {
      where: "rec(1,8) like '%1'",
      groupBy: { fields: ['rec(9,1)'], aggregates: [{ name: 'n', function: 'count' }] },
    },
  ],
  [{ where, maxScan: 3000 }],
  [{ where: "rec(1,8) = 'nobody'" }],
  [{ where: "rec(1,8) not like '%3'" }],
];

t.test('whatever is asked, it is answered alike', async (t) => {
  const ground = makeGround('lmdb');
  const helper = makeHelper(t);
  let begun = 0;
  const counted = {
    requests: 0,
    get isFree() {
      return helper.isFree;
    },
    begin: (...asked: Parameters<typeof helper.begin>) => {
      begun++;
      return helper.begin(...asked);
    },
    end: (board: Parameters<typeof helper.end>[0]) => helper.end(board),
  };
  const alone = new SessionHarness(ground.services);
  const helped = new SessionHarness({ ...ground.services, helper: counted }, { owner: 2 });
  t.teardown(async () => {
    await helped.close();
    await alone.close();
    await ground.close();
  });
  const path = join(t.testdir(), 'rows.ism');
  copyFileSync(await template, path);
  await alone.open(path);
  await helped.open(path);
  for (let round = 0; round < 3; round++) {
    for (const [query, change = {}] of QUERIES) {
      const name = JSON.stringify([query, change]);
      while (!helper.isFree) await moment();
      const one = await ask(helped, query, change);
      const other = await ask(alone, query, change);
      t.same(one.outcome, 'selected', name);
      t.same(one.texts, other.texts, name);
      t.same(one.rows, other.rows, name);
      const { stopped, ...counts } = one.selected;
      const { stopped: otherStopped, ...otherCounts } = other.selected;
      t.same(counts, otherCounts, name);
      t.equal(stopped?.budget, otherStopped?.budget);
    }
  }
  t.ok(begun > QUERIES.length, `${begun} were helped`);
  const before = begun;
  await ask(helped, { where, using: 'ID' });
  await ask(helped, { where, maxScan: 9999 });
  await ask(helped, { where, limit: 3 });
  await ask(helped, { limit: 3 });
  t.equal(begun, before, 'by key, with a budget, short ones and without a filter there is no help');
  t.ok(helpedBlocksMin < 2000, 'the file is long enough');
});
