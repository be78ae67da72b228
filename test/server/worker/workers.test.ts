// Several processes as one server, with the real programs: what clients and administrators of a server of one
// process rely on holds whichever worker a client is given.

import { once } from 'node:events';
import { chmodSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import {
  alpha,
  type Connection,
  type ConnectOptions,
  connect,
  ctimestamp,
  decimal,
  defineFile,
  isamc,
  open,
  sequence,
  timestamp,
} from '../../../client/index.js';
import { hashPassword } from '../../../server/access/password-hash.js';
import {
  addUserEntry,
  changeUserEntry,
  removeUserEntry,
} from '../../../server/access/user-store.js';
import { StateDirectory } from '../../../server/state/state-directory.js';
import { missesPerAddressFree, passwordChecksMax } from '../../../shared/base/limits.js';
import { writeCertificate } from '../../fixture/certificate.js';
import { type RunningDaemon, runProgram, startDaemon } from '../../fixture/daemon.js';
import { departmentFile, makeStaffFiles } from '../../fixture/staff.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const WORKERS = 4;
const OPEN = ['-n', '-u', 'demo', '--workers', String(WORKERS)];
const PLAIN: ConnectOptions = { encrypt: false };

t.setTimeout(240_000);

const entryFile = defineFile({
  fields: {
    number: decimal(8),
    entry: sequence(),
    made: ctimestamp(),
    changed: timestamp(),
    note: alpha(20),
  },
  keys: {
    number: { parts: ['number'] },
    entry: { parts: ['entry'] },
    made: { parts: ['made'] },
    changed: { parts: ['changed'] },
  },
});

/** A client, and the process that serves it. */
interface Placed {
  readonly connection: Connection;
  readonly worker: number;
  readonly pid: number;
}

/** Connects and learns from the log who serves; one client at a time. */
async function connectPlaced(
  server: RunningDaemon,
  options: ConnectOptions = PLAIN,
): Promise<Placed> {
  const started = () => server.log.filter(({ msg }) => msg === 'session started');
  const before = started().length;
  const connection = await connect(server.server, options);
  await server.logLine((line) => started().indexOf(line) >= before);
  const line = started()[before];
  return { connection, worker: Number(line?.worker), pid: Number(line?.pid) };
}

/** As many clients as workers, each with a worker of its own. */
async function connectEach(server: RunningDaemon, options?: ConnectOptions): Promise<Placed[]> {
  const placed: Placed[] = [];
  for (let count = 0; count < WORKERS; count++) placed.push(await connectPlaced(server, options));
  return placed;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'fine',
    (error) => String(error.code),
  );

async function startStaff(t: Test, ...args: readonly string[]) {
  const data = temporaryDirectory(t);
  await makeStaffFiles(data);
  await using departments = await open(join(data, 'department'), {
    mode: 'update',
    definition: departmentFile,
  });
  for (let number = 11; number < 20; number++) await departments.store({ number, name: 'more' });
  const server = await startDaemon(t, ['-d', data, ...OPEN, ...args]);
  return { data, server };
}

/** True when the process is gone: not there, or only waiting for its parent. */
function isGone(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/, ''));
  } catch {
    return true;
  }
}

t.test('sessions spread evenly, and one line says that all are ready', async (t) => {
  const { server } = await startStaff(t);
  t.match(server.readyLine, /^rsynd ready host=127\.0\.0\.1 port=\d+ encrypt=off scl=3 /);
  const said: string[] = [];
  server.process.stdout?.on('data', (chunk) => said.push(String(chunk)));
  const placed = [...(await connectEach(server)), ...(await connectEach(server))];
  const workers = placed.map(({ worker }) => worker).sort();
  t.strictSame(workers, [1, 1, 2, 2, 3, 3, 4, 4]);
  t.equal(new Set(placed.map(({ pid }) => pid)).size, WORKERS);
  t.notOk(
    placed.some(({ pid }) => pid === server.process.pid),
    'the supervisor serves nobody',
  );
  for (const { connection } of placed) await connection.close();
  t.equal(await server.stop(), 0);
  t.strictSame(said, [], 'nothing more on stdout');
  const ready = server.log.filter(({ msg }) => msg === 'accepting connections');
  t.equal(ready.length, 1);
});

