// Who may reach which file: names and paths, network file systems, the gate.

import {
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createGate, type Route } from '../../../server/access/gate.js';
import {
  type FileSystemFacts,
  isOnNetworkFileSystem,
  systemFacts,
} from '../../../server/access/network-file-system.js';
import { localPaths, pathsBelow } from '../../../server/access/paths.js';
import { isRsyndError } from '../../../shared/base/error.js';
import { fileNameBytesMax } from '../../../shared/base/limits.js';
import type { OpenMode } from '../../../shared/protocol/message.js';
import { makeGround, plainSpec, SessionHarness } from '../../model/session-harness.js';

/** The code a call throws, or `fine`. */
function codeOf(call: () => unknown): string {
  try {
    call();
    return 'fine';
  } catch (error) {
    return isRsyndError(error) ? error.code : String(error);
  }
}

/** Everything below a directory, with what it is and when it last changed. */
const listing = (directory: string): string[] =>
  readdirSync(directory, { recursive: true })
    .map(String)
    .sort()
    .map((name) => {
      const { mode, size, mtimeMs } = lstatSync(join(directory, name));
      return `${name} ${mode} ${size} ${mtimeMs}`;
    });

/** A data root with a neighbour, and links of every kind between them. */
function makeRoots(t: Test): { root: string; outside: string } {
  const home = realpathSync(t.testdir({ data: { sub: {}, 'dir.ism': {} }, outside: { deep: {} } }));
  const [root, outside] = [join(home, 'data'), join(home, 'outside')];
  writeFileSync(join(outside, 'secret.ism'), 'not yours');
  writeFileSync(join(root, 'text.ism'), 'no file of ours');
  symlinkSync(join(outside, 'secret.ism'), join(root, 'link.ism'));
  symlinkSync(outside, join(root, 'away'));
  symlinkSync(join(outside, 'nothing'), join(root, 'nowhere.ism'));
  symlinkSync('sub', join(root, 'alias'));
  mkdirSync(join(root, 'sub', 'deeper'));
  return { root, outside };
}

const BAD_NAMES: readonly string[] = [
  '',
  '.',
  '..',
  '../x',
  '../outside/secret',
  'sub/../../outside/secret',
  'sub/../text',
  './text',
  'sub//x',
  'sub/',
  '/etc/passwd',
  '//etc/passwd',
  'nul\0.ism',
  'text\0',
  'line\nbreak',
  'tab\t',
  '\u001b[2J',
  '\u007f',
  '\u009b2J',
  'back\\slash',
  '..\\x',
  'C:x',
  'DATA:orders',
  'text.ism:stream',
  '.hidden',
  '.rsynd-locks-0',
  'sub/.hidden',
  'text.ism-lock',
  'text-lock',
  'x'.repeat(10 * 1024),
  'x'.repeat(fileNameBytesMax + 1),
  'x'.repeat(300),
  `sub/${'x'.repeat(300)}/y`,
  'link',
  'away/secret',
  'away/deep/x',
  'away/missing/x',
  'nowhere',
  'nowhere.ism/x',
];

t.test('a remote name that is not one below the root is ERR_FILSPC', async (t) => {
  const { root } = makeRoots(t);
  const paths = pathsBelow(root);
  for (const name of BAD_NAMES) {
    t.equal(
      codeOf(() => paths(name)),
      'ERR_FILSPC',
      JSON.stringify(name.slice(0, 40)),
    );
  }
});

t.test('a remote name below the root becomes a real path', async (t) => {
  const { root } = makeRoots(t);
  const paths = pathsBelow(root);
  const cases: readonly (readonly [string, string])[] = [
    ['orders', 'orders.ism'],
    ['orders.ism', 'orders.ism'],
    ['orders.dat', 'orders.dat'],
    ['sub/orders', 'sub/orders.ism'],
    ['sub/deeper/orders', 'sub/deeper/orders.ism'],
    ['alias/orders', 'sub/orders.ism'],
    ['with blank', 'with blank.ism'],
    ['M\u00fcller', 'M\u00fcller.ism'],
    ['a..b', 'a..b'],
    ['text.ism/x', 'text.ism/x.ism'],
  ];
  for (const [name, path] of cases) t.equal(paths(name), join(root, path), name);
  t.equal(
    codeOf(() => paths('missing/orders')),
    'ERR_FNF',
    'a directory that is not there',
  );
});

