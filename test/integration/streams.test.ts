// Scans over sockets whose frames are made in the same buffers again and again: several at once, with and
// without TLS, and every record must come as it is stored.

import { join } from 'node:path';
import t from 'tap';
import { type Channel, connect, isamc, open } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { startDaemon } from '../fixture/daemon.js';

const RECORDS = 30_000;
const recordOf = (number: number): Buffer =>
  Buffer.from(String(number).padStart(8, '0').repeat(13));

async function checkAll(records: AsyncIterable<Buffer>): Promise<number> {
  let wrong = 0;
  let number = 0;
  for await (const record of records) if (!record.equals(recordOf(number++))) wrong++;
  return wrong + (RECORDS - number);
}

async function* each(batches: AsyncIterable<Buffer[]>): AsyncGenerator<Buffer> {
  for await (const records of batches) yield* records;
}

async function* justOne<T>(one: T): AsyncGenerator<T> {
  yield one;
}

/** Keeps all frames before it looks at them. */
const checkKept = async (channel: Channel): Promise<number> => {
  const all = await channel.select().toArray();
  return checkAll(each(justOne(all)));
};

t.test('scans that run at once give every record as it is', async (t) => {
  const data = t.testdir();
  const { bundle, ca } = await writeCertificate(data);
  await isamc(join(data, 'many.ism'), { recordSize: 104, keys: ['START=1,LENGTH=8'] });
  const loader = await open(join(data, 'many.ism'), { mode: 'append' });
  await loader.storeMany(Array.from({ length: RECORDS }, (_, number) => recordOf(number)));
  await loader.close();
  for (const isEncrypted of [true, false]) {
    const secure = isEncrypted ? ['-encrypt', `-cert=${bundle}`] : [];
    const daemon = await startDaemon(t, ['-d', data, '-n', '-u', 'tester', ...secure]);
    const client = isEncrypted
      ? await connect(`rsynds://localhost:${daemon.port}`, { tls: { ca } })
      : await connect(`localhost:${daemon.port}`, { encrypt: false });
    const channel = await client.open('many');
    const wrong = await Promise.all([
      checkAll(channel),
      checkAll(each(channel.batches())),
      checkAll(channel.select()),
      checkAll(each(channel.select().batches())),
      checkKept(channel),
    ]);
    t.strictSame(wrong, [0, 0, 0, 0, 0], isEncrypted ? 'over TLS' : 'in clear');
    await client.close();
    await daemon.stop();
  }
});
