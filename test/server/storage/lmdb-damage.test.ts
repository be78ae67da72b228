import {
  copyFileSync,
  existsSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import t, { type Test } from 'tap';
import type {
  Problem,
  ScanCursor,
  ScanFilter,
  StoredFile,
} from '../../../server/storage/engine.js';
import { encodeDefinition } from '../../../server/storage/lmdb/definition-entry.js';
import { createLmdbEngine } from '../../../server/storage/lmdb/engine.js';
import { chooseBlockBytes } from '../../../server/storage/lmdb/layout.js';
import { ScanProof } from '../../../server/storage/lmdb/scan-proof.js';
import { isRsyndError } from '../../../shared/base/error.js';
import { provenBlocksMax } from '../../../shared/base/limits.js';
import { problemsOf } from '../../conformance/storage.js';
import {
  idOf,
  insertRow,
  makeFile,
  rowDraft,
  rowKeys,
  rowSpec,
  walkIds,
} from '../../conformance/storage-rows.js';

const KB = 1024;
const key = (id: string): Buffer => Buffer.from(id.padEnd(8));

/** A file of `count` rows whose notes name them, closed again. */
async function fileOf(t: Test, count: number, noteBytes = 180): Promise<string> {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  const file = await makeFile(engine, path, rowSpec());
  const drafts = Array.from({ length: count }, (_, n) =>
    rowDraft({ id: `${n}`, group: `${n % 5}`, note: `<note ${n}>`.padEnd(noteBytes, '.') }),
  );
  // In several commits, so that there are freed pages between what lies in the file.
  for (let from = 0; from < count; from += 1000)
    await file.insertMany(drafts.slice(from, from + 1000));
  await engine.close();
  return path;
}

/** Changes bytes wherever `text` stands in the file. */
function spoil(path: string, text: string, change: (bytes: Buffer, at: number) => void): number {
  const bytes = readFileSync(path);
  let count = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    change(bytes, at);
    count++;
  }
  writeFileSync(path, bytes);
  return count;
}

const withFile = async (path: string, use: (file: StoredFile) => Promise<void>): Promise<void> => {
  const engine = createLmdbEngine();
  try {
    await use(await engine.open(path));
  } finally {
    await engine.close();
  }
};

/** All ids a scan gives, and the errors met on the way; goes on behind each. */
async function scanPastDamage(
  file: StoredFile,
  order: number | 'stored',
  reverse = false,
  filter?: ScanFilter,
) {
  const start = { prefix: Buffer.alloc(0), side: 'before' } as const;
  const end = { prefix: Buffer.alloc(0), side: 'after' } as const;
  const cursor: ScanCursor = {
    order,
    direction: reverse ? 'reverse' : 'forward',
    from: reverse ? end : start,
    until: reverse ? start : end,
  };
  const ids: string[] = [];
  const errors: unknown[] = [];
  const visit = (bytes: Buffer, from: number, to: number): boolean =>
    ids.push(idOf(bytes.subarray(from, to))) > 0;
  for (let state = 'more'; state === 'more' && errors.length < 1000; ) {
    try {
      state = await file.scan(cursor, visit, 50, filter);
    } catch (error) {
      errors.push(error);
    }
  }
  return { ids, errors, looked: cursor.looked };
}

t.test('tells files that are not its own apart', async (t) => {
  const directory = t.testdir({
    'empty.ism': '',
    'text.ism': 'this is no database\n'.repeat(1000),
    'short.ism': 'x',
    'folder.ism': {},
  });
  const engine = createLmdbEngine();
  for (const name of ['empty.ism', 'text.ism', 'short.ism', 'folder.ism']) {
    const path = join(directory, name);
    await t.rejects(async () => engine.open(path), { code: 'ERR_NOTISM' }, name);
    await t.rejects(async () => engine.remove(path), { code: 'ERR_NOTISM' }, `${name} is kept`);
    t.ok(existsSync(path));
  }
  const foreign = join(directory, 'foreign.ism');
  const database = openLmdb({ path: foreign, noSubdir: true });
  await database.put('a', 'b');
  await database.close();
  await t.rejects(async () => engine.open(foreign), { code: 'ERR_NOTISM', message: /no header/ });
  await t.rejects(async () => engine.create(join(directory, 'no/where.ism'), rowSpec()), {
    code: 'ERR_FNF',
  });
  await t.rejects(async () => engine.open(join(directory, 'text.ism/x')), { code: 'ERR_FNF' });
});

