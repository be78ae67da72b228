// What several workers may have together, with limits low enough to reach: the supervisor runs here, its workers
// as processes of their own.

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Connection, type ConnectOptions, connect } from '../../../client/index.js';
import { NO_CLIENT_CERTIFICATES } from '../../../server/certificate/trust/trust-settings.js';
import type { DaemonOptions } from '../../../server/config/daemon-options.js';
import type { ListenerLimits } from '../../../server/net/listener.js';
import { readSeenClients } from '../../../server/observe/client-journal.js';
import { createLog } from '../../../server/observe/log.js';
import { RefusalFile } from '../../../server/observe/refusal-file.js';
import { readTlsUsage } from '../../../server/observe/tls-usage.js';
import { StateDirectory } from '../../../server/state/state-directory.js';
import { Supervisor } from '../../../server/worker/supervisor.js';
import { connectionsHandedMax, workerRoundMs } from '../../../shared/base/limits.js';
import { writeCertificate } from '../../fixture/certificate.js';
import { makeStaffFiles } from '../../fixture/staff.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const WORKERS = 3;

t.setTimeout(120_000);
async function startSupervisor(
  t: Test,
  limits: Partial<ListenerLimits> = {},
  change: Partial<DaemonOptions> = {},
  roundMs: number = workerRoundMs,
) {
  const data = change.data ?? temporaryDirectory(t);
  const logFile = join(data, 'rsynd.log');
  const options: DaemonOptions = {
    ...{ port: 0, host: '127.0.0.1', encrypt: false, scl: 3, cert: undefined },
    ...{ passphraseFile: undefined, nonSecure: true, user: 'demo', workers: WORKERS },
    ...{ store: 'lmdb:', logLevel: 'info', logFile },
    ...NO_CLIENT_CERTIFICATES,
    ...change,
    data,
  };
  const parts = {
    log: createLog({ level: 'info', file: logFile }),
    software: 'test',
    typed: {},
    onFailed: (error: Error) => void t.fail(error.message),
    limits,
    roundMs,
  };
  const supervisor = await Supervisor.start(options, parts);
  t.teardown(() => supervisor.stop());
  const { port } = supervisor.address;
  const log = () => readFileSync(logFile, 'utf8').trimEnd().split('\n');
  return { supervisor, data, port, server: `localhost:${port}`, log };
}

t.test('all workers together take as many connections as the server may have', async (t) => {
  const { server } = await startSupervisor(t, { connectionsMax: 8 });
  const taken: Connection[] = [];
  for (let count = 0; count < 8; count++) taken.push(await connect(server, { encrypt: false }));
  for (let count = 0; count < WORKERS; count++) {
    await t.rejects(connect(server, { encrypt: false }), { code: 'ERR_SRVRLIMIT' });
  }
  await taken.pop()?.close();
  for (;;) {
    const again = await connect(server, { encrypt: false }).catch(() => undefined);
    if (again === undefined) continue;
    taken.push(again);
    break;
  }
  t.pass('a place that was left is given again');
  for (const connection of taken) await connection.close();
});

