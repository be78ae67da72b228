// What only files on a disk can show: other processes, kill -9, a full disk, a failed commit.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as lmdb from 'lmdb';
import t, { type Test } from 'tap';
import type { StoredFile } from '../../../server/storage/engine.js';
import { CommitQueue } from '../../../server/storage/lmdb/commit-queue.js';
import { createLmdbEngine } from '../../../server/storage/lmdb/engine.js';
import { chooseBlockBytes } from '../../../server/storage/lmdb/layout.js';
import { openStore } from '../../../server/storage/lmdb/open-store.js';
import { diskReserveBytes, freeListFaultsMax } from '../../../shared/base/limits.js';
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

const withFile = async (path: string, use: (file: StoredFile) => Promise<void>): Promise<void> => {
  const engine = createLmdbEngine();
  try {
    await use(await engine.open(path));
  } finally {
    await engine.close();
  }
};

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

t.test('closed files leave nothing in the list that LMDB keeps of all', async (t) => {
  const list: unknown = 'allDbs' in lmdb ? lmdb.allDbs : undefined;
  if (!(list instanceof Map)) throw new Error('this version keeps no list: drop listed-tables.ts');
  const before = list.size;
  const here = await fileOf(t, 3);
  const there = join(here, '..', 'other', 'rows.ism');
  mkdirSync(join(there, '..'));
  t.equal(list.size, before);
  const engine = createLmdbEngine();
  await engine.create(there, rowSpec());
  const first = await engine.open(there);
  const second = await engine.open(here);
  await first.close();
  t.ok(list.size > before, 'a file of the same name elsewhere stays in it');
  t.equal(idOf((await second.find(0, key('1')))?.record ?? Buffer.alloc(8)), '1');
  await engine.close();
  t.equal(list.size, before);
});

t.test('opens so many files and no more', async (t) => {
  const paths = ['a', 'b', 'c'].map((name) => join(t.testdirName, name));
  t.testdir();
  const engine = createLmdbEngine({ filesMax: 2 });
  for (const path of paths) await engine.create(path, rowSpec());
  const [first] = [await engine.open(`${paths[0]}`), await engine.open(`${paths[1]}`)];
  await engine.open(`${paths[0]}`);
  await t.rejects(async () => engine.open(`${paths[2]}`), {
    code: 'ERR_SRVRLIMIT',
    message: /c cannot be opened: 2 files are open here/,
  });
  await first?.close();
  await first?.close();
  await engine.open(`${paths[2]}`);
  await engine.close();
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

t.test(
  'takes no more writes after a commit failed, and survives both its rejections',
  async (t) => {
    const path = await fileOf(t, 0);
    const unhandled: unknown[] = [];
    const note = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', note);
    const store = openStore(path, 'rows.ism', 'opening');
    store.environment.commit = () => {
      store.environment.undo();
      const commitError = Promise.reject(new Error('second promise'));
      throw Object.assign(new Error('No space left on device'), { code: 28, commitError });
    };
    const queue = new CommitQueue(store, () => Number.POSITIVE_INFINITY);
    const group = [1, 2].map(() => queue.ask((transaction) => transaction.clear()));
    for (const { status, ...rest } of await Promise.allSettled(group)) {
      t.equal(status, 'rejected');
      t.match(rest, { reason: { code: 'ERR_NOSPAC', retryable: false } });
    }
    await t.rejects(
      queue.ask((transaction) => transaction.clear()),
      { code: 'ERR_NOSPAC', message: /until it is opened anew/ },
    );
    await new Promise(setImmediate);
    t.same(unhandled, []);
    process.off('unhandledRejection', note);
    await store.close();
  },
);

t.test('steps that the free list of LMDB failed are run again, so often and no more', async (t) => {
  const path = await fileOf(t, 2);
  const store = openStore(path, 'rows.ism', 'opening');
  const commit = store.environment.commit.bind(store.environment);
  let faults = freeListFaultsMax;
  store.environment.commit = () => {
    if (faults-- <= 0) return commit();
    store.environment.undo();
    throw Object.assign(new Error('Unsupported size of key'), { code: -30781 });
  };
  const queue = new CommitQueue(store, () => Number.POSITIVE_INFINITY);
  const stored = await queue.ask((transaction) =>
    transaction.insert(rowDraft({ id: 'new', group: 'g' })),
  );
  t.equal(idOf(stored.record), 'new', 'the caller notices nothing');
  faults = Number.POSITIVE_INFINITY;
  await t.rejects(
    queue.ask((transaction) => transaction.clear()),
    { code: 'ERR_DAMAGED' },
    'but not for ever',
  );
  await store.close();
  await withFile(path, async (file) => {
    t.same(await walkIds(file, 0), ['0', '1', 'new']);
  });
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
  return startProgram(program, isSource);
}

/** Reads a row of the file in a process of its own, says so, and never ends. */
function startReader(path: string): ChildProcess {
  const isSource = import.meta.url.endsWith('.ts');
  const engine = new URL('../../../server/storage/lmdb/engine.js', import.meta.url).href;
  const program = `
    const { createLmdbEngine } = await import('${engine}');
    const file = await createLmdbEngine().open(${JSON.stringify(path)});
    const look = () => file.find(0, Buffer.from('1'.padEnd(8)));
    setInterval(look, 1);
    process.stdout.write(look() ? 'read\\n' : 'nothing\\n');
  `;
  return startProgram(program, isSource);
}

function startProgram(program: string, isSource: boolean): ChildProcess {
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
    t.same(readdirSync(join(path, '..')).sort(), ['rows.ism', 'rows.ism-lock', 'rows.ism-log']);
  });
  t.same(readdirSync(join(path, '..')).sort(), ['rows.ism', 'rows.ism-lock']);
});

t.test(
  'what a reader that was killed keeps of a file is freed while the file is open',
  async (t) => {
    const path = await fileOf(t, 100);
    const engine = createLmdbEngine();
    const file = await engine.open(path);
    t.equal(await engine.freeDeadReaders(), 0);
    t.strictSame(await acknowledged(startReader(path), 1), ['read']);
    const freed = await engine.freeDeadReaders();
    t.ok(freed > 0, `${freed} freed`);
    t.equal(await engine.freeDeadReaders(), 0);
    await file.close();
  },
);

t.test('sizes blocks for the record', (t) => {
  const sized = (size: number, format: 'fixed' | 'variable' = 'fixed'): number =>
    chooseBlockBytes(rowSpec({ record: { size, format } }));
  t.equal(sized(200), 8168, 'two pages');
  t.equal(sized(2), 4072, 'tiny records: one page, else it ran out of slots before bytes');
  t.equal(sized(2500), 8168, 'three fit two pages well');
  t.equal(sized(3000), 12264);
  t.equal(sized(2500, 'variable'), 4072);
  t.equal(sized(30_729), 4072, 'too large for any: kept out of line');
  t.end();
});
