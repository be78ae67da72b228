// Walks in place go where walks of lmdb-js go, both ways and over every kind of range. The seed is printed;
// TREE_SEED repeats a run.

import t from 'tap';
import type { Direction } from '../../../../../server/storage/engine.js';
import type { Tree } from '../../../../../server/storage/lmdb/mapped/tree.js';
import { TreeCursor } from '../../../../../server/storage/lmdb/mapped/tree-cursor.js';
import type { PlaceRange } from '../../../../../server/storage/place.js';
import { mappedFile, randomNumbers } from './mapped-file.js';

const seed = Number(process.env.TREE_SEED ?? Date.now() % 2 ** 31);
t.comment(`seed ${seed}`);
const random = randomNumbers(seed);

interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

const randomKey = (bytesMax: number): Buffer => {
  const key = Buffer.alloc(1 + random(bytesMax));
  for (let at = 0; at < key.length; at++) key[at] = [0, 1, 0x7f, 0xff][random(4)] ?? 0;
  return key;
};

function walk(tree: Tree, range: PlaceRange, direction: Direction): Entry[] {
  const entries: Entry[] = [];
  const cursor = new TreeCursor(tree, range, direction);
  while (cursor.next()) {
    const { part, start, end } = cursor.locateValue();
    const { keyBytes, keyStart, keyLength } = cursor;
    const key = Buffer.from(keyBytes.subarray(keyStart, keyStart + keyLength));
    entries.push({ key, value: Buffer.from(part.bytes.subarray(start, end)) });
  }
  t.notOk(cursor.next(), 'the end stays the end');
  return entries;
}

/** The entries of a range by what lmdb-js says is in the table. */
function inRange(all: readonly Entry[], { least, limit }: PlaceRange): Entry[] {
  return all.filter(
    ({ key }) =>
      (least === undefined || Buffer.compare(key, least) >= 0) &&
      (limit === undefined || Buffer.compare(key, limit) < 0),
  );
}

const text = (entries: readonly Entry[]): string =>
  entries.map(({ key, value }) => `${key.toString('hex')}=${value.toString('hex')}`).join(' ');

for (const bytesMax of [3, 30, 1978]) {
  t.test(`walks as lmdb-js does: keys of up to ${bytesMax} bytes`, (t) => {
    const file = mappedFile(t);
    for (const count of [0, 1, 20, 400, 3000]) {
      const table = file.table(`table ${count}`);
      const tree = file.tree(`table ${count}`);
      file.write(() => {
        for (let n = 0; n < count; n++)
          table.put(randomKey(bytesMax), Buffer.alloc(random(30), 'v'));
      });
      file.committed.look();
      const all = [...table.getRange({ start: undefined, end: undefined })].map((entry) => ({
        key: Buffer.from(entry.key),
        value: Buffer.from(entry.value),
      }));
      const edges = (): Uint8Array | undefined => {
        if (random(4) === 0) return undefined;
        return random(2) === 0 ? randomKey(bytesMax) : all[random(all.length)]?.key;
      };
      const ranges: PlaceRange[] = [{ least: undefined, limit: undefined }];
      for (let n = 0; n < 60; n++) ranges.push({ least: edges(), limit: edges() });
      for (const range of ranges) {
        const expected = inRange(all, range);
        const forward = walk(tree, range, 'forward');
        const back = walk(tree, range, 'reverse').reverse();
        if (text(forward) !== text(expected) || text(back) !== text(expected)) {
          t.fail(`seed ${seed}: another walk`, { range, count });
        }
      }
      t.pass(`${count} entries`);
    }
    t.end();
  });
}

t.test('a state that is held is walked to its end while others change what comes after', (t) => {
  const file = mappedFile(t, { partBytes: 64 * 1024, valueBytesMax: 64 * 1024 });
  const table = file.table('table');
  const tree = file.tree('table');
  const key = (n: number): Buffer => Buffer.from(String(n).padStart(8, '0'));
  file.write(() => {
    for (let n = 0; n < 2000; n++) table.put(key(n), Buffer.alloc(100, 'old'));
  });
  file.committed.hold();
  const cursor = new TreeCursor(tree, { least: undefined, limit: undefined }, 'forward');
  const old = Buffer.alloc(100, 'old');
  let count = 0;
  while (cursor.next()) {
    const { part, start, end } = cursor.locateValue();
    if (!part.bytes.subarray(start, end).equals(old)) t.fail(`entry ${count} is of another state`);
    if (count++ % 20 > 0) continue;
    file.write(() => {
      for (let n = 0; n < 50; n++) table.put(key(random(3000)), Buffer.alloc(100, 'new'));
      for (let n = 0; n < 20; n++) table.remove(key(random(3000)));
    });
    file.committed.release();
    file.committed.look();
  }
  t.equal(count, 2000);
  file.committed.letGo();
  file.committed.look();
  t.ok(walk(tree, { least: undefined, limit: undefined }, 'forward').length !== 2000);
  t.end();
});
