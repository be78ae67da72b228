// The rules of server/storage/engine.ts as tests that every engine must pass. To add an engine, run
// this on it in test/server/storage/. To add a rule, add it to the table of its kind.

import { join } from 'node:path';
import type { Test } from 'tap';
import type { Problem, StorageEngine, StoredFile } from '../../server/storage/engine.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import { FILE_RULES } from './storage-file-rules.js';
import { LOAD_RULES } from './storage-load-rules.js';
import { READ_RULES } from './storage-read-rules.js';
import { makeFile, rowKeys, rowSpec } from './storage-rows.js';
import { WRITE_RULES } from './storage-write-rules.js';

/** Definitions of rules that need one of their own. */
const SPECS: Readonly<Record<string, FileSpec>> = {
  'refuses records past the record limit': rowSpec({ attributes: { recordLimit: 3 } }),
  'keeps fixed records and gives each slot room': rowSpec({
    record: { size: 24, format: 'fixed' },
  }),
};

/** Runs all rules on fresh files of the engine, one subtest each. */
export function storageConformance(t: Test, name: string, makeEngine: () => StorageEngine): void {
  const rules = { ...READ_RULES, ...WRITE_RULES, ...LOAD_RULES, ...FILE_RULES };
  for (const [rule, check] of Object.entries(rules)) {
    t.test(`${name}: ${rule}`, async (t) => {
      const engine = makeEngine();
      const path = join(t.testdir(), 'rows.ism');
      const file = await makeFile(engine, path, SPECS[rule] ?? rowSpec());
      await check(t, file, engine, path);
      const whole = await engine.open(path);
      t.same(await problemsOf(whole), [], 'verify finds nothing wrong');
      await whole.close();
      await file.close();
      await engine.close();
    });
  }
}

/** What verify finds wrong. */
export async function problemsOf(file: StoredFile): Promise<Problem[]> {
  const problems: Problem[] = [];
  await file.verify(rowKeys, (problem) => problems.push(problem));
  return problems;
}