t.test('a refused name touches nothing, whatever is asked for with it', async (t) => {
  const { root, outside } = makeRoots(t);
  const ground = makeGround('lmdb');
  const session = new SessionHarness(ground.services, { paths: pathsBelow(root) });
  const before = [...listing(root), ...listing(outside)];
  const modes: readonly OpenMode[] = ['input', 'update', 'output', 'append'];
  for (const name of BAD_NAMES) {
    const opened: string[] = [];
    for (const mode of modes) {
      const reply = await session.open(name, { mode, spec: plainSpec() });
      opened.push(reply.verb === 'error' ? reply.code : reply.verb);
      if (reply.verb === 'error')
        t.ok(reply.message.length < 400, 'and the name is cut in the message');
    }
    opened.push(await session.tell({ verb: 'create', name, spec: plainSpec() }));
    t.strictSame([...new Set(opened)], ['ERR_FILSPC'], JSON.stringify(name.slice(0, 40)));
  }
  t.strictSame([...listing(root), ...listing(outside)], before);
  t.strictSame(session.unexpected, []);
  await session.close();
  await ground.close();
});

t.test('names of things that are no files of ours have a code of their own', async (t) => {
  const { root } = makeRoots(t);
  const ground = makeGround('lmdb');
  const session = new SessionHarness(ground.services, { paths: pathsBelow(root) });
  const cases: readonly (readonly [string, string])[] = [
    ['missing', 'ERR_FNF'],
    ['missing/orders', 'ERR_FNF'],
    ['text', 'ERR_NOTISM'],
    ['dir', 'ERR_NOTISM'],
    ['text.ism/x', 'ERR_FNF'],
  ];
  for (const [name, code] of cases) {
    const reply = await session.open(name, { mode: 'input' });
    t.equal(reply.verb === 'error' ? reply.code : reply.verb, code, name);
    if (reply.verb === 'error')
      t.notMatch(reply.message, root, 'and no path of the server is told');
  }
  t.strictSame(session.unexpected, []);
  await session.close();
  await ground.close();
});

t.test('local paths mean what the system says they mean', async (t) => {
  const { root, outside } = makeRoots(t);
  t.equal(localPaths(join(root, 'orders')), join(root, 'orders.ism'));
  t.equal(localPaths(join(root, 'sub', '..', 'orders')), join(root, 'orders.ism'));
  t.equal(localPaths(join(root, 'link.ism')), join(outside, 'secret.ism'), 'links are followed');
  t.equal(localPaths(join(root, 'away', 'secret')), join(outside, 'secret.ism'));
  t.equal(
    codeOf(() => localPaths('')),
    'ERR_FILSPC',
  );
  t.equal(
    codeOf(() => localPaths('a\0b')),
    'ERR_FILSPC',
  );
  t.equal(
    codeOf(() => localPaths(join(root, 'missing', 'orders'))),
    'ERR_FNF',
  );
});

const FUSE = 0x65735546;

const MOUNTS = [
  '/dev/sda1 / ext4 rw 0 0',
  'server:/export /data/fuse fuse.glusterfs rw 0 0',
  'me@host: /data/fuse/ssh fuse.sshfs rw 0 0',
  '/dev/sdb1 /data/fuse/usb fuseblk rw 0 0',
  '/dev/sdc1 /data/fuse/ssh\\040like fuseblk rw 0 0',
  '/dev/sdd1 /over fuseblk rw 0 0',
  'me@host: /over fuse.sshfs rw 0 0',
].join('\n');

const factsOf = (magic: number): FileSystemFacts => ({
  magicOf: () => magic,
  mounts: () => MOUNTS,
});

t.test('a network file system is known by its magic number', async (t) => {
  const cases: readonly (readonly [string, number, boolean])[] = [
    ['NFS', 0x6969, true],
    ['SMB', 0x517b, true],
    ['CIFS', 0xff534d42, true],
    ['CIFS, as a signed number', 0xff534d42 | 0, true],
    ['SMB2', 0xfe534d42, true],
    ['9p', 0x01021997, true],
    ['Ceph', 0x00c36400, true],
    ['AFS', 0x5346414f, true],
    ['ext4', 0xef53, false],
    ['xfs', 0x58465342, false],
    ['btrfs', 0x9123683e, false],
    ['tmpfs', 0x01021994, false],
    ['overlay', 0x794c7630, false],
    ['zfs', 0x2fc12fc1, false],
  ];
  for (const [name, magic, isNetwork] of cases) {
    t.equal(isOnNetworkFileSystem('/data/orders.ism', factsOf(magic)), isNetwork, name);
  }
});

