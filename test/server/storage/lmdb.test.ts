// What only files on a disk can show: other processes, kill -9, damage of all kinds, a full disk.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { open as openLmdb } from 'lmdb';
import t, { type Test } from 'tap';
import type { Problem, ScanCursor, StoredFile } from '../../../server/storage/engine.js';
import { encodeDefinition } from '../../../server/storage/lmdb/definition-entry.js';
import { createLmdbEngine } from '../../../server/storage/lmdb/engine.js';
import { chooseBlockBytes } from '../../../server/storage/lmdb/layout.js';
import { isRsyndError } from '../../../shared/base/error.js';
import { diskReserveBytes } from '../../../shared/base/limits.js';
import { problemsOf } from '../../conformance/storage.js';
import {
  idOf,
  insertRow,
  makeFile,
  rewriteRow,
  rowDraft,
  rowKeys,
  rowSpec,
  scanIds,
  walkIds,
} from '../../conformance/storage-rows.js';

const KB = 1024;
const MB = 1024 * KB;
const key = (id: string): Buffer => Buffer.from(id.padEnd(8));

/** A file of `count` rows whose notes name them, closed again. */
async function fileOf(t: Test, count: number, noteBytes = 180): Promise<string> {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  const file = await makeFile(engine, path, rowSpec());
  const drafts = Array.from({ length: count }, (_, n) =>
    rowDraft({ id: `${n}`, group: `${n % 5}`, note: `<note ${n}>`.padEnd(noteBytes, '.') }),
  );
  await file.insertMany(drafts);
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
async function scanPastDamage(file: StoredFile, order: number | 'stored', reverse = false) {
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
      state = await file.scan(cursor, visit, 50);
    } catch (error) {
      errors.push(error);
    }
  }
  return { ids, errors };
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

t.test('shares one file among its names and leaves nothing beside it', async (t) => {
  const path = await fileOf(t, 10);
  const link = `${path}.link`;
  symlinkSync(path, link);
  const engine = createLmdbEngine();
  const [file, same] = [await engine.open(path), await engine.open(link)];
  t.equal(file, same);
  await insertRow(same, { id: 'new' });
  t.equal(idOf((await file.find(0, key('new')))?.record ?? Buffer.alloc(8)), 'new');
  await engine.close();
  await engine.remove(path);
  rmSync(link);
  t.same(readdirSync(join(path, '..')), []);
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
  await withFile(path, async (file) => {
    // Later commits reuse freed pages, so that what every read needs does not lie at the end.
    for (let n = 0; n < 20; n++) await insertRow(file, { id: `late${n}` });
  });
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

t.test('refuses writes before the disk is full, and takes them again', async (t) => {
  const path = await fileOf(t, 10);
  let free = diskReserveBytes - 1;
  const engine = createLmdbEngine({ freeBytes: () => free });
  const file = await engine.open(path);
  await t.rejects(insertRow(file, { id: 'x' }), { code: 'ERR_NOSPAC', errno: 24 });
  await t.rejects(async () => file.rebuild(rowKeys, () => undefined), { code: 'ERR_NOSPAC' });
  await t.rejects(async () => engine.create(`${path}.new`, rowSpec()), { code: 'ERR_NOSPAC' });
  t.match(await file.insertMany([rowDraft({ id: 'x' })]), {
    stored: 0,
    error: { code: 'ERR_NOSPAC' },
  });
  t.equal((await walkIds(file, 0)).length, 10, 'reads go on');
  free = diskReserveBytes + MB;
  await t.rejects(insertRow(file, { id: 'y', note: 'z'.repeat(900 * KB) }), { code: 'ERR_NOSPAC' });
  await insertRow(file, { id: 'x' });
  t.equal((await walkIds(file, 0)).length, 11);
  await engine.close();
});

t.test('lives through a disk that fills up and is freed again', async (t) => {
  const mount = join(t.testdir(), 'small');
  mkdirSync(mount);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount], { stdio: 'ignore' });
  } catch {
    t.pass('a small disk', { skip: 'needs mount' });
    return;
  }
  const engine = createLmdbEngine();
  try {
    const file = await makeFile(engine, join(mount, 'rows.ism'));
    const stored: string[] = [];
    let refusal: unknown;
    for (let n = 0; refusal === undefined && n < 5000; n++) {
      try {
        await insertRow(file, { id: `${n}`, note: 'n'.repeat(8000) });
        stored.push(`${n}`);
      } catch (error) {
        refusal = error;
      }
    }
    t.match(refusal, { code: 'ERR_NOSPAC' });
    t.ok(stored.length > 300, `${stored.length} records until then`);
    t.same((await walkIds(file, 0)).sort(), stored.sort(), 'nothing acknowledged is lost');
    execFileSync('mount', ['-o', 'remount,size=48m', mount]);
    await insertRow(file, { id: 'again', note: 'n'.repeat(8000) });
    const filler = join(mount, 'filler');
    writeFileSync(filler, Buffer.alloc(25 * MB));
    await t.rejects(insertRow(file, { id: 'late' }), { code: 'ERR_NOSPAC' });
    rmSync(filler);
    await insertRow(file, { id: 'late' });
    t.same(await problemsOf(file), []);
  } finally {
    await engine.close();
    execFileSync('umount', [mount]);
  }
});

