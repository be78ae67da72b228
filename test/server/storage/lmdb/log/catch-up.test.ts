// What was answered and is in the log only, because LMDB's transaction was still open: taken again after a group or
// a commit that failed, and by whoever opens the file after its writer was killed.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { Environment } from '../../../../../server/storage/lmdb/environment.js';
import {
  areaStart,
  decodeEntry,
  ENTRY_HEAD_BYTES,
  SLOT_BYTES,
  sealEntry,
} from '../../../../../server/storage/lmdb/log/format.js';
import { LogFile } from '../../../../../server/storage/lmdb/log/log-file.js';
import { WriteTransaction } from '../../../../../server/storage/lmdb/write-transaction.js';
import { recordCrc } from '../../../../../shared/record/rfa.js';
import { problemsOf } from '../../../../conformance/storage.js';
import { insertRow, removeRow, rowSpec, walkIds } from '../../../../conformance/storage-rows.js';
import { bootId, elsewhere, idsOf, key, kill, openFile, stopTime } from '../open-file.js';

t.test('a group that fails takes nothing with it that was answered before', async (t) => {
  stopTime(t);
  const { path, file, committed } = await openFile(t);
  const before = committed();
  for (const id of ['b', 'c']) await insertRow(file, { id });
  const { append } = WriteTransaction.prototype;
  WriteTransaction.prototype.append = function (this: WriteTransaction, draft) {
    append.call(this, draft);
    WriteTransaction.prototype.append = append;
    throw Object.assign(new Error('page fault'), { code: -30796 });
  };
  try {
    await t.rejects(insertRow(file, { id: 'x' }), { code: 'ERR_DAMAGED' });
  } finally {
    WriteTransaction.prototype.append = append;
  }
  t.equal(committed(), before + 1, 'those before are taken again at once');
  t.same(await idsOf(kill(path), 1), ['a', 'b', 'c']);
  for (const id of ['d', 'e']) await insertRow(file, { id });
  t.same(await idsOf(kill(path)), ['a', 'b', 'c', 'd', 'e']);
  t.same(await walkIds(file, 0), ['a', 'b', 'c', 'd', 'e']);
});

t.test('a log that cannot be written refuses that group, and keeps those before', async (t) => {
  stopTime(t);
  const { path, file } = await openFile(t);
  for (const id of ['b', 'c']) await insertRow(file, { id });
  const { sync } = LogFile.prototype;
  LogFile.prototype.sync = () => {
    throw Object.assign(new Error('i/o error'), { code: 'EIO' });
  };
  try {
    await t.rejects(insertRow(file, { id: 'x' }), { code: 'ERR_IOFAIL' });
  } finally {
    LogFile.prototype.sync = sync;
  }
  t.same(await walkIds(file, 0), ['a', 'b', 'c']);
  await t.rejects(insertRow(file, { id: 'y' }), { message: /until it is opened anew/ });
  t.same(await idsOf(kill(path)), ['a', 'b', 'c']);
});

t.test('a commit that fails loses nothing that was answered', async (t) => {
  stopTime(t);
  const { path, engine, file } = await openFile(t);
  const { commit, transact } = Environment.prototype;
  const fail = function (this: Environment): never {
    this.undo();
    throw Object.assign(new Error('i/o error'), { code: 5 });
  };
  t.teardown(() => Object.assign(Environment.prototype, { commit, transact }));
  for (const id of ['b', 'c']) await insertRow(file, { id });
  Environment.prototype.commit = fail;
  t.same(await walkIds(file, 0), ['a', 'b', 'c'], 'it is taken again from the log');
  await t.rejects(insertRow(file, { id: 'x' }), { message: /until it is opened anew/ });
  Environment.prototype.commit = commit;
  await file.close();

  const again = await engine.open(path);
  for (const id of ['d', 'e']) await insertRow(again, { id });
  Object.assign(Environment.prototype, { commit: fail, transact: fail });
  for (let times = 0; times < 2; times++) {
    t.throws(() => again.find(0, key('a')), { code: 'ERR_IOFAIL', message: /opened anew/ });
    t.throws(() => again.facts(), { code: 'ERR_IOFAIL' });
    await t.rejects(insertRow(again, { id: 'y' }), { code: 'ERR_IOFAIL' });
  }
  Object.assign(Environment.prototype, { commit, transact });
  t.throws(() => again.facts(), { code: 'ERR_IOFAIL' }, 'it is neither read nor written');
  await Promise.resolve(again.close()).catch(() => undefined);
  const whole = await engine.open(path);
  t.same(await walkIds(whole, 0), ['a', 'b', 'c', 'd', 'e'], 'until it is opened anew');
  await insertRow(whole, { id: 'f' });
  t.same(await problemsOf(whole), []);
});

