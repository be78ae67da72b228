// A server of several processes under attack: descriptors that run out, clients that stall, files that are opened
// while others write them. Nothing may hang for good, get lost, or reach whom it is not for.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  alpha,
  type Connection,
  type ConnectOptions,
  connect,
  decimal,
  defineFile,
  isamc,
  open,
} from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const WORKERS = 3;
const PLAIN: ConnectOptions = { encrypt: false };

t.setTimeout(120_000);

const countFile = defineFile({
  fields: { number: decimal(8), value: decimal(10) },
  keys: { number: { parts: ['number'] } },
});
const textFile = defineFile({
  fields: { number: decimal(8), text: alpha(800) },
  keys: { number: { parts: ['number'] } },
});

/** A server of workers with one file, and as many clients as asked for. */
async function serve(t: Test, clients: number) {
  const data = temporaryDirectory(t);
  await isamc(join(data, 'counts'), countFile);
  const args = ['-d', data, '-n', '-u', 'demo', '--workers', String(WORKERS)];
  const server = await startDaemon(t, args);
  const connections: Connection[] = [];
  while (connections.length < clients) connections.push(await connect(server.server, PLAIN));
  t.teardown(() => Promise.all(connections.map((connection) => connection.close())));
  return { data, server, connections };
}

/** The real program, each process of it allowed so few descriptors. */
async function serveWithFew(t: Test, descriptors: number) {
  const data = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(data);
  const args = [
    '-p',
    '0',
    '-d',
    data,
    '-encrypt',
    `-cert=${bundle}`,
    '-n',
    '-u',
    'demo',
    '--workers',
    String(WORKERS),
  ];
  const command = `ulimit -n ${descriptors} && exec "$0" dist/server/main.js "$@"`;
  const child = spawn('sh', ['-c', command, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: cleanEnvironment(),
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [ready] = await once(createInterface(child.stdout), 'line');
  return { port: Number(/port=(\d+)/.exec(String(ready))?.[1]), ca };
}

t.test('workers that had no descriptor left serve again when they have', async (t) => {
  const { port, ca } = await serveWithFew(t, 100);
  const crowd: Socket[] = [];
  while (crowd.length < 900) {
    const socket = connectSocket({ port, host: '127.0.0.1' });
    if (crowd.length % 2 === 0) socket.write('\x16\x03\x01\x00');
    crowd.push(socket.on('error', () => undefined));
  }
  await Promise.all(
    crowd.map((socket) => socket.connecting && once(socket, 'connect').catch(() => undefined)),
  );
  // Those who wait are handed on until no worker has a descriptor left.
  await sleep(2000);
  for (const socket of crowd) socket.destroy();
  // As many as two of three workers may not have: none waits for a connection that was lost on its way.
  const served: Connection[] = [];
  while (served.length < 160) {
    const dialled = connect(`localhost:${port}`, { tls: { ca }, timeoutMs: 5000 });
    const connection = await dialled.catch(() => sleep(100, undefined));
    if (connection !== undefined) served.push(connection);
  }
  await Promise.all(served.map((connection) => connection.close()));
  t.pass('all of them do');
});

t.test(
  'a write that was answered is what every other worker reads, and counts under locks are exact',
  async (t) => {
    const { connections } = await serve(t, 3 * WORKERS);
    const files = await Promise.all(
      connections.map((each) => each.open('counts', { mode: 'update', definition: countFile })),
    );
    const [writer, ...readers] = files;
    await writer?.store({ number: 1, value: 0 });
    await writer?.store({ number: 2, value: 0 });
    let stale = 0;
    for (let value = 1; value <= 60; value++) {
      const record = await writer?.read(1);
      if (record !== undefined) await writer?.write({ ...record, value });
      const seen = await Promise.all(readers.map((file) => file.read(1, { lock: 'none' })));
      stale += seen.filter((each) => Number(each.value) !== value).length;
    }
    t.equal(stale, 0);
    await Promise.all(
      files.map(async (file) => {
        for (let count = 0; count < 20; count++) {
          const record = await file.read(2, { waitMs: 30_000 });
          await file.write({ ...record, value: Number(record.value) + 1 });
        }
      }),
    );
    t.equal(Number((await writer?.read(2))?.value), 20 * files.length);
    await Promise.all(files.map((file) => file.close()));
  },
);

const textOf = (file: number, number: number): string =>
  `${file}.${number}.`.repeat(800).slice(0, 800);

t.test(
  'clients that stall and leave in the middle of scans get their own records and no others',
  async (t) => {
    const RECORDS = 3000;
    const data = temporaryDirectory(t);
    const { bundle, ca } = await writeCertificate(data);
    for (const name of [0, 1, 2]) {
      await isamc(join(data, `text${name}`), textFile);
      await using file = await open(join(data, `text${name}`), {
        mode: 'update',
        definition: textFile,
      });
      const records = Array.from({ length: RECORDS }, (_, number) => ({
        number,
        text: textOf(name, number),
      }));
      await file.storeMany(records);
    }
    const args = ['-d', data, '-n', '-u', 'demo', '--workers', '2', '-encrypt', `-cert=${bundle}`];
    const server = await startDaemon(t, args);
    let wrong = 0;
    let whole = 0;
    const client = async (number: number): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        const name = (number + round) % 3;
        const leaves = (number + round) % 4 === 0;
        const connection = await connect(server.server, { tls: { ca } });
        const file = await connection.open(`text${name}`, { mode: 'input', definition: textFile });
        let seen = 0;
        for await (const records of round === 1 ? file.batches() : file.select().batches()) {
          for (const { number, text } of records)
            if (text !== textOf(name, Number(number))) wrong++;
          seen += records.length;
          if (number % 2 === 0) await sleep(number);
          if (leaves && seen > RECORDS / 3) break;
        }
        if (!leaves && seen === RECORDS) whole++;
        await connection.close();
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, number) => client(number)));
    t.equal(wrong, 0, 'not a byte of another');
    t.equal(whole, 27, 'and each that stayed got all');
    t.equal(await server.stop(), 0);
  },
);

