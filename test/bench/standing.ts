// The cost of standing still: what idle encrypted connections, open files and held locks cost the daemon in memory
// and in CPU time, and what they do to the keyed reads of the one client that works, beside an empty server in the
// same run. Each load is put on and taken off several times, so that a leak shows.
// Usage: npm run build && node dist/test/bench/standing.js
//   [--connections N] [--files N] [--locks N] [--reads N] [--cycles N] [--json]

import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type IsamcSpec, isamc, open } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment, type RunningDaemon, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import { cpuTimeUs } from './cpu-time.js';
import type { Order } from './standing-load.js';
import { type Memory, memoryOf } from './standing-memory.js';
import type { ReadKind, ReadTimes } from './standing-reader.js';

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    files: { type: 'string', default: '1000' },
    locks: { type: 'string', default: '100000' },
    reads: { type: 'string', default: '20000' },
    cycles: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const locks = Number(values.locks);
const reads = Number(values.reads);
/** Records of the file that is read; the first ones are those that get locked. */
const records = locks + Math.min(100_000, 50 * reads);
const RECORD_BYTES = 200;
const CLIENT_PROCESSES = 4;
const IDLE_MS = Math.min(12_000, reads);
/** Before memory is looked at: files are closed and locks freed some at a time, and what rests lets go. */
const QUIET_MS = Math.min(4000, reads);

const undo: (() => unknown)[] = [];
const t = { teardown: (step: () => unknown) => undo.unshift(step) };

/** A load: what is asked of each client process, of how many, and how the reader reads beside it. */
interface Load {
  readonly name: string;
  readonly count: number;
  readonly processes: number;
  readonly order: (count: number) => Order;
  readonly kind: ReadKind;
}

const loads: readonly Load[] = [
  {
    name: 'idle connection',
    count: Number(values.connections),
    processes: CLIENT_PROCESSES,
    order: (count) => ({ hold: 'connections', count }),
    kind: 'get',
  },
  {
    name: 'open file',
    count: Number(values.files),
    processes: 1,
    order: (count) => ({ hold: 'files', count }),
    kind: 'get',
  },
  {
    name: 'held lock',
    count: locks,
    processes: 1,
    order: (count) => ({ hold: 'locks', count }),
    kind: 'lock',
  },
];

/** What one load did. Bytes are for each connection, file or lock. */
interface Outcome {
  readonly load: string;
  readonly count: number;
  readonly setUpUs: number;
  readonly each: Memory;
  /** CPU time of the daemon while nobody asks anything, of all it could use of one core. */
  readonly idleCpuShare: number;
  readonly reads: { readonly empty: ReadTimes; readonly laden: ReadTimes };
  /** Bytes more than before, after each time it was let go. */
  readonly left: readonly Memory[];
}

interface Served {
  readonly daemon: RunningDaemon;
  readonly probe: string;
}

const spec: IsamcSpec = {
  recordSize: RECORD_BYTES,
  keys: ['START=1,LENGTH=8,NAME=number', 'START=9,LENGTH=8,NAME=group,DUPS,ATEND,MODIFY'],
};
const numbered = (number: number): string => String(number).padStart(8, '0');

async function makeFile(path: string, count: number): Promise<void> {
  await isamc(path, spec);
  await using channel = await open(path, { mode: 'append' });
  await channel.storeMany(
    Array.from({ length: count }, (_, number) =>
      Buffer.from(`${numbered(number)}${numbered(number % 1000)}`.padEnd(RECORD_BYTES, 'x')),
    ),
  );
}

/** A daemon with a directory of its own: locks are shared by all who use one. */
async function serve(name: string, bundle: string): Promise<Served> {
  const data = join(directory, name);
  mkdirSync(data);
  copyFileSync(join(directory, 'bench.ism'), join(data, 'bench.ism'));
  const probe = join(directory, `${name}.probe`);
  const daemon = await startDaemon(
    t,
    [
      ...['-d', data, '-n', '-u', 'bench', '-encrypt', '-scl=3', `-cert=${bundle}`],
      ...['--log-level', 'warn'],
    ],
    {
      NODE_OPTIONS: `--import=${new URL('standing-probe.js', import.meta.url)}`,
      RSYND_PROBE: probe,
    },
  );
  return { daemon, probe };
}

/** Readers and daemons on one CPU, clients that stand still on the other: where there are two. */
function pin(pid: number | undefined, cpu: number): void {
  if (cpus().length > 1) spawnSync('taskset', ['-acp', String(cpu), String(pid)]);
}

async function ask(client: ChildProcess, order: Order): Promise<number> {
  client.send(order);
  const [answer] = (await once(client, 'message')) as [{ ms?: number; error?: string }];
  if (answer.ms === undefined) throw new Error(answer.error ?? 'the clients said nothing');
  return answer.ms;
}

