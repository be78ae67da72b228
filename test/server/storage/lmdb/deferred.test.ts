// LMDB's transaction stays open over groups of writes that are in the log: what ends it, and that nobody ever sees
// the file without what was answered.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import t from 'tap';
import type { StoredRecord } from '../../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../../server/storage/lmdb/engine.js';
import { SLOT_BYTES } from '../../../../server/storage/lmdb/log/format.js';
import {
  deferredBytesMax,
  deferredEntriesMax,
  deferredGroupsMax,
  deferredMsMax,
  logAreaBytes,
  writesWaitingMax,
} from '../../../../shared/base/limits.js';
import { problemsOf } from '../../../conformance/storage.js';
import {
  insertRow,
  rewriteRow,
  rowKeys,
  rowSpec,
  scanIds,
  walkIds,
} from '../../../conformance/storage-rows.js';
import { bootId, elsewhere, idsOf, key, kill, openFile, stopTime } from './open-file.js';

t.test('groups share a transaction, and each is answered before it is committed', async (t) => {
  stopTime(t);
  const { path, file, committed } = await openFile(t);
  const before = committed();
  for (const id of ['b', 'c', 'd']) await insertRow(file, { id });
  t.equal(committed(), before);
  const [killed, down] = [kill(path), kill(path, 'down.ism')];
  t.same(await idsOf(killed), ['a', 'b', 'c', 'd'], 'a process that is killed loses none');
  t.same(await idsOf(down, 1), ['a', 'b', 'c', 'd'], 'nor does a machine that goes down');
  t.same(await walkIds(file, 0), ['a', 'b', 'c', 'd']);
  t.equal(committed(), before + 1);
});

t.test('whoever looks at the file sees all that was answered', async (t) => {
  stopTime(t);
  const { file, engine, path, committed } = await openFile(t);
  const stored = await insertRow(file, { id: 'b', group: 'g' });
  const edge = { prefix: Buffer.alloc(0), side: 'before' as const };
  let expected = 2;
  const looks: Record<string, () => unknown> = {
    find: () => file.find(0, key('b')),
    'find in an index with duplicates': () => file.find(1, Buffer.from('g   ')),
    fetch: () => file.fetch(stored.rfa),
    seek: () => file.seek(0, edge, 'forward'),
    placeOf: () => file.placeOf(0, stored.rfa, key('b')),
    facts: async () => t.equal((await file.facts()).records, expected),
    'a scan by key': async () => t.equal((await walkIds(file, 0)).length, expected),
    'a scan in stored order': async () => t.equal((await scanIds(file, 'stored')).length, expected),
    renew: () => file.renew(),
    'another opener': async () => (await engine.open(path)).close(),
    verify: async () => t.equal((await file.verify(rowKeys, () => undefined)).records, expected),
    setSpec: () => file.setSpec(rowSpec({ text: 'new' })),
    'opening another file': () => engine.create(`${path}.other`, rowSpec()),
    rebuild: async () => t.equal((await file.rebuild(rowKeys, () => undefined)).records, expected),
  };
  for (const [name, look] of Object.entries(looks)) {
    await insertRow(file, { id: `${expected++}` });
    const before = committed();
    await insertRow(file, { id: `${expected++}` });
    t.equal(committed(), before, `${name}: open`);
    await look();
    if (name !== 'rebuild') t.ok(committed() > before, `${name}: committed`);
  }
  // So many are not left to the end of the turn, in which the file was looked at already.
  file.facts();
  const asked = Array.from({ length: writesWaitingMax }, (_, n) =>
    insertRow(file, { id: `q${n}` }),
  );
  t.equal((await file.facts()).records, expected + writesWaitingMax, 'in the same turn');
  await Promise.all(asked);
  await insertRow(file, { id: 'last' });
  await file.close();
  t.notOk(existsSync(`${path}-log`), 'and closing leaves one plain file');
});

t.test('removing all takes along what the transaction holds', async (t) => {
  stopTime(t);
  const { path, file } = await openFile(t);
  for (const id of ['b', 'c']) await insertRow(file, { id });
  await file.clear();
  for (const id of ['d', 'e']) await insertRow(file, { id });
  t.same(await idsOf(kill(path), 1), ['d', 'e']);
  t.same(await walkIds(file, 0), ['d', 'e']);
  t.same(await problemsOf(file), []);
});

