// What a scan that repeats costs another client's keyed reads: p50 and p99 of a client in a process of its own,
// alone and beside it, in turn. Usage: npm run build && node dist/test/bench/beside-scan.js [ROUNDS] [RECORDS]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect, isamc, open } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import { recordsFrom, rows, WANTED_GRADE } from './record.js';
import { spreadOf } from './spread.js';

const [rounds = 5, records = 1_000_000] = process.argv.slice(2).map(Number);
const READS = 20_000;

const undo: (() => unknown)[] = [];
const t = { teardown: (step: () => unknown) => undo.unshift(step) };
const data = temporaryDirectory(t);
const { bundle, ca } = await writeCertificate(data);
await isamc(join(data, 'bench.ism'), rows);
{
  await using loader = await open(join(data, 'bench.ism'), { mode: 'append' });
  await loader.storeMany(recordsFrom(0, records));
}
const daemon = await startDaemon(t, [
  ...['-d', data, '-n', '-u', 'bench', '-encrypt', '-scl=3', `-cert=${bundle}`],
  ...['--log-level', 'warn'],
]);
const server = `rsynds://localhost:${daemon.port}`;
await using client = await connect(server, { tls: { ca }, timeoutMs: 60_000 });
await using channel = await client.open('bench');

/** Keyed reads of a client in another process, in microseconds each. */
async function readTimes(): Promise<number[]> {
  const program = fileURLToPath(new URL('./keyed-reader.js', import.meta.url));
  const reader = spawn(process.execPath, [program, server, ca, String(READS), String(records)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: cleanEnvironment(),
  });
  const [line] = await once(createInterface(reader.stdout), 'line');
  return JSON.parse(String(line));
}

const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;

const alone: number[][] = [];
const beside: number[][] = [];
for (let round = 0; round < rounds; round++) {
  alone.push(await readTimes());
  let isDone = false;
  const scanning = (async () => {
    while (!isDone) await channel.select(`grade = ${WANTED_GRADE}`).count();
  })();
  beside.push(await readTimes());
  isDone = true;
  await scanning;
}
for (const part of [0.5, 0.99]) {
  const of = (runs: number[][]): number => spreadOf(runs.map((run) => quantile(run, part))).median;
  const [quiet, busy] = [of(alone), of(beside)];
  console.log(
    `keyed read p${part * 100}: alone ${quiet.toFixed(0)} us, ` +
      `beside a repeated scan ${busy.toFixed(0)} us: ${(busy / quiet).toFixed(2)} x`,
  );
}
await channel.close();
await client.close();
await daemon.stop();
for (const step of undo) await step();
