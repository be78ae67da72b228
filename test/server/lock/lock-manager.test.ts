// The conformance suite of locks on every store, and random operations against a naive model.

import fc from 'fast-check';
import t, { type Test } from 'tap';
import { createLmdbLockStores } from '../../../server/lock/lmdb-lock-store.js';
import type { FileHold } from '../../../server/lock/lock-manager.js';
import { createMemoryLockStores } from '../../../server/lock/memory-lock-store.js';
import { isRsyndError } from '../../../shared/base/error.js';
import { locksFreedPerStep } from '../../../shared/base/limits.js';
import type { OpenMode, ShareMode } from '../../../shared/protocol/message.js';
import { makeRfa } from '../../../shared/record/rfa.js';
import {
  errorOf,
  type LockWorld,
  lockConformance,
  type PlayedProcess,
  PlayedProcesses,
  rfa,
} from '../../conformance/lock.js';

const memoryWorld = (later: boolean) => (): LockWorld => {
  const stores = createMemoryLockStores({ later });
  return { directory: '/data', openStores: () => stores };
};

const lmdbWorld = (t: Test): LockWorld => ({
  directory: t.testdir(),
  openStores: () => createLmdbLockStores(),
});

lockConformance(t, 'memory', memoryWorld(false));
lockConformance(t, 'memory, answering later', memoryWorld(true));
lockConformance(t, 'lmdb', lmdbWorld);

t.test('others have their turns while a channel with many locks is closed', async (t) => {
  const processes = new PlayedProcesses(lmdbWorld(t));
  const { open } = processes.start();
  const holder = await open('a.ism', 'many');
  const other = await open('a.ism', 'other');
  const records = Array.from({ length: 8 * locksFreedPerStep }, (_, n) => makeRfa(n >> 7, n & 127));
  for (const record of records) await holder.lock(record, { waitMs: 0 });
  let turns = 0;
  const count = (): void => {
    turns++;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  const released = holder.release();
  t.not(holder.isLocked(makeRfa(0, 1)), 'it has none from the first turn on');
  await Promise.all([released, holder.release()]);
  clearImmediate(immediate);
  t.ok(turns >= 2, `${turns} turns`);
  for (const record of records) await other.lock(record, { waitMs: 0 });
  await processes.end();
});

t.test('a step that throws leaves nothing behind', async (t) => {
  for (const world of [memoryWorld(false)(), memoryWorld(true)(), lmdbWorld(t)]) {
    const store = world.openStores().storeFor(world.directory);
    const [a, b] = [Buffer.from('a'), Buffer.from('b')];
    await store.transact((table) => table.put(a, b));
    const failing = async (): Promise<void> =>
      store.transact((table) => {
        table.put(b, b);
        table.remove(a);
        throw new TypeError('on purpose');
      });
    await t.rejects(failing(), { name: 'TypeError', message: 'on purpose' });
    await store.transact((table) => {
      t.strictSame(table.range(Buffer.alloc(0)), [{ key: a, value: b }]);
    });
    await store.close();
  }
});

// --- Random operations -------------------------------------------------------------------------------

/** What the manager should do, said as plainly as possible. */
class NaiveLocks {
  /** hold → session, file, mode, share */
  readonly holds = new Map<number, ModelHold>();
  /** `file slot` → hold, then those that wait for it */
  readonly queues = new Map<string, number[]>();

  canOpen(file: string, mode: OpenMode, share: ShareMode): boolean {
    const alone = (h: { mode: OpenMode; share: ShareMode }): boolean =>
      h.mode === 'output' || h.mode === 'append' || h.share === 'exclusive';
    return [...this.holds.values()].every((other) => {
      if (other.file !== file) return true;
      if (alone(other) || alone({ mode, share })) return false;
      if (share === 'read' && other.mode !== 'input') return false;
      return !(other.share === 'read' && mode !== 'input');
    });
  }

  waitsOf(session: number): string[] {
    return [...this.queues]
      .filter(([, queue]) => queue.slice(1).some((hold) => this.session(hold) === session))
      .map(([record]) => record);
  }

  session = (hold: number | undefined): number => this.holds.get(hold ?? -1)?.session ?? -1;

  /** Would `session`, waiting for `record`, wait for itself by way of others? */
  closesCircle(session: number, record: string): boolean {
    const seen = new Set<number>();
    const reaches = (via: string): boolean => {
      const holder = this.session(this.queues.get(via)?.[0]);
      if (holder === session) return via !== record;
      if (seen.has(holder)) return false;
      seen.add(holder);
      return this.waitsOf(holder).some(reaches);
    };
    return reaches(record);
  }

  leave(record: string, hold: number): void {
    const left = (this.queues.get(record) ?? []).filter((other) => other !== hold);
    if (left.length === 0) this.queues.delete(record);
    else this.queues.set(record, left);
  }

  remove(hold: number): void {
    this.holds.delete(hold);
    for (const record of [...this.queues.keys()]) this.leave(record, hold);
  }
}

interface ModelHold {
  readonly session: number;
  readonly file: string;
  readonly mode: OpenMode;
  readonly share: ShareMode;
}

/** A wait of the real manager, and how it ended. */
interface RealWait {
  readonly hold: number;
  readonly record: string;
  readonly ended: Promise<string>;
}

type Operation =
  | { do: 'open'; session: number; file: string; mode: OpenMode; share: ShareMode }
  | { do: 'lock'; hold: number; slot: number; wait: boolean }
  | { do: 'unlock'; hold: number; slot: number }
  | { do: 'release'; hold: number }
  | { do: 'kill'; process: number };

const SESSIONS_PER_PROCESS = 3;
const number = (max: number) => fc.integer({ min: 0, max });
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('open' as const),
        session: number(2 * SESSIONS_PER_PROCESS - 1),
        file: fc.constantFrom('x.ism', 'y.ism'),
        mode: fc.constantFrom<OpenMode>('update', 'update', 'update', 'update', 'input', 'append'),
        share: fc.constantFrom<ShareMode>('all', 'all', 'all', 'all', 'read', 'exclusive'),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant('lock' as const),
        hold: number(20),
        slot: number(1),
        wait: fc.boolean(),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('unlock' as const),
        hold: number(20),
        slot: number(2),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), hold: number(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), process: number(1) }) },
  ),
  { minLength: 20, maxLength: 60 },
);

