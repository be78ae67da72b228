// First figures: rsynd over TLS 1.3 beside a TLS server that does nothing, in one run, sides alternating,
// medians; and the CPU time a call costs client and daemon. README.md beside this says what it proves.
// Usage: npm run build && node dist/test/bench/figures.js [ROUNDS] [RECORDS]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Channel, connect, type IsamcSpec, isamc, open } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import { cpuTimeUs } from './cpu-time.js';

const [rounds = 5, records = 200_000] = process.argv.slice(2).map(Number);
const RECORD_BYTES = 200;
const READ_MS = 1500;

const undo: (() => unknown)[] = [];
const t = { teardown: (step: () => unknown) => undo.unshift(step) };

const spec: IsamcSpec = {
  recordSize: RECORD_BYTES,
  keys: ['START=1,LENGTH=8,NAME=number', 'START=9,LENGTH=8,NAME=group,DUPS,ATEND,MODIFY'],
};
const makeRecord = (number: number): Buffer =>
  Buffer.from(`${key(number)}${key(number % 1000)}`.padEnd(RECORD_BYTES, 'x'));
const key = (number: number): string => String(number).padStart(8, '0');

/** Work that was timed: so many calls (or records), so many a second. */
interface Measured {
  readonly count: number;
  readonly perSecond: number;
}

const since = (started: number, count: number): Measured => ({
  count,
  perSecond: (count * 1000) / (performance.now() - started),
});

/** Calls `call` again and again, `depth` at a time, for about `forMs`. */
async function rate(
  depth: number,
  forMs: number,
  call: (n: number) => Promise<unknown>,
): Promise<Measured> {
  const started = performance.now();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - started < forMs) await call(done++);
  };
  await Promise.all(Array.from({ length: depth }, lane));
  return since(started, done);
}

/** Messages of the limit server, `depth` on the way. */
async function echoRate(socket: TLSSocket, depth: number, forMs: number): Promise<Measured> {
  const message = Buffer.alloc(RECORD_BYTES);
  const started = performance.now();
  let received = 0;
  let sent = 0;
  return new Promise((resolve) => {
    const take = (chunk: Buffer): void => {
      received += chunk.length;
      const answered = Math.floor(received / RECORD_BYTES);
      if (performance.now() - started > forMs) {
        if (answered < sent) return;
        socket.off('data', take);
        resolve(since(started, answered));
        return;
      }
      const free = depth - (sent - answered);
      if (free > 0) socket.write(Buffer.concat(Array(free).fill(message)));
      sent += free;
    };
    socket.on('data', take);
    socket.write(Buffer.concat(Array(depth).fill(message)));
    sent = depth;
  });
}

async function scanRate(channel: Channel): Promise<Measured> {
  const started = performance.now();
  let seen = 0;
  for await (const _ of channel) seen++;
  return since(started, seen);
}

const data = temporaryDirectory(t);
const { bundle, ca } = await writeCertificate(data);
await isamc(join(data, 'bench.ism'), spec);
await using loader = await open(join(data, 'bench.ism'), { mode: 'append' });
await loader.storeMany(Array.from({ length: records }, (_, number) => makeRecord(number)));
await loader.close();
const daemon = await startDaemon(t, [
  ...['-d', data, '-n', '-u', 'bench', '-encrypt', '-scl=3', `-cert=${bundle}`],
  ...['--log-level', 'warn'],
]);
const limit = spawn(
  process.execPath,
  ['dist/test/bench/servers/limit-server.js', bundle, join(data, 'log')],
  { stdio: ['ignore', 'pipe', 'inherit'], env: cleanEnvironment() },
);
t.teardown(() => limit.kill());
const [line] = await once(createInterface(limit.stdout), 'line');
const limitPort = Number(String(line).split('=')[1]);

const dialLimit = async (mode: string): Promise<TLSSocket> => {
  const socket = connectTls({
    port: limitPort,
    host: '127.0.0.1',
    ca: readFileSync(ca),
    servername: 'localhost',
  });
  await once(socket, 'secureConnect');
  socket.write(mode);
  if (!mode.startsWith('stream')) await once(socket, 'data');
  return socket;
};

const echo = await dialLimit('echo');
const sync = await dialLimit('sync');
await using client = await connect(`rsynds://localhost:${daemon.port}`, { tls: { ca } });
await using reader = await client.open('bench');
await using writer = await client.open('bench', { mode: 'update' });
let random = 42;
const someKey = (): string => {
  random = (random * 1103515245 + 12345) % 2147483648;
  return key(random % records);
};
let next = records;

async function streamRate(): Promise<Measured> {
  const bytes = records * RECORD_BYTES;
  const started = performance.now();
  const socket = await dialLimit(`stream ${bytes}`);
  let received = 0;
  for await (const chunk of socket) {
    received += (chunk as Buffer).length;
    if (received >= bytes) break;
  }
  socket.destroy();
  return since(started, received / RECORD_BYTES);
}

type Side = () => Promise<Measured>;
const work: Record<string, readonly [ours: Side, limit: Side]> = {
  'keyed read, 1 in flight | TLS echo': [
    () => rate(1, READ_MS, () => reader.get(someKey())),
    () => echoRate(echo, 1, READ_MS),
  ],
  'keyed read, 64 in flight | TLS echo': [
    () => rate(64, READ_MS, () => reader.get(someKey())),
    () => echoRate(echo, 64, READ_MS),
  ],
  'full scan, records/s | TLS stream': [() => scanRate(reader), streamRate],
  'durable store, 1 in flight | echo + fdatasync': [
    () => rate(1, READ_MS, () => writer.store(makeRecord(next++))),
    () => echoRate(sync, 1, READ_MS),
  ],
  'durable store, 64 in flight | echo + fdatasync': [
    () => rate(64, READ_MS, () => writer.store(makeRecord(next++))),
    () => echoRate(sync, 64, READ_MS),
  ],
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const whole = (value: number): string => Math.round(value).toLocaleString('en').padStart(10);
const micro = (value: number): string => value.toFixed(2).padStart(8);

interface Round {
  readonly our: number;
  readonly their: number;
  readonly clientUs: number;
  readonly serverUs: number;
}

async function measureRound(ours: Side, theirs: Side): Promise<Round> {
  const server = cpuTimeUs(daemon.process.pid);
  const before = process.cpuUsage();
  const { count, perSecond } = await ours();
  const { user, system } = process.cpuUsage(before);
  const serverUs = (cpuTimeUs(daemon.process.pid) - server) / count;
  const their = (await theirs()).perSecond;
  return { our: perSecond, their, clientUs: (user + system) / count, serverUs };
}

console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ` +
    `${rounds} rounds, ${records} records of ${RECORD_BYTES} bytes`,
);
console.log(`${''.padEnd(48)} rsynd/s   limit/s   ratio   CPU us each: client  daemon`);
for (const [name, [ours, theirs]] of Object.entries(work)) {
  await ours(); // the first one compiles
  const done: Round[] = [];
  for (let round = 0; round < rounds; round++) done.push(await measureRound(ours, theirs));
  const of = (figure: (round: Round) => number): number => median(done.map(figure));
  console.log(
    `${name.padEnd(46)}${whole(of((round) => round.our))}${whole(of((round) => round.their))}` +
      `    ${of(({ our, their }) => our / their).toFixed(2)}` +
      `             ${micro(of((round) => round.clientUs))}${micro(of((round) => round.serverUs))}`,
  );
}
echo.destroy();
sync.destroy();
await client.close();
await daemon.stop();
for (const step of undo) await step();