t.test('--check says how many, and what is wrong is said once', async (t) => {
  const data = temporaryDirectory(t);
  const main = 'dist/server/main.js';
  const checked = await runProgram(main, ['-d', data, ...OPEN, '--check']);
  t.match(checked.stdout, / workers=4 data=/);
  const server = await startDaemon(t, ['-d', data, ...OPEN]);
  const taken = await runProgram(main, ['-d', data, ...OPEN, '-p', String(server.port)]);
  t.equal(taken.code, 2);
  t.match(taken.stderr, /^error: .*cannot listen on .*another program has that port.*\n$/);
  const missing = await runProgram(main, [
    ...['-d', data, '-p', '0', ...OPEN],
    ...['-encrypt', `-cert=${join(data, 'no.pem')}`],
  ]);
  t.equal(missing.code, 6);
  t.match(missing.stderr, /^error: .*no\.pem.*\n$/, 'one message');
});

t.test('locks, share modes and deadlocks hold between workers', async (t) => {
  const { server } = await startStaff(t);
  const [one, two, three] = await connectEach(server);
  if (one === undefined || two === undefined || three === undefined) throw new Error('too few');
  t.equal(new Set([one.worker, two.worker, three.worker]).size, 3);
  const update = { mode: 'update', definition: departmentFile } as const;
  const mine = await one.connection.open('department', update);
  const theirs = await two.connection.open('department', update);

  const record = await mine.read(10);
  await t.rejects(theirs.read(10), { code: 'ERR_LOCKED' });
  const waiting = theirs.read(10, { waitMs: 20_000 });
  await mine.write({ ...record, name: 'Changed' });
  t.equal((await waiting).name, 'Changed', 'who waited is woken, and sees what was written');

  const mineToo = await one.connection.open('department', update);
  const theirsToo = await two.connection.open('department', update);
  await mine.read(11);
  await theirs.read(12);
  const waits = [
    codeOf(mineToo.read(12, { waitMs: 30_000 })),
    codeOf(theirsToo.read(11, { waitMs: 30_000 })),
  ];
  t.equal(await Promise.race(waits), 'ERR_DEADLOCK', 'a circle through two processes is found');
  for (const file of [mine, theirs]) await file.close();
  t.strictSame((await Promise.all(waits)).sort(), ['ERR_DEADLOCK', 'fine'], 'and one goes on');
  for (const file of [mineToo, theirsToo]) await file.close();

  const held = await two.connection.open('department', update);
  await t.rejects(
    three.connection.open('department', { share: 'exclusive', definition: departmentFile }),
    { code: 'ERR_FINUSE' },
  );
  await held.close();
  const alone = await three.connection.open('department', {
    ...update,
    share: 'exclusive',
  });
  await t.rejects(one.connection.open('department', update), { code: 'ERR_FINUSE' });
  await alone.close();
  t.equal(await server.stop(), 0);
});

t.test('sequences and times of four workers are unique, and nothing is lost', async (t) => {
  const data = temporaryDirectory(t);
  const path = join(data, 'entry.ism');
  await isamc(path, entryFile);
  const server = await startDaemon(t, ['-d', data, ...OPEN]);
  const placed = await connectEach(server);
  t.equal(new Set(placed.map(({ worker }) => worker)).size, WORKERS);
  const each = 400;
  const blank = { entry: 0n, made: 0n, changed: 0n, note: 'new' };
  const work = placed.map(async ({ connection }, at) => {
    const file = await connection.open('entry', { mode: 'update', definition: entryFile });
    const stores: Promise<unknown>[] = [];
    for (let count = 0; count < each; count++) {
      stores.push(file.store({ ...blank, number: at * each + count }));
      if (count % 8 === 7) await Promise.all(stores.splice(0));
    }
    await Promise.all(stores);
    for (let count = 0; count < each; count += 4) {
      const record = await file.read(at * each + count, { waitMs: 5000 });
      await file.write({ ...record, note: 'changed' });
    }
  });
  await Promise.all(work);
  t.equal(await server.stop(), 0);

  await using file = await open(path, { definition: entryFile });
  const columns: Record<'entry' | 'made' | 'changed', Set<unknown>> = {
    entry: new Set(),
    made: new Set(),
    changed: new Set(),
  };
  let records = 0;
  for await (const record of file) {
    records++;
    for (const [name, seen] of Object.entries(columns)) {
      seen.add(record[name as keyof typeof columns]);
    }
  }
  t.equal(records, WORKERS * each, 'none is lost');
  for (const [name, seen] of Object.entries(columns))
    t.equal(seen.size, records, `${name}: unique`);
  await file.close();
  const verified = await runProgram('dist/server/isutl.js', ['-v', path]);
  t.equal(verified.code, 0, `isutl -v is content: ${verified.stdout}${verified.stderr}`);
});

