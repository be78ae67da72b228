// What a filter next to the data is worth: 1 % of the records by a field without a key, asked of rsynd,
// filtered at the client over the same kind of connection, and asked of PostgreSQL with the same rows,
// all over TLS 1.3, alternating in one run; then what the scan costs another client's keyed reads.
// Usage: npm run build && node dist/test/bench/select.js [ROUNDS] [RECORDS]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  alpha,
  type Channel,
  connect,
  decimal,
  defineFile,
  isamc,
  open,
} from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment, startDaemon } from '../fixture/daemon.js';
import { startRecordingProxy } from '../fixture/recording-proxy.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import { startPostgres } from './servers/postgres.js';

const [rounds = 5, records = 1_000_000] = process.argv.slice(2).map(Number);
const READS = 20_000;

const undo: (() => unknown)[] = [];
const t = { teardown: (step: () => unknown) => undo.unshift(step) };

const rows = defineFile({
  fields: { number: alpha(8), grp: alpha(8), grade: decimal(4), rest: alpha(180) },
  keys: { number: { parts: ['number'] }, grp: { parts: ['grp'], dups: 'fifo', modifiable: true } },
  networkEncrypt: true,
});
const key = (number: number): string => String(number).padStart(8, '0');
const rowOf = (number: number) => ({
  number: key(number),
  grp: key(number % 1000),
  // Scattered, so that no block and no page is without a match for long.
  grade: (number * 7919) % 100,
  rest: 'x'.repeat(180),
});
function* allRows() {
  for (let number = 0; number < records; number++) yield rowOf(number);
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;

const data = temporaryDirectory(t);
const certificate = await writeCertificate(data);
const { bundle, ca } = certificate;
await isamc(join(data, 'bench.ism'), rows);
{
  await using loader = await open(join(data, 'bench.ism'), { mode: 'append', definition: rows });
  await loader.storeMany(allRows());
}
const daemon = await startDaemon(t, [
  ...['-d', data, '-n', '-u', 'bench', '-encrypt', '-scl=3', `-cert=${bundle}`],
  ...['--log-level', 'warn'],
]);
const proxy = await startRecordingProxy(t, daemon.port);
const server = `rsynds://localhost:${daemon.port}`;
await using client = await connect(server, { tls: { ca }, timeoutMs: 60_000 });
await using raw = await client.open('bench');

const postgres = await startPostgres(t, data, certificate);
const sql = await postgres?.connect();
if (sql !== undefined) await fillPostgres();

async function fillPostgres(): Promise<void> {
  await sql?.query(
    'create table bench (number char(8), grp char(8), grade int, exact numeric(4), rest char(174))',
  );
  const batch = 10_000;
  for (let from = 0; from < records; from += batch) {
    await sql?.query(
      `insert into bench select lpad(n::text, 8, '0'), lpad((n % 1000)::text, 8, '0'),
       (n::bigint * 7919) % 100, (n::bigint * 7919) % 100, repeat('x', 174) from generate_series($1::int, $2::int) n`,
      [from, Math.min(records, from + batch) - 1],
    );
  }
  await sql?.query('vacuum analyze bench');
}

const GRADE = Buffer.from('0042');
const isGrade = (record: Buffer): boolean => GRADE.compare(record, 16, 20) === 0;

type Side = () => Promise<number>;
const sides: Record<string, Side> = {
  'rsynd, filter on the server': async () => (await raw.select('grade = 42').toArray()).length,
  'rsynd, typed builder, objects': async () => {
    await using typed = await client.open('bench', { definition: rows });
    return (await typed.select((f) => f.grade.eq(42)).toArray()).length;
  },
  'rsynd, all shipped and filtered here': async () => {
    let found = 0;
    for await (const record of raw) if (isGrade(record)) found++;
    return found;
  },
  ...(sql !== undefined && {
    [`PostgreSQL ${postgres?.version}, numeric column`]: async () =>
      (await sql.query('select * from bench where exact = 42')).rows.length,
    [`PostgreSQL ${postgres?.version}, integer column`]: async () =>
      (await sql.query('select * from bench where grade = 42')).rows.length,
  }),
};

console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ` +
    `${rounds} rounds, ${records} records of 200 bytes`,
);
const times = new Map<string, number[]>();
for (const side of Object.values(sides)) await side(); // the first one compiles
for (let round = 0; round < rounds; round++) {
  for (const [name, side] of Object.entries(sides)) {
    const started = performance.now();
    const found = await side();
    const took = performance.now() - started;
    if (found !== Math.floor(records / 100)) throw new Error(`${name} found ${found}`);
    times.set(name, [...(times.get(name) ?? []), took]);
  }
}
const ours = median(times.get('rsynd, filter on the server') ?? []);
for (const [name, all] of times) {
  const took = median(all);
  const spread = `${Math.min(...all).toFixed(0)}-${Math.max(...all).toFixed(0)}`;
  console.log(
    `${name.padEnd(44)}${took.toFixed(1).padStart(9)} ms ${spread.padStart(12)}` +
      `${(records / took / 1000).toFixed(2).padStart(8)} M records/s  ${(took / ours).toFixed(2).padStart(6)} x ours`,
  );
}

/** Bytes towards the client on the wire, TLS included. */
async function bytesOf(work: (channel: Channel) => Promise<unknown>): Promise<number> {
  await using through = await connect(`rsynds://localhost:${proxy.port}`, {
    tls: { ca },
    timeoutMs: 60_000,
  });
  await using channel = await through.open('bench');
  const before = proxy.bytesFromServer;
  await work(channel);
  return proxy.bytesFromServer - before;
}
const selected = await bytesOf((channel) => channel.select('grade = 42').toArray());
const shipped = await bytesOf(async (channel) => {
  for await (const _ of channel);
});
console.log(
  `on the wire: ${selected} bytes selected, ${shipped} shipped: ${((100 * selected) / shipped).toFixed(2)} %`,
);

/** Keyed reads of a client in another process, in microseconds each. */
async function readTimes(): Promise<number[]> {
  const reader = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('./keyed-reader.js', import.meta.url)),
      server,
      ca,
      String(READS),
      String(records),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: cleanEnvironment() },
  );
  const lines = createInterface(reader.stdout);
  const [line] = await once(lines, 'line');
  return JSON.parse(String(line));
}
const alone: number[][] = [];
const beside: number[][] = [];
for (let round = 0; round < rounds; round++) {
  alone.push(await readTimes());
  let isDone = false;
  const scanning = (async () => {
    while (!isDone) await raw.select('grade = 42').count();
  })();
  beside.push(await readTimes());
  isDone = true;
  await scanning;
}
for (const part of [0.5, 0.99]) {
  const of = (runs: number[][]): number => median(runs.map((run) => quantile(run, part)));
  const [quiet, busy] = [of(alone), of(beside)];
  console.log(
    `keyed read p${part * 100}: alone ${quiet.toFixed(0)} us, ` +
      `beside a repeated scan ${busy.toFixed(0)} us: ${(busy / quiet).toFixed(2)} x`,
  );
}
await sql?.end();
await raw.close();
await client.close();
await daemon.stop();
for (const step of undo) await step();