/** Runs a writer in a process of its own: it inserts rows and prints the id of each acknowledged one. */
function startWriter(path: string, prefix: string, count: number): ChildProcess {
  const isSource = import.meta.url.endsWith('.ts');
  const module = (name: string): string => new URL(name, import.meta.url).href;
  const program = `
    const { createLmdbEngine } = await import('${module('../../../server/storage/lmdb/engine.js')}');
    const { insertRow } = await import('${module('../../conformance/storage-rows.js')}');
    const file = await createLmdbEngine().open(${JSON.stringify(path)});
    let next = 0;
    const work = async () => {
      while (next < ${count}) {
        const id = '${prefix}' + next++;
        await insertRow(file, { id, group: 'g', rank: '${prefix}', note: 'n'.repeat(next % 300) });
        process.stdout.write(id + '\\n');
      }
    };
    await Promise.all([work(), work(), work(), work()]);
    await file.close();
  `;
  const args = [...(isSource ? process.execArgv : []), '--input-type=module', '-e', program];
  const { NODE_OPTIONS: _, ...env } = process.env;
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
}

async function acknowledged(writer: ChildProcess, until = Number.POSITIVE_INFINITY) {
  const ids: string[] = [];
  const closed = once(writer, 'close');
  if (writer.stdout === null) throw new Error('no output');
  for await (const id of createInterface({ input: writer.stdout })) {
    if (ids.push(id) === until) writer.kill('SIGKILL');
  }
  await closed;
  return ids;
}

t.test('two processes and this one write one file together', async (t) => {
  const path = await fileOf(t, 0);
  await withFile(path, async (file) => {
    const writers = ['a', 'b'].map((prefix) => acknowledged(startWriter(path, prefix, 150)));
    const own: string[] = [];
    for (let n = 0; n < 150; n++) {
      own.push(idOf((await insertRow(file, { id: `c${n}`, group: 'g' })).record));
    }
    const others = (await Promise.all(writers)).flat();
    await new Promise(setImmediate);
    t.equal(others.length, 300);
    t.same((await walkIds(file, 0)).sort(), [...others, ...own].sort());
    t.same((await walkIds(file, 1)).sort(), [...others, ...own].sort());
    t.equal((await file.facts()).records, 450);
    t.same(await problemsOf(file), []);
  });
});

t.test('sees what another process committed in the next turn', async (t) => {
  const path = await fileOf(t, 0);
  await withFile(path, async (file) => {
    t.equal(await file.find(0, key('a0')), undefined);
    const writer = startWriter(path, 'a', 1);
    if (writer.stdout === null) throw new Error('no output');
    await once(writer.stdout, 'data');
    t.ok(await file.find(0, key('a0')));
    await once(writer, 'close');
  });
});

t.test('loses nothing acknowledged to kill -9', async (t) => {
  const path = await fileOf(t, 0);
  const all: string[] = [];
  for (const [prefix, until] of [
    ['p', 20],
    ['q', 137],
    ['r', 300],
  ] as const) {
    const ids = await acknowledged(startWriter(path, prefix, 100_000), until);
    all.push(...ids);
    await withFile(path, async (file) => {
      const there = await scanIds(file, 'stored');
      t.equal(new Set(there).size, there.length, 'none is there twice');
      const present = new Set(there);
      t.same(
        all.filter((id) => !present.has(id)),
        [],
        `${all.length} acknowledged are there`,
      );
      t.same(await problemsOf(file), []);
      const row = await file.find(0, key(all[0] ?? ''));
      if (row === undefined) throw new Error('not found');
      await rewriteRow(file, row, { id: idOf(row.record), group: 'g', note: 'still writable' });
    });
  }
});

t.test('keeps the writes of one turn together and those waiting at close', async (t) => {
  const path = await fileOf(t, 0);
  const engine = createLmdbEngine();
  const file = await engine.open(path);
  const asked = Array.from({ length: 3000 }, (_, n) => insertRow(file, { id: `${n}` }));
  const closing = file.close();
  t.equal((await Promise.all(asked)).length, 3000, 'more than may wait are committed early');
  await closing;
  await withFile(path, async (again) => {
    t.equal((await again.facts()).records, 3000);
  });
});

t.test('a rebuild refuses writes meanwhile and keeps the mode of the file', async (t) => {
  const path = await fileOf(t, 2000);
  await withFile(path, async (file) => {
    let refused: unknown;
    let readable = false;
    const progress = (): void => {
      refused ??= insertRow(file, { id: 'x' }).catch((error: unknown) => error);
      readable = true;
    };
    const { mode } = statSync(path);
    await file.rebuild(rowKeys, () => undefined, progress);
    t.match(await refused, { code: 'ERR_FINUSE' });
    t.equal(readable, true);
    t.equal(statSync(path).mode, mode);
    await insertRow(file, { id: 'x' });
    t.same(readdirSync(join(path, '..')).sort(), ['rows.ism', 'rows.ism-lock']);
  });
});

t.test('sizes blocks for the record', (t) => {
  const sized = (size: number, format: 'fixed' | 'variable' = 'fixed'): number =>
    chooseBlockBytes(rowSpec({ record: { size, format } }));
  t.equal(sized(200), 4072, 'small records: one page');
  t.equal(sized(2500), 8168, 'three fit two pages well');
  t.equal(sized(3000), 12264);
  t.equal(sized(2500, 'variable'), 4072);
  t.equal(sized(30_729), 4072, 'too large for any: kept out of line');
  t.end();
});