t.test('a worker that dies frees its locks, is replaced, and nobody else notices', async (t) => {
  const { data, server } = await startStaff(t);
  const placed = await connectEach(server);
  const update = { mode: 'update', definition: departmentFile } as const;
  const files = await Promise.all(
    placed.map(({ connection }) => connection.open('department', update)),
  );
  const [victim, ...others] = placed;
  const [lost, ...kept] = files;
  if (victim === undefined || lost === undefined) throw new Error('nobody');
  await lost.read(10);
  const [next, busy] = kept;
  const waiting = next?.read(10, { waitMs: 20_000 });
  let isOver = false;
  const work = (async () => {
    let done = 0;
    for (; !isOver; done++) await busy?.read(11 + (done % 5), { lock: 'none' });
    return done;
  })();
  process.kill(victim.pid, 'SIGKILL');
  t.equal((await waiting)?.number, 10, 'the record goes to who waited for it');
  await t.rejects(lost.read(10), { code: 'ERR_NETPROB' });
  await server.logLine(({ msg }) => /replacing it/.test(String(msg)));

  const during = await connect(server.server, PLAIN);
  t.ok(during, 'new clients are served meanwhile');
  const served = () => server.log.filter(({ msg }) => msg === 'session started');
  const back = () =>
    served().some(({ worker, pid }) => worker === victim.worker && pid !== victim.pid);
  const late: Connection[] = [];
  await until(async () => {
    late.push(await connect(server.server, PLAIN));
    return back();
  });
  t.pass('the one that replaces it serves');
  isOver = true;
  t.ok((await work) > 0, 'who had another worker was never interrupted');
  for (const { connection } of others) await connection.close();
  for (const connection of [during, ...late]) await connection.close();
  t.equal(await server.stop(), 0);
  const verified = await runProgram('dist/server/isutl.js', ['-v', join(data, 'department.ism')]);
  t.equal(verified.code, 0, 'and the file is sound');
});

t.test(
  'a client that comes while a worker dies is served or told so, and nothing is left of it',
  async (t) => {
    const { server } = await startStaff(t);
    const descriptors = (): number => readdirSync(`/proc/${server.process.pid}/fd`).length;
    const placed = await connectEach(server);
    const before = descriptors();
    for (const { worker, pid } of placed) {
      process.kill(pid, 'SIGKILL');
      const options = { ...PLAIN, timeoutMs: 30_000 };
      const come = Array.from({ length: 2 * WORKERS }, () => connect(server.server, options));
      for (const result of await Promise.allSettled(come)) {
        if (result.status === 'fulfilled') await result.value.close();
        else t.equal(result.reason.code, 'ERR_NETPROB', 'and not a wait for nothing');
      }
      await server.logLine(
        (line) => line.worker === worker && /replacing it/.test(String(line.msg)),
      );
    }
    await until(() => descriptors() <= before);
    t.equal(await server.stop(), 0);
  },
);