/** Everybody has a file open to begin with, so that there is something to quarrel about. */
const opening: readonly Operation[] = [0, 1, 2, 3, 4, 5].flatMap((session) =>
  ['x.ism', 'y.ism'].map((file) => ({ do: 'open', session, file, mode: 'update', share: 'all' })),
);

/** Carries out each operation on both, and compares what comes of it. */
class Comparison {
  readonly #model = new NaiveLocks();
  readonly #real = new Map<number, FileHold>();
  readonly #processes: PlayedProcesses;
  readonly #players: PlayedProcess[];
  #waits: RealWait[] = [];
  #lastHold = 0;

  constructor(world: LockWorld) {
    this.#processes = new PlayedProcesses(world);
    this.#players = [this.#processes.start(), this.#processes.start()];
  }

  async run(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) {
      await this.#apply(operation);
      await this.#settle();
    }
    await this.#compareLists();
    await this.#processes.end();
  }

  #apply(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'open':
        return this.#open(operation);
      case 'lock':
        return this.#lock(operation);
      case 'unlock':
        return this.#unlock(operation);
      case 'release':
        return this.#release(this.#pick(operation.hold));
      case 'kill':
        return this.#kill(operation.process);
    }
  }

  async #open({ session, file, mode, share }: Operation & { do: 'open' }): Promise<void> {
    const expected = this.#model.canOpen(file, mode, share) ? 'done' : 'ERR_FINUSE';
    const player = this.#players[session < SESSIONS_PER_PROCESS ? 0 : 1];
    const owner = { id: session, label: `s${session}` };
    const hold = ++this.#lastHold;
    const got = await outcome(async () => {
      const opened = await player?.openAs(file, owner, { mode, share });
      if (opened !== undefined) this.#real.set(hold, opened);
    });
    same(got, expected, `open ${file} ${mode} ${share}`);
    if (got === 'done') this.#model.holds.set(hold, { session, file, mode, share });
  }

  async #lock({ hold: at, slot, wait }: Operation & { do: 'lock' }): Promise<void> {
    const hold = this.#pick(at);
    const { session, file } = this.#model.holds.get(hold) ?? {};
    if (session === undefined || this.#model.waitsOf(session).length > 0) return;
    const record = `${file} ${slot}`;
    const queue = this.#model.queues.get(record) ?? [];
    const call = outcome(() =>
      this.#real.get(hold)?.lock(rfa(slot), { waitMs: wait ? 60_000 : 0 }),
    );
    if (queue.length === 0 || queue[0] === hold) {
      same(await call, 'done', `lock ${record}`);
      if (queue.length === 0) this.#model.queues.set(record, [hold]);
    } else if (!wait) same(await call, 'ERR_LOCKED', `lock ${record} now`);
    else if (this.#model.closesCircle(session, record)) {
      same(await call, 'ERR_DEADLOCK', `lock ${record}`);
    } else {
      this.#model.queues.set(record, [...queue, hold]);
      this.#waits.push({ hold, record, ended: call });
    }
  }

  async #unlock({ hold: at, slot }: Operation & { do: 'unlock' }): Promise<void> {
    const hold = this.#pick(at);
    const record = `${this.#model.holds.get(hold)?.file} ${slot}`;
    await this.#real.get(hold)?.unlock(rfa(slot));
    if (this.#model.queues.get(record)?.[0] === hold) this.#model.leave(record, hold);
  }

  async #release(hold: number): Promise<void> {
    await this.#real.get(hold)?.release();
    this.#forget(hold);
  }

  /** Its own calls end as they like; the others must go on as if it had released all. */
  async #kill(process: number): Promise<void> {
    this.#players[process]?.kill();
    this.#players[process] = this.#processes.start();
    const isIts = (session: number): boolean => session < SESSIONS_PER_PROCESS === (process === 0);
    for (const [hold, { session }] of [...this.#model.holds]) {
      if (isIts(session)) this.#forget(hold);
    }
  }

  #forget(hold: number): void {
    this.#model.remove(hold);
    this.#real.delete(hold);
    this.#waits = this.#waits.filter((wait) => wait.hold !== hold);
  }

  /** Whom the model lets through must come through; the others must still wait. */
  async #settle(): Promise<void> {
    const still: RealWait[] = [];
    for (const wait of this.#waits) {
      if (this.#model.queues.get(wait.record)?.[0] === wait.hold) {
        same(await wait.ended, 'done', `wait for ${wait.record}`);
      } else still.push(wait);
    }
    this.#waits = still;
    for (const { ended, record } of still) {
      same(await Promise.race([ended, 'waiting']), 'waiting', `wait for ${record}`);
    }
    for (const [hold, real] of this.#real) {
      const file = this.#model.holds.get(hold)?.file;
      for (const slot of [0, 1, 2]) {
        const expected = this.#model.queues.get(`${file} ${slot}`)?.[0] === hold;
        same(`${real.isLocked(rfa(slot))}`, `${expected}`, `isLocked ${hold} ${file} ${slot}`);
      }
    }
  }

  async #compareLists(): Promise<void> {
    const expected = [...this.#model.holds].map(([hold, { session, file, mode }]) => {
      const slots = [0, 1, 2].filter(
        (slot) => this.#model.queues.get(`${file} ${slot}`)?.[0] === hold,
      );
      return `${file} s${session} ${mode} ${slots}`;
    });
    const rows = (await this.#players[0]?.manager.list()) ?? [];
    const got = rows.map(({ path, owner, claim, records }) => {
      return `${path.slice(-5)} ${owner} ${claim.mode} ${records.map((found) => found[5])}`;
    });
    // A manager that has opened nothing here yet has nothing to tell of.
    if (rows.length > 0) same(got.sort().join('\n'), expected.sort().join('\n'), 'list');
  }

  #pick(at: number): number {
    const holds = [...this.#model.holds.keys()];
    return holds[at % Math.max(1, holds.length)] ?? -1;
  }
}

