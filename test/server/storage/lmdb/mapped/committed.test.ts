// What keyed reads see of changes, this process's and others'.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StoredFile } from '../../../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { insertRow, makeFile, rowSpec } from '../../../../conformance/storage-rows.js';

const key = (id: string): Buffer => Buffer.from(id.padEnd(8));

async function openRows(t: Test): Promise<{ file: StoredFile; path: string }> {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  t.teardown(() => engine.close());
  return { file: await makeFile(engine, path, rowSpec()), path };
}

/** Stores a row in another process, and waits for it without a turn of ours going by. */
function insertElsewhere(path: string, id: string): void {
  const script = `
    import { createLmdbEngine } from './server/storage/lmdb/engine.ts';
    import { insertRow } from './test/conformance/storage-rows.ts';
    const engine = createLmdbEngine();
    await insertRow(await engine.open(${JSON.stringify(path)}), { id: '${id}' });
    await engine.close();`;
  execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
}

t.test('what this process commits shows at once, by key and by address', async (t) => {
  const { file } = await openRows(t);
  for (const id of ['a', 'b', 'c']) {
    t.equal(await file.find(0, key(id)), undefined);
    const { rfa } = await insertRow(file, { id });
    t.match(await file.find(0, key(id)), { rfa });
    t.match(await file.fetch(rfa), { rfa });
  }
});

t.test('what another process commits shows at once', async (t) => {
  const { file, path } = await openRows(t);
  await insertRow(file, { id: 'a' });
  t.ok(file.find(0, key('a')));
  insertElsewhere(path, 'b');
  t.ok(file.find(0, key('b')), 'in the same turn');
  file.renew();
  t.ok(file.find(0, key('b')));
});

t.test('facts in between do not make keyed reads stale', async (t) => {
  const { file, path } = await openRows(t);
  await insertRow(file, { id: 'a' });
  await new Promise(setImmediate);
  const before = await file.facts();
  t.equal(before.records, 1);
  insertElsewhere(path, 'b');
  await new Promise(setImmediate);
  t.ok(file.find(0, key('b')));
});