async function readBeside(kind: ReadKind): Promise<Outcome['reads']> {
  const args = [
    ca,
    empty.daemon.server,
    laden.daemon.server,
    String(reads),
    kind,
    String(locks),
    String(records),
  ];
  const reader = spawn(process.execPath, [besideThis('standing-reader.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: cleanEnvironment(),
  });
  pin(reader.pid, 0);
  const said: string[] = [];
  reader.stdout.on('data', (chunk) => said.push(String(chunk)));
  await once(reader, 'close');
  return JSON.parse(said.join(''));
}

async function idleCpuShare({ daemon }: Served): Promise<number> {
  const before = cpuTimeUs(daemon.process.pid);
  const started = performance.now();
  await pause(IDLE_MS);
  const used = cpuTimeUs(daemon.process.pid) - before;
  return used / 1000 / (performance.now() - started);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const difference = (after: Memory, before: Memory, parts = 1): Memory => ({
  rss: (after.rss - before.rss) / parts,
  pss: (after.pss - before.pss) / parts,
  own: (after.own - before.own) / parts,
  heap: (after.heap - before.heap) / parts,
  buffers: (after.buffers - before.buffers) / parts,
  descriptors: (after.descriptors - before.descriptors) / parts,
  mapped: (after.mapped - before.mapped) / parts,
});

async function measure({ name, count, processes, order, kind }: Load): Promise<Outcome> {
  const clients = Array.from({ length: processes }, () =>
    fork(besideThis('standing-load.js'), [laden.daemon.server, ca], { env: cleanEnvironment() }),
  );
  for (const client of clients) pin(client.pid, 1);
  const look = async (): Promise<Memory> => {
    await pause(QUIET_MS);
    return memoryOf(laden.daemon.process.pid, laden.probe);
  };
  const putOn = (): Promise<number[]> =>
    Promise.all(clients.map((client) => ask(client, order(Math.round(count / processes)))));
  const takeOff = async (): Promise<Memory> => {
    await Promise.all(clients.map((client) => ask(client, { hold: 'nothing' })));
    return look();
  };
  const before = await look();
  const took = await putOn();
  const during = await look();
  const idle = await idleCpuShare(laden);
  const beside = await readBeside(kind);
  const left = [difference(await takeOff(), before)];
  while (left.length < Number(values.cycles)) {
    await putOn();
    left.push(difference(await takeOff(), before));
  }
  for (const client of clients) client.disconnect();
  return {
    load: name,
    count,
    setUpUs: (Math.max(...took) * 1000) / count,
    each: difference(during, before, count),
    idleCpuShare: idle,
    reads: beside,
    left,
  };
}

const kilo = (bytes: number): string => `${(bytes / 1024).toFixed(2)} KiB`;
const mega = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

function print(outcome: Outcome): void {
  const { load, count, each, reads: beside, left } = outcome;
  const { empty: alone, laden: among } = beside;
  console.log(`${count} × ${load}, ${outcome.setUpUs.toFixed(0)} us to set up each`);
  console.log(
    `  memory of each: RSS ${kilo(each.rss)}, PSS ${kilo(each.pss)}, of no file ${kilo(each.own)}; ` +
      `heap ${kilo(each.heap)}, buffers ${kilo(each.buffers)}, address space ${kilo(each.mapped)}`,
  );
  console.log(`  daemon while nobody asks: ${(outcome.idleCpuShare * 100).toFixed(1)} % of a core`);
  console.log(
    `  reads of one client: p50 ${among.p50} us (empty server ${alone.p50}), p99 ${among.p99} us ` +
      `(${alone.p99}): ${(among.p99 / alone.p99).toFixed(2)} ×`,
  );
  const after = left.map(({ own, heap }) => `${mega(own)} (heap ${mega(heap)})`);
  console.log(`  left, of no file, after each time it was let go: ${after.join(', ')}`);
}

const besideThis = (name: string): string => new URL(name, import.meta.url).pathname;
const directory = temporaryDirectory(t);
const { bundle, ca } = await writeCertificate(directory);
await makeFile(join(directory, 'bench.ism'), records);
await makeFile(join(directory, 'open.ism'), 100);
const empty = await serve('empty', bundle);
const laden = await serve('laden', bundle);
for (let number = 0; number < Number(values.files); number++) {
  copyFileSync(join(directory, 'open.ism'), join(directory, 'laden', `open${number}.ism`));
}
for (const { daemon } of [empty, laden]) pin(daemon.process.pid, 0);
await readBeside('get');

const outcomes: Outcome[] = [];
for (const load of loads.filter(({ count }) => count > 0)) {
  const outcome = await measure(load);
  outcomes.push(outcome);
  if (!values.json) print(outcome);
}
if (values.json)
  console.log(JSON.stringify({ cpu: cpus()[0]?.model, node: process.version, outcomes }));
for (const { daemon } of [empty, laden]) await daemon.stop();
for (const step of undo) await step();
