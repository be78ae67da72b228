// What keyed reads see of changes, this process's and others'.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StoredFile } from '../../../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { Environment } from '../../../../../server/storage/lmdb/environment.js';
import { Committed, type Head } from '../../../../../server/storage/lmdb/mapped/committed.js';
import { readerIdleMs, stateTriesMax } from '../../../../../shared/base/limits.js';
import { insertRow, makeFile, rowSpec } from '../../../../conformance/storage-rows.js';
import { type MappedTestFile, mappedFile } from './mapped-file.js';

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

/** The state of a file by a head of the test's own. */
const stateBy = (file: MappedTestFile, head: Head): Committed =>
  new Committed(file.map, file.slot, head);

t.test(
  'the slot is taken by a read, and released by a commit unless somebody holds the state',
  (t) => {
    const file = mappedFile(t);
    const table = file.table('table');
    const tree = file.tree('table');
    const { committed, slot } = file;
    const put = (text: string): void => {
      file.write(() => table.put(Buffer.from('key'), Buffer.from(text)));
      committed.release();
    };
    const read = (): string | undefined =>
      tree.find(Buffer.from('key')) ? tree.view().toString() : undefined;
    t.notOk(slot.isTaken);
    committed.look();
    t.ok(slot.isTaken);
    t.equal(read(), undefined);
    put('one');
    t.notOk(slot.isTaken);
    committed.hold();
    t.equal(read(), 'one');
    committed.hold();
    put('two');
    t.ok(slot.isTaken);
    committed.look();
    t.equal(read(), 'one', 'it stays what it is');
    committed.letGo();
    put('three');
    t.ok(slot.isTaken, 'the other one still holds it');
    committed.letGo();
    committed.look();
    t.equal(read(), 'three');
    const { version } = committed;
    committed.look();
    t.equal(committed.version, version, 'nothing is newer');
    t.end();
  },
);

t.test('a reader that has nothing to read for a while keeps no pages', (t) => {
  const real = globalThis.setTimeout;
  let rest: (() => void) | undefined;
  const stub = (step: () => void, ms: number): NodeJS.Timeout => {
    if (ms === readerIdleMs) rest = step;
    return real(ms === readerIdleMs ? () => undefined : step, ms);
  };
  globalThis.setTimeout = stub as typeof setTimeout;
  t.teardown(() => {
    globalThis.setTimeout = real;
  });
  const { committed, slot } = mappedFile(t);
  committed.look();
  rest?.();
  t.ok(slot.isTaken, 'something was read since');
  committed.hold();
  rest?.();
  rest?.();
  t.ok(slot.isTaken, 'it is held');
  committed.letGo();
  rest?.();
  t.notOk(slot.isTaken);
  committed.look();
  t.ok(slot.isTaken);
  committed.look();
  rest?.();
  rest?.();
  t.notOk(slot.isTaken, 'the next one is noticed as well');
  t.end();
});

t.test('a head that is behind the file is put right, and then believed', (t) => {
  const file = mappedFile(t);
  let isRight = false;
  const number = (): number => file.root.env.info().lastTxnId - (isRight ? 0 : 1);
  const committed = stateBy(file, {
    number,
    settle: () => undefined,
    putRight() {
      isRight = true;
    },
  });
  committed.look();
  t.ok(isRight);
  t.equal(committed.version, 1);
  t.end();
});

t.test('a state that never stays the newest is given up', (t) => {
  const file = mappedFile(t);
  let asked = 0;
  let putRight = 0;
  const committed = stateBy(file, {
    number: () => asked++ + 1000,
    settle: () => undefined,
    putRight() {
      putRight++;
    },
  });
  t.throws(() => committed.look(), { message: /no committed state/ });
  t.equal(asked, stateTriesMax);
  t.ok(putRight > 0);
  t.end();
});

t.test('the head of a real file is put right by a transaction that does nothing', async (t) => {
  const environment = new Environment(join(t.testdir(), 'file'), { create: true });
  const header = environment.header();
  if (header === undefined) throw new Error('there is no header');
  const known = Buffer.from('known');
  environment.transact(() => {
    header.put(known, Buffer.alloc(10));
  });
  const committed = environment.committed(header, known);
  committed.look();
  t.equal(committed.version, 1);
  await environment.close();
});

t.test('each state that is seen is a whole one while another process commits', async (t) => {
  const commits = 4000;
  const file = mappedFile(t);
  const trees = ['one', 'other'].map((name) => file.tree(name));
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    committing(file.path, commits),
  ]);
  let isGone = false;
  once(child, 'exit').then(() => {
    isGone = true;
  });
  const key = Buffer.from('key 0');
  const read = (): number[] =>
    trees.map((tree) => (tree.find(key) ? tree.view().readUInt32BE(0) : 0));
  let newest = 0;
  let states = 0;
  while (newest < commits && !isGone) {
    for (let n = 0; n < 500; n++) {
      file.committed.look();
      const [one = 0, other = 0] = read();
      if (one !== other || one < newest) t.fail(`${one} and ${other} after ${newest}`);
      if (one > newest) states++;
      newest = one;
    }
    await new Promise(setImmediate);
  }
  t.ok(states > 1, `${states} states were seen`);
  if (!isGone) await once(child, 'exit');
  file.committed.look();
  t.strictSame(read(), [commits, commits]);
});

/** Puts the number of each commit into two tables, which grow meanwhile. */
const committing = (path: string, commits: number): string => `
  import { open } from 'lmdb';
  const binary = { keyEncoding: 'binary', encoding: 'binary' };
  const path = ${JSON.stringify(path)};
  const options = { noSubdir: true, maxDbs: 20, overlappingSync: false, noSync: true };
  const root = open({ path, ...options, ...binary });
  const tables = ['one', 'other'].map((name) => root.openDB({ name, ...binary }));
  for (let n = 1; n <= ${commits}; n++) {
    const value = Buffer.alloc(600);
    value.writeUInt32BE(n);
    root.transactionSync(() => {
      for (const table of tables) {
        table.put(Buffer.from('key 0'), value);
        table.put(Buffer.from('key ' + (n % 500)), value);
      }
    });
  }
  await root.close();`;
