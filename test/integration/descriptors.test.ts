// A system that allows few open files: the server says so at the start, and to the client that is one too many,
// where Node would cut its connection without a word.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import t from 'tap';
import { type Connection, connect } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment } from '../fixture/daemon.js';
import { makeStaffFiles } from '../fixture/staff.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const DESCRIPTORS = 160;
const CONNECTIONS = 120;

t.test('with few descriptors the last clients are told that the server is full', async (t) => {
  const data = temporaryDirectory(t);
  const { bundle, ca } = await writeCertificate(data);
  await makeStaffFiles(data);
  const args = ['-p', '0', '-d', data, '-n', '-u', 'guest', '-encrypt', `-cert=${bundle}`];
  const child = spawn(
    'sh',
    [
      '-c',
      `ulimit -n ${DESCRIPTORS} && exec "$0" dist/server/main.js "$@"`,
      process.execPath,
    ].concat(args),
    { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnvironment() },
  );
  t.teardown(() => child.kill('SIGKILL'));
  const said: string[] = [];
  createInterface(child.stderr).on('line', (line) => said.push(line));
  const [ready] = await once(createInterface(child.stdout), 'line');
  const server = `localhost:${/port=(\d+)/.exec(String(ready))?.[1]}`;
  t.match(said.join('\n'), /160 open files: of 16000 connections it takes 120.*ulimit -n/);
  const dial = (): Promise<Connection> => connect(server, { tls: { ca }, timeoutMs: 30_000 });
  const held: Connection[] = [];
  while (held.length < CONNECTIONS) held.push(await dial());
  await t.rejects(dial(), { code: 'ERR_SRVRLIMIT', message: /as many connections as it takes/ });
  const [first] = held;
  const file = await first?.open('employee');
  t.ok(file, 'there are descriptors left for files');
  await Promise.all(held.map((connection) => connection.close()));
  child.kill('SIGTERM');
  await once(child, 'exit');
});