t.test(
  'what was answered stays when other workers open and close the file meanwhile',

  async (t) => {
    const { data, connections } = await serve(t, 3 * WORKERS);
    const [writer, ...openers] = connections;
    let isOver = false;
    const opening = openers.map(async (connection) => {
      while (!isOver) {
        const file = await connection.open('counts', { mode: 'input', definition: countFile });
        await file.close();
      }
    });
    const file = await writer?.open('counts', { mode: 'update', definition: countFile });
    // Beside the clients: a program on the same machine, because it commits most often.
    await using beside = await open(join(data, 'counts'), {
      mode: 'update',
      definition: countFile,
    });
    const endsAt = Date.now() + 5000;
    let number = 0;
    while (Date.now() < endsAt) await beside.store({ number: ++number, value: 0 });
    isOver = true;
    await Promise.all(opening);
    let kept = 0;
    for await (const records of beside.batches()) kept += records.length;
    t.equal(kept, number, 'nothing is lost');
    await file?.close();
  },
);

t.test(
  'a link in the place of a log leads nowhere',

  async (t) => {
    const { data, connections } = await serve(t, 1);
    const outside = join(temporaryDirectory(t), 'outside');
    const content = 'x'.repeat(40_000);
    writeFileSync(outside, content);
    const file = await connections[0]?.open('counts', { mode: 'update', definition: countFile });
    symlinkSync(outside, join(data, 'counts.ism-log'));
    await file?.store({ number: 1, value: 1 }).catch(() => undefined);
    await file?.close();
    t.equal(readFileSync(outside, 'latin1'), content);
  },
);

t.test('does not follow a link in the place of a table of readers', async (t) => {
  const data = temporaryDirectory(t);
  const outside = join(temporaryDirectory(t), 'outside');
  const content = 'not ours'.repeat(4000);
  writeFileSync(outside, content);
  await isamc(join(data, 'counts.ism'), countFile);
  const daemon = await startDaemon(t, ['-d', data, '-n', '-u', 'shop']);
  rmSync(join(data, 'counts.ism-lock'), { force: true });
  for (const link of [symlinkSync, linkSync]) {
    link(outside, join(data, 'counts.ism-lock'));
    const opened = open(`counts@${daemon.server}`, { ...PLAIN, mode: 'update' });
    await t.rejects(opened, { code: 'ERR_PROTEC', message: /counts\.ism-lock is a link/ });
    rmSync(join(data, 'counts.ism-lock'));
  }
  t.equal(readFileSync(outside, 'latin1'), content);
  const file = await open(`counts@${daemon.server}`, { ...PLAIN, mode: 'update' });
  await file.close();
});
