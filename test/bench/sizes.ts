// Does a keyed read take longer in a larger file, beyond the depth of its trees? Files of the same records but more
// of them, served by one daemon over TLS 1.3 and read by one client in turns, one read in flight, both ends on one
// CPU. It prints time and CPU time of a read, the depth of the trees, and how long opening the file took.
// Usage: npm run build && node dist/test/bench/sizes.js [--sizes N,N…] [--reads N] [--svg FILE] [--json]

import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Channel, type Connection, connect, isamc, open } from '../../client/index.js';
import { openStore } from '../../server/storage/lmdb/open-store.js';
import { writeCertificate } from '../fixture/certificate.js';
import { startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import { drawChart } from './sizes-chart.js';

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,100000,1000000,10000000' },
    reads: { type: 'string', default: '20000' },
    svg: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const sizes = values.sizes.split(',').map(Number);
const reads = Number(values.reads);
const RECORD_BYTES = 200;
/** So many reads of one file, then of the next: what disturbs the machine disturbs all. */
const TURN = Math.min(500, reads);
const OPENS = 12;

const undo: (() => unknown)[] = [];
const t = { teardown: (step: () => unknown) => undo.unshift(step) };

interface Outcome {
  readonly records: number;
  readonly bytes: number;
  /** Levels of the tree of the key, and of the tree of blocks. */
  readonly depth: readonly [key: number, blocks: number];
  /** Microseconds: what the client saw, half of the reads below; CPU time of the daemon. */
  readonly p50: number;
  readonly cpu: number;
  /** Milliseconds: the first open after the daemon started, and the median of others. */
  readonly opened: readonly [first: number, again: number];
}

/** One of the files while it is measured. */
interface Sized {
  readonly records: number;
  readonly channel: Channel;
  readonly opened: Outcome['opened'];
  readonly times: number[];
  cpuNs: number;
}

const key = (number: number): string => String(number).padStart(8, '0');
const nameOf = (records: number): string => `of${records}`;

function* makeRecords(count: number): Generator<Buffer> {
  for (let number = 0; number < count; number++) {
    yield Buffer.from(key(number).padEnd(RECORD_BYTES, 'x'), 'latin1');
  }
}

async function makeFile(path: string, records: number): Promise<void> {
  await isamc(path, { recordSize: RECORD_BYTES, keys: ['START=1,LENGTH=8,NAME=number'] });
  await using channel = await open(path, { mode: 'append', timeoutMs: 3_600_000 });
  await channel.storeMany(makeRecords(records));
}

function depthOf(records: number): Outcome['depth'] {
  const path = join(data, `${nameOf(records)}.ism`);
  const store = openStore(path, nameOf(records), 'opening');
  try {
    return [store.index(0).getStats().treeDepth, store.blocks.getStats().treeDepth];
  } finally {
    void store.close();
  }
}

/** CPU time of the daemon's main thread, which does all of a read; NaN where there is no /proc. */
function cpuNs(): number {
  try {
    return Number(readFileSync(`/proc/${daemon.process.pid}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return Number.NaN;
  }
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, value: T]> {
  const started = performance.now();
  const value = await work();
  return [performance.now() - started, value];
}

/** Opens it again and again, closed each time so that nothing of it is found. */
async function openFile(connection: Connection, records: number): Promise<Sized> {
  const opened: number[] = [];
  for (let round = 0; round < OPENS; round++) {
    const [ms, channel] = await timed(() => connection.open(nameOf(records)));
    opened.push(ms);
    await channel.close();
  }
  const [first = Number.NaN, ...others] = opened;
  const again = others.sort((a, b) => a - b)[others.length >> 1] ?? Number.NaN;
  const channel = await connection.open(nameOf(records));
  // By key: then all pages are in the daemon's memory, as they are on a server that has run for a while.
  for await (const _ of channel);
  return { records, channel, opened: [first, again], times: [], cpuNs: 0 };
}

let random = 42;
function someKey(records: number): string {
  random = (random * 1103515245 + 12345) % 2147483648;
  return key(random % records);
}

async function takeTurn(file: Sized): Promise<void> {
  const before = cpuNs();
  for (let read = 0; read < TURN; read++) {
    const started = performance.now();
    await file.channel.get(someKey(file.records));
    file.times.push((performance.now() - started) * 1000);
  }
  file.cpuNs += cpuNs() - before;
}

function outcomeOf({ records, times, cpuNs: used, opened }: Sized, bytes: number): Outcome {
  times.sort((a, b) => a - b);
  return {
    records,
    bytes,
    depth: depthOf(records),
    p50: times[times.length >> 1] ?? Number.NaN,
    cpu: used / times.length / 1000,
    opened,
  };
}

function print({ records, bytes, depth, p50, cpu, opened }: Outcome): void {
  const [first, again] = opened.map((ms) => `${ms.toFixed(1)} ms`);
  console.log(
    `${records.toLocaleString('en').padStart(12)} records, ${(bytes / 2 ** 20).toFixed(0)} MiB, ` +
      `trees of ${depth[0]} and ${depth[1]} levels: p50 ${p50.toFixed(1)} us, ` +
      `CPU of the daemon ${cpu.toFixed(2)} us a read; opened in ${first}, again in ${again}`,
  );
}

function draw(outcomes: readonly Outcome[]): string {
  return drawChart({
    title: 'One keyed read, one in flight, over TLS 1.3',
    sizes: outcomes.map(({ records }) => records),
    notes: outcomes.map(({ depth }) => `records; levels ${depth[0]} + ${depth[1]}`),
    unit: 'us',
    lines: [
      { name: 'p50 at the client', colour: '#2b6cb0', values: outcomes.map(({ p50 }) => p50) },
      { name: 'CPU time of the server', colour: '#c05621', values: outcomes.map(({ cpu }) => cpu) },
    ],
  });
}

const data = temporaryDirectory(t);
const { bundle, ca } = await writeCertificate(data);
const bytesOf = new Map<number, number>();
for (const records of sizes) {
  const path = join(data, `${nameOf(records)}.ism`);
  const [ms] = await timed(() => makeFile(path, records));
  bytesOf.set(records, statSync(path).size);
  console.error(`${records} records stored in ${(ms / 1000).toFixed(1)} s`);
}
const daemon = await startDaemon(t, [
  ...['-d', data, '-n', '-u', 'bench', '-encrypt', '-scl=3', `-cert=${bundle}`],
  ...['--log-level', 'warn'],
]);
for (const pid of [daemon.process.pid, process.pid]) spawnSync('taskset', ['-acp', '0', `${pid}`]);
const connection = await connect(daemon.server, { tls: { ca }, timeoutMs: 600_000 });
const files: Sized[] = [];
for (const records of sizes) files.push(await openFile(connection, records));
for (const file of files) await takeTurn(file); // the first one compiles
for (const file of files) Object.assign(file, { times: [], cpuNs: 0 });
while (files.some(({ times }) => times.length < reads)) {
  for (const file of files) await takeTurn(file);
}
const outcomes = files.map((file) => outcomeOf(file, bytesOf.get(file.records) ?? Number.NaN));
if (values.json) {
  const machine = { cpu: cpus()[0]?.model, node: process.version };
  console.log(JSON.stringify({ ...machine, reads, outcomes }));
} else for (const outcome of outcomes) print(outcome);
if (values.svg !== undefined) writeFileSync(values.svg, draw(outcomes));
await connection.close();
await daemon.stop();
for (const step of undo) await step();
