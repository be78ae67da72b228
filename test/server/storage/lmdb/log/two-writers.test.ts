// Several processes write one file by turns, are killed, close and open again. Whenever the power fails,
// all that any of them acknowledged is there after the restart.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import t from 'tap';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { problemsOf } from '../../../../conformance/storage.js';
import { rowSpec, walkIds } from '../../../../conformance/storage-rows.js';
import { makeRandom } from '../../../../model/random.js';

const SEED = Number(process.env.RSYND_SEED ?? Date.now() % 1_000_000);
const TURNS = 50;
const bootId = (run: number): string => `run-${run}`.padEnd(36, '-');

class Writer {
  readonly process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(path: string) {
    const isSource = import.meta.url.endsWith('.ts');
    const program = new URL(`writer-process.${isSource ? 'ts' : 'js'}`, import.meta.url).pathname;
    const args = [...(isSource ? process.execArgv : []), program, path, bootId(0)];
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.process = spawn(process.execPath, args, { env });
    this.process.stderr.pipe(process.stderr);
    const lines: Interface = createInterface({ input: this.process.stdout });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  async ask(line: string): Promise<string> {
    this.process.stdin.write(`${line}\n`);
    const { value } = await this.#lines.next();
    return value;
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}

t.setTimeout(280_000);

t.test(`processes that write by turns lose nothing (seed ${SEED})`, async (t) => {
  const random = makeRandom(SEED);
  const path = join(t.testdir(), 'rows.ism');
  const maker = createLmdbEngine({ bootId: bootId(0) });
  await maker.create(path, rowSpec());
  await maker.close();
  copyFileSync(path, `${path}.durable`);
  writeFileSync(`${path}.flushes`, '0');
  writeFileSync(`${path}.durable-ticket`, '0');
  const writers = [new Writer(path), new Writer(path), new Writer(path)];
  const acknowledged: string[] = [];
  let next = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    const which = random(3);
    const writer = writers[which];
    if (writer === undefined) break;
    const kind = random(20);
    if (kind === 0) {
      await writer.kill();
      writers[which] = new Writer(path);
    } else if (kind === 1) {
      t.equal(await writer.ask('close'), 'closed');
    } else {
      for (let times = 1 + random(8); times > 0; times--) {
        const ids = Array.from(
          { length: [1, 1, 5, 40][random(4)] ?? 1 },
          () => `${which}-${next++}`,
        );
        t.equal(await writer.ask(`store ${ids.join(' ')}`), ids.join(' '));
        acknowledged.push(...ids);
      }
    }
    if (random(3) > 0) continue;
    const copy = `${path}.crash-${turn}.ism`;
    failPower(path, copy, random);
    const engine = createLmdbEngine({ bootId: bootId(1) });
    const file = await engine.open(copy);
    t.same((await walkIds(file, 0)).sort(), [...acknowledged].sort(), `after turn ${turn}`);
    t.same(await problemsOf(file), []);
    await engine.close();
  }
  for (const writer of writers) await writer.kill();
  t.comment(`${acknowledged.length} acknowledged`);
});

/** What a disk may hold of the file and its log between two steps: pages old or new, the log as flushed. */
function failPower(path: string, copy: string, random: (below: number) => number): void {
  const durable = readFileSync(`${path}.durable`);
  const bytes = readFileSync(path);
  const share = [0, 10, 50, 90][random(4)] ?? 0;
  for (let at = 0; at < durable.length; at += 4096) {
    if (random(100) >= share) durable.copy(bytes, at, at, at + 4096);
  }
  for (let at = durable.length; at < bytes.length; at += 4096) {
    if (random(100) >= share) bytes.fill(0, at, at + 4096);
  }
  writeFileSync(copy, bytes);
  if (existsSync(`${path}.durable-log`)) copyFileSync(`${path}.durable-log`, `${copy}-log`);
}
