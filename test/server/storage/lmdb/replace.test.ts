// A process that dies while it replaces a file: the new file has its name, and beside it stands what belonged to the
// old one, its log above all. Nothing of that may get into the new file.

import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createLmdbEngine } from '../../../../server/storage/lmdb/engine.js';
import { lockPath, logPath, recoveryPath } from '../../../../server/storage/lmdb/paths.js';
import { insertRow, makeFile, rowSpec, walkIds } from '../../../conformance/storage-rows.js';

const bootId = (run: number): string => `run-${run}`.padEnd(36, '-');
const BESIDE = [logPath, lockPath, recoveryPath];

function engineOf(t: Test, run: number) {
  const engine = createLmdbEngine({ bootId: bootId(run) });
  t.teardown(() => engine.close());
  return engine;
}

/** What is on the disk of a file, put where it might have been left. */
function copyWithCompanions(from: string, to: string): void {
  copyFileSync(from, to);
  for (const pathOf of BESIDE) if (existsSync(pathOf(from))) copyFileSync(pathOf(from), pathOf(to));
}

/** The new file, still empty, with the log of an old one that had rows; its path. */
async function dieBeforeCompanionsGo(t: Test): Promise<string> {
  const directory = t.testdir();
  const path = join(directory, 'rows.ism');
  const engine = engineOf(t, 0);
  const old = await makeFile(engine, path, rowSpec());
  for (const id of ['a', 'b', 'c']) await insertRow(old, { id });
  t.ok(existsSync(logPath(path)), 'the old file has rows in its log alone');
  const left = join(directory, 'left');
  mkdirSync(left);
  const found = join(left, 'rows.ism');
  copyWithCompanions(path, found);
  await old.close();
  await engine.replace(path, rowSpec());
  copyFileSync(path, found);
  return found;
}

/** The ids of a file after the machine went down as it is now. */
async function idsAfterRestart(t: Test, path: string): Promise<string[]> {
  const found = `${path}.found`;
  copyWithCompanions(path, found);
  const file = await engineOf(t, 1).open(found);
  const ids = await walkIds(file, 0);
  await file.close();
  return ids;
}

t.test('the machine goes down too: the old log is put aside', async (t) => {
  const path = await dieBeforeCompanionsGo(t);
  const file = await engineOf(t, 1).open(path);
  t.strictSame(await walkIds(file, 0), []);
  t.ok(existsSync(`${path}-log.unused`));
  await insertRow(file, { id: 'new' });
  t.strictSame(await idsAfterRestart(t, path), ['new']);
  await file.close();
  t.notOk(existsSync(logPath(path)));
});

t.test('the machine stays: the next writer begins the log anew', async (t) => {
  const path = await dieBeforeCompanionsGo(t);
  const file = await engineOf(t, 0).open(path);
  t.strictSame(await walkIds(file, 0), []);
  t.strictSame(await idsAfterRestart(t, path), [], 'before it writes');
  await insertRow(file, { id: 'new' });
  t.strictSame(await idsAfterRestart(t, path), ['new'], 'and after');
  await file.close();
  t.notOk(existsSync(logPath(path)));
});