t.test('a transaction is committed when it is time, or when it holds enough', async (t) => {
  const clock = stopTime(t);
  const { file, path, committed } = await openFile(t);
  let before = committed();
  const isCommitted = (): boolean => {
    const is = committed() > before;
    before = committed();
    return is;
  };
  let next = 0;
  const store = (count: number, note = ''): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, () => insertRow(file, { id: `${next++}`, note })));
  /** Groups that one transaction takes. */
  const groupsOf = async (group: () => Promise<unknown>): Promise<number> => {
    await group();
    before = committed();
    for (let groups = 1; groups < 10_000; groups++) {
      await group();
      if (isCommitted()) return groups;
    }
    throw new Error('it never ends');
  };

  clock.idle();
  await store(1);
  clock.idle();
  t.ok(isCommitted(), 'no group came for a moment');
  await store(1);
  await store(1);
  clock.idle();
  t.notOk(isCommitted(), 'groups came');
  clock.idle();
  t.ok(isCommitted(), 'and then none');
  await store(1);
  clock.ms += deferredMsMax;
  t.notOk(isCommitted());
  await store(1);
  t.ok(isCommitted(), 'it is time');

  file.facts();
  const entriesOfRow = 3;
  const many = await groupsOf(() => store(100));
  t.ok(Math.abs(many - deferredEntriesMax / (100 * entriesOfRow)) <= 1, `${many} groups of 100`);
  const { size } = statSync(`${path}-log`);
  t.ok(size <= 2 * (SLOT_BYTES + logAreaBytes));
  const long = await groupsOf(() => store(1, 'n'.repeat(20_000)));
  t.ok(long >= 5 && long <= logAreaBytes / 20_000, `${long} groups of 20 KB: an area of the log`);
  let row = await insertRow(file, { id: 'same' });
  const update = async (): Promise<void> => {
    const outcome = await rewriteRow(file, row, { id: 'same' });
    if (typeof outcome === 'string') throw new Error(outcome);
    row = { ...row, crc: outcome.crc };
  };
  let updates = 0;
  // The area of the log that is in use has room for some of them only.
  for (let times = 0; updates < deferredGroupsMax && times < 8; times++)
    updates = await groupsOf(update);
  t.ok(updates === deferredGroupsMax, `${updates} groups that change no index`);
  const rows: StoredRecord[] = [];
  for (let n = 0; n < 1200; n++)
    rows.push(await insertRow(file, { id: `w${n}`, note: 'n'.repeat(3500) }));
  let which = 0;
  const wide = await groupsOf(async () => {
    const batch = rows.slice(which, which + 20);
    which += 20;
    await Promise.all(
      batch.map((each) =>
        rewriteRow(file, each, { id: each.record.subarray(0, 8).toString().trim() }),
      ),
    );
  });
  t.ok(wide * 20 * 4072 < deferredBytesMax + 40 * 4072, `${wide} groups of 20 blocks`);
  t.same(await problemsOf(file), []);
});

/** Says how many records it sees, and stores one when its input ends. */
const LOOK = `
  process.stdout.write(String(file.facts().records));
  process.stdin.resume();
  await new Promise((done) => process.stdin.once('end', done));
  await insertRow(file, { id: 'other' });
  await engine.close();`;

t.test(
  'another process that opens the file waits a moment and sees all that was answered',
  async (t) => {
    const { file, path, engine, committed } = await openFile(t);
    const { NODE_OPTIONS: _, ...env } = process.env;
    const other = spawn(process.execPath, elsewhere(path, LOOK), { env });
    other.stderr.pipe(process.stderr);
    let answered = 1;
    let seen: number | undefined;
    let atLeast = 0;
    other.stdout.on('data', (text) => {
      seen = Number(text);
    });
    for (; seen === undefined && answered < 200_000; answered++) {
      atLeast = answered;
      await insertRow(file, { id: `${answered}` });
      if (answered % 20 === 0) await new Promise(setImmediate);
    }
    t.ok(seen !== undefined && seen > 1 && seen <= atLeast + 1, `${seen} of ${atLeast}`);
    const before = committed();
    for (let n = 0; n < 3; n++) await insertRow(file, { id: `with${n}` });
    t.ok(committed() >= before + 3, 'while it has the file open, each group is committed');
    other.stdin.end();
    await once(other, 'exit');
    t.equal((await file.facts()).records, answered + 4);
    engine.freeDeadReaders();
    const later = committed();
    for (let n = 0; n < 3; n++) await insertRow(file, { id: `after${n}` });
    t.ok(committed() <= later + 1, 'and when it is gone, no more');
  },
);

t.test(
  'another opener in the same process neither waits for ever nor is left behind',
  async (t) => {
    stopTime(t);
    const { file, path, committed } = await openFile(t);
    await insertRow(file, { id: 'b' });
    const engine = createLmdbEngine({ bootId: bootId(0) });
    t.teardown(() => engine.close());
    const other = await engine.open(path);
    t.equal((await other.facts()).records, 2);
    const before = committed();
    await insertRow(file, { id: 'c' });
    await insertRow(other, { id: 'd' });
    await insertRow(file, { id: 'e' });
    t.equal(committed(), before + 3);
    await engine.close();
    await insertRow(file, { id: 'f' });
    await insertRow(file, { id: 'g' });
    t.ok(committed() <= before + 4, 'alone again');
    t.equal((await file.facts()).records, 7);
  },
);
