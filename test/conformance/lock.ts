// What every lock store must make the lock manager do: one suite, run on each of them. Several managers
// over one directory play several processes; `kill` makes the others believe that one is dead.

import { setMaxListeners } from 'node:events';
import type { Test } from 'tap';
import { createLockManager } from '../../server/lock/create-lock-manager.js';
import type { FileClaim, FileHold, LockManager } from '../../server/lock/lock-manager.js';
import type { LockStores } from '../../server/lock/lock-store.js';
import type { ProcessIdentity } from '../../server/lock/process-identity.js';
import { isRsyndError, type RsyndError } from '../../shared/base/error.js';
import { locksPerChannelMax, waitersPerRecordMax } from '../../shared/base/limits.js';
import type { OpenMode, ShareMode } from '../../shared/protocol/message.js';
import { makeRfa, type Rfa } from '../../shared/record/rfa.js';

/** A fresh directory, and stores over it as a process opens them: once per process played. */
export interface LockWorld {
  readonly directory: string;
  openStores(): LockStores;
}

/** Managers that believe to be processes of their own. */
export class PlayedProcesses {
  readonly #world: LockWorld;
  readonly #dead = new Set<string>();
  readonly #managers: LockManager[] = [];
  #lastPid = 100;
  #lastOwner = 0;

  constructor(world: LockWorld) {
    this.#world = world;
  }

  /** A process that takes part. */
  start(): PlayedProcess {
    this.#lastPid += 1;
    const pid = this.#lastPid;
    const identity: ProcessIdentity = {
      self: `${pid}.1.1.1`,
      sharedClockMs: () => 0,
      isAlive: (process) => !this.#dead.has(process),
    };
    const manager = createLockManager({ ...this.#world.openStores(), identity });
    this.#managers.push(manager);
    return {
      pid,
      manager,
      kill: () => void this.#dead.add(identity.self),
      open: async (file, label, claim = UPDATE) => {
        this.#lastOwner += 1;
        const owner = { id: this.#lastOwner, label };
        return manager.claim(`${this.#world.directory}/${file}`, owner, claim);
      },
      openAs: async (file, owner, claim = UPDATE) =>
        manager.claim(`${this.#world.directory}/${file}`, owner, claim),
    };
  }

  async end(): Promise<void> {
    for (const manager of this.#managers) await manager.close();
  }
}

export interface PlayedProcess {
  readonly pid: number;
  readonly manager: LockManager;
  kill(): void;
  /** A hold of a session of its own. */
  open(file: string, label: string, claim?: FileClaim): Promise<FileHold>;
  openAs(file: string, owner: { id: number; label: string }, claim?: FileClaim): Promise<FileHold>;
}

export const UPDATE: FileClaim = { mode: 'update', share: 'all' };
export const NOW = { waitMs: 0 };
export const LONG = { waitMs: 60_000 };
export const rfa = (slot: number): Rfa => makeRfa(7, slot);

/** The error a call ends with, thrown or rejected. */
export async function errorOf(call: () => unknown): Promise<RsyndError> {
  try {
    await call();
  } catch (error) {
    if (isRsyndError(error)) return error;
    throw error;
  }
  throw new Error('expected an error');
}

const isOpen = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => false).catch(() => false), later().then(() => true)]);

/** Enough turns for a store that answers later to have carried out the calls made so far. */
async function later(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next));
}

/** Runs the whole suite on one kind of store. */
export function lockConformance(t: Test, name: string, makeWorld: (t: Test) => LockWorld): void {
  const check = (story: string, play: (t: Test, processes: PlayedProcesses) => Promise<void>) =>
    t.test(`${name}: ${story}`, async (t) => {
      const processes = new PlayedProcesses(makeWorld(t));
      try {
        await play(t, processes);
      } finally {
        await processes.end();
      }
    });
  checkClaims(check);
  checkLocks(check);
  checkQueue(check);
  checkDeadlocks(check);
  checkDeath(check);
}

type Check = (
  story: string,
  play: (t: Test, processes: PlayedProcesses) => Promise<void>,
) => unknown;

const MODES: readonly OpenMode[] = ['input', 'update', 'output', 'append'];
const SHARES: readonly ShareMode[] = ['exclusive', 'read', 'all'];
/** All pairs that may be open together; every other pair conflicts. */
const TOGETHER = new Set([
  'input read + input read',
  'input read + input all',
  'input all + input all',
  'input all + update read',
  'input all + update all',
  'update all + update all',
]);

