// Runs of an index: whatever addresses its entries have, the runs put together are these addresses, no run could
// have been longer, and the edges are those behind each entry. The seed is printed; WALK_SEED repeats a run.

import t from 'tap';
import type { Direction } from '../../../../server/storage/engine.js';
import { addressToRfa } from '../../../../server/storage/lmdb/address.js';
import { IndexWalk } from '../../../../server/storage/lmdb/index-walk.js';
import { mappedFile, randomNumbers } from './mapped/mapped-file.js';

const seed = Number(process.env.WALK_SEED ?? Date.now() % 2 ** 31);
t.comment(`seed ${seed}`);
const random = randomNumbers(seed);

const place = (n: number, bytes = 8): Buffer => Buffer.from(String(n).padStart(bytes, '0'));

/** Addresses as loads in order, backwards, and by chance give them; blocks up to the last there can be. */
function addresses(count: number): number[] {
  const list: number[] = [];
  while (list.length < count) {
    const high = random(3) === 0 ? 2 ** 40 - 400 : 1;
    let address = (high + 60 + random(200)) * 256 + random(256);
    const step = [1, -1, 1, 0, 2, 255][random(6)] ?? 1;
    for (let n = random(60); n >= 0; n--, address += step) list.push(address);
  }
  return list.slice(0, count);
}

interface Run {
  readonly addresses: number[];
  readonly countMax: number;
}

/** All runs of a walk; `edges`: also the edge behind each entry of each. */
function runsOf(walk: IndexWalk): { runs: Run[]; edges: string[] } {
  const runs: Run[] = [];
  const edges: string[] = [];
  for (;;) {
    const countMax = 1 + random(random(2) === 0 ? 300 : 4);
    if (!walk.next(countMax)) return { runs, edges };
    const { block, slot, slotStep, count } = walk;
    const run = Array.from({ length: count }, (_, n) => block * 256 + slot + n * slotStep);
    runs.push({ addresses: run, countMax });
    const before = walk.edgeBehind(0)?.prefix;
    if (before !== undefined) t.equal(Buffer.from(before).toString(), edges.at(-1) ?? '');
    for (let passed = 1; passed <= count; passed++) {
      edges.push(Buffer.from(walk.edgeBehind(passed)?.prefix ?? []).toString());
    }
  }
}

const isOneRun = (list: readonly number[]): boolean =>
  list.every((address, n) => {
    const step = (list[1] ?? 0) - (list[0] ?? 0);
    const isInBlock = Math.floor(address / 256) === Math.floor((list[0] ?? 0) / 256);
    return isInBlock && Math.abs(step) === 1 && address === (list[0] ?? 0) + n * step;
  });

t.test('runs are the entries of the range, in their order', (t) => {
  const file = mappedFile(t);
  for (const count of [1, 50, 5000]) {
    const table = file.table(`table ${count}`);
    const all = addresses(count);
    file.write(() => {
      for (const [n, address] of all.entries()) table.put(place(n), addressToRfa(address));
    });
    file.committed.look();
    for (let n = 0; n < 40; n++) {
      const [first, behind] = n === 0 ? [0, count] : [random(count), random(count + 1)];
      const direction: Direction = random(2) === 0 ? 'forward' : 'reverse';
      const range = {
        least: first === 0 ? undefined : place(first),
        limit: behind === count ? undefined : place(behind),
      };
      const expected = all.slice(first, Math.max(first, behind));
      const places = expected.map((_, at) => place(first + at).toString());
      if (direction === 'reverse') expected.reverse();
      if (direction === 'reverse') places.reverse();
      const tree = file.tree(`table ${count}`);
      const { runs, edges } = runsOf(new IndexWalk(tree, range, direction));
      const given = runs.flatMap((run) => run.addresses);
      const isRight =
        given.join() === expected.join() &&
        edges.join() === places.join() &&
        runs.every((run) => run.addresses.length === 1 || isOneRun(run.addresses)) &&
        runs.every((run) => run.addresses.length <= run.countMax);
      if (!isRight) t.fail(`seed ${seed}: other runs`, { count, first, behind, direction });
    }
    t.pass(`${count} entries`);
  }
  t.end();
});

t.test('a load in order is read in runs as long as page and block allow', (t) => {
  const file = mappedFile(t);
  const table = file.table('table');
  file.write(() => {
    for (let n = 0; n < 1000; n++)
      table.put(place(n), addressToRfa((1 + Math.floor(n / 38)) * 256 + (n % 38)));
  });
  file.committed.look();
  for (const direction of ['forward', 'reverse'] as const) {
    const range = { least: undefined, limit: undefined };
    const walk = new IndexWalk(file.tree('table'), range, direction);
    let runs = 0;
    while (walk.next(1000)) runs++;
    // A block begins 27 runs, a page that ends within a block one more.
    t.ok(runs >= 27 && runs <= 27 + 10, `${runs} runs ${direction}`);
  }
  t.end();
});

t.test('an entry that is not like the others ends a run, and a bad one is told', (t) => {
  const file = mappedFile(t);
  const table = file.table('table');
  file.write(() => {
    for (let n = 0; n < 10; n++) table.put(place(n), addressToRfa(256 + n));
    table.put(place(4, 9), addressToRfa(300));
    table.put(place(7), Buffer.alloc(5));
  });
  file.committed.look();
  const range = { least: undefined, limit: undefined };
  const walk = new IndexWalk(file.tree('table'), range, 'forward');
  // Places in order: 000000004, which is longer, comes behind 00000000.
  const counts: number[] = [];
  t.throws(() => {
    while (walk.next(100)) counts.push(walk.count);
  }, /no address/);
  t.same(counts, [1, 1, 6], 'the first, the longer one, up to the bad one');
  t.equal(Buffer.from(walk.edgeBehind(0)?.prefix ?? []).toString(), '00000006');
  t.end();
});