t.test('refuses a newer format and a damaged definition with the reason', async (t) => {
  const path = await fileOf(t, 1);
  const header = encodeDefinition({ spec: rowSpec(), blockBytes: chooseBlockBytes(rowSpec()) });
  const at = header.subarray(0, 10).toString('latin1');
  const newer = `${path}.newer`;
  const damaged = `${path}.damaged`;
  copyFileSync(path, newer);
  copyFileSync(path, damaged);
  spoil(newer, at, (bytes, start) => bytes.writeUInt16BE(2, start + 8));
  spoil(damaged, at, (bytes, start) => bytes.fill(0x55, start + 20, start + 24));
  const engine = createLmdbEngine();
  await t.rejects(async () => engine.open(newer), {
    code: 'ERR_NOTISM',
    message: /format version 2, this program reads up to 1/,
  });
  await t.rejects(async () => engine.open(damaged), { code: 'ERR_DAMAGED', message: /definition/ });
});

t.test('finds and names a record whose bytes changed, and reads all others', async (t) => {
  const path = await fileOf(t, 200);
  t.ok(spoil(path, '<note 77>', (bytes, at) => bytes.fill('X', at, at + 5)) > 0);
  await withFile(path, async (file) => {
    const problems = await problemsOf(file);
    t.same(
      problems.map(({ kind }) => kind),
      ['bad-block', 'bad-crc'],
    );
    const { rfa } = problems[1] ?? {};
    if (rfa === undefined) throw new Error('no address');
    const where = { code: 'ERR_DAMAGED', message: new RegExp(`rows.ism.*${rfa.toString('hex')}`) };
    await t.rejects(async () => file.fetch(rfa), where);
    await t.rejects(async () => file.find(0, key('77')), where);
    t.equal(idOf((await file.find(0, key('78')))?.record ?? Buffer.alloc(8)), '78');
    for (const order of [0, 1, 'stored'] as const) {
      for (const reverse of [false, true]) {
        const { ids, errors } = await scanPastDamage(file, order, reverse);
        t.equal(ids.length, 199, `${order} gives all others`);
        t.notOk(ids.includes('77'));
        t.ok(errors.length > 0 && errors.every((error) => isRsyndError(error, 'ERR_DAMAGED')));
        t.match(errors[0], where, 'the first names the record');
        if (order !== 'stored') t.equal(errors.length, 1, 'by key there is no other');
      }
    }
    const found: Problem[] = [];
    const report = await file.rebuild(rowKeys, (problem) => found.push(problem));
    t.equal(report.records, 199);
    t.ok(found.some(({ kind, rfa: lost }) => kind === 'bad-crc' && lost?.equals(rfa)));
    t.same(await problemsOf(file), [], 'a rebuilt file is sound');
    t.equal(await file.fetch(rfa), 'deleted');
    await insertRow(file, { id: '77' });
  });
});

t.test('says so when a filter would pass a damaged record, at each scan', async (t) => {
  const path = await fileOf(t, 200);
  t.ok(spoil(path, '<note 77>', (bytes, at) => bytes.fill('X', at, at + 5)) > 0);
  await withFile(path, async (file) => {
    const isNine: ScanFilter = (bytes, start) => bytes[start] === 0x39;
    const isSeven: ScanFilter = (bytes, start) => bytes[start] === 0x37;
    for (const order of [0, 'stored', 'stored'] as const) {
      for (const reverse of [false, true]) {
        const passed = await scanPastDamage(file, order, reverse, isNine);
        t.equal(passed.ids.length, 11, `${order}: 9 and 90 to 99`);
        t.ok(passed.errors.length > 0, 'it might have been one of them');
        t.ok(passed.errors.every((error) => isRsyndError(error, 'ERR_DAMAGED')));
        const sought = await scanPastDamage(file, order, reverse, isSeven);
        t.equal(sought.ids.length, 10, '7 and 70 to 79 without 77');
        t.ok(sought.errors.length > 0);
      }
    }
  });
});