const outcome = async (call: () => unknown): Promise<string> => {
  try {
    await call();
    return 'done';
  } catch (error) {
    if (isRsyndError(error)) return error.code;
    throw error;
  }
};

function same(got: string, expected: string, what: string): void {
  if (got !== expected) throw new Error(`${what}: expected ${expected}, got ${got}`);
}

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const worlds: readonly (readonly [string, (t: Test) => LockWorld, number])[] = [
  ['memory', memoryWorld(false), 100],
  ['memory, answering later', memoryWorld(true), 40],
  ['lmdb', (t) => lmdbWorld(t), 40],
];
for (const [name, makeWorld, numRuns] of worlds) {
  t.test(`${name}: random operations do what the naive model does (seed ${seed})`, async (t) => {
    let run = 0;
    const property = fc.asyncProperty(operations, async (operations) => {
      run += 1;
      const { directory, openStores } = makeWorld(t);
      const world = { directory, openStores };
      await new Comparison(world).run([...opening, ...operations]);
    });
    await fc.assert(property, { seed, numRuns, endOnFailure: true });
    t.ok(run >= numRuns);
  });
}

t.test('claims are only taken for absolute paths, by a manager that is open', async (t) => {
  const processes = new PlayedProcesses({ ...memoryWorld(false)(), directory: 'relative' });
  const player = processes.start();
  await t.rejects(player.open('x.ism', 'ann'), { name: 'TypeError' });
  await processes.end();
  await t.rejects(player.open('x.ism', 'ann'), { name: 'TypeError' });
  const missing = { directory: `${t.testdir()}/no`, openStores: () => createLmdbLockStores() };
  const error = await errorOf(() => new PlayedProcesses(missing).start().open('x.ism', 'ann'));
  t.equal(error.code, 'ERR_FNF');
});
