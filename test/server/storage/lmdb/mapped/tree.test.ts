// Entries looked up in place are those that lmdb-js finds, whatever the tree is like. The seed is printed; TREE_SEED
// repeats a run.

import { closeSync, openSync, writeSync } from 'node:fs';
import t from 'tap';
import { PAGE_BYTES } from '../../../../../server/storage/lmdb/format.js';
import { TreeCursor } from '../../../../../server/storage/lmdb/mapped/tree-cursor.js';
import { numberKey } from '../../../../../server/storage/lmdb/number-key.js';
import { treeDepthMax } from '../../../../../shared/base/limits.js';
import { mappedFile, type PlainTable, randomNumbers } from './mapped-file.js';

const seed = Number(process.env.TREE_SEED ?? Date.now() % 2 ** 31);
t.comment(`seed ${seed}`);
const random = randomNumbers(seed);

/** Longest key that LMDB takes by lmdb-js. */
const KEY_BYTES_MAX = 1978;
/** Entries: no page, one page, two levels, three. */
const COUNTS = [0, 1, 5, 300, 5000];

function randomKey(bytesMax: number): Buffer {
  const key = Buffer.alloc(1 + random(bytesMax));
  // Few different bytes, so that keys share beginnings, and one is the beginning of another.
  for (let at = 0; at < key.length; at++) key[at] = [0, 1, 0x7f, 0xff][random(4)] ?? 0;
  return key;
}

const randomValue = (): Buffer => Buffer.alloc(random(10) === 0 ? random(9000) : random(40), 'v');

/** Compares a look-up in place with what lmdb-js says. */
function isAlike(tree: ReturnType<ReturnType<typeof mappedFile>['tree']>, table: PlainTable) {
  return (key: Buffer): boolean => {
    const expected = table.get(key);
    const isFound = tree.find(key);
    return isFound ? expected?.equals(tree.view()) === true : expected === undefined;
  };
}

for (const bytesMax of [4, 12, 200, KEY_BYTES_MAX]) {
  t.test(`finds what lmdb-js finds: keys of up to ${bytesMax} bytes`, (t) => {
    const file = mappedFile(t);
    for (const count of COUNTS) {
      const name = `table ${count}`;
      const table = file.table(name);
      const keys = Array.from({ length: count }, () => randomKey(bytesMax));
      file.write(() => {
        for (const key of keys) table.put(key, randomValue());
        // Pages of which most entries are gone.
        for (const key of keys) if (random(3) === 0) table.remove(key);
      });
      const tree = file.tree(name);
      file.committed.look();
      const alike = isAlike(tree, table);
      const asked = [...keys, ...Array.from({ length: 500 }, () => randomKey(bytesMax))];
      t.equal(asked.find((key) => !alike(key))?.toString('hex'), undefined, `${count} keys`);
      if (count === 0) t.equal(tree.depth(), 0);
    }
    t.end();
  });
}

for (const width of [5, 6]) {
  t.test(`finds numbers of ${width} bytes, with gaps and without, in order and not`, (t) => {
    const file = mappedFile(t);
    const key = numberKey(width);
    const starts = [0, 1, 2 ** 32 - 1000, 2 ** 40 - 6000];
    for (const [which, gap] of [1, 1, 2, 50].entries()) {
      const table = file.table(`table ${which}`);
      const tree = file.tree(`table ${which}`);
      const start = starts[which % starts.length] ?? 0;
      const numbers = Array.from({ length: 4000 }, (_, n) =>
        Math.min(start + n * gap, 2 ** 40 - 1),
      );
      const stored = numbers.filter(() => which === 0 || random(4) > 0);
      if (which === 1) stored.sort(() => random(2) - 0.5);
      file.write(() => {
        for (const number of stored) table.put(Buffer.from(key(number)), randomValue());
        // One that is no number of so many bytes.
        table.put(Buffer.alloc(width + 1, 1), Buffer.alloc(1));
        table.put(Buffer.alloc(width - 1, 1), Buffer.alloc(1));
      });
      file.committed.look();
      const wrong = numbers
        .flatMap((number) => [number, number + 1, Math.max(0, number - 1)])
        .filter((number) => number < 2 ** 40)
        .find((number) => {
          const bytes = Buffer.from(key(number));
          const expected = table.get(bytes);
          const isFound = tree.findNumber(number, bytes);
          return isFound ? expected?.equals(tree.view()) !== true : expected !== undefined;
        });
      t.equal(wrong, undefined, `numbers from ${start} in steps of ${gap}`);
    }
    t.end();
  });
}

t.test('depth counts the levels of pages', (t) => {
  const file = mappedFile(t);
  const table = file.table('table');
  const tree = file.tree('table');
  const depths = new Set<number>();
  for (let n = 0; n < 30; n++) {
    file.write(() => {
      for (let i = 0; i < 200; i++) table.put(randomKey(300), Buffer.alloc(8));
    });
    file.committed.look();
    const cursor = new TreeCursor(tree, { least: undefined, limit: undefined }, 'forward');
    t.ok(cursor.next());
    depths.add(tree.depth());
  }
  t.ok(depths.has(2) && depths.has(3), [...depths].join(', '));
  t.notOk(file.tree('no such table').find(Buffer.from('a')));
  t.end();
});

t.test('a page that is its own child, or a leaf that comes again, ends a walk', (t) => {
  const file = mappedFile(t);
  const table = file.table('table');
  file.write(() => {
    for (let n = 0; n < 1000; n++) table.put(Buffer.from(`key ${n}`), Buffer.alloc(30));
  });
  const tree = file.tree('table');
  file.committed.look();
  const { root = 0 } = tree;
  const part = file.map.part(root);
  const node = (index: number): number =>
    24 + part.bytes.readUInt16LE(file.map.offsetOf(root) + 24 + 2 * index);
  const count = part.bytes.readUInt16LE(file.map.offsetOf(root) + 20) / 2;
  t.ok(count > 3);
  const point = (index: number, page: number): void => {
    const fd = openSync(file.path, 'r+');
    const number = Buffer.alloc(4);
    number.writeUInt32LE(page);
    writeSync(fd, number, 0, 4, root * PAGE_BYTES + node(index));
    closeSync(fd);
  };
  const children = [0, 1, 2].map((index) =>
    part.bytes.readUInt32LE(file.map.offsetOf(root) + node(index)),
  );
  const whole = { least: undefined, limit: undefined };
  const walk = (direction: 'forward' | 'reverse') => (): number => {
    const cursor = new TreeCursor(tree, whole, direction);
    let steps = 0;
    while (cursor.next()) steps++;
    return steps;
  };
  t.equal(walk('forward')(), 1000);
  point(2, children[0] ?? 0);
  for (const way of ['forward', 'reverse'] as const) {
    t.throws(walk(way), { code: -30796, message: /out of order/ }, way);
  }
  point(2, children[2] ?? 0);
  for (let index = 0; index < count; index++) point(index, root);
  const circle = { code: -30796, message: /circle/ };
  t.throws(() => tree.find(Buffer.from('key 500')), circle, `${treeDepthMax} levels are enough`);
  t.throws(walk('forward'), circle);
  t.throws(walk('reverse'), circle);
  t.throws(() => tree.depth(), circle);
  t.end();
});