t.test('a worker killed under writers loses nothing acknowledged', async (t) => {
  const data = temporaryDirectory(t);
  const path = join(data, 'entry.ism');
  await isamc(path, entryFile);
  const server = await startDaemon(t, ['-d', data, ...OPEN, '--log-level', 'info']);
  const acknowledged = new Set<number>();
  const blank = { entry: 0n, made: 0n, changed: 0n, note: 'new' };
  let next = 0;
  let kills = 0;
  const writer = async (): Promise<void> => {
    while (kills < 6) {
      try {
        await using connection = await connect(server.server, { ...PLAIN, timeoutMs: 5000 });
        const file = await connection.open('entry', { mode: 'update', definition: entryFile });
        while (kills < 6) {
          const number = next++;
          await file.store({ ...blank, number });
          acknowledged.add(number);
        }
      } catch {
        // Its worker was killed, which is the point.
      }
    }
  };
  const writers = Promise.all(Array.from({ length: 8 }, writer));
  for (; kills < 6; kills++) {
    const goal = acknowledged.size + 60;
    await until(() => acknowledged.size >= goal);
    // One that serves, and another each time, so that none dies young too often.
    const number = 1 + (kills % WORKERS);
    const alive = server.log.filter(
      ({ msg, worker, pid }) =>
        msg === 'session started' && worker === number && !isGone(Number(pid)),
    );
    const pid = Number(alive.at(-1)?.pid ?? 0);
    if (pid > 0) process.kill(pid, 'SIGKILL');
  }
  await writers;
  t.equal(await server.stop(), 0);
  const stored = new Set<number>();
  const file = await open(path, { definition: entryFile });
  for await (const { number } of file) stored.add(number);
  await file.close();
  t.strictSame(
    [...acknowledged].filter((number) => !stored.has(number)),
    [],
    `all of ${acknowledged.size} are there`,
  );
  const verified = await runProgram('dist/server/isutl.js', ['-v', path]);
  t.equal(verified.code, 0, `isutl -v is content: ${verified.stdout}${verified.stderr}`);
});

t.test(
  'a worker told to end is replaced, and no client that comes meanwhile goes astray',
  async (t) => {
    const { server } = await startStaff(t);
    const [first] = await connectEach(server);
    if (first === undefined) throw new Error('nobody');
    process.kill(first.pid, 'SIGTERM');
    // Before it has heard of that it takes connections, and ends them with its own.
    await server.logLine(({ msg, worker }) => msg === 'stopping' && worker === first.worker);
    const coming = Array.from({ length: 24 }, () => connect(server.server, PLAIN));
    const came = await Promise.all(coming);
    t.equal(came.length, 24);
    await server.logLine(({ msg, worker }) => msg === 'stopped' && worker === first.worker);
    await server.logLine(({ msg, code }) => /replacing it/.test(String(msg)) && code === 0);
    for (const connection of came) await connection.close();
    t.equal(await server.stop(), 0);
  },
);

t.test('a server whose workers die again and again ends and says so', async (t) => {
  const data = temporaryDirectory(t);
  const server = await startDaemon(t, ['-d', data, ...OPEN]);
  const said: string[] = [];
  server.process.stderr?.on('data', (chunk) => said.push(String(chunk)));
  const ended = once(server.process, 'close');
  const killed = new Set<number>();
  const killer = setInterval(() => {
    const children = readFileSync(
      `/proc/${server.process.pid}/task/${server.process.pid}/children`,
    );
    for (const pid of children.toString('latin1').split(' ').map(Number)) {
      if (!(pid > 0) || killed.has(pid)) continue;
      killed.add(pid);
      process.kill(pid, 'SIGKILL');
    }
  }, 50);
  const [code] = await ended;
  clearInterval(killer);
  t.equal(code, 1);
  t.match(said.join(''), /error: worker \d died 6 times in a row, at last because: .*SIGKILL/);
  t.match(said.join(''), /dies again and again, ending/);
});

t.test(
  'a certificate gone bad costs nobody the service, not even when a worker dies',
  async (t) => {
    const data = temporaryDirectory(t);
    const { bundle } = await writeCertificate(data);
    const good = readFileSync(bundle);
    const server = await startDaemon(t, ['-d', data, ...OPEN, '-encrypt', `-cert=${bundle}`]);
    const first = await handshake(server);
    writeFileSync(bundle, 'no certificate');
    const pids = () => server.log.filter(({ msg }) => msg === 'session started');
    process.kill(Number(pids()[0]?.pid), 'SIGKILL');
    await server.logLine(
      ({ msg, error }) => /replacing it/.test(String(msg)) && error !== undefined,
      20_000,
    );
    for (let count = 0; count < WORKERS; count++) {
      t.not((await handshake(server)).worker, first.worker, 'the others serve');
    }
    writeFileSync(bundle, good);
    await until(async () => (await handshake(server)).worker === first.worker);
    t.pass('and it is back when the file is good again');
    t.equal(await server.stop(), 0);
  },
);

