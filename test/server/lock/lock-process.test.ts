// Locks between real processes: kill -9, the queue, deadlocks; and the file they are kept in: earlier
// boots, directories that cannot be written to or are replaced, other containers.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createLockManager } from '../../../server/lock/create-lock-manager.js';
import { createLmdbLockStores } from '../../../server/lock/lmdb-lock-store.js';
import { LockDirectory } from '../../../server/lock/lock-directory.js';
import type { FileClaim, FileHold, LockManager } from '../../../server/lock/lock-manager.js';
import { createMemoryLockStore } from '../../../server/lock/memory-lock-store.js';
import { identifyProcess, type ProcessIdentity } from '../../../server/lock/process-identity.js';
import { makeRfa } from '../../../shared/record/rfa.js';
import { errorOf, LONG, NOW, UPDATE } from '../../conformance/lock.js';
import { LockChild } from './child-process.js';

const ALONE: FileClaim = { mode: 'update', share: 'exclusive' };
const READ: FileClaim = { mode: 'input', share: 'all' };
const slot = (at: number) => makeRfa(1, at);

/** A directory, our own manager over it, and children that end with the test. */
class Scene {
  readonly directory: string;
  readonly manager: LockManager;
  readonly #children: LockChild[] = [];

  constructor(t: Test, identity?: ProcessIdentity) {
    this.directory = mkdtempSync(join(tmpdir(), 'rsynd-lock-'));
    const stores = createLmdbLockStores();
    this.manager = createLockManager({ ...stores, ...(identity && { identity }) });
    t.teardown(async () => {
      for (const child of this.#children) child.kill();
      await this.manager.close();
      chmodSync(this.directory, 0o700);
      rmSync(this.directory, { recursive: true });
    });
  }

  child(): LockChild {
    const child = new LockChild();
    this.#children.push(child);
    return child;
  }

  path(file: string): string {
    return join(this.directory, file);
  }

  async open(file: string, claim = UPDATE, id = 1): Promise<FileHold> {
    return this.manager.claim(this.path(file), { id, label: 'parent' }, claim);
  }

  async childWith(...files: string[]): Promise<LockChild> {
    const child = this.child();
    for (const file of files) {
      await child.ask({ do: 'open', path: this.path(file), owner: 1, claim: UPDATE });
    }
    return child;
  }

  lockFiles(): string[] {
    return readdirSync(this.directory).filter((name) => name.startsWith('.rsynd-locks-'));
  }
}

t.test('locks and claims of a killed process go to those who wait for them', async (t) => {
  const scene = new Scene(t);
  const hold = await scene.open('x.ism');
  const [holder, doomed, next] = await Promise.all([
    scene.childWith('x.ism'),
    scene.childWith('x.ism'),
    scene.childWith('x.ism'),
  ]);
  await holder.ask({ do: 'lock', hold: 0, slot: 1, waitMs: 0 });
  await holder.ask({ do: 'open', path: scene.path('y.ism'), owner: 1, claim: ALONE });
  const inUse = await errorOf(() => scene.open('y.ism'));
  t.match(inUse.message, `child1 (process ${holder.pid})`);
  t.match((await errorOf(() => hold.lock(slot(1), NOW))).message, `(process ${holder.pid})`);

  void doomed.ask({ do: 'lock', hold: 0, slot: 1, waitMs: 60_000 });
  const queued = async (count: number): Promise<void> => {
    while ((await waitersIn(scene)) < count) await new Promise((next) => setTimeout(next, 1));
  };
  await queued(1);
  const ours = hold.lock(slot(1), LONG);
  const theirs = next.ask({ do: 'lock', hold: 0, slot: 1, waitMs: 60_000 });
  await queued(3);
  doomed.kill();
  holder.kill();
  await ours;
  t.ok(hold.isLocked(slot(1)), 'the dead waiter was passed over');
  await scene.open('y.ism', ALONE);
  await hold.release();
  t.equal(await theirs, 'locked');
});

/** How many wait for a record, as the table says. */
function waitersIn(scene: Scene): number {
  const store = createLmdbLockStores().storeFor(scene.directory);
  const count = store.transact((table) => table.range(Buffer.from('W')).length);
  return Number(count);
}

t.test('three processes get a record in the order they asked for it', async (t) => {
  const scene = new Scene(t);
  const hold = await scene.open('x.ism');
  const children = await Promise.all([1, 2, 3].map(() => scene.childWith('x.ism')));
  await hold.lock(slot(1), NOW);
  const order: string[] = [];
  const turns: Promise<void>[] = [];
  const take = async (name: string, child: LockChild): Promise<void> => {
    await child.ask({ do: 'lock', hold: 0, slot: 1, waitMs: 60_000 });
    order.push(name);
    await child.ask({ do: 'unlock', hold: 0, slot: 1 });
  };
  for (const [at, child] of children.entries()) {
    turns.push(take(`child ${at}`, child));
    while (waitersIn(scene) <= at) await new Promise((next) => setTimeout(next, 1));
  }
  await hold.unlock(slot(1));
  await hold.lock(slot(1), LONG);
  order.push('parent');
  await Promise.all(turns);
  t.strictSame(order, ['child 0', 'child 1', 'child 2', 'parent']);
});

t.test('two processes in a circle over two files: one is told at once', async (t) => {
  const scene = new Scene(t);
  const child = await scene.childWith('x.ism', 'y.ism');
  const [x, y] = [await scene.open('x.ism'), await scene.open('y.ism')];
  await x.lock(slot(1), NOW);
  await child.ask({ do: 'lock', hold: 1, slot: 2, waitMs: 0 });
  const theirs = child.askInFull({ do: 'lock', hold: 0, slot: 1, waitMs: 60_000 });
  while (waitersIn(scene) < 1) await new Promise((next) => setTimeout(next, 1));
  const error = await errorOf(() => y.lock(slot(2), LONG));
  t.equal(error.code, 'ERR_DEADLOCK');
  t.match(error.message, `of y.ism, held by child1 (process ${child.pid}), who waits for`);
  await x.unlock(slot(1));
  t.equal((await theirs).answer, 'locked');
});

t.test('processes killed in the middle of locking leave a table that works', async (t) => {
  const scene = new Scene(t);
  const hold = await scene.open('x.ism');
  for (let round = 0; round < 3; round++) {
    const children = await Promise.all([1, 2].map(() => scene.childWith('x.ism')));
    for (const child of children) t.equal(await child.ask({ do: 'storm', hold: 0 }), 'storming');
    for (let at = 0; at < 500; at++) {
      await hold.lock(slot(at % 7), NOW);
      await hold.unlock(slot(at % 7));
    }
    for (const child of children) child.kill();
    for (const { pid } of children) {
      for (let at = 0; at < 200; at++) await hold.lock(makeRfa(pid, at), LONG);
      for (let at = 0; at < 200; at++) await hold.unlock(makeRfa(pid, at));
    }
    // A claim does not wait: it would find a process that is being killed but not yet dead.
    await Promise.all(children.map(({ gone }) => gone));
  }
  await hold.release();
  await scene.open('x.ism', ALONE);
  t.equal((await scene.manager.list()).length, 1);
});

t.test('a pid that is in use again does not keep the locks of the dead one', async (t) => {
  const real = identifyProcess();
  const [pid, start, namespace] = real.self.split('.');
  const earlier = { ...real, self: `${pid}.${Number(start) - 1}.${namespace}.x` };
  const scene = new Scene(t);
  const before = createLockManager({ ...createLmdbLockStores(), identity: earlier });
  await before.claim(scene.path('x.ism'), { id: 1, label: 'earlier' }, ALONE);
  await scene.open('x.ism', ALONE);
  await before.close();
});

t.test('another container lives as long as it gives signs of life', async (t) => {
  const real = identifyProcess();
  const elsewhere = { ...real, self: '1.1.999.x' };
  const silent = { ...elsewhere, sharedClockMs: () => Math.max(0, real.sharedClockMs() - 60_000) };
  const scene = new Scene(t, { ...real, sharedClockMs: () => real.sharedClockMs() });
  const there = createLockManager({ ...createLmdbLockStores(), identity: elsewhere });
  await there.claim(scene.path('x.ism'), { id: 1, label: 'there' }, ALONE);
  t.equal((await errorOf(() => scene.open('x.ism'))).code, 'ERR_FINUSE');
  const gone = createLockManager({ ...createLmdbLockStores(), identity: silent });
  await gone.claim(scene.path('y.ism'), { id: 1, label: 'gone' }, ALONE);
  await scene.open('y.ism', ALONE);
  await there.close();
  await gone.close();
});

t.test('a process that was taken for dead finds its holds lost', async (t) => {
  const identity = identifyProcess();
  const options = { store: createMemoryLockStore(), identity, nowMs: Date.now, waitsOf: () => [] };
  const directory = new LockDirectory(options);
  let lost = 0;
  let released = 0;
  const hold = { release: () => void released++, lose: () => void lost++ };
  directory.holds.add({ ...hold, isHalfReleased: true });
  await directory.touch();
  t.equal(lost, 1, 'there was no row of ours any more');
  t.equal(released, 0);
  await directory.touch();
  t.equal(lost, 1);
  t.equal(released, 1, 'what could not be freed is tried again');
});

t.test('lock files of earlier boots are removed, those of other machines are not', async (t) => {
  const scene = new Scene(t);
  const names = ['.rsynd-locks-old', '.rsynd-locks-old-lock', '.rsynd-locks-other', 'orders.ism'];
  for (const name of names) writeFileSync(scene.path(name), 'x');
  for (const name of names.slice(0, 2)) utimesSync(scene.path(name), 1, 1);
  await scene.open('x.ism');
  t.notOk(existsSync(scene.path('.rsynd-locks-old')));
  t.notOk(existsSync(scene.path('.rsynd-locks-old-lock')));
  t.ok(existsSync(scene.path('.rsynd-locks-other')), 'written since this machine started');
  t.ok(existsSync(scene.path('orders.ism')));
});

t.test('the lock file is for those who may write in its directory, and has its room', async (t) => {
  for (const [directory, file] of [
    [0o700, 0o600],
    [0o775, 0o660],
    [0o2770, 0o660],
    [0o777, 0o666],
  ] as const) {
    const scene = new Scene(t);
    chmodSync(scene.directory, directory);
    await scene.open('x.ism');
    const files = scene.lockFiles();
    t.equal(files.length, 2);
    for (const name of files) t.equal(statSync(scene.path(name)).mode & 0o777, file);
    const [table] = files.filter((name) => !name.endsWith('-lock'));
    t.ok(statSync(scene.path(table ?? '')).blocks * 512 >= 1024 * 1024, 'taken from the disk');
  }
});

t.test('a directory that cannot be written to is open for input only', async (t) => {
  const scene = new Scene(t);
  chmodSync(scene.directory, 0o555);
  const child = scene.child();
  await child.ask({ do: 'becomeNobody' });
  const open = { do: 'open', path: scene.path('x.ism'), owner: 1 } as const;
  t.equal(await child.ask({ ...open, claim: READ }), 0);
  const refused = await child.askInFull({ ...open, claim: UPDATE });
  t.equal(refused.answer, 'ERR_OUTRDO');
  t.match(refused.text, 'is not writable');
  await child.ask({ ...open, claim: { mode: 'input', share: 'exclusive' } }).then((answer) => {
    t.equal(answer, 'ERR_FINUSE', 'claims hold inside the process');
  });
  t.strictSame(scene.lockFiles(), []);
  chmodSync(scene.directory, 0o777);
  t.equal(await child.ask({ ...open, claim: UPDATE }), 1, 'writable again: no restart needed');
});

t.test('a directory put in the place of another has locks of its own', async (t) => {
  const scene = new Scene(t);
  const old = await scene.open('data/x.ism').catch(() => undefined);
  t.equal(old, undefined);
  mkdirSync(scene.path('data'));
  const before = await scene.open('data/x.ism', ALONE);
  renameSync(scene.path('data'), scene.path('data.old'));
  mkdirSync(scene.path('data'));
  const after = await scene.open('data/x.ism', ALONE);
  const child = scene.child();
  const open = { do: 'open', owner: 1, claim: UPDATE } as const;
  t.equal(await child.ask({ ...open, path: scene.path('data/x.ism') }), 'ERR_FINUSE');
  t.equal(await child.ask({ ...open, path: scene.path('data.old/x.ism') }), 'ERR_FINUSE');
  await before.release();
  t.equal(await child.ask({ ...open, path: scene.path('data.old/x.ism') }), 0);
  await after.release();
  t.equal(await child.ask({ ...open, path: scene.path('data/x.ism') }), 1);
});
