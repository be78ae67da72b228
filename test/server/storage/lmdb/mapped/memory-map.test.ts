// Where LMDB has a file in memory: its parts, their growth, and what is left of them in the end.

import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Environment } from '../../../../../server/storage/lmdb/environment.js';
import { PAGE_BYTES } from '../../../../../server/storage/lmdb/format.js';
import { NOTHING } from '../../../../../server/storage/lmdb/mapped/map-part.js';
import { AT_LAST_PAGE } from '../../../../../server/storage/lmdb/page-file.js';
import {
  mapPartBytes,
  mappedValueBytesMax,
  recordBytesMax,
} from '../../../../../shared/base/limits.js';
import { MappedTestFile, mappedFile } from './mapped-file.js';

const KB = 1024;
const MB = 1024 * KB;
const keyOf = (n: number): Buffer => Buffer.from(`key ${String(n).padStart(6, '0')}`);
const contentOf = (n: number, length: number): Buffer => Buffer.alloc(length, `${n} `);

t.test('a value that reaches over the end of a part is whole all the same', (t) => {
  const file = mappedFile(t, { partBytes: 64 * KB, valueBytesMax: 40 * KB });
  const table = file.table('values');
  const length = (n: number): number => (n * 7919) % (39 * KB);
  file.write(() => {
    for (let n = 0; n < 200; n++) table.put(keyOf(n), contentOf(n, length(n)));
  });
  const tree = file.tree('values');
  file.committed.look();
  let across = 0;
  for (let n = 0; n < 200; n++) {
    t.ok(tree.find(keyOf(n)));
    if (tree.value.end > 64 * KB) across++;
    if (!tree.view().equals(contentOf(n, length(n)))) t.fail(`value ${n} is another`);
  }
  t.ok(across > 0, `${across} reach into the next part`);
  t.end();
});

t.test('a value longer than parts overlap by is no value when it reaches over the end', (t) => {
  const file = mappedFile(t, { partBytes: 64 * KB, valueBytesMax: 4 * KB });
  const table = file.table('values');
  file.write(() => {
    for (let n = 0; n < 20; n++) table.put(keyOf(n), contentOf(n, 18 * KB));
  });
  const tree = file.tree('values');
  file.committed.look();
  const found = Array.from({ length: 20 }, (_, n) => {
    try {
      return tree.find(keyOf(n)) && tree.view().equals(contentOf(n, 18 * KB)) ? 'whole' : 'wrong';
    } catch (error) {
      t.match(error, { code: -30796, message: /cut off/ });
      return 'cut off';
    }
  });
  t.strictSame([...new Set(found)].sort(), ['cut off', 'whole']);
  t.end();
});

t.test('a file that is larger than a part has the longest record across its end', async (t) => {
  const path = join(t.testdir(), 'large');
  await new MappedTestFile(path).close();
  sayLastPage(path, mapPartBytes / PAGE_BYTES - 100);
  const file = new MappedTestFile(path, undefined, { mapSize: 2 * mapPartBytes });
  const table = file.table('values');
  const longest = mappedValueBytesMax - PAGE_BYTES;
  t.ok(longest > recordBytesMax);
  file.write(() => {
    table.put(keyOf(1), contentOf(1, longest));
    table.put(keyOf(2), contentOf(2, longest));
  });
  t.ok(statSync(path).size > mapPartBytes);
  const tree = file.tree('values');
  file.committed.look();
  for (const n of [1, 2]) {
    t.ok(tree.find(keyOf(n)));
    t.ok(tree.view().equals(contentOf(n, longest)));
  }
  t.not(file.map.part(0), file.map.part(mapPartBytes / PAGE_BYTES));
  await file.close();
});

/** Makes the next page that LMDB uses of a file the one behind `page`; what is between are holes. */
function sayLastPage(path: string, page: number): void {
  const fd = openSync(path, 'r+');
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(page));
  for (const meta of [0, PAGE_BYTES]) writeSync(fd, number, 0, 8, meta + AT_LAST_PAGE);
  ftruncateSync(fd, (page + 1) * PAGE_BYTES);
  closeSync(fd);
}

t.test('what this process adds is seen, and what was seen before stays readable', (t) => {
  const file = mappedFile(t);
  const table = file.table('values');
  file.write(() => table.put(keyOf(0), contentOf(0, 2000)));
  const tree = file.tree('values');
  file.committed.look();
  t.ok(tree.find(keyOf(0)));
  const before = file.map.part(0);
  const mapped = file.root.env.info().mapSize;
  file.write(() => {
    for (let n = 1; n < 2000; n++) table.put(keyOf(n), contentOf(n, 2000));
  });
  t.ok(file.root.env.info().mapSize > mapped, 'LMDB has another map now');
  file.committed.look();
  for (let n = 0; n < 2000; n += 37) {
    t.ok(tree.find(keyOf(n)));
    t.ok(tree.view().equals(contentOf(n, 2000)));
  }
  t.not(file.map.part(0), before);
  t.equal(before.words[PAGE_BYTES / 4], 1, 'the second page still says its number');
  t.end();
});

