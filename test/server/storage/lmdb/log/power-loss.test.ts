// Acknowledged is durable when the power fails: a file is written at random, and at random moments an
// image is made of what a disk could hold (failing-disk.ts). Each image must open with every
// acknowledged record under its RFA, nothing half there, and all indexes in step. Images made while one
// is recovered must open likewise; and so must what a process leaves that is killed, also when the power
// fails while the next opener takes over.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { StoredFile } from '../../../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { CommitLog } from '../../../../../server/storage/lmdb/log/commit-log.js';
import { problemsOf } from '../../../../conformance/storage.js';
import { numberedDraft, type Row, rowSpec } from '../../../../conformance/storage-rows.js';
import { makeRandom } from '../../../../model/random.js';
import { type CrashImage, FailingDisk, putImage } from './failing-disk.js';
import { Ledger, type LedgerSnapshot } from './ledger.js';

const SEED = Number(process.env.RSYND_SEED ?? Date.now() % 1_000_000);
const LIVES = Number(process.env.RSYND_POWER_LIVES ?? 12);
const STEPS = 60;
const IMAGES_PER_LIFE = 14;

const bootId = (run: number): string => `run-${run}`.padEnd(36, '-');

interface Crash {
  readonly image: CrashImage;
  readonly moment: string;
  readonly known: LedgerSnapshot;
}

/** One life of a file, from its making on; gives the crashes it might have had. */
async function live(directory: string, random: (below: number) => number): Promise<Crash[]> {
  const path = join(directory, 'rows.ism');
  const engine = createLmdbEngine({ bootId: bootId(0) });
  await engine.create(path, rowSpec());
  const disk = new FailingDisk(path, random);
  const ledger = new Ledger();
  const crashes: Crash[] = [];
  disk.onMoment = (moment) => {
    if (crashes.length >= IMAGES_PER_LIFE || random(8) > 0) return;
    const isKilled = random(3) === 0;
    const image = isKilled ? disk.killed() : disk.image();
    const name = isKilled ? `killed ${moment}` : moment;
    crashes.push({ image, moment: name, known: ledger.snapshot() });
  };
  const stop = disk.watch();
  try {
    let file = await engine.open(path);
    for (let step = 0; step < STEPS; step++) {
      if (random(25) === 0) {
        await file.close();
        disk.onMoment('closed');
        file = await engine.open(path);
      }
      await takeSteps(file, ledger, random);
      disk.onMoment('between steps');
      if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, random(3)));
    }
    await file.close();
    crashes.push({ image: disk.image(), moment: 'the end', known: ledger.snapshot() });
  } finally {
    stop();
    await engine.close();
  }
  return crashes;
}

t.setTimeout(280_000);

let nextId = 0;

async function takeSteps(
  file: StoredFile,
  ledger: Ledger,
  random: (below: number) => number,
): Promise<void> {
  const kind = random(60);
  if (kind === 0) return ledger.clear(file);
  if (kind === 1) return void file.setSpec(rowSpec({ text: `text ${random(1000)}` }));
  if (kind < 5) {
    const rows = Array.from({ length: 1 + random(400) }, () => randomRow(random));
    return ledger.insertMany(file, rows);
  }
  const steps = [1, 1, 1, 2, 20][random(5)] ?? 1;
  const ids = ledger.ids;
  const taken = new Set<string>();
  await Promise.all(
    Array.from({ length: steps }, () => {
      const id = ids[random(ids.length + 1)];
      if (id === undefined || taken.has(id) || random(3) === 0) {
        return ledger.insert(file, randomRow(random));
      }
      taken.add(id);
      if (random(3) === 0) return ledger.remove(file, id);
      return ledger.update(file, { ...randomRow(random), id });
    }),
  );
}

function randomRow(random: (below: number) => number): Row {
  const id = `r${nextId++}`;
  const length = [10, 100, 300, 3000, 20_000, 150_000][Math.min(random(6), random(6), 5)] ?? 10;
  return {
    id,
    group: `${random(5)}`,
    rank: `${random(50)}`,
    note: id.repeat(Math.ceil((1 + random(length)) / id.length)),
    ...(random(2) === 0 && { alias: id }),
  };
}

/** What is wrong with the file that an image becomes; opens it under `run` of the machine. */
async function faultsAfter(
  path: string,
  { image, known }: Crash,
  run: number,
  opened: () => void = () => undefined,
): Promise<string[]> {
  putImage(path, image);
  const engine = createLmdbEngine({ bootId: bootId(run) });
  try {
    const file = await engine.open(path);
    opened();
    const faults = await known.faultsOf(file);
    for (const { detail } of await problemsOf(file)) faults.push(detail);
    await file.insert(numberedDraft(1n));
    return faults;
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  } finally {
    await engine.close();
  }
}

t.test(
  `an image of a failing disk opens with all that was acknowledged (seed ${SEED})`,
  { timeout: 250_000 },
  async (t) => {
    const { committed } = CommitLog.prototype;
    // Checkpoints after a few transactions instead of megabytes.
    CommitLog.prototype.committed = function (this: CommitLog, bytes) {
      committed.call(this, bytes * 30);
    };
    t.teardown(() => {
      CommitLog.prototype.committed = committed;
    });
    const random = makeRandom(SEED);
    const counts = new Map<string, number>();
    let acknowledged = 0;
    let faulty = 0;
    for (let number = 0; number < LIVES && faulty < 3; number++) {
      const directory = join(t.testdir(), `life-${number}`);
      mkdirSync(directory, { recursive: true });
      const crashes = await live(directory, random);
      for (const [each, crash] of crashes.entries()) {
        const path = join(directory, `crash-${each}.ism`);
        const again: Crash[] = [];
        putImage(path, crash.image);
        const disk = new FailingDisk(path, random, crash.image.durable);
        disk.onMoment = (moment) => {
          if (again.length < 2 && random(3) === 0) {
            again.push({
              image: disk.image(),
              moment: `${crash.moment}, ${moment}`,
              known: crash.known,
            });
          }
        };
        const stop = disk.watch();
        const run = crash.image.durable === undefined ? 1 : 0;
        const faults = await faultsAfter(path, crash, run, stop);
        report(crash, faults);
        // What was made while the file was recovered.
        for (const next of again) report(next, await faultsAfter(`${path}.2.ism`, next, 2));
      }
      rmSync(directory, { recursive: true });

      function report({ moment, known }: Crash, faults: readonly string[]): void {
        counts.set(moment, (counts.get(moment) ?? 0) + 1);
        acknowledged += known.acknowledged;
        if (faults.length === 0) return;
        faulty++;
        t.same(faults.slice(0, 5), [], `life ${number}: ${moment}, ${faults.length} faults`);
      }
    }
    const images = [...counts.values()].reduce((sum, count) => sum + count, 0);
    t.comment(
      `${images} images, ${acknowledged} acknowledged records looked for; ${JSON.stringify([...counts])}`,
    );
    t.ok(images > LIVES * 8, `${images} images`);
    t.equal(faulty, 0);
  },
);