function checkClaims(check: Check): void {
  check('lets two opens be together exactly as the share modes say, both ways', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const claims = MODES.flatMap((mode) => SHARES.map((share) => ({ mode, share })));
    for (const one of claims) {
      const first = await a.open('m.ism', 'ann', one);
      for (const other of claims) {
        const [x, y] = [`${one.mode} ${one.share}`, `${other.mode} ${other.share}`];
        const together = TOGETHER.has(`${x} + ${y}`) || TOGETHER.has(`${y} + ${x}`);
        if (together) await (await b.open('m.ism', 'bob', other)).release();
        else t.equal((await errorOf(() => b.open('m.ism', 'bob', other))).code, 'ERR_FINUSE');
      }
      await first.release();
    }
  });

  check('names who has the file, and frees it on release', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const hold = await a.open('x.ism', 'ann@desk', { mode: 'append', share: 'all' });
    const error = await errorOf(() => b.open('x.ism', 'bob', UPDATE));
    t.equal(error.errno, 38);
    t.match(error.message, `x.ism is open by ann@desk (process ${a.pid}) in append mode`);
    t.match(error.message, 'share exclusive');
    await b.open('other.ism', 'bob', { mode: 'output', share: 'all' });
    await hold.release();
    await hold.release();
    await b.open('x.ism', 'bob', UPDATE);
  });

  check('counts a second open of the same session like any other', async (t, ps) => {
    const a = ps.start();
    const owner = { id: 1, label: 'ann' };
    await a.openAs('x.ism', owner, { mode: 'update', share: 'read' });
    const error = await errorOf(() => a.openAs('x.ism', owner, UPDATE));
    t.equal(error.code, 'ERR_FINUSE');
  });

  check('lists the holds and locks of all processes', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const ann = await a.open('x.ism', 'ann');
    await b.open('y.ism', 'bob', { mode: 'input', share: 'read' });
    await ann.lock(rfa(1), NOW);
    await ann.lock(rfa(2), NOW);
    const rows = (await b.manager.list()).map(({ path, ...row }) => [path.slice(-5), row]);
    t.strictSame(rows, [
      ['x.ism', { owner: 'ann', pid: a.pid, claim: UPDATE, records: [rfa(1), rfa(2)] }],
      ['y.ism', { owner: 'bob', pid: b.pid, claim: { mode: 'input', share: 'read' }, records: [] }],
    ]);
  });
}

function checkLocks(check: Check): void {
  check('gives a record to one hold at a time, whoever the others are', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const owner = { id: 900, label: 'ann@desk' };
    const [one, two] = [await a.openAs('x.ism', owner), await a.openAs('x.ism', owner)];
    const far = await b.open('x.ism', 'bob');
    await one.lock(rfa(1), NOW);
    await one.lock(rfa(1), NOW);
    t.ok(one.isLocked(rfa(1)));
    t.notOk(two.isLocked(rfa(1)));
    t.match(
      (await errorOf(() => two.lock(rfa(1), NOW))).message,
      'another channel of this session',
    );
    const error = await errorOf(() => far.lock(rfa(1), NOW));
    t.equal(error.errno, 40);
    t.match(error.message, `of x.ism is held by ann@desk (process ${a.pid}) since 20`);
    await far.lock(rfa(2), NOW);
    await two.unlock(rfa(1));
    t.ok(one.isLocked(rfa(1)), 'unlocking what is not held does nothing');
    await one.unlock(rfa(1));
    await far.lock(rfa(1), NOW);
    await one.release();
    t.equal((await errorOf(() => one.lock(rfa(1), NOW))).code, 'ERR_NOOPEN');
  });

  check('keeps records of different files and addresses apart', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const addresses = [makeRfa(0, 0), makeRfa(0, 255), makeRfa(2 ** 40 - 1, 255), makeRfa(10, 0)];
    for (const [at, file] of ['x', 'x.ism', 'x.ism2', 'é'.repeat(100)].entries()) {
      const hold = await (at % 2 === 0 ? a : b).open(file, 'ann');
      for (const address of addresses) await hold.lock(address, NOW);
      for (const address of addresses) t.ok(hold.isLocked(address));
    }
    t.equal((await a.manager.list()).length, 4);
  });

  check('gives a channel so many locks and no more', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const [hold, other] = [await a.open('x.ism', 'ann'), await b.open('x.ism', 'bob')];
    for (let block = 0; block < locksPerChannelMax; block++) {
      const locked = hold.lock(makeRfa(block, 1), NOW);
      if (locked instanceof Promise && block % 100 === 99) await locked;
    }
    const error = await errorOf(() => hold.lock(rfa(2), NOW));
    t.equal(error.code, 'ERR_SRVRLIMIT');
    await hold.lock(makeRfa(3, 1), NOW);
    await hold.unlock(makeRfa(3, 1));
    await hold.lock(rfa(2), NOW);
    await hold.release();
    await other.lock(rfa(2), NOW);
    t.equal((await b.manager.list())[0]?.records.length, 1, 'release frees every one');
  });
}

