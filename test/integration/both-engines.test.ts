// The same working day over TLS on both engines: LMDB, which answers at once, and the reference engine in
// memory, which never does. Nothing above storage may tell the difference.

import pino from 'pino';
import t from 'tap';
import {
  alpha,
  type Connection,
  connect,
  decimal,
  defineFile,
  implied,
  sequence,
} from '../../client/index.js';
import { NO_CLIENT_CERTIFICATES } from '../../server/certificate/trust/trust-settings.js';
import { Daemon } from '../../server/daemon.js';
import { createLockManager } from '../../server/lock/create-lock-manager.js';
import { createLmdbLockStores } from '../../server/lock/lmdb-lock-store.js';
import { createMemoryLockStores } from '../../server/lock/memory-lock-store.js';
import { createLmdbEngine } from '../../server/storage/lmdb/engine.js';
import { createMemoryEngine } from '../../server/storage/memory/engine.js';
import { writeCertificate } from '../fixture/certificate.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const orders = defineFile({
  fields: {
    number: decimal(6),
    customer: decimal(6),
    total: implied(10, 2),
    note: alpha(20),
    entry: sequence(),
  },
  keys: {
    number: { parts: ['number'] },
    customer: { parts: ['customer'], dups: 'fifo', modifiable: true },
    latest: { parts: [{ field: 'total', order: 'descending' }], dups: 'lifo', modifiable: true },
    entry: { parts: ['entry'] },
  },
  networkEncrypt: true,
});

const order = (number: number, customer: number, total: string) => ({
  number,
  customer,
  total,
  note: `order ${number}`,
  entry: 0n,
});

const ENGINES = {
  lmdb: () => ({ engine: createLmdbEngine(), locks: createLockManager(createLmdbLockStores()) }),
  memory: () => ({
    engine: createMemoryEngine(),
    locks: createLockManager(createMemoryLockStores({ later: true })),
  }),
};

for (const [name, makeParts] of Object.entries(ENGINES)) {
  t.test(`a working day on the ${name} engine`, async (t) => {
    const data = temporaryDirectory(t);
    const { bundle, ca } = await writeCertificate(data);
    const daemon = await Daemon.start(
      {
        ...{ port: 0, host: '127.0.0.1', data, encrypt: true, scl: 3, cert: bundle },
        ...{ passphraseFile: undefined, nonSecure: true, user: 'shop', workers: 1 },
        ...{ store: 'lmdb:' },
        ...{ logLevel: 'silent', logFile: undefined },
        ...NO_CLIENT_CERTIFICATES,
      },
      { ...makeParts(), log: pino({ level: 'silent' }), software: 'test' },
    );
    t.teardown(() => daemon.stop());
    const server = `rsynds://localhost:${daemon.address.port}`;
    const clients = [
      await connect(server, { tls: { ca } }),
      await connect(server, { tls: { ca } }),
    ];
    const [first, second] = clients as [Connection, Connection];
    await first.isamc('orders', orders);
    await t.rejects(first.isamc('orders', orders), { code: 'ERR_REPLAC' });

    const file = await first.open('orders', { mode: 'update', definition: orders });
    const other = await second.open('orders', { mode: 'update', definition: orders });
    for (let number = 1; number <= 200; number++) {
      await file.store(order(number, number % 7, `${number}.25`));
    }
    await t.rejects(file.store(order(5, 1, '1.00')), { code: 'ERR_NODUPS' });
    const more = Array.from({ length: 800 }, (_, index) => order(201 + index, index % 7, '9.99'));
    t.strictSame(await file.storeMany(more), { stored: 800 });
    t.equal(await file.isinfo('NUMRECS'), 1000);

    const changed = await file.read(42);
    await t.rejects(other.read(42), { code: 'ERR_LOCKED' }, 'a read for update locks');
    t.equal((await other.get(42))?.total, '42.25', 'get reads it all the same');
    const waiting = other.read(42, { waitMs: 5000 });
    await file.write({ ...changed, customer: 3, total: '4242.42' });
    t.equal((await waiting).total, '4242.42', 'who waited sees what was written');
    await other.delete();
    await t.rejects(file.read(42), { code: 'ERR_RNF' });

    const ofThree: number[] = [];
    await file.find(3, { key: 'customer' });
    for (let next = await file.reads({ lock: 'none' }); next?.customer === 3; ) {
      ofThree.push(next.number);
      next = await file.reads({ lock: 'none' });
    }
    const expected = [...Array(1000).keys()]
      .map((index) => index + 1)
      .filter((number) => (number <= 200 ? number % 7 : (number - 201) % 7) === 3 && number !== 42);
    t.strictSame(ofThree, expected, 'duplicates come first in, first out');

    t.equal((await file.read({ first: true }, { key: 'latest', lock: 'none' })).total, '200.25');
    t.equal((await file.reads({ lock: 'none' }))?.total, '199.25', 'descending');
    t.equal((await file.reads({ lock: 'none', direction: 'reverse' }))?.total, '200.25');
    t.equal(await file.reads({ lock: 'none', direction: 'reverse' }), undefined);
    t.equal((await file.reads({ lock: 'none' }))?.total, '200.25', 'it turns at the end');

    const entries: bigint[] = [];
    for await (const { entry } of file) entries.push(entry);
    t.equal(entries.length, 999, 'a scan sees all');
    t.equal(new Set(entries).size, 999, 'sequence numbers are unique');

    const exclusive = second.open('orders', { share: 'exclusive' });
    await t.rejects(exclusive, { code: 'ERR_FINUSE' });
    await Promise.all(clients.map((client) => client.close()));
  });
}
