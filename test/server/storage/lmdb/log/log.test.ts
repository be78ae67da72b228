// The log of one file: what it leaves behind, what it refuses, and that each of its bounds is kept.
// What a power failure leaves is in power-loss.test.ts.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { CommitQueue } from '../../../../../server/storage/lmdb/commit-queue.js';
import { DataFile } from '../../../../../server/storage/lmdb/data-file.js';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import {
  areaStart,
  SLOT_BYTES,
  type Slot,
  sealEntry,
} from '../../../../../server/storage/lmdb/log/format.js';
import { LogFile } from '../../../../../server/storage/lmdb/log/log-file.js';
import { RecoveryClaim } from '../../../../../server/storage/lmdb/log/recovery-claim.js';
import { StepWriter } from '../../../../../server/storage/lmdb/log/step-codec.js';
import { openStore } from '../../../../../server/storage/lmdb/open-store.js';
import {
  checkpointBytesMin,
  logAreaBytes,
  logEntryBytesMax,
  logIdleMs,
} from '../../../../../shared/base/limits.js';
import { makeRfa } from '../../../../../shared/record/rfa.js';
import { problemsOf } from '../../../../conformance/storage.js';
import {
  insertRow,
  makeFile,
  rowDraft,
  rowSpec,
  walkIds,
} from '../../../../conformance/storage-rows.js';

const bootId = (run: number): string => `run-${run}`.padEnd(36, '-');

/** A file with a few rows, some of which are only in its log; open. */
async function openFile(t: Test, options = {}) {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine({ bootId: bootId(0), ...options });
  t.teardown(() => engine.close());
  const file = await makeFile(engine, path);
  for (const id of ['a', 'b', 'c']) await insertRow(file, { id });
  return { path, engine, file };
}

/** The file and its log as they are, as if the machine had gone down now; its path. */
function crash(path: string): string {
  const copy = join(dirname(path), 'found.ism');
  copyFileSync(path, copy);
  copyFileSync(`${path}-log`, `${copy}-log`);
  return copy;
}

async function idsAfterRestart(path: string): Promise<string[]> {
  const engine = createLmdbEngine({ bootId: bootId(1) });
  try {
    const file = await engine.open(path);
    const problems = await problemsOf(file);
    if (problems.length > 0) throw new Error(problems[0]?.detail);
    return await walkIds(file, 0);
  } finally {
    await engine.close();
  }
}

function slotOf(path: string): Slot {
  const log = LogFile.open(path);
  const slot = log?.newestSlot();
  log?.close();
  if (slot === undefined) throw new Error('no slot');
  return slot;
}

t.test(
  'stands beside a file that is written, with its mode, and goes with its last opener',
  async (t) => {
    const { path, engine, file } = await openFile(t);
    t.equal(statSync(`${path}-log`).mode & 0o777, statSync(path).mode & 0o777);
    await file.close();
    t.same(readdirSync(dirname(path)).sort(), ['rows.ism', 'rows.ism-lock']);
    const again = await engine.open(path);
    t.equal((await walkIds(again, 0)).length, 3);
    t.notOk(existsSync(`${path}-log`), 'reading makes none');
    chmodSync(path, 0o640);
    await insertRow(again, { id: 'd' });
    t.equal(statSync(`${path}-log`).mode & 0o777, 0o640);
  },
);

t.test('is not used where the system does not name its run', async (t) => {
  const { path } = await openFile(t, { bootId: 'local' });
  t.notOk(existsSync(`${path}-log`));
});

t.test('gives what is only in it to the next opener after a restart', async (t) => {
  const { path, file } = await openFile(t);
  const { meta } = slotOf(path);
  for (const id of ['d', 'e']) await insertRow(file, { id });
  t.ok(slotOf(path).meta.equals(meta), 'no checkpoint since');
  const found = crash(path);
  t.same(await idsAfterRestart(found), ['a', 'b', 'c', 'd', 'e']);
  t.notOk(existsSync(`${found}-log`), 'and is gone');
});

t.test('is left alone when a process died but the machine did not', async (t) => {
  const { path, file: dead } = await openFile(t);
  dead.facts();
  const found = crash(path);
  const log = readFileSync(`${found}-log`);
  const engine = createLmdbEngine({ bootId: bootId(0) });
  const file = await engine.open(found);
  t.same(await walkIds(file, 0), ['a', 'b', 'c']);
  t.same(readFileSync(`${found}-log`), log);
  await insertRow(file, { id: 'd' });
  t.notSame(slotOf(found).epoch, slotOf(path).epoch, 'the next writer begins anew');
  await engine.close();
  t.notOk(existsSync(`${found}-log`));
});

