// A server changes its certificate while it is used: by the file, by SIGHUP, by `cert activate`. Nobody who is
// connected notices, everybody who comes gets the new one.

import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { connect, isamc } from '../../client/index.js';
import { issueDevelopmentCertificate } from '../../server/certificate/issue-self-signed.js';
import { splitPem } from '../../shared/tls/pem.js';
import { cleanEnvironment, type RunningDaemon, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const CHANGES = 100;
const CLIENTS = 50;

const spec = { recordSize: 20, keys: ['START=1,LENGTH=8,NAME=number'] };
const data = temporaryDirectory(t);
await isamc(join(data, 'orders.ism'), spec);
const hosts = ['localhost'];
// Keys take long to make, changes do not need new ones each time: a few certificates take turns.
const issued = await Promise.all(
  Array.from({ length: 4 }, () => issueDevelopmentCertificate({ hosts, keyBits: 2048 })),
);
const ca = issued.map(({ caPem }) => caPem).join('');
const bundle = join(data, 'rsynd.pem');
const serialOf = (pem: string): string =>
  new X509Certificate(splitPem(pem).certificates[0] ?? '').serialNumber;

function present(index: number): string {
  const { serverPem } = issued[index % issued.length] ?? issued[0] ?? { serverPem: '' };
  writeFileSync(`${bundle}.new`, serverPem, { mode: 0o600 });
  renameSync(`${bundle}.new`, bundle);
  return serialOf(serverPem);
}

/** The serial number a new connection is shown. */
async function presented({ port }: RunningDaemon): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca });
  await once(socket, 'secureConnect');
  const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
  socket.destroy();
  return serial;
}

/** Asks again until it is so; the test's own time limit ends it otherwise. */
async function untilPresented(daemon: RunningDaemon, serial: string): Promise<void> {
  while ((await presented(daemon)) !== serial) await new Promise((go) => setTimeout(go, 5));
}

t.test(
  '100 changes while 50 clients read: no call fails, new connections see the new one',
  async (t) => {
    present(0);
    const daemon = await startDaemon(t, [
      ...['-d', data, '-n', '-u', 'shop', '-encrypt', '-scl=3', `-cert=${bundle}`],
      ...['--log-level', 'warn'],
    ]);
    const server = `rsynds://localhost:${daemon.port}`;
    const connections = await Promise.all(
      Array.from({ length: CLIENTS }, () => connect(server, { tls: { ca }, timeoutMs: 60_000 })),
    );
    const channels = await Promise.all(
      connections.map((each) => each.open('orders', { mode: 'update' })),
    );
    await channels[0]?.store(Buffer.from('00000001'.padEnd(20)));
    let isDone = false;
    let reads = 0;
    const readers = channels.map(async (channel) => {
      while (!isDone) {
        await channel.get('00000001');
        reads++;
        await new Promise(setImmediate);
      }
    });
    for (let change = 1; change <= CHANGES; change++) {
      const serial = present(change);
      daemon.process.kill('SIGHUP');
      await untilPresented(daemon, serial);
    }
    isDone = true;
    await Promise.all(readers);
    t.ok(reads > CHANGES, `${reads} reads, none failed`);
    t.strictSame(
      daemon.log.filter((line) => line.msg !== undefined && Number(line.level) >= 50),
      [],
    );
    await Promise.all(connections.map((each) => each.close()));
    t.equal(await daemon.stop(), 0);
  },
);

t.test('a changed file is taken without a signal, and a bad one is not', async (t) => {
  present(0);
  const daemon = await startDaemon(t, [
    ...['-d', data, '-n', '-u', 'shop', '-encrypt', `-cert=${bundle}`],
  ]);
  const serial = present(1);
  await untilPresented(daemon, serial);
  writeFileSync(bundle, 'nothing');
  await daemon.logLine(({ msg }) => msg === 'certificate not reloaded, the one in use stays');
  t.equal(await presented(daemon), serial);
  t.equal(await daemon.stop(), 0);
});

t.test('cert activate changes the certificate of a running server', async (t) => {
  const rsynctl = async (...args: string[]): Promise<string> => {
    const child = spawn(process.execPath, ['dist/rsynctl/main.js', '--data', data, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: cleanEnvironment(),
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    const [status] = await once(child, 'close');
    t.equal(status, 0, `rsynctl ${args.join(' ')}`);
    return said;
  };
  for (const index of [0, 1]) {
    const file = join(data, `server${index}.pem`);
    writeFileSync(file, issued[index]?.serverPem ?? '', { mode: 0o600 });
    await rsynctl('cert', 'import', file, '--name', `server${index}`, '--kind', 'server');
  }
  await rsynctl('cert', 'activate', 'server0');
  const daemon = await startDaemon(t, ['-d', data, '-n', '-u', 'shop', '-encrypt'], { DBLDIR: '' });
  t.equal(await presented(daemon), serialOf(issued[0]?.serverPem ?? ''));
  const connection = await connect(`rsynds://localhost:${daemon.port}`, { tls: { ca } });
  const channel = await connection.open('orders');
  await rsynctl('cert', 'activate', 'server1');
  await untilPresented(daemon, serialOf(issued[1]?.serverPem ?? ''));
  t.ok(await channel.isinfo('NUMKEYS'), 'who was there goes on');
  await connection.close();
  t.equal(await daemon.stop(), 0);
  const rehearsed = await rsynctl(
    'cert',
    'rehearse',
    '--scl',
    '4',
    '--to',
    'server0',
    '--cert',
    join(data, 'server1.pem'),
  );
  t.match(rehearsed, /^unknown +shop@127\.0\.0\.1 .*the issuer changes/m);
});
