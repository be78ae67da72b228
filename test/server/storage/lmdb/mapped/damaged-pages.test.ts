// Pages that go bad in a file that is open: whatever they turn into, reads end, with what they found or with
// ERR_DAMAGED. LMDB itself would end the process; it reads none of these pages here. In a process of its own, which
// a look at the wrong page would end. The seed is printed; DAMAGE_SEED repeats a run.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { makeFile, rowDraft, rowSpec } from '../../../../conformance/storage-rows.js';

const seed = Number(process.env.DAMAGE_SEED ?? Date.now() % 2 ** 31);
const copies = Number(process.env.DAMAGE_COPIES ?? 60);
t.comment(`seed ${seed}`);

t.test('no damage of pages ends the process or is read for ever', async (t) => {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  const file = await makeFile(engine, path, rowSpec());
  const drafts = Array.from({ length: 3000 }, (_, n) =>
    rowDraft({
      id: `${(n * 7919) % 3000}`,
      group: `${n % 50}`,
      rank: `${n % 7}`,
      alias: `a${n}`,
      note: 'x'.repeat(n % 500 === 0 ? 20_000 : 60),
    }),
  );
  await file.insertMany(drafts);
  await engine.close();
  const folder = join(t.testdirName, 'copies');
  mkdirSync(folder);
  for (let n = 0; n < copies; n++) copyFileSync(path, join(folder, `${n}.ism`));
  const script = join(import.meta.dirname, 'read-damaged.js').replace(/\.js$/, extension());
  const child = spawnSync(
    process.execPath,
    [...process.execArgv, script, folder, `${seed}`, `${copies}`],
    {
      encoding: 'utf8',
      timeout: 120_000,
    },
  );
  const lines = child.stdout.trim().split('\n');
  t.equal(child.signal, null, `after ${lines.at(-1)}`);
  t.equal(child.status, 0, child.stderr);
  t.match(lines.at(-1), /^done: \d+ read, [1-9]\d* damaged$/);
  t.comment(lines.at(-1));
});

/** Tests run from sources as well as from what is built. */
const extension = (): string => (import.meta.filename.endsWith('.ts') ? '.ts' : '.js');
