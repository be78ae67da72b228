// Damage that scans must not take for what they have at hand: entries that lead into block 0, by which a copy of a
// block says that it is of none, and directories spoilt after their block was proven.

import { openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type {
  Direction,
  ScanCursor,
  ScanFilter,
  StoredFile,
} from '../../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../../server/storage/lmdb/engine.js';
import {
  BLOCK_HEADER_BYTES,
  PAGE_BYTES,
  PAGE_OVERHEAD_BYTES,
} from '../../../../server/storage/lmdb/format.js';
import { isRsyndError } from '../../../../shared/base/error.js';
import { idOf, makeFile, rowDraft } from '../../../conformance/storage-rows.js';

const numberId = (n: number): string => String(n).padStart(8, '0');
const all: ScanFilter = () => true;

async function openFile(t: Test, count: number): Promise<{ file: StoredFile; path: string }> {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  t.teardown(() => engine.close());
  const file = await makeFile(engine, path);
  const note = (n: number): string => `<note ${n}>`.padEnd(60, '.');
  await file.insertMany(
    Array.from({ length: count }, (_, n) => rowDraft({ id: numberId(n), note: note(n) })),
  );
  await file.facts();
  return { file, path };
}

/** Writes `bytes` at each place where `text` stands, so far behind it. */
function spoil(path: string, text: Buffer, behind: number, bytes: readonly number[]): number {
  const whole = readFileSync(path);
  const descriptor = openSync(path, 'r+');
  let count = 0;
  for (let at = whole.indexOf(text); at >= 0; at = whole.indexOf(text, at + 1), count++) {
    writeSync(descriptor, Buffer.from(bytes), 0, bytes.length, at + behind);
  }
  return count;
}

/** All ids, and the codes of the errors met on the way; goes on behind each. */
async function scanAll(
  file: StoredFile,
  order: number | 'stored',
  filter?: ScanFilter,
  direction: Direction = 'forward',
) {
  const start = { prefix: Buffer.alloc(0), side: 'before' } as const;
  const end = { prefix: Buffer.alloc(0), side: 'after' } as const;
  const cursor: ScanCursor = { order, direction, from: start, until: end };
  const ids: string[] = [];
  const codes: unknown[] = [];
  for (let state = 'more'; state === 'more' && codes.length < 100; ) {
    try {
      state = await file.scan(
        cursor,
        (bytes, from, to) => ids.push(idOf(bytes.subarray(from, to))) > 0,
        1000,
        filter,
      );
    } catch (error) {
      codes.push(isRsyndError(error) ? error.code : error);
    }
  }
  return { ids, codes };
}

t.test(
  'an entry that leads into block 0 leads to no record, whatever was read before',
  async (t) => {
    const { file, path } = await openFile(t, 300);
    const entry = Buffer.concat([Buffer.from(numberId(0)), Buffer.from([0, 0, 0, 0, 1, 0])]);
    t.equal(spoil(path, entry, 12, [0]), 1);
    const others = Array.from({ length: 299 }, (_, n) => numberId(n + 1));
    for (let times = 0; times < 3; times++) {
      t.same(await scanAll(file, 0), { ids: others, codes: ['ERR_DAMAGED'] });
    }
  },
);

t.test('a block whose number became 0 is not taken for the one read last', async (t) => {
  const { file, path } = await openFile(t, 300);
  // A node of LMDB: 4072 bytes out of line, a key of 5 bytes, block 1.
  const node = Buffer.from([0xe8, 0x0f, 0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 1]);
  t.equal(spoil(path, node, 12, [0]), 1);
  const ids = Array.from({ length: 300 }, (_, n) => numberId(n));
  for (let times = 0; times < 3; times++) {
    t.same((await scanAll(file, 'stored')).ids, ids);
  }
});

t.test('blocks behind one whose number no block can have are not missed in silence', async (t) => {
  for (const direction of ['forward', 'reverse'] as const) {
    const { file, path } = await openFile(t, 300);
    // As above, block 3, which becomes 65539.
    const node = Buffer.from([0xe8, 0x0f, 0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 3]);
    t.equal(spoil(path, node, 10, [1]), 1);
    for (let times = 0; times < 2; times++) {
      const { ids, codes } = await scanAll(file, 'stored', undefined, direction);
      t.ok(ids.length > 0 && ids.length < 300);
      t.ok(codes.length > 0 && codes.length < 10);
      t.ok(codes.every((code) => code === 'ERR_DAMAGED'));
    }
    await file.close();
  }
});

t.test('a directory spoilt after its block was proven gives no record, and says so', async (t) => {
  const slots = 20;
  const entries = {
    'behind the block': [0xff, 0xff, 0, 60],
    'at its last bytes': [0x0f, 0xe4, 0, 60],
    'shorter than what precedes a record': [5, 0xdc, 0, 0],
    'of no bytes, which agree with a checksum of 0': [5, 0xdc, 0, 16],
    'past the end': [7, 0xd0, 0x7f, 0xff],
  };
  const others = Array.from({ length: slots }, (_, n) => numberId(n)).filter((_, n) => n !== 3);
  for (const [what, entry] of Object.entries(entries)) {
    const { file, path } = await openFile(t, slots);
    for (const order of ['stored', 0] as const) t.same((await scanAll(file, order, all)).codes, []);
    const page = readFileSync(path).indexOf('<note 3>') & -PAGE_BYTES;
    const directory = page + PAGE_OVERHEAD_BYTES + BLOCK_HEADER_BYTES;
    writeSync(openSync(path, 'r+'), Buffer.from(entry), 0, 4, directory + 3 * 4);
    for (const order of ['stored', 0] as const) {
      for (const filter of [all, undefined]) {
        const { ids, codes } = await scanAll(file, order, filter);
        t.same(ids, others, `${what}: ${order}`);
        t.match(codes, ['ERR_DAMAGED']);
        t.ok(codes.every((code) => code === 'ERR_DAMAGED'));
      }
    }
    t.throws(() => file.find(0, Buffer.from(numberId(3))), { code: 'ERR_DAMAGED' });
    await file.close();
  }
});

t.test('an entry that leads to another record gives none', async (t) => {
  const { file, path } = await openFile(t, 300);
  const entry = Buffer.concat([Buffer.from(numberId(7)), Buffer.from([0, 0, 0, 0, 1, 7])]);
  t.equal(spoil(path, entry, 13, [8]), 1);
  t.throws(() => file.find(0, Buffer.from(numberId(7))), {
    code: 'ERR_DAMAGED',
    message: /another record/,
  });
  t.match(await file.find(0, Buffer.from(numberId(8))), { rfa: Buffer.from([0, 0, 0, 0, 1, 8]) });
});

t.test('a cursor that cannot be leaves the file as it was', async (t) => {
  const { file } = await openFile(t, 3);
  const edge = { prefix: Buffer.alloc(0), side: 'before' } as const;
  const order = 'stored';
  const cursor: ScanCursor = { order, direction: 'forward', from: edge, until: edge };
  Object.assign(cursor, { rfa: Buffer.alloc(2) });
  t.throws(() => file.scan(cursor, () => true, 1));
  await file.insertMany([rowDraft({ id: 'later' })]);
  t.ok(await file.find(0, Buffer.from('later   ')));
});
