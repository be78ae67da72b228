// Clients that hang, stop reading or vanish, and servers that do: nobody else notices, nothing stays held,
// every call comes back.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { alpha, connect, decimal, defineFile, isamc, open } from '../../client/index.js';
import { cleanEnvironment, type RunningDaemon, startDaemon } from '../fixture/daemon.js';
import { makeStaffFiles } from '../fixture/staff.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const RECORDS = 1_000_000;
const STALLED = 10;
const LONG = { timeout: 120_000 };

const bigFile = defineFile({
  fields: { number: decimal(8), text: alpha(92) },
  keys: { number: { parts: ['number'] } },
});

async function startClient(t: Test, args: string[], expected: string) {
  const child = spawn(process.execPath, ['dist/test/fixture/stalled-client.js', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: cleanEnvironment(),
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  t.equal(line, expected, `the other process has ${expected}`);
  return child;
}

/** Memory of its own; pages of mapped files belong to the system's cache. */
const residentBytes = ({ process: { pid } }: RunningDaemon): number =>
  1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

t.setTimeout(240_000);

t.test(
  'locks of a killed client are free at once, of a frozen one within 30 s',
  LONG,
  async (t) => {
    const data = temporaryDirectory(t);
    await makeStaffFiles(data);
    const server = await startDaemon(t, ['-d', data, '-n', '-u', 'x']);
    await using connection = await connect(server.server, { encrypt: false });
    await using department = await connection.open('department', { mode: 'update' });
    for (const [signal, waitMs] of [
      ['SIGKILL', 5_000],
      ['SIGSTOP', 30_000],
    ] as const) {
      const child = await startClient(t, ['lock', server.server, 'department', '0010'], 'locked');
      await t.rejects(department.read('0010'), { code: 'ERR_LOCKED' }, 'it is locked');
      const started = Date.now();
      child.kill(signal);
      await department.read('0010', { waitMs });
      t.comment(`${signal}: free after ${Date.now() - started} ms`);
      await department.unlock();
      child.kill('SIGKILL');
    }
  },
);

t.test(
  'readers that stop in the middle of a scan cost little, and nobody notices',
  LONG,
  async (t) => {
    const data = temporaryDirectory(t);
    const path = join(data, 'big.ism');
    await isamc(path, bigFile);
    const file = await open(path, { mode: 'append', definition: bigFile });
    const rows = function* () {
      for (let number = 0; number < RECORDS; number++) yield { number, text: `record ${number}` };
    };
    t.equal((await file.storeMany(rows())).stored, RECORDS);
    await file.close();

    const server = await startDaemon(t, ['-d', data, '-n', '-u', 'x']);
    await using connection = await connect(server.server, { encrypt: false });
    await using big = await connection.open('big', { definition: bigFile });
    const scan = ['scan', server.server, 'big'];
    const first = await startClient(t, scan, 'stopped reading'); // warms the server up
    const before = residentBytes(server);
    const stalled = [first];
    for (let count = 0; count < STALLED; count++) {
      const child = await startClient(t, scan, 'stopped reading');
      child.kill('SIGSTOP');
      stalled.push(child);
    }
    for (let number = 0; number < 2000; number++) {
      const found = await big.get((number * 7919) % RECORDS);
      if (found === undefined) t.fail(`${number} is there`);
    }
    const each = (residentBytes(server) - before) / STALLED / 1024 / 1024;
    t.comment(`${STALLED} stalled scans of ${RECORDS} records: ${each.toFixed(2)} MiB each`);
    t.ok(each < 4, 'less than 4 MiB each');
    for (const child of stalled) child.kill('SIGKILL');
    t.equal(await server.stop(), 0);
  },
);

t.test('calls to a server that hangs or dies come back within their budget', async (t) => {
  const data = temporaryDirectory(t);
  await makeStaffFiles(data);
  const server = await startDaemon(t, ['-d', data, '-n', '-u', 'x']);
  const options = { encrypt: false, timeoutMs: 1500 } as const;
  const hung = await connect(server.server, options);
  const channel = await hung.open('department', { mode: 'update', timeoutMs: 1500 });
  server.process.kill('SIGSTOP');
  await t.rejects(channel.read('0010'), { code: 'ERR_TIMEOUT' }, 'a hung server');
  await t.rejects(connect(server.server, options), { code: 'ERR_TIMEOUT' }, 'connecting to it');
  server.process.kill('SIGCONT');
  const dying = await connect(server.server, options);
  const other = await dying.open('department');
  const pending = Array.from({ length: 20 }, () =>
    other.read('0010').then(
      () => 'read',
      (error) => error.code as string,
    ),
  );
  server.process.kill('SIGKILL');
  for (const fate of await Promise.all(pending)) t.match(fate, /^(read|ERR_NETPROB)$/);
  if (server.process.signalCode === null) await once(server.process, 'exit');
  await t.rejects(connect(server.server, options), { code: 'ERR_NOSERVER' }, 'nobody listens');
  await hung.close();
  await dying.close();
});