async function startSecure(t: Test, users: readonly string[], ...args: readonly string[]) {
  const data = temporaryDirectory(t);
  await makeStaffFiles(data);
  const state = new StateDirectory(data);
  const password = await hashPassword('correct horse');
  for (const user of users) {
    await addUserEntry(state, user, { password, grants: [{ role: 'admin', files: '**' }] });
  }
  const server = await startDaemon(t, ['-d', data, '--workers', String(WORKERS), ...args]);
  const as = (user: string, given = 'correct horse'): ConnectOptions => ({
    ...PLAIN,
    user,
    password: given,
  });
  return { state, server, as };
}

t.test('a user removed, or with a right less, is out of every worker within 2 s', async (t) => {
  const { state, server, as } = await startSecure(t, ['ann', 'bob']);
  const ann = await connectEach(server, as('ann'));
  const bob = await connectEach(server, as('bob'));
  t.equal(new Set(ann.map(({ worker }) => worker)).size, WORKERS);
  const opened = { mode: 'update', definition: departmentFile } as const;
  const annFiles = await Promise.all(ann.map((each) => each.connection.open('department', opened)));
  const bobFiles = await Promise.all(bob.map((each) => each.connection.open('department', opened)));
  const removedAt = Date.now();
  await removeUserEntry(state, 'ann');
  await changeUserEntry(state, 'bob', () => ({ grants: [{ role: 'read', files: '**' }] }));
  const endOf = async (file: { read(key: number, how: { lock: 'none' }): Promise<unknown> }) => {
    let code = 'fine';
    await until(async () => {
      code = await codeOf(file.read(10, { lock: 'none' }));
      return code !== 'fine';
    });
    return code;
  };
  const codes = await Promise.all([...annFiles, ...bobFiles].map(endOf));
  const tookMs = Date.now() - removedAt;
  t.strictSame(codes.slice(0, WORKERS), new Array(WORKERS).fill('ERR_BADUSER'));
  t.strictSame(codes.slice(WORKERS), new Array(WORKERS).fill('ERR_PROTEC'));
  t.comment(`all ended after ${tookMs} ms`);
  t.equal(await codeOf(connect(server.server, as('ann'))), 'ERR_BADUSER');
  t.equal(await server.stop(), 0);
  const told = server.log.filter(({ msg }) => msg === 'users reloaded');
  t.ok(told.length > 0 && told.every(({ worker }) => worker === 1), 'one worker tells of it');
});

t.test('wrong passwords are counted by all workers together', async (t) => {
  const { server, as } = await startSecure(t, ['ann']);
  const answers: string[] = [];
  for (let count = 0; count < 4 * missesPerAddressFree; count++) {
    const refused = connect(server.server, as('ann', 'wrong')).catch((error) => error.message);
    answers.push(String(await refused));
  }
  const checked = answers.filter((answer) => /is not right/.test(answer)).length;
  t.ok(checked <= missesPerAddressFree + passwordChecksMax, `${checked} of 40 were checked`);
  t.match(answers.at(-1), /too many wrong passwords for this address/);
  const refusing = server.log.filter(({ msg }) => msg === 'login refused');
  t.ok(new Set(refusing.map(({ worker }) => worker)).size > 1, 'though several workers were tried');
  t.equal(await server.stop(), 0);
});

/** One TLS handshake: whether it resumed, who served, and the session to resume later. */
async function handshake(server: RunningDaemon, session?: Buffer) {
  // Of strangers the log has so many lines a second and no more: without a pause some would have none.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const started = () => server.log.filter(({ msg }) => msg === 'session started');
  const before = started().length;
  const socket: TLSSocket = connectTls({
    ...{ port: server.port, host: '127.0.0.1', rejectUnauthorized: false },
    ...(session && { session }),
  });
  const ticket = once(socket, 'session');
  await once(socket, 'secureConnect');
  const isReused = socket.isSessionReused();
  // Who resumes gets no new ticket.
  const [given] = (isReused ? [session] : await ticket) as [Buffer | undefined];
  await server.logLine((line) => started().indexOf(line) >= before);
  const worker = Number(started()[before]?.worker);
  socket.destroy();
  return { isReused, worker, session: given };
}

