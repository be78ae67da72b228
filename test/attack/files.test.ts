// What lies in, or is asked of, the data directory of a running daemon: names that lead elsewhere, things
// that are no files of ours, files that go while they are open, a log that cannot be written.

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Request } from '../../shared/protocol/message.js';
import { type RunningDaemon, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import { openUpdate, plainSpec, readLocked, recordOf, Stranger } from './stranger.js';

interface Place {
  readonly data: string;
  readonly outside: string;
  readonly daemon: RunningDaemon;
  readonly stranger: Stranger;
}

async function place(t: Test, ...args: string[]): Promise<Place> {
  const directory = temporaryDirectory(t, 'data', 'outside');
  const data = join(directory, 'data');
  const daemon = await startDaemon(t, ['-n', '-u', 'shop', '-d', data, ...args]);
  const stranger = await Stranger.loggedIn(t, daemon.port);
  return { data, outside: join(directory, 'outside'), daemon, stranger };
}

const openOutput = (name: string): Request => ({
  verb: 'open',
  name,
  mode: 'output',
  share: 'all',
  lock: 'none',
  spec: plainSpec(),
});

t.test('a name that is not one of ours makes and opens nothing', async (t) => {
  const { data, outside, stranger } = await place(t);
  symlinkSync(outside, join(data, 'elsewhere'));
  symlinkSync('/etc/passwd', join(data, 'link.ism'));
  symlinkSync('/dev/zero', join(data, 'endless.ism'));
  symlinkSync(join(outside, 'none'), join(data, 'dangling.ism'));
  symlinkSync('circle.ism', join(data, 'circle.ism'));
  const names = [
    ...['', '.', '..', '../orders', 'a/../../orders', '/etc/passwd', 'a//b', './orders', '.hidden'],
    ...['a/.b', 'a\\b', 'C:orders', 'x\0y', 'x\ny', 'x\u009by', 'x\u202ey', 'x'.repeat(201)],
    ...['a/'.repeat(300), 'orders-lock', 'orders.ism-lock', 'orders.ISM-LOCK'],
    ...['orders.ism.rebuild', 'orders.ism.create-1', 'link', 'endless', 'dangling', 'circle'],
    ...['elsewhere/orders', 'elsewhere/deeper/orders'],
  ];
  for (const name of names) {
    const shown = JSON.stringify(name.slice(0, 40));
    const create = { verb: 'create', name, spec: plainSpec() } as const;
    t.equal(await stranger.outcome(create), 'ERR_FILSPC', `create ${shown}`);
    t.equal(await stranger.outcome(openUpdate(name), 1), 'ERR_FILSPC', `open ${shown}`);
    t.equal(await stranger.outcome(openOutput(name), 1), 'ERR_FILSPC', `output ${shown}`);
  }
  t.strictSame(readdirSync(outside), [], 'nothing outside');
  t.notOk(readdirSync(data).some((name) => name.startsWith('orders')));
});

t.test('what is no file of ours is neither waited for nor replaced', async (t) => {
  const { data, stranger } = await place(t);
  const text = 'precious\n'.repeat(1000);
  execFileSync('mkfifo', [join(data, 'pipe.ism')]);
  mkdirSync(join(data, 'folder.ism'));
  writeFileSync(join(data, 'text.ism'), text);
  writeFileSync(join(data, 'empty.ism'), '');
  writeFileSync(join(data, 'server.pem'), text);
  symlinkSync('text.ism', join(data, 'inside.ism'));
  const socket = createServer().listen(join(data, 'socket.ism'));
  t.teardown(() => socket.close());
  for (const name of ['pipe', 'folder', 'text', 'empty', 'server.pem', 'inside', 'socket']) {
    t.equal(await stranger.outcome(openUpdate(name), 1), 'ERR_NOTISM', `open ${name}`);
    t.equal(await stranger.outcome(openOutput(name), 1), 'ERR_NOTISM', `output ${name}`);
    const create = { verb: 'create', name, spec: plainSpec() } as const;
    t.equal(await stranger.outcome(create), 'ERR_REPLAC', `create ${name}`);
  }
  t.equal(readFileSync(join(data, 'text.ism'), 'utf8'), text);
  t.equal(readFileSync(join(data, 'server.pem'), 'utf8'), text);
  t.ok(existsSync(join(data, 'pipe.ism')));
});

t.test('an output that is refused leaves the file and its records', async (t) => {
  const { daemon, stranger } = await place(t);
  await stranger.ask({ verb: 'create', name: 'orders', spec: plainSpec() });
  await stranger.ask(openUpdate('orders'), 1);
  await stranger.ask({ verb: 'store', lock: 'none', record: recordOf(1) }, 1);
  const other = await Stranger.loggedIn(t, daemon.port);
  t.equal(await other.outcome(openOutput('orders'), 1), 'ERR_FINUSE', 'open elsewhere');
  const bad = { ...plainSpec(), keys: [] };
  await stranger.ask({ verb: 'close' }, 1);
  const refused = await other.outcome({ ...openOutput('orders'), spec: bad } as Request, 1);
  t.equal(refused, 'ERR_BADDEF', 'a definition that cannot be');
  await stranger.ask(openUpdate('orders'), 2);
  t.equal(await stranger.outcome(readLocked(1, 0), 2), 'record');
});

t.test(
  'a file that goes while it is open, or its directory, costs nobody else anything',
  async (t) => {
    const { data, stranger } = await place(t);
    for (const [channel, name] of [
      [1, 'gone'],
      [2, 'stays'],
    ] as const) {
      await stranger.ask({ verb: 'create', name, spec: plainSpec() });
      await stranger.ask(openUpdate(name), channel);
    }
    const store = { verb: 'store', lock: 'none', record: recordOf(1) } as const;
    rmSync(join(data, 'gone.ism'));
    t.equal(await stranger.outcome(store, 1), 'ERR_IOFAIL', 'no write is said to be safe');
    t.equal(await stranger.outcome(store, 2), 'stored');
    rmSync(data, { recursive: true });
    t.equal(await stranger.outcome(openUpdate('stays'), 3), 'ERR_FNF');
    const create = { verb: 'create', name: 'new', spec: plainSpec() } as const;
    t.equal(await stranger.outcome(create), 'ERR_FNF');
    for (const channel of [1, 2])
      t.equal(await stranger.outcome({ verb: 'close' }, channel), 'done');
    t.equal(await stranger.outcome({ verb: 'ping' }), 'pong');
  },
);

t.test('a log that cannot be written does not end the service', async (t) => {
  const { daemon, stranger } = await place(t, '--log-file', '/dev/full');
  for (let count = 0; count < 20; count++) {
    const visitor = await Stranger.loggedIn(t, daemon.port);
    visitor.write(Buffer.alloc(4, 0xff));
    await visitor.closed();
  }
  const create = { verb: 'create', name: 'orders', spec: plainSpec() } as const;
  t.equal(await stranger.outcome(create), 'done');
  t.equal(await daemon.stop(), 0);
});