t.test('checks a record that a filter wants though its block was proven before', async (t) => {
  const path = await fileOf(t, 200);
  await withFile(path, async (file) => {
    const isSeven: ScanFilter = (bytes, start) => bytes[start] === 0x37;
    t.equal((await scanPastDamage(file, 'stored', false, isSeven)).errors.length, 0);
    t.ok(spoil(path, '<note 77>', (bytes, at) => bytes.fill('X', at, at + 5)) > 0);
    const { ids, errors } = await scanPastDamage(file, 'stored', false, isSeven);
    t.notOk(ids.includes('77'));
    t.match(errors[0], { code: 'ERR_DAMAGED' });
  });
});

t.test('remembers proven blocks up to a bound and under the checksum they had', async (t) => {
  const proof = new ScanProof(5000);
  proof.add(1, 77);
  proof.add(4999, 88);
  proof.add(5000, 99);
  proof.add(provenBlocksMax + 1, 99);
  t.ok(proof.has(1, 77));
  t.notOk(proof.has(1, 78), 'the block was written since');
  t.notOk(proof.has(2, 0), 'nobody proved it');
  t.ok(proof.has(4999, 88));
  t.notOk(proof.has(5000, 99), 'past the bound');
  const usual = new ScanProof();
  usual.add(provenBlocksMax - 1, 5);
  usual.add(provenBlocksMax, 6);
  t.ok(usual.has(provenBlocksMax - 1, 5));
  t.notOk(usual.has(provenBlocksMax, 6));
});

t.test('says so when a directory of slots is damaged', async (t) => {
  const path = await fileOf(t, 60);
  const spoilt = spoil(path, '<note 30>', (bytes, at) => {
    const page = at - (at % 4096);
    bytes.writeUInt16BE(0, page + 24 + 12);
  });
  t.ok(spoilt > 0, 'a record is marked as freed');
  await withFile(path, async (file) => {
    const { ids, errors } = await scanPastDamage(file, 'stored');
    t.equal(ids.length, 59);
    t.match(errors, [{ code: 'ERR_DAMAGED', message: /bad checksum/ }]);
    const kinds = (await problemsOf(file)).map(({ kind }) => kind);
    t.ok(kinds.includes('bad-block'));
    t.ok(kinds.includes('dangling-entry'), 'its index entries lead nowhere');
    t.ok(kinds.includes('wrong-count'));
    await insertRow(file, { id: 'more', note: 'new records avoid the bad block' });
    t.equal(idOf((await file.find(0, key('more')))?.record ?? Buffer.alloc(8)), 'more');
  });
});

t.test('finds wrong, missing and dangling index entries', async (t) => {
  const path = await fileOf(t, 50);
  const database = openLmdb({
    path,
    noSubdir: true,
    maxDbs: 300,
    keyEncoding: 'binary',
    encoding: 'binary',
  });
  const index = database.openDB<Buffer, Buffer>({
    name: 'key0',
    keyEncoding: 'binary',
    encoding: 'binary',
  });
  database.transactionSync(() => {
    const address = index.get(key('7')) ?? Buffer.alloc(6);
    index.remove(key('7'));
    index.put(key('wrong'), address);
    index.put(key('nowhere'), Buffer.from('0000000099ff', 'hex'));
  });
  await database.close();
  await withFile(path, async (file) => {
    const kinds = (await problemsOf(file)).map(({ kind, key }) => `${kind} ${key}`);
    t.same(kinds, ['missing-entry 0', 'dangling-entry 0', 'wrong-entry 0']);
    await t.rejects(async () => file.find(0, key('nowhere')), { code: 'ERR_DAMAGED' });
    const { ids } = await scanPastDamage(file, 0);
    t.equal(ids.length, 50, 'the wrong entry leads to its record, the other is passed');
    await file.rebuild(rowKeys, () => undefined);
    t.same(await problemsOf(file), []);
  });
});

