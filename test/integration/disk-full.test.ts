// A disk that fills up under the daemon and is freed again: reads go on, writes are refused before the
// store meets the limit, and work again afterwards. Needs the right to mount a small tmpfs.

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { alpha, connect, decimal, defineFile, isamc } from '../../client/index.js';
import { runProgram, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const DISK_MB = 96;

const file = defineFile({
  fields: { number: decimal(8), text: alpha(192) },
  keys: { number: { parts: ['number'] }, text: { parts: ['text'], dups: 'fifo' } },
});

const root = temporaryDirectory(t, 'disk');
const disk = join(root, 'disk');
const mounted =
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', disk]).status === 0;
t.teardown(() => mounted && spawnSync('umount', ['-l', disk]));

t.test(
  'a full disk refuses writes and loses nothing',
  { skip: mounted ? false : 'needs mount' },
  async (t) => {
    const data = join(disk, 'data');
    mkdirSync(data);
    await isamc(join(data, 'full.ism'), file);
    const server = await startDaemon(t, ['-d', data, '-n', '-u', 'x', '--log-level', 'warn']);
    const connection = await connect(server.server, { encrypt: false });
    const channel = await connection.open('full', { mode: 'update', definition: file });
    const acknowledged: number[] = [];
    let next = 0;
    const store = async (): Promise<void> => {
      const number = next++;
      await channel.store({ number, text: `text ${number % 10}` });
      acknowledged.push(number);
    };
    for (let count = 0; count < 200; count++) await store();

    const filler = join(disk, 'filler');
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(filler, Buffer.alloc(bavail * bsize - 12 * 1024 * 1024, 1));
    const refusal = await untilRefused(() => Promise.all(Array.from({ length: 64 }, store)));
    t.match(refusal, { code: 'ERR_NOSPAC', errno: 24 }, 'writes are refused');
    t.match(String(refusal), /free/i, 'and the message says what to do');
    t.equal((await channel.get(0))?.number, 0, 'reads go on');
    t.match(
      await untilRefused(store),
      { code: 'ERR_NOSPAC' },
      'one alone needs less, but not none',
    );
    await t.rejects(store(), { code: 'ERR_NOSPAC' }, 'and stay refused');
    t.equal(server.process.exitCode, null, 'the process lives');

    rmSync(filler);
    await t.resolves(store(), 'writes work again');
    const numbers = new Set<number>();
    for await (const { number } of channel) numbers.add(number);
    t.strictSame(
      acknowledged.filter((number) => !numbers.has(number)),
      [],
      'nothing is lost',
    );
    t.comment(`${acknowledged.length} acknowledged, ${numbers.size} there`);
    await connection.close();
    t.equal(await server.stop(), 0);
    const verified = await runProgram('dist/server/isutl.js', ['-v', join(data, 'full.ism')]);
    t.equal(verified.code, 0, verified.stdout);
  },
);

/** Writes until a write is refused; the refusal. */
async function untilRefused(write: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    try {
      await write();
    } catch (error) {
      return error;
    }
  }
}