t.test('of another file is put aside', async (t) => {
  const { path, file } = await openFile(t);
  const found = crash(path);
  await file.close();
  const engine = createLmdbEngine();
  const other = await makeFile(engine, `${path}.other`);
  for (let n = 0; n < 50; n++) await insertRow(other, { id: `${n}` });
  await engine.close();
  renameSync(`${path}.other`, found);
  const warnings: string[] = [];
  const note = ({ message }: Error): number => warnings.push(message);
  process.on('warning', note);
  t.equal((await idsAfterRestart(found)).length, 50);
  await new Promise(setImmediate);
  process.off('warning', note);
  t.match(warnings, [/found\.ism-log is not the log of this found\.ism/]);
  t.ok(existsSync(`${found}-log.unused`));
});

t.test('that cannot be read or does not agree is said to be so, with a way out', async (t) => {
  const { path } = await openFile(t);
  const torn = crash(path);
  const bytes = readFileSync(`${torn}-log`);
  bytes.fill(7, 20, 2 * SLOT_BYTES);
  writeFileSync(`${torn}-log`, bytes);
  const engine = createLmdbEngine({ bootId: bootId(1) });
  await t.rejects(async () => engine.open(torn), {
    code: 'ERR_DAMAGED',
    message: /found\.ism-log cannot be read.*moved away/,
  });

  const { first, epoch, area } = slotOf(path);
  const steps = new StepWriter();
  steps.remove({
    rfa: makeRfa(9, 9),
    previousCrc: 1,
    keys: [undefined, undefined, undefined, undefined],
  });
  const { entry } = steps;
  if (entry === undefined) throw new Error('no entry');
  sealEntry(entry, { transaction: first, place: 0, isDeferred: false }, epoch);
  const wrong = readFileSync(`${path}-log`);
  entry.copy(wrong, areaStart(area));
  writeFileSync(`${torn}-log`, wrong);
  copyFileSync(path, torn);
  await t.rejects(async () => engine.open(torn), {
    code: 'ERR_DAMAGED',
    message: /does not agree.*moved away/,
  });
  await t.rejects(async () => engine.open(torn), { code: 'ERR_DAMAGED' }, 'every time');
  renameSync(`${torn}-log`, `${torn}.away`);
  const file = await engine.open(torn);
  t.same(await problemsOf(file), []);
  await engine.close();
});

t.test('that cannot be flushed fails the write, and all that follow', async (t) => {
  const { path, file } = await openFile(t);
  const { sync } = LogFile.prototype;
  LogFile.prototype.sync = () => {
    throw Object.assign(new Error('i/o error'), { code: 'EIO' });
  };
  try {
    await t.rejects(insertRow(file, { id: 'd' }), { code: 'ERR_IOFAIL', retryable: false });
  } finally {
    LogFile.prototype.sync = sync;
  }
  await t.rejects(insertRow(file, { id: 'e' }), { message: /until it is opened anew/ });
  t.same(await walkIds(file, 0), ['a', 'b', 'c']);
  await file.close();
  t.ok(existsSync(`${path}-log`), 'what is on the disk is not known, so it stays');
});

t.test('refuses writes when a checkpoint beside the work failed', async (t) => {
  const { file } = await openFile(t);
  const { flush } = DataFile.prototype;
  DataFile.prototype.flush = (done) => done(Object.assign(new Error('i/o error'), { code: 'EIO' }));
  t.teardown(() => {
    DataFile.prototype.flush = flush;
  });
  let refusal: unknown;
  let stored = 0;
  for (; refusal === undefined && stored < 20_000; stored++) {
    const rows = Array.from({ length: 40 }, (_, n) =>
      insertRow(file, { id: `${stored}.${n}`, note: 'n'.repeat(400) }),
    );
    refusal = (await Promise.allSettled(rows)).find(({ status }) => status === 'rejected');
  }
  t.match(refusal, { reason: { code: 'ERR_IOFAIL' } });
});