function checkQueue(check: Check): void {
  check('serves 20 waiters of two processes in the order they came', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const holder = await a.open('x.ism', 'holder');
    await holder.lock(rfa(1), NOW);
    const order: number[] = [];
    const turns: Promise<void>[] = [];
    for (let at = 0; at < 20; at++) {
      const hold = await (at % 3 === 0 ? b : a).open('x.ism', `w${at}`);
      const wait = async (): Promise<void> => {
        await hold.lock(rfa(1), LONG);
        order.push(at);
        if (at === 5) await hold.release();
        else await hold.unlock(rfa(1));
      };
      turns.push(wait());
      await later(); // A store that answers later has put it into the queue by then.
    }
    await holder.unlock(rfa(1));
    t.equal((await errorOf(() => holder.lock(rfa(1), NOW))).code, 'ERR_LOCKED', 'no barging');
    await Promise.all(turns);
    t.strictSame(order, [...Array(20).keys()]);
  });

  check('ends a wait at its deadline, and the queue goes on without it', async (t, ps) => {
    const a = ps.start();
    const [one, two, three] = await Promise.all(['a', 'b', 'c'].map((n) => a.open('x.ism', n)));
    if (!one || !two || !three) throw new Error('three holds');
    await one.lock(rfa(1), NOW);
    const short = errorOf(() => two.lock(rfa(1), { waitMs: 30 }));
    const long = three.lock(rfa(1), LONG);
    const error = await short;
    t.equal(error.code, 'ERR_LOCKED');
    t.match(error.message, 'waited 30 ms');
    t.notOk(two.isLocked(rfa(1)));
    await one.unlock(rfa(1));
    await long;
    t.ok(three.isLocked(rfa(1)));
  });

  check('leaves the queue when its signal is aborted, before or while it waits', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const [one, two] = [await a.open('x.ism', 'ann'), await b.open('x.ism', 'bob')];
    await one.lock(rfa(1), NOW);
    const gone = { waitMs: 60_000, signal: AbortSignal.abort() };
    t.equal((await errorOf(() => two.lock(rfa(1), gone))).code, 'ERR_ABORTED');
    const aborter = new AbortController();
    const waiting = errorOf(() => two.lock(rfa(1), { ...LONG, signal: aborter.signal }));
    await later();
    aborter.abort();
    t.equal((await waiting).code, 'ERR_ABORTED');
    await one.unlock(rfa(1));
    await one.lock(rfa(1), NOW);
  });

  check(
    'gives waiters their record, or turns them away, when a hold is released',
    async (t, ps) => {
      const a = ps.start();
      const [one, two, three] = await Promise.all(['a', 'b', 'c'].map((n) => a.open('x.ism', n)));
      if (!one || !two || !three) throw new Error('three holds');
      await one.lock(rfa(1), NOW);
      const second = errorOf(() => two.lock(rfa(1), LONG));
      const third = Promise.resolve(three.lock(rfa(1), LONG));
      const again = Promise.resolve(three.lock(rfa(1), LONG));
      await later();
      await two.release();
      t.equal((await second).code, 'ERR_ABORTED');
      t.ok(await isOpen(third));
      await one.release();
      await Promise.all([third, again]);
      await three.unlock(rfa(1));
      await (await a.open('x.ism', 'd')).lock(rfa(1), NOW);
    },
  );

  check('lets so many wait for a record and no more', async (t, ps) => {
    const a = ps.start();
    const holder = await a.open('x.ism', 'holder');
    await holder.lock(rfa(1), NOW);
    const waits: Promise<unknown>[] = [];
    const aborter = new AbortController();
    setMaxListeners(0, aborter.signal);
    const wait = { waitMs: 60_000, signal: aborter.signal };
    for (let at = 0; at < waitersPerRecordMax; at++) {
      const hold = await a.open('x.ism', `w${at}`, { mode: 'update', share: 'all' });
      waits.push(errorOf(() => hold.lock(rfa(1), wait)));
    }
    const late = await a.open('x.ism', 'late');
    t.match((await errorOf(() => late.lock(rfa(1), wait))).message, 'others wait for record');
    aborter.abort();
    await Promise.all(waits);
    await holder.unlock(rfa(1));
    await late.lock(rfa(1), NOW);
  });
}

