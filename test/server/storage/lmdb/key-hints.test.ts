// Hints where records of a unique key are: whatever they say, a find answers what the index would.

import { openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StoredFile, StoredRecord } from '../../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../../server/storage/lmdb/engine.js';
import { HintBudget, KeyHints } from '../../../../server/storage/lmdb/key-hints.js';
import { openStore, type Store } from '../../../../server/storage/lmdb/open-store.js';
import { UniqueFinder } from '../../../../server/storage/lmdb/unique-finder.js';
import {
  keyHintBytesMax,
  keyHintBytesMin,
  keyHintMissesMin,
} from '../../../../shared/base/limits.js';
import {
  idOf,
  insertRow,
  makeFile,
  noteOf,
  removeRow,
  rewriteRow,
  rowDraft,
} from '../../../conformance/storage-rows.js';
import { makeRandom } from '../../../model/random.js';

const numberId = (n: number): string => String(n).padStart(8, '0');
const key = (n: number): Buffer => Buffer.from(numberId(n));

/** A file with records 0…count-1, in which so many finds went by that there are hints. */
async function openFile(t: Test, count: number): Promise<{ file: StoredFile; path: string }> {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  t.teardown(() => engine.close());
  const file = await makeFile(engine, path);
  await insertRows(file, count);
  await findOften(file, count);
  return { file, path };
}

const insertRows = async (file: StoredFile, count: number): Promise<unknown> =>
  file.insertMany(Array.from({ length: count }, (_, n) => rowDraft({ id: numberId(n) })));

async function findOften(file: StoredFile, count: number): Promise<void> {
  for (let n = 0; n < keyHintMissesMin + count; n++) await file.find(0, key(n % count));
}

async function found(file: StoredFile, n: number): Promise<StoredRecord> {
  const record = await file.find(0, key(n));
  if (record === undefined) throw new Error(`record ${n} is gone`);
  return record;
}

t.test('a find answers what is there, whatever was written since', async (t) => {
  const { file } = await openFile(t, 300);
  const seed = Date.now() % 1_000_000;
  t.comment(`seed ${seed}`);
  const random = makeRandom(seed);
  const notes = new Map(Array.from({ length: 300 }, (_, n) => [n, '']));
  for (let step = 0; step < 4000; step++) {
    const n = random(400);
    const record = await file.find(0, key(n));
    const note = notes.get(n);
    if (record === undefined || note === undefined) {
      if (note !== undefined || record !== undefined)
        throw new Error(`record ${n} at step ${step}`);
      await insertRow(file, { id: numberId(n), note: String(step) });
      notes.set(n, String(step));
      continue;
    }
    if (idOf(record.record) !== numberId(n) || noteOf(record.record) !== note) {
      throw new Error(`record ${n} is another at step ${step}`);
    }
    const to = random(400);
    const way = random(4);
    if (way === 0) {
      await removeRow(file, record);
      notes.delete(n);
    } else if (way === 1 && !notes.has(to)) {
      await rewriteRow(file, record, { id: numberId(to), note: 'moved' });
      notes.delete(n);
      notes.set(to, 'moved');
    } else if (way === 2) {
      // Longer and shorter, even out of line.
      const longer = 'x'.repeat(random(3) === 0 ? 5000 : random(500));
      await rewriteRow(file, record, { id: numberId(n), note: longer });
      notes.set(n, longer);
    }
  }
  t.equal((await file.facts()).records, notes.size);
});

t.test('a hint of a file that was emptied and filled anew leads nowhere wrong', async (t) => {
  const { file } = await openFile(t, 500);
  await file.clear();
  t.equal(await file.find(0, key(7)), undefined);
  await file.insertMany(Array.from({ length: 500 }, (_, n) => rowDraft({ id: numberId(499 - n) })));
  for (let n = 0; n < 500; n++) {
    if (idOf((await found(file, n)).record) !== numberId(n)) throw new Error(`another than ${n}`);
  }
  t.equal((await file.facts()).records, 500);
});

t.test('damage where a hint leads is told to those only who seek that record', async (t) => {
  const { file, path } = await openFile(t, 20);
  const before = await found(file, 7);
  await rewriteRow(file, before, { id: 'other', note: 'a note that is spoilt' });
  await file.facts();
  spoil(path, 'a note that is spoilt');
  t.equal(await file.find(0, key(7)), undefined);
  t.throws(() => file.find(0, Buffer.from('other   ')), { code: 'ERR_DAMAGED' });
});

function spoil(path: string, text: string): void {
  const bytes = readFileSync(path);
  const descriptor = openSync(path, 'r+');
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    writeSync(descriptor, 'b', at);
  }
}

/** A store with so many rows. */
async function storeOf(t: Test, count: number): Promise<Store> {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  await insertRows(await makeFile(engine, path), count);
  await engine.close();
  const store = openStore(path, 'rows.ism', 'opening');
  t.teardown(() => store.close());
  store.committed.look();
  return store;
}

t.test('a few finds make no hints, more learn whole leaves', async (t) => {
  const store = await storeOf(t, 2000);
  const index = store.indexTree(0);
  const hints = new KeyHints(new HintBudget(keyHintBytesMax));
  const learn = (n: number): void => {
    if (!index.find(key(n))) throw new Error(`record ${n} is gone`);
    hints.learn(index.leaf, index.nodeIndex, store.committed.lastPage, () => 2000);
  };
  for (let n = 1; n < keyHintMissesMin; n++) learn(5);
  t.equal(hints.guess(key(5)), 0);
  learn(5);
  t.not(hints.guess(key(5)), 0);
  t.equal(hints.guess(key(6)), hints.guess(key(5)) + 1, 'its neighbour is known, too');
  t.equal(hints.guess(key(1900)), 0, 'another leaf is not');
  hints.close();
  t.equal(hints.guess(key(5)), 0);
});

t.test('of a file that is too large only what was sought is known', async (t) => {
  const store = await storeOf(t, 2000);
  const index = store.indexTree(0);
  const hints = new KeyHints(new HintBudget(keyHintBytesMax));
  for (let n = 0; n <= keyHintMissesMin; n++) {
    if (!index.find(key(5))) throw new Error('the record is gone');
    hints.learn(index.leaf, index.nodeIndex, store.committed.lastPage, () => 10_000_000);
  }
  t.not(hints.guess(key(5)), 0);
  t.equal(hints.guess(key(6)), 0);
});

t.test('hints end at their budget, and what they do not know is found all the same', async (t) => {
  const count = 20_000;
  const store = await storeOf(t, count);
  const [spec] = store.spec.keys;
  if (spec === undefined) throw new Error('no key');
  const budget = new HintBudget(keyHintBytesMin);
  const finder = new UniqueFinder(0, spec, budget);
  for (let n = 0; n < 2 * count; n++) {
    const id = key((n * 7919) % count);
    const record = finder.find(store, id)?.record;
    if (record === undefined || !record.subarray(0, 8).equals(id)) throw new Error(`record ${n}`);
  }
  t.notOk(budget.take(1), 'all is in use');
  finder.close();
  t.ok(budget.take(keyHintBytesMin), 'and was given back');
  t.equal(finder.find(store, key(3))?.record.subarray(0, 8).toString(), numberId(3));
});