t.test('opens a file that was cut off and gives what is left', async (t) => {
  const path = await fileOf(t, 3000);
  for (let n = 0; n < 20; n++) {
    // Later commits reuse freed pages, so that what every read needs does not lie at the end. Each in
    // an open of its own: while a file is open the pages of its last checkpoint are kept.
    await withFile(path, async (file) => {
      await insertRow(file, { id: `late${n}` });
    });
  }
  const { size } = statSync(path);
  truncateSync(path, size - 200 * KB);
  await withFile(path, async (file) => {
    const problems = await problemsOf(file);
    t.ok(problems.length > 0, `${problems.length} problems`);
    const { ids, errors } = await scanPastDamage(file, 'stored');
    t.ok(errors.length > 0);
    t.equal(new Set(ids).size, ids.length);
    t.ok(ids.length > 1000, `${ids.length} records are left`);
    const report = await file.rebuild(rowKeys, () => undefined);
    t.equal(report.records, ids.length, 'a rebuild keeps just those');
    t.same(await problemsOf(file), []);
  });
  truncateSync(path, 5000);
  const engine = createLmdbEngine();
  await t.rejects(async () => engine.open(path), { code: 'ERR_DAMAGED' });
});

t.test('survives damaged pages of its trees and loses nothing silently', async (t) => {
  const sound = await fileOf(t, 600);
  const { size } = statSync(sound);
  for (let seed = 1; seed <= 12; seed++) {
    const path = `${sound}.${seed}`;
    const bytes = readFileSync(sound);
    for (let damage = 0; damage < 6; damage++) {
      const at = 8192 + ((seed * 7919 + damage * 104_729) % (size / 4096 - 2)) * 4096;
      if (seed % 2 === 0) bytes.fill(0, at, at + 4096);
      else bytes.fill(seed * 11, at + 16, at + 16 + 90);
    }
    writeFileSync(path, bytes);
    const engine = createLmdbEngine();
    try {
      const file = await engine.open(path);
      const { ids, errors } = await scanPastDamage(file, 'stored');
      const problems = await problemsOf(file);
      if (ids.length < 600) t.ok(errors.length > 0 && problems.length > 0, `seed ${seed} says so`);
      const report = await file.rebuild(rowKeys, () => undefined);
      t.equal(report.records, ids.length, `seed ${seed} keeps ${ids.length}`);
      t.same(await problemsOf(file), []);
    } catch (error) {
      t.match(error, { code: 'ERR_DAMAGED' }, `seed ${seed} lost its header`);
    }
    await engine.close();
  }
});

t.test('loses its counters and still reads; a rebuild makes them anew', async (t) => {
  const path = join(t.testdir(), 'rows.ism');
  const spec = rowSpec({
    keys: rowSpec().keys.concat({
      name: 'NUMBER',
      segments: [{ offset: 24, length: 8, type: 'sequence', order: 'ascending' }],
      dups: 'none',
      modifiable: false,
    }),
  });
  const keysOf = (record: Buffer) => [...rowKeys(record), record.subarray(24, 32)];
  const draft = (id: string) => ({
    sequences: [{ name: 'sequence@24', seed: 100n }],
    finish([number]: readonly bigint[]) {
      const record = Buffer.alloc(32, ' ');
      record.write(id);
      record.writeBigInt64LE(number ?? 0n, 24);
      return { record, keys: keysOf(record) };
    },
  });
  const engine = createLmdbEngine();
  const file = await makeFile(engine, path, spec);
  for (const id of ['a', 'b', 'c']) await file.insert(draft(id));
  await engine.close();
  const database = openLmdb({
    path,
    noSubdir: true,
    maxDbs: 300,
    keyEncoding: 'binary',
    encoding: 'binary',
  });
  const options = { name: 'header', keyEncoding: 'binary', encoding: 'binary' } as const;
  const header = database.openDB<Buffer, Buffer>(options);
  database.transactionSync(() => {
    header.put(Buffer.from('counters'), Buffer.alloc(40, 7));
  });
  await database.close();
  await withFile(path, async (file) => {
    t.same(await walkIds(file, 0), ['a', 'b', 'c']);
    await t.rejects(async () => file.insert(draft('d')), { code: 'ERR_DAMAGED' });
    const problems: Problem[] = [];
    await file.verify(keysOf, (problem) => problems.push(problem));
    t.match(problems, [{ kind: 'wrong-count' }]);
    await file.rebuild(keysOf, () => undefined);
    const stored = await file.insert(draft('d'));
    t.equal(stored.record.readBigInt64LE(24), 103n, 'no number is given twice');
    t.equal((await file.facts()).records, 4);
  });
});