t.test('a FUSE mount counts as a network unless its type only wraps a local disk', async (t) => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['/data/fuse/orders.ism', true],
    ['/data/fuse/ssh/orders.ism', true],
    ['/data/fuse/usb/orders.ism', false],
    ['/data/fuse/usb/deeper/orders.ism', false],
    ['/data/fuse/usbstick/orders.ism', true],
    ['/data/fuse/ssh like/orders.ism', false],
    ['/over/orders.ism', true],
    ['/elsewhere/orders.ism', true],
  ];
  for (const [path, isNetwork] of cases) {
    t.equal(isOnNetworkFileSystem(path, factsOf(FUSE)), isNetwork, path);
  }
});

t.test('the system can be asked, also about a file that is not there yet', async (t) => {
  t.type(isOnNetworkFileSystem(join(t.testdir(), 'new.ism'), systemFacts), 'boolean');
});

t.test('the gate: flag by route by disk', async (t) => {
  const local: Route = { kind: 'local' };
  const plain: Route = { kind: 'remote', encrypted: false, peer: '10.0.0.7:4711' };
  const encrypted: Route = { kind: 'remote', encrypted: true, peer: '10.0.0.7:4711' };
  const [disk, nfs] = [0xef53, 0x6969];
  const cases: readonly (readonly [string, boolean, Route, number, string])[] = [
    ['unflagged, local', false, local, disk, 'fine'],
    ['unflagged, local on NFS', false, local, nfs, 'fine'],
    ['unflagged, plain', false, plain, disk, 'fine'],
    ['unflagged, encrypted', false, encrypted, disk, 'fine'],
    ['flagged, local', true, local, disk, 'fine'],
    ['flagged, local on NFS', true, local, nfs, 'ERR_NETCRYPT'],
    ['flagged, plain', true, plain, disk, 'ERR_NETCRYPT'],
    ['flagged, plain, on NFS', true, plain, nfs, 'ERR_NETCRYPT'],
    ['flagged, encrypted', true, encrypted, disk, 'fine'],
    ['flagged, encrypted, on NFS', true, encrypted, nfs, 'ERR_NETCRYPT'],
  ];
  for (const [name, networkEncrypt, route, magic, expected] of cases) {
    const gate = createGate(factsOf(magic));
    const file = { name: 'pay', path: '/data/pay.ism', spec: plainSpec({ networkEncrypt }) };
    t.equal(
      codeOf(() => gate.admit({ user: 'u', route }, file)),
      expected,
      name,
    );
  }
});

t.test(
  'a flagged file is refused over a plain route in every mode, and stays as it is',
  async (t) => {
    const root = realpathSync(t.testdir({}));
    const ground = makeGround('lmdb');
    const paths = pathsBelow(root);
    const local = new SessionHarness(ground.services, { paths });
    const spec = plainSpec({ networkEncrypt: true });
    t.equal(await local.tell({ verb: 'create', name: 'pay', spec }), 'done');
    t.equal((await local.open('pay')).verb, 'open');
    await local.call({ verb: 'store', record: Buffer.from('AAAA0001'), lock: 'none' });
    await local.call({ verb: 'close' });

    const route: Route = { kind: 'remote', encrypted: false, peer: 'p' };
    const plain = new SessionHarness(ground.services, { owner: 2, paths, route });
    for (const mode of ['input', 'update', 'output', 'append'] as const) {
      const reply = await plain.open('pay', { mode });
      t.match(reply, { verb: 'error', code: 'ERR_NETCRYPT' }, mode);
      t.match(reply, { message: /^File requires network encryption/ });
    }
    const unflagged = await plain.open('pay', { mode: 'output', spec: plainSpec() });
    t.match(unflagged, { code: 'ERR_NETCRYPT' }, 'nor can it be replaced by one without the flag');
    const flagged = await plain.open('new', { mode: 'output', spec });
    t.match(flagged, { code: 'ERR_NETCRYPT' }, 'nor a flagged one be made and used');
    t.notOk(readdirSync(root).includes('new.ism'), 'and none is left behind');

    await local.open('pay', { mode: 'input' });
    const { records } = await local.scan(0);
    t.strictSame(records.map(String), ['AAAA0001'], 'the records are still there');
    await Promise.all([local.close(), plain.close()]);
    await ground.close();
  },
);