t.test('never gives back what was refused, nor loses what was run again', async (t) => {
  const { path, engine } = await openFile(t);
  await engine.close();
  const store = openStore(path, 'rows.ism', 'opening', bootId(0));
  const queue = new CommitQueue(store, () => Number.POSITIVE_INFINITY);
  const insert = (id: string) => queue.ask((transaction) => transaction.insert(rowDraft({ id })));
  await insert('d');
  // Who reads the file meanwhile has each group committed before it is answered.
  const reader = store.environment.snapshot();
  const commit = store.environment.commit.bind(store.environment);
  let code = -30781;
  let faults = 1;
  store.environment.commit = () => {
    if (faults-- <= 0) return commit();
    store.environment.undo();
    throw Object.assign(new Error('fails to commit'), { code });
  };
  await Promise.all(['e', 'f'].map(insert));
  t.same(await idsAfterRestart(crash(path)), ['a', 'b', 'c', 'd', 'e', 'f']);
  code = 5;
  faults = 1;
  await t.rejects(insert('g'), { code: 'ERR_IOFAIL' });
  t.same(await idsAfterRestart(crash(path)), ['a', 'b', 'c', 'd', 'e', 'f']);
  reader.done();
  queue.closeLog();
  await store.close();
});

t.test('lets go of its checkpoint when nothing is written for a while', async (t) => {
  const real = globalThis.setTimeout;
  let idle: (() => void) | undefined;
  const stub = (step: () => void, ms: number): NodeJS.Timeout => {
    if (ms === logIdleMs) idle = step;
    return real(ms === logIdleMs ? () => undefined : step, ms);
  };
  globalThis.setTimeout = stub as typeof setTimeout;
  t.teardown(() => {
    globalThis.setTimeout = real;
  });
  const { path, file } = await openFile(t);
  const { epoch } = slotOf(path);
  idle?.();
  await insertRow(file, { id: 'd' });
  t.same(slotOf(path).epoch, epoch, 'not while it is busy');
  file.facts();
  idle?.();
  idle?.();
  t.same(await idsAfterRestart(crash(path)), ['a', 'b', 'c', 'd'], 'what is in it stays');
  await insertRow(file, { id: 'e' });
  t.notSame(slotOf(path).epoch, epoch, 'then it begins anew');
});

t.test('uses its areas by turns and keeps file and log small', { timeout: 120_000 }, async (t) => {
  const { path, file } = await openFile(t);
  const generations = new Set<number>();
  for (let n = 0; n < 4000; n++) {
    await insertRow(file, { id: `${n}`, note: 'n'.repeat(600) });
    if (n % 50 === 0) generations.add(slotOf(path).generation);
  }
  t.ok(generations.size > 5, `${generations.size} checkpoints seen`);
  t.ok(statSync(`${path}-log`).size <= areaStart(1) + logAreaBytes);
  const { size } = statSync(path);
  t.ok(size < 4000 * 1500 + 8 * checkpointBytesMin, `${size} bytes`);
  t.equal((await idsAfterRestart(crash(path))).length, 4003);
});

t.test('does not take what is too large, which is flushed with the file', async (t) => {
  const { path, file } = await openFile(t);
  const { generation } = slotOf(path);
  await insertRow(file, { id: 'large', note: 'n'.repeat(logEntryBytesMax) });
  t.ok(slotOf(path).generation > generation);
  await file.setSpec(rowSpec({ text: 'new' }));
  t.equal(slotOf(path).generation, generation + 2);
  await file.clear();
  t.equal(slotOf(path).generation, generation + 3);
  t.same(await idsAfterRestart(crash(path)), []);
});

t.test('one process recovers a file, others wait for it, but not for ever', async (t) => {
  const path = join(t.testdir(), 'rows.ism');
  const claim = RecoveryClaim.take(path, 'rows.ism', 0);
  t.throws(() => RecoveryClaim.take(path, 'rows.ism', 50), { code: 'ERR_FINUSE' });
  claim.release();
  writeFileSync(`${path}-recovery`, 'another-run 1.2.3.4');
  RecoveryClaim.take(path, 'rows.ism', 0).release();
  t.same(readdirSync(dirname(path)), []);
});

t.test('is the first thing a rebuild, a replacement and a removal take away', async (t) => {
  const { path, engine, file } = await openFile(t);
  const left = readFileSync(`${path}-log`);
  await file.rebuild(
    () => [],
    () => undefined,
  );
  t.notOk(existsSync(`${path}-log`));
  await file.close();
  writeFileSync(`${path}-log`, left);
  await engine.replace(path, rowSpec());
  t.notOk(existsSync(`${path}-log`));
  writeFileSync(`${path}-log`, left);
  await engine.remove(path);
  t.same(readdirSync(dirname(path)), []);
});
