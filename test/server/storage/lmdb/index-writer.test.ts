// Entries of an index past lmdb-js's own `put`: only within a transaction, and errors of LMDB are thrown.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createLmdbEngine } from '../../../../server/storage/lmdb/engine.js';
import { IndexWriter } from '../../../../server/storage/lmdb/index-writer.js';
import { openStore, type Store } from '../../../../server/storage/lmdb/open-store.js';
import { indexKeyBytesMax } from '../../../../shared/base/limits.js';
import { makeFile } from '../../../conformance/storage-rows.js';

async function emptyStore(t: Test): Promise<Store> {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine();
  await makeFile(engine, path);
  await engine.close();
  const store = openStore(path, 'rows.ism', 'opening');
  t.teardown(() => store.close());
  return store;
}

t.test('puts nothing outside of a transaction', async (t) => {
  const store = await emptyStore(t);
  const writer = new IndexWriter(store.index(0), 'none');
  t.throws(() => writer.put(Buffer.from('key'), 0, 1), TypeError);
});

t.test('throws what LMDB says of a put', async (t) => {
  const store = await emptyStore(t);
  store.environment.transact(() => {
    const writer = new IndexWriter(store.index(0), 'none');
    t.throws(() => writer.put(Buffer.alloc(0), 0, 1), { code: -30781 });
    return 'undo';
  });
});

for (const dups of ['none', 'fifo', 'lifo'] as const) {
  t.test(`finds the longest keys again, ascending and not (${dups})`, async (t) => {
    const store = await emptyStore(t);
    const key = (n: number): Buffer => {
      const bytes = Buffer.alloc(indexKeyBytesMax, 0xff);
      bytes.writeUInt32BE(n, indexKeyBytesMax - 4);
      return bytes;
    };
    const order = Array.from({ length: 200 }, (_, n) => (n % 3 === 2 ? 1000 - n : n));
    store.environment.transact(() => {
      const writer = new IndexWriter(store.index(0), dups);
      for (const n of order) {
        if (dups === 'none') t.notOk(writer.has(key(n)));
        writer.put(key(n), n + 2 ** 40, 2 ** 40 + n);
        if (dups === 'none') t.ok(writer.has(key(n)));
      }
    });
    const bounds = { start: undefined, end: undefined };
    const addresses = [...store.index(0).getRange(bounds)].map(({ value }) => value - 2 ** 40);
    t.same(
      addresses,
      [...order].sort((a, b) => a - b),
    );
  });
}