t.test('what another process adds is seen in the same turn, wherever it lies', (t) => {
  const file = mappedFile(t);
  const tree = file.tree('values');
  file.committed.look();
  t.notOk(tree.find(keyOf(0)), 'there is no such table yet');
  for (const count of [10, 3000]) {
    writeElsewhere(file.path, count);
    file.committed.look();
    t.ok(tree.find(keyOf(count - 1)), `${count} entries`);
    t.ok(tree.view().equals(contentOf(count - 1, 3000)));
  }
  t.end();
});

/** Stores entries in another process, and waits for it without a turn of ours going by. */
function writeElsewhere(path: string, count: number): void {
  const script = `
    import { open } from 'lmdb';
    const binary = { keyEncoding: 'binary', encoding: 'binary' };
    const path = ${JSON.stringify(path)};
    const options = { noSubdir: true, maxDbs: 20, overlappingSync: false, noSync: true };
    const root = open({ path, ...options, ...binary });
    const table = root.openDB({ name: 'values', ...binary });
    root.transactionSync(() => {
      for (let n = 0; n < ${count}; n++) {
        table.put(Buffer.from('key ' + String(n).padStart(6, '0')), Buffer.alloc(3000, n + ' '));
      }
    });
    await root.close();`;
  execFileSync(process.execPath, ['--input-type=module', '-e', script]);
}

t.test('pages that the file does not have are not given out, mapped or not', (t) => {
  const file = mappedFile(t);
  const pages = statSync(file.path).size / PAGE_BYTES;
  t.ok(file.root.env.info().mapSize > pages * PAGE_BYTES, 'the map reaches behind the file');
  t.not(file.map.part(pages - 1), NOTHING);
  for (const page of [pages, 2 ** 31, 2 ** 32, 2 ** 48 - 1, 2 ** 64]) {
    t.equal(file.map.part(page), NOTHING, `page ${page}`);
  }
  t.end();
});

t.test('after close all that was handed out is empty', async (t) => {
  const file = new MappedTestFile(join(t.testdir(), 'file'));
  const table = file.table('values');
  file.write(() => table.put(keyOf(0), contentOf(0, 2000)));
  const tree = file.tree('values');
  file.committed.look();
  t.ok(tree.find(keyOf(0)));
  const views = [tree.view(), file.map.part(0).bytes];
  file.write(() => {
    for (let n = 1; n < 2000; n++) table.put(keyOf(n), contentOf(n, 2000));
  });
  file.committed.look();
  t.ok(tree.find(keyOf(1000)));
  views.push(tree.view());
  await file.close();
  for (const view of views) t.equal(view.length, 0);
  t.equal(file.map.part(0), NOTHING);
  t.throws(() => tree.find(keyOf(0)), { code: -30796 });
});

t.test(
  'a write transaction, whose pages are elsewhere, is not asked where the map is',
  async (t) => {
    const environment = new Environment(join(t.testdir(), 'file'), { create: true });
    const header = environment.header();
    if (header === undefined) throw new Error('there is no header');
    const known = Buffer.from('known');
    environment.transact(() => {
      header.put(known, Buffer.alloc(10));
    });
    const { map } = environment.committed(header, known);
    environment.transact(() => {
      header.put(known, Buffer.alloc(20));
      t.throws(() => map.part(0), TypeError);
    });
    t.not(map.part(0), NOTHING);
    await environment.close();
  },
);

t.test('memory that stands for a map is given back by close', async (t) => {
  const path = join(t.testdir(), 'file');
  const before = process.memoryUsage().external;
  for (let n = 0; n < 50; n++) {
    const file = new MappedTestFile(path, undefined, { mapSize: 64 * MB });
    file.committed.look();
    await file.close();
  }
  const grown = process.memoryUsage().external - before;
  t.ok(grown < 64 * MB, `${grown} bytes more after 50 times 64 MB`);
  const fd = openSync(path, 'r');
  t.equal(readSync(fd, Buffer.alloc(8)), 8);
  closeSync(fd);
});

t.test('a file that grows within a part keeps that part', (t) => {
  const file = mappedFile(t, undefined, { mapSize: mapPartBytes / 2 });
  const table = file.table('values');
  const parts = new Set<unknown>();
  for (let n = 0; n < 20; n++) {
    file.write(() => {
      table.put(keyOf(n), contentOf(n, 20 * KB));
    });
    file.committed.look();
    parts.add(file.map.part(file.committed.lastPage));
  }
  t.equal(parts.size, 1);
  t.end();
});
