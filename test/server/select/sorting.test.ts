// Sorting with bounded memory: what does not fit goes into a file that has no name.

import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { localPaths } from '../../../server/access/paths.js';
import { open } from '../../../server/operation/open.js';
import { planQuery } from '../../../server/select/planner.js';
import { selectSource } from '../../../server/select/select-source.js';
import { RunSorter, type Sorter } from '../../../server/select/sorter.js';
import { TopSorter } from '../../../server/select/sorter-top.js';
import { SpillFile } from '../../../server/select/spill-file.js';
import { topRecordsMax } from '../../../shared/base/limits.js';
import { bindQuery } from '../../../shared/select/bind-query.js';
import { makeRandom } from '../../model/random.js';
import { makeOrderRows, makeOrders, orderText } from '../../model/select-harness.js';
import { splitData } from '../../model/session-harness.js';

/** Files without a name that this process has open in a directory. */
const namelessFiles = (directory: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(directory) && target.endsWith('(deleted)') ? [fd] : [];
    } catch {
      return []; // It was closed meanwhile.
    }
  });

interface Entry {
  readonly key: Buffer;
  readonly row: Buffer;
}

/** `count` rows of 0-`bytesMax` bytes under keys of 4, many of them equal. */
function makeEntries(random: (below: number) => number, count: number, bytesMax: number): Entry[] {
  return Array.from({ length: count }, (_, index) => {
    const key = Buffer.alloc(4);
    key.writeUInt32BE(random(count / 3));
    const row = Buffer.alloc(4 + random(bytesMax), index % 251);
    row.writeUInt32BE(index);
    return { key, row };
  });
}

const inOrder = (entries: readonly Entry[]): Buffer[] =>
  entries
    .map((entry, index) => ({ ...entry, index }))
    .sort((a, b) => a.key.compare(b.key) || a.index - b.index)
    .map(({ row }) => row);

async function settle(sorter: Sorter, isLast: boolean): Promise<void> {
  while ((await sorter.settle(isLast && !sorter.isFull, 100)) === 'more');
  if (isLast && sorter.isFull) await settle(sorter, isLast);
}

async function sortAll(sorter: Sorter, entries: readonly Entry[]): Promise<Buffer[]> {
  for (const { key, row } of entries) {
    if (sorter.isFull) await settle(sorter, false);
    sorter.add(key, row, 0, row.length);
  }
  if (sorter.isFull) await settle(sorter, false);
  await settle(sorter, true);
  const rows: Buffer[] = [];
  let refused = false;
  const take = (bytes: Buffer, start: number, end: number): boolean => {
    refused = !refused && rows.length % 50 === 7;
    if (refused) return false;
    rows.push(Buffer.from(bytes.subarray(start, end)));
    return true;
  };
  while ((await sorter.advance(take, 64)) === 'more');
  return rows;
}

t.test('sorts rows that do not fit into memory, and equal keys as they came', async (t) => {
  const seed = Date.now() % 1_000_000;
  t.comment(`seed ${seed}`);
  const random = makeRandom(seed);
  for (const [count, bytesMax] of [
    [0, 1],
    [1, 10],
    [20_000, 30],
    [3000, 900],
    [40, 200_000],
  ] as const) {
    const directory = await mkdtemp(join(t.testdir(), 'sort-'));
    const memoryBytesMax = 128 * 1024;
    const sorter = new RunSorter({ keyBytes: 4, directory, memoryBytesMax, runsMax: 256 });
    const entries = makeEntries(random, count, bytesMax);
    const rows = await sortAll(sorter, entries);
    t.strictSame(Buffer.concat(rows), Buffer.concat(inOrder(entries)), `${count} rows`);
    const hasSpilled = count > 1;
    t.equal(namelessFiles(directory).length, hasSpilled ? 1 : 0);
    t.strictSame(readdirSync(directory), [], 'it has no name');
    await sorter.close();
    t.strictSame(namelessFiles(directory), [], 'and is gone when it is closed');
  }
});

t.test('what is past the bound of runs is refused with the way out', async (t) => {
  const options = { keyBytes: 4, directory: t.testdir(), memoryBytesMax: 8192, runsMax: 2 };
  const sorter = new RunSorter(options);
  const entries = makeEntries(makeRandom(7), 5000, 30);
  await t.rejects(sortAll(sorter, entries), { code: 'ERR_INVOPER', message: /order by a key/ });
  await sorter.close();
});

t.test('the file is for its owner alone; a directory that takes none is an error', async (t) => {
  const directory = t.testdir();
  const file = await SpillFile.make(directory);
  const [fd] = namelessFiles(directory);
  t.equal(statSync(`/proc/self/fd/${fd}`).mode & 0o777, 0o600);
  await file.append(Buffer.from('abcdef'));
  const back = Buffer.alloc(3);
  await file.read(back, 2);
  t.equal(String(back), 'cde');
  await t.rejects(file.read(Buffer.alloc(9), 0), { code: 'ERR_IOFAIL' });
  await file.close();
  await t.rejects(SpillFile.make(join(directory, 'none')), { code: 'ERR_IOFAIL' });
});

t.test('the first few are those that sorting all gives first', async (t) => {
  const entries = makeEntries(makeRandom(11), 5000, 20);
  for (const count of [1, 2, 10, topRecordsMax]) {
    const rows = await sortAll(new TopSorter(count), entries);
    t.strictSame(Buffer.concat(rows), Buffer.concat(inOrder(entries).slice(0, count)), `${count}`);
  }
  t.throws(() => new TopSorter(topRecordsMax + 1), TypeError);
});

t.test('a select that outgrows its memory sorts beside its file, and leaves nothing', async (t) => {
  const orders = makeOrderRows(5000);
  const { ground, path, directory } = await makeOrders(t, 'lmdb', orders);
  const channel = await open(
    ground.services,
    {
      caller: { user: 'tester', route: { kind: 'local' } },
      owner: { id: 77, label: 'tester' },
      paths: localPaths,
    },
    { verb: 'open', name: path, mode: 'input', share: 'all', lock: 'none' },
  );
  const query = { orderBy: ['note', '-id'], fields: ['id'] };
  const bound = bindQuery(query, channel.file.spec);
  const before = readdirSync(directory).sort();
  const source = selectSource({
    channel,
    request: {
      verb: 'select',
      action: 'read',
      query,
      locking: false,
      onLocked: 'fail',
      waitMs: 0,
      credit: 0,
    },
    bound,
    plan: planQuery(channel.file, bound, orders.length),
    partner: undefined,
    signal: new AbortController().signal,
    limits: { memoryBytesMax: 64 * 1024, runsMax: 64 },
  });
  const ids: number[] = [];
  let hasSpilled = false;
  for (let isLast = false; !isLast; ) {
    const { reply, last } = await source.step();
    if (reply?.verb === 'data') ids.push(...splitData(reply).map(Number));
    hasSpilled ||= namelessFiles(directory).length > 0;
    isLast = last !== undefined;
  }
  const wanted = [...orders];
  wanted.sort((a, b) => {
    const [one, other] = [orderText(a).slice(16), orderText(b).slice(16)];
    return one === other ? b.id - a.id : one < other ? -1 : 1;
  });
  t.strictSame(
    ids,
    wanted.map(({ id }) => id),
  );
  t.ok(hasSpilled);
  await source.close();
  t.strictSame(namelessFiles(directory), []);
  t.strictSame(readdirSync(directory).sort(), before);
  await channel.hold.release();
  await channel.file.close();
});