t.test('whoever opens a file after a kill takes over what is in the log only', async (t) => {
  stopTime(t);
  const { path, file, engine } = await openFile(t);
  // LMDB writes pages anew that the checkpoint of the dead process had: its pin went with it.
  for (let n = 0; n < 8; n++) {
    const { rfa, crc, record } = await insertRow(file, { id: 'b' });
    file.facts();
    await removeRow(file, { rfa, crc, record });
    file.facts();
  }
  const all = ['a'];
  for (let group = 0; group < 4; group++) {
    const ids = Array.from({ length: 25 }, (_, n) => `${group}-${n}`);
    await Promise.all(ids.map((id) => insertRow(file, { id, note: 'n'.repeat(3000) })));
    all.push(...ids);
  }
  all.sort();
  const written = kill(path, 'written.ism');
  const found = kill(path);
  const dying = kill(path, 'dying.ism');
  t.same(await idsOf(written, 0, true), [...all, 'new'].sort(), 'a writer');
  t.same(await idsOf(found), all, 'a reader');
  t.same(await idsOf(found), all, 'and the next');
  t.same(await idsOf(found, 1), all, 'also when the machine went down since');
  t.notOk(existsSync(`${found}-log.unused`), 'its log is about what is on the disk');

  // Dies, or goes down with the machine, in the midst of taking over.
  const images: string[] = [];
  const { sync } = LogFile.prototype;
  LogFile.prototype.sync = function (this: LogFile): void {
    sync.call(this);
    images.push(kill(dying, `image-${images.length}.ism`));
  };
  const second = createLmdbEngine({ bootId: bootId(0) });
  try {
    const half = await second.open(dying);
    images.push(kill(dying, 'after.ism'));
    t.same(await walkIds(half, 0), all);
  } finally {
    LogFile.prototype.sync = sync;
    await second.close();
  }
  t.equal(images.length, 2);
  for (const name of images) {
    const copy = kill(name, 'again.ism');
    t.same(await idsOf(copy, 1), all);
    t.same(await idsOf(name), all);
  }
  await engine.close();
});

t.test('a process that is killed right after an answer loses nothing', async (t) => {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine({ bootId: bootId(0) });
  t.teardown(() => engine.close());
  await engine.create(path, rowSpec());
  const { NODE_OPTIONS: _, ...env } = process.env;
  const stored: string[] = [];
  for (let life = 0; life < 5; life++) {
    const ids = Array.from({ length: 7 }, (_, n) => `${life}-${n}`);
    const program = `
      for (const id of ${JSON.stringify(ids)}) await insertRow(file, { id });
      process.kill(process.pid, 'SIGKILL');`;
    const { signal, stderr } = spawnSync(process.execPath, elsewhere(path, program), { env });
    t.equal(signal, 'SIGKILL', stderr.toString());
    stored.push(...ids);
    if (life % 2 === 1) continue;
    const file = await engine.open(path);
    t.same(await walkIds(file, 0), stored);
    t.same(await problemsOf(file), []);
    await file.close();
  }
});

t.test(
  'a log of the version before is taken as it is, and one of a later version is refused',
  async (t) => {
    stopTime(t);
    const { path, file } = await openFile(t);
    for (const id of ['b', 'c']) {
      await insertRow(file, { id });
      file.facts();
    }
    const found = kill(path);
    const log = readFileSync(`${found}-log`);
    const setVersion = (version: number): void => {
      for (const at of [0, SLOT_BYTES]) {
        const slot = log.subarray(at, at + SLOT_BYTES);
        const magic = slot.toString('latin1', 0, 8);
        t.not(magic, 'RSYNDLOG', 'a program of version 1 refuses it');
        if (magic !== 'RSYNDLG2') continue;
        if (version === 1) slot.write('RSYNDLOG', 'latin1');
        slot.writeUInt16BE(version, 8);
        slot.writeUInt32BE(
          (recordCrc(slot.subarray(16)) ^ recordCrc(slot.subarray(0, 12))) >>> 0,
          12,
        );
      }
      writeFileSync(`${found}-log`, log);
    };
    setVersion(3);
    await t.rejects(idsOf(found, 1), {
      code: 'ERR_DAMAGED',
      message: /cannot be read.*moved away/,
    });
    await t.rejects(idsOf(found), { code: 'ERR_DAMAGED' });
    // One entry a transaction, none of them deferred: that is all that version 1 knew.
    let entries = 0;
    for (const area of [0, 1] as const) {
      const bytes = log.subarray(areaStart(area));
      for (let at = 0; ; entries++) {
        const epoch = Buffer.from(bytes.subarray(at + 16, at + 32));
        const entry = decodeEntry(bytes, at, epoch);
        if (entry === undefined || entry.body.length === 0) break;
        const end = at + ENTRY_HEAD_BYTES + entry.body.length;
        sealEntry(bytes.subarray(at, end), { ...entry, isDeferred: false }, epoch);
        at = end;
      }
    }
    t.ok(entries >= 2, `${entries} entries`);
    setVersion(1);
    t.same(await idsOf(found, 1), ['a', 'b', 'c']);
  },
);
