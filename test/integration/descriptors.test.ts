// A system that allows few open files: the server says so at the start, to the client that is one too many, where Node
// would cut its connection without a word, and to the one that opens a file too many, where LMDB would end the process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { type Connection, type ConnectOptions, connect } from '../../client/index.js';
import { hashPassword } from '../../server/access/password-hash.js';
import { addUserEntry } from '../../server/access/user-store.js';
import { StateDirectory } from '../../server/state/state-directory.js';
import { connectionsMax } from '../../shared/base/limits.js';
import { writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment } from '../fixture/daemon.js';
import { makeStaffFiles } from '../fixture/staff.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const DESCRIPTORS = 224;
const CONNECTIONS = 168;
const FILES = 90;

interface Served {
  readonly data: string;
  readonly port: number;
  dial(options?: ConnectOptions): Promise<Connection>;
  readonly said: readonly string[];
  stop(): Promise<void>;
}

/** The real program, allowed so few descriptors, over many files. */
async function serve(t: Test, who: readonly string[] = ['-n', '-u', 'guest']): Promise<Served> {
  const data = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(data);
  await makeStaffFiles(data);
  for (let number = 0; number < FILES; number++) {
    copyFileSync(join(data, 'department.ism'), join(data, `copy${number}.ism`));
  }
  const args = ['-p', '0', '-d', data, ...who, '-encrypt', `-cert=${bundle}`];
  const command = `ulimit -n ${DESCRIPTORS} && exec "$0" dist/server/main.js "$@"`;
  const child = spawn('sh', ['-c', command, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: cleanEnvironment(),
  });
  t.teardown(() => child.kill('SIGKILL'));
  const said: string[] = [];
  createInterface(child.stderr).on('line', (line) => said.push(line));
  const [ready] = await once(createInterface(child.stdout), 'line');
  const port = Number(/port=(\d+)/.exec(String(ready))?.[1]);
  return {
    data,
    port,
    said,
    dial: (options = {}) =>
      connect(`localhost:${port}`, { tls: { ca }, timeoutMs: 30_000, ...options }),
    stop: async () => {
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      t.equal(code, 0);
    },
  };
}

t.test('the last clients are told that the server is full', async (t) => {
  const { dial, said, stop } = await serve(t);
  const held: Connection[] = [];
  while (held.length < CONNECTIONS) held.push(await dial());
  await t.rejects(dial(), { code: 'ERR_SRVRLIMIT', message: /as many connections as it takes/ });
  const file = await held[0]?.open('employee');
  t.ok(file, 'there are descriptors left for files');
  const warning = `${DESCRIPTORS} open files: of ${connectionsMax} connections it takes ${CONNECTIONS}`;
  t.ok(said.some((line) => line.includes(warning)));
  await stop();
});

t.test('a file too many is refused, and the server lives on', async (t) => {
  const { dial, stop } = await serve(t);
  const connection = await dial();
  const opens = await Promise.allSettled(
    Array.from({ length: FILES }, (_, number) => connection.open(`copy${number}`)),
  );
  const refused = opens.filter((each) => each.status === 'rejected');
  t.ok(refused.length > 0);
  t.match(refused[0]?.reason, { code: 'ERR_SRVRLIMIT', message: /limit of open files raised/ });
  for (const each of opens) if (each.status === 'fulfilled') await each.value.close();
  t.ok(await connection.open('employee'));
  await stop();
});

// Handshakes under way were bounded in number only, by more than a process may have open: a flood of them left
// no descriptor to read the users with.
t.test('a flood of strangers leaves descriptors for users and files', async (t) => {
  const { data, port, said, dial, stop } = await serve(t, []);
  let cut = 0;
  for (let number = 0; number < 2 * DESCRIPTORS; number++) {
    const socket = connectSocket({ port, host: '127.0.0.1' });
    t.teardown(() => socket.destroy());
    socket.on('error', () => undefined).on('close', () => cut++);
    await once(socket, 'connect');
  }
  while (cut < DESCRIPTORS) await new Promise((resolve) => setTimeout(resolve, 10));
  const password = 'correct horse';
  const grants = [{ role: 'update', files: '**' }] as const;
  const cheap = await hashPassword(password, { ln: 4, r: 8, p: 1 });
  await addUserEntry(new StateDirectory(data), 'ann', { password: cheap, grants });
  while (!said.some((line) => line.includes('users reloaded'))) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await using connection = await dial({ user: 'ann', password });
  t.ok(await connection.open('employee'));
  t.notOk(said.some((line) => /cannot accept|EMFILE/.test(line)));
  await connection.close();
  await stop();
});

// The log of a file is opened by its first write. Refused a descriptor there, the file took no more writes of anybody.
t.test('a file written first when descriptors are out is written later', async (t) => {
  const { port, dial, stop } = await serve(t);
  const writer = await dial();
  const file = await writer.open('department', { mode: 'update' });
  const reader = await dial();
  const opens = await Promise.allSettled(
    Array.from({ length: FILES }, (_, number) => reader.open(`copy${number}`)),
  );
  t.ok(opens.some((each) => each.status === 'rejected'));
  const strangers: Socket[] = [];
  let cut = 0;
  while (cut === 0) {
    const socket = connectSocket({ port, host: '127.0.0.1' });
    t.teardown(() => socket.destroy());
    socket.on('error', () => undefined).on('close', () => cut++);
    strangers.push(socket);
    await once(socket, 'connect');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const record = await file.read('0010');
  await t.rejects(file.write(record), { code: 'ERR_SRVRLIMIT', message: /limit of open files/ });
  for (const socket of strangers) socket.destroy();
  await reader.close();
  for (let isWritten = false; !isWritten; ) {
    isWritten = await file.write(record).then(
      () => true,
      (error) => {
        if (error.code !== 'ERR_SRVRLIMIT') throw error;
        return false;
      },
    );
  }
  await writer.close();
  await stop();
});
