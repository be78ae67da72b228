// A state of a file that is read from the disk shows what a scan shows, and what cannot be is told.

import { copyFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StoredFile, UnmappedState } from '../../../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { BlockSearch } from '../../../../../server/storage/lmdb/unmapped/block-search.js';
import { recordCrc } from '../../../../../shared/record/rfa.js';
import {
  idOf,
  insertRow,
  makeFile,
  removeRow,
  rowDraft,
} from '../../../../conformance/storage-rows.js';

const ALL = () => true;

/** Some 400 rows in some 100 blocks, not all in the order of the file. */
async function makeRows(t: Test) {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  t.teardown(() => engine.close());
  const file = await makeFile(engine, path);
  const note = '.'.repeat(900);
  const ids = Array.from({ length: 400 }, (_, n) => `${n}`);
  await file.insertMany(ids.map((id) => rowDraft({ id, note })));
  for (let n = 0; n < 400; n += 7) {
    const found = await file.find(0, Buffer.from(`${n}`.padEnd(8)));
    if (found !== undefined) await removeRow(file, found);
  }
  return { path, engine, file };
}

function stateOf(file: StoredFile): UnmappedState {
  const state = file.unmapped?.state();
  if (state === undefined) throw new Error('it has no state');
  return state;
}

function searched(state: UnmappedState, from = 1, until = state.nextBlock) {
  const search = new BlockSearch(state);
  const seen: string[] = [];
  try {
    const looked = search.search(from, until, ALL, (match) => {
      const record = match.bytes.subarray(match.start, match.end);
      if (recordCrc(record) !== match.crc) throw new Error('another record');
      return seen.push(`${match.block}.${match.slot} ${idOf(record)}`) === match.looked;
    });
    return { seen, looked };
  } finally {
    search.close();
  }
}

async function scanned(file: StoredFile): Promise<string[]> {
  const seen: string[] = [];
  const edge = { prefix: Buffer.alloc(0) };
  const cursor = {
    order: 'stored',
    direction: 'forward',
    from: { ...edge, side: 'before' },
    until: { ...edge, side: 'after' },
  } as const;
  await file.scan(
    cursor,
    (bytes, start, end, { block, slot }) =>
      seen.push(`${block}.${slot} ${idOf(bytes.subarray(start, end))}`) > 0,
    1000,
  );
  return seen;
}

t.test('it finds what a scan finds, in any stretch of blocks', async (t) => {
  const { file } = await makeRows(t);
  const state = stateOf(file);
  const all = await scanned(file);
  t.same(searched(state), { seen: all, looked: all.length });
  const stretches = [1, 2, 40, 90, state.nextBlock].flatMap(
    (until, n, ends) => searched(state, ends[n - 1] ?? 1, until).seen,
  );
  t.same(stretches, all);
  t.same(searched(state, state.nextBlock, state.nextBlock + 9), { seen: [], looked: 0 });
  t.ok(file.unmapped?.isNewest(state));
  t.ok(
    state.proven.some((checksum) => checksum !== 0),
    'blocks are proven for all who read the file',
  );
});

t.test('a search ends when it is told to, and at a record out of line', async (t) => {
  const { file } = await makeRows(t);
  const search = new BlockSearch(stateOf(file));
  t.equal(
    search.search(1, 9, ALL, () => false),
    undefined,
  );
  search.close();
  await insertRow(file, { id: 'large', note: 'x'.repeat(9000) });
  const now = stateOf(file);
  t.equal(searched(now).looked, undefined);
});

t.test('a state is the newest until something is committed', async (t) => {
  const { path, file } = await makeRows(t);
  const state = stateOf(file);
  await insertRow(file, { id: 'new' });
  t.notOk(file.unmapped?.isNewest(state));
  const now = stateOf(file);
  t.ok(file.unmapped?.isNewest(now));
  t.notOk(file.unmapped?.isNewest({ ...now, identity: '1:2' }), 'nor one of another file');
  t.ok(now.transaction > state.transaction);
  await file.clear();
  t.equal(file.unmapped?.state(), undefined, 'without blocks there is nothing to read');
  t.equal(now.path, path);
});

t.test('another file that has its name is not read', async (t) => {
  const { path, file } = await makeRows(t);
  const state = stateOf(file);
  copyFileSync(path, `${path}.other`);
  renameSync(`${path}.other`, path);
  t.throws(() => new BlockSearch(state), /another file/);
  t.throws(() => new BlockSearch({ ...state, path: `${path}.gone` }), { code: 'ENOENT' });
});

t.test('what cannot be throws', async (t) => {
  const { path, engine, file } = await makeRows(t);
  await file.close();
  const whole = readFileSync(path);
  const damaged = `${path}.damaged`;
  writeFileSync(damaged, whole);
  const state = { ...stateOf(await engine.open(damaged)), path: damaged };
  t.ok(searched(state).looked);
  const fresh = () => ({ ...state, proven: new Uint32Array(new SharedArrayBuffer(0)) });
  t.throws(() => searched({ ...fresh(), blocksRoot: state.lastPage + 1 }), { code: -30796 });
  t.throws(() => searched({ ...fresh(), blocksRoot: 0 }), { code: -30796 }, 'no page of a tree');
  t.throws(() => searched({ ...fresh(), blockBytes: 2048 }), { code: -30796 }, 'no block');
  const bytes = Buffer.from(whole);
  bytes.writeUInt8(0x21, bytes.lastIndexOf(`${'398'.padEnd(24)}.`) + 100);
  writeFileSync(damaged, bytes);
  t.throws(() => searched(fresh()), { code: -30796 }, 'a block that disagrees with its checksum');
  truncateSync(damaged, 3 * 4096);
  t.throws(() => searched(fresh()), { code: -30796 }, 'behind the end');
});
