// Local files in a program of somebody else: its turns are not ours, so nothing of ours may wait for their end.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { alpha, decimal, defineFile, isamc, open } from '../../client/index.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const rows = defineFile({
  fields: { id: decimal(6), note: alpha(20) },
  keys: { id: { parts: ['id'] } },
});

t.test(
  'a program that waits for isutl in the turn its store was answered does not wait for ever',
  async (t) => {
    const path = join(temporaryDirectory(t), 'rows.ism');
    await isamc(path, rows);
    const file = await open(path, { mode: 'update', definition: rows });
    for (let id = 1; id <= 5; id++) await file.store({ id, note: 'local' });
    const isutl = spawnSync(process.execPath, ['dist/server/isutl.js', '-v', path], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    t.equal(isutl.status, 0, isutl.stderr);
    t.match(isutl.stdout, '5 records');
    await file.close();
  },
);