t.test('connections that do not say who they are are bounded for all workers', async (t) => {
  const { port, server } = await startSupervisor(t, { pendingPerAddressMax: 6, pendingMax: 6 });
  const silent: Socket[] = [];
  let cut = 0;
  for (let count = 0; count < 12; count++) {
    const socket = connectSocket({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined).on('close', () => cut++);
    await once(socket, 'connect');
    silent.push(socket);
  }
  while (cut < 6) await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(cut, 6, 'the oldest of each went');
  await using good = await connect(server, { encrypt: false });
  t.ok(good, 'a client that speaks comes through');
  for (const socket of silent) socket.destroy();
});

t.test('a worker that stands still holds up only the few it was given', async (t) => {
  const { supervisor, server } = await startSupervisor(t);
  const [still = 0] = supervisor.pids;
  process.kill(still, 'SIGSTOP');
  t.teardown(() => process.kill(still, 'SIGCONT'));
  const all = 4 * WORKERS * connectionsHandedMax;
  let connected = 0;
  const coming = Array.from({ length: all }, async () => {
    const connection = await connect(server, { encrypt: false, timeoutMs: 60_000 });
    connected++;
    return connection;
  });
  const others = all - connectionsHandedMax;
  while (connected < others) await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(connected, others, 'the others are served by the others');
  process.kill(still, 'SIGCONT');
  const came = await Promise.all(coming);
  t.equal(came.length, all, 'and these when it goes on');
  await Promise.all(came.map((connection) => connection.close()));
});

// It used to keep its clients, and what they had locked, for as long as it stood.
t.test('a worker that was stopped for good is replaced, and its locks are free', async (t) => {
  const data = temporaryDirectory(t);
  await makeStaffFiles(data);
  const { supervisor, server, log } = await startSupervisor(t, {}, { data }, 250);
  const before = supervisor.pids;
  const plain: ConnectOptions = { encrypt: false, timeoutMs: 60_000 };
  const holder = await connect(server, plain);
  const locking = await holder.open('department', { mode: 'update' });
  await locking.read({ first: true });
  const started = log().map((line) => JSON.parse(line) as Record<string, unknown>);
  const pid = Number(started.find(({ msg }) => msg === 'session started')?.pid);
  t.ok(before.includes(pid));
  process.kill(pid, 'SIGSTOP');
  const other = await connect(server, plain);
  const waiting = await other.open('department', { mode: 'update' });
  t.ok(await waiting.read({ first: true }, { waitMs: 60_000 }), 'who waits gets the lock');
  await t.rejects(locking.reads(), { code: 'ERR_NETPROB' });
  while (supervisor.pids.includes(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(supervisor.pids.filter((each) => before.includes(each)).length, WORKERS - 1);
  t.ok(log().some((line) => /"state":"stopped".*does not answer any more/.test(line)));
  await other.close();
});

t.test('journals and log of all workers are whole', async (t) => {
  const data = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(data);
  const change = { data, encrypt: true, cert: bundle };
  const { supervisor, port, server, log } = await startSupervisor(t, {}, change);
  const state = new StateDirectory(data);
  const tls = { ca };
  for (let round = 0; round < 5; round++) {
    const some = await Promise.all(Array.from({ length: 9 }, () => connect(server, { tls })));
    await Promise.all(some.map((connection) => connection.close()));
  }
  for (let count = 0; count < 6; count++) {
    const plain = connectSocket({ port, host: '127.0.0.1' });
    plain.write('hello, no TLS here');
    plain.resume();
    await once(plain, 'close');
  }
  await supervisor.stop();
  const [usage, ...others] = readTlsUsage(state);
  t.match(usage, { protocol: 'TLSv1.3', connections: 45, users: ['demo'] }, 'all are counted');
  t.equal(others.length, 0);
  t.equal(readSeenClients(state).length, 1);
  const refusals = new RefusalFile(state).list();
  t.equal(refusals.length, 6);
  const lines = log().map((line) => JSON.parse(line) as Record<string, unknown>);
  t.pass(`${lines.length} lines, each whole`);
  const started = lines.filter(({ msg }) => msg === 'session started');
  t.strictSame([...new Set(started.map(({ worker }) => worker))].sort(), [1, 2, 3]);
  const ids = started.map(({ worker, session }) => `${worker}.${session}`);
  t.equal(new Set(ids).size, 45, 'a session is named by its worker and number');
  const refused = lines.filter(({ msg }) => msg === 'connection refused');
  t.strictSame(refused.map(({ id }) => id).sort(), refusals.map(({ id }) => id).sort());
});

t.test('a server that cannot start its workers says why, and leaves none', async (t) => {
  const data = temporaryDirectory(t);
  writeFileSync(join(data, 'rsynd.pem'), 'no certificate');
  const change = { data, encrypt: true, cert: join(data, 'rsynd.pem') };
  await t.rejects(startSupervisor(t, {}, change), { code: 'ERR_TLSCONF', message: /rsynd\.pem/ });
});