function checkDeadlocks(check: Check): void {
  check('answers a circle of two sessions over two files, naming both sides', async (t, ps) => {
    const [a, b] = [ps.start(), ps.start()];
    const ann = { id: 1, label: 'ann@desk' };
    const bob = { id: 2, label: 'bob@till' };
    for (const other of [a, b]) {
      const [annX, annY] = [await a.openAs('x.ism', ann), await a.openAs('y.ism', ann)];
      const [bobX, bobY] = [await other.openAs('x.ism', bob), await other.openAs('y.ism', bob)];
      await annX.lock(rfa(1), NOW);
      await bobY.lock(rfa(2), NOW);
      const first = Promise.resolve(annY.lock(rfa(2), LONG));
      await new Promise((next) => setTimeout(next, 2)); // So that it is clear who closes the circle.
      const error = await errorOf(() => bobX.lock(rfa(1), LONG));
      t.equal(error.errno, 535);
      t.match(
        error.message,
        `bob@till (process ${other.pid}) waits for record 000000000701 of x.ism`,
      );
      t.match(error.message, `held by ann@desk (process ${a.pid}), who waits for`);
      t.match(error.message, 'record 000000000702 of y.ism, held by bob@till');
      await bobY.unlock(rfa(2));
      await first;
      for (const hold of [annX, annY, bobX, bobY]) await hold.release();
    }
  });

  check('answers a circle of three sessions in three processes', async (t, ps) => {
    const names = ['ann', 'bob', 'cid'];
    const holds: FileHold[] = [];
    for (const name of names) holds.push(await ps.start().open('x.ism', name));
    for (const [at, hold] of holds.entries()) await hold.lock(rfa(at), NOW);
    const codes: string[] = [];
    const circle = holds.map(async (hold, at) => {
      try {
        await hold.lock(rfa((at + 1) % 3), LONG);
      } catch (error) {
        codes.push(isRsyndError(error) ? error.code : String(error));
      }
      await hold.release();
    });
    await Promise.all(circle);
    t.strictSame(codes, ['ERR_DEADLOCK'], 'one gives way, the others get what they wait for');
  });

  check('does not call a session waiting for its own other channel a deadlock', async (t, ps) => {
    const a = ps.start();
    const owner = { id: 1, label: 'ann' };
    const [one, two] = [await a.openAs('x.ism', owner), await a.openAs('x.ism', owner)];
    await one.lock(rfa(1), NOW);
    await two.lock(rfa(2), NOW);
    const waits = [one.lock(rfa(2), { waitMs: 250 }), two.lock(rfa(1), { waitMs: 250 })];
    const codes = await Promise.all(waits.map((wait) => errorOf(() => wait)));
    t.strictSame(
      codes.map(({ code }) => code),
      ['ERR_LOCKED', 'ERR_LOCKED'],
    );
  });
}

function checkDeath(check: Check): void {
  check('frees what a dead process had when it is in the way', async (t, ps) => {
    const [a, b, c] = [ps.start(), ps.start(), ps.start()];
    const dead = await a.open('x.ism', 'ann');
    const behind = await c.open('x.ism', 'cid');
    const hold = await b.open('x.ism', 'bob');
    await dead.lock(rfa(1), NOW);
    await dead.lock(rfa(2), NOW);
    await a.open('y.ism', 'ann', { mode: 'output', share: 'exclusive' });
    const next = hold.lock(rfa(1), LONG);
    const last = behind.lock(rfa(1), LONG);
    await later();
    a.kill();
    await next;
    t.ok(hold.isLocked(rfa(1)), 'a waiter gets its record');
    await hold.unlock(rfa(1));
    await last;
    await hold.lock(rfa(2), NOW);
    await b.open('y.ism', 'bob');
    t.notOk((await b.manager.list()).some(({ pid }) => pid === a.pid));
  });

  check('passes over waiters that died, and sweeps at the first open', async (t, ps) => {
    const [a, b, c] = [ps.start(), ps.start(), ps.start()];
    const [holder, doomed, next] = await Promise.all([a, b, c].map((p) => p.open('x.ism', 'w')));
    if (!holder || !doomed || !next) throw new Error('three holds');
    await holder.lock(rfa(1), NOW);
    const never = errorOf(() => doomed.lock(rfa(1), { waitMs: 60_000 }));
    await later();
    const waiting = next.lock(rfa(1), LONG);
    await later();
    b.kill();
    await holder.unlock(rfa(1));
    await waiting;
    c.kill();
    const d = ps.start();
    await (await d.open('x.ism', 'new')).lock(rfa(1), NOW);
    t.strictSame((await d.manager.list()).map(({ pid }) => pid).sort(), [a.pid, d.pid]);
    await doomed.release();
    t.equal((await never).code, 'ERR_ABORTED');
  });
}