t.test('a TLS session resumes at another worker, until the certificate changes', async (t) => {
  const data = temporaryDirectory(t, 'second');
  const { bundle } = await writeCertificate(data);
  const { bundle: second } = await writeCertificate(join(data, 'second'));
  const args = ['-d', data, ...OPEN, '-encrypt', `-cert=${bundle}`];
  const server = await startDaemon(t, args);
  const pem = readFileSync(bundle);
  const first = await handshake(server);
  t.notOk(first.isReused);
  const workers = new Set([first.worker]);
  const { session } = first;
  for (let count = 0; count < 2 * WORKERS; count++) {
    const again = await handshake(server, session);
    t.ok(again.isReused, `at worker ${again.worker}`);
    workers.add(again.worker);
  }
  t.ok(workers.size > 1, 'it was not always the same');
  writeFileSync(bundle, readFileSync(second));
  server.process.kill('SIGHUP');
  let refusedInARow = 0;
  await until(async () => {
    refusedInARow = (await handshake(server, session)).isReused ? 0 : refusedInARow + 1;
    return refusedInARow === 2 * WORKERS;
  });
  t.pass('no worker takes a ticket of before');
  writeFileSync(bundle, pem);
  server.process.kill('SIGHUP');
  const reloaded = () => server.log.filter(({ msg }) => msg === 'certificate reloaded');
  await until(() => reloaded().length === 2);
  for (let count = 0; count < WORKERS; count++) {
    t.notOk((await handshake(server, session)).isReused, 'not under its own certificate either');
  }
  t.equal(await server.stop(), 0);
});

t.test('SIGHUP reaches every worker and drops no session', async (t) => {
  const data = temporaryDirectory(t, 'second');
  await makeStaffFiles(data);
  const first = await writeCertificate(data);
  const second = await writeCertificate(join(data, 'second'));
  const server = await startDaemon(t, [
    ...['-d', data, ...OPEN, '-encrypt', `-cert=${first.bundle}`],
  ]);
  const placed = await connectEach(server, { tls: { ca: [first.ca, second.ca] } });
  const files = await Promise.all(
    placed.map((each) => each.connection.open('department', { definition: departmentFile })),
  );
  const before = await serials(server.port);
  t.equal(before.size, 1);
  copyFileSync(second.bundle, first.bundle);
  chmodSync(first.bundle, 0o600);
  server.process.kill('SIGHUP');
  await until(async () => {
    const now = await serials(server.port);
    return now.size === 1 && [...now].every((serial) => !before.has(serial));
  });
  t.pass('every worker shows the new certificate');
  for (const file of files) t.equal((await file.read(10)).name, 'Accounts');
  const told = server.log.filter(({ msg }) => msg === 'certificate reloaded');
  t.ok(told.length >= 1 && told.every(({ worker }) => worker === 1), 'one worker tells of it');
  t.equal(await server.stop(), 0);
});

/** The certificates shown by as many handshakes in a row as make every worker answer one. */
async function serials(port: number): Promise<Set<string>> {
  const sockets = await Promise.all(
    Array.from({ length: 2 * WORKERS }, async () => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      return socket;
    }),
  );
  const seen = sockets.map((socket) => socket.getPeerX509Certificate()?.serialNumber ?? '');
  for (const socket of sockets) socket.destroy();
  return new Set(seen);
}

t.test('SIGTERM drains every worker and exits 0', async (t) => {
  const { server } = await startStaff(t);
  const placed = await connectEach(server);
  const stores = placed.flatMap(({ connection }, at) =>
    Array.from({ length: 25 }, async (_, count) => {
      const file = await connection.open('department', {
        mode: 'update',
        definition: departmentFile,
      });
      return codeOf(file.store({ number: 1000 + at * 100 + count, name: 'busy' }));
    }),
  );
  const fates = Promise.all(stores.map((store) => store.catch((error) => String(error.code))));
  t.equal(await server.stop(), 0);
  const allowed = new Set(['fine', 'ERR_NETPROB']);
  t.ok(
    (await fates).every((fate) => allowed.has(fate)),
    'each call is answered or told',
  );
  t.ok(
    placed.every(({ pid }) => isGone(pid)),
    'no worker is left',
  );
});

t.test('without their supervisor the workers end, and the port is free', async (t) => {
  const { data, server } = await startStaff(t);
  const placed = await connectEach(server);
  server.process.kill('SIGKILL');
  await until(() => placed.every(({ pid }) => isGone(pid)));
  t.pass('none is left');
  const again = await startDaemon(t, ['-d', data, ...OPEN, '-p', String(server.port)]);
  t.equal(again.port, server.port);
  t.equal(await again.stop(), 0);
});
