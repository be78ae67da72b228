// The one client that works while others stand still: it reads random records by key, one at a time, in turns from
// an empty server and from the laden one, and prints p50 and p99 of both in microseconds as one JSON line.
// Arguments: authority file, empty server, laden server, reads of each, kind of read, first and last record read.

import { type Channel, connect } from '../../client/index.js';

/** `get` looks only; `lock` locks what it reads and frees what it locked before. */
export type ReadKind = 'get' | 'lock';

export interface ReadTimes {
  readonly p50: number;
  readonly p99: number;
}

const [ca = '', empty = '', laden = '', reads = '0', kind = 'get', first = '0', last = '0'] =
  process.argv.slice(2);
/** So many from one server, then from the other: what disturbs the machine disturbs both. */
const TURN = 100;
const WARM_UP = Math.min(2000, Number(reads));

let random = 42;
function someKey(): string {
  random = (random * 1103515245 + 12345) % 2147483648;
  const number = Number(first) + (random % (Number(last) - Number(first)));
  return String(number).padStart(8, '0');
}

const readOnce = (channel: Channel): Promise<unknown> =>
  kind === 'lock' ? channel.read(someKey()) : channel.get(someKey());

async function takeTurn(channel: Channel, times: number[], turn: number): Promise<void> {
  for (let read = 0; read < turn; read++) {
    const started = performance.now();
    await readOnce(channel);
    times.push((performance.now() - started) * 1000);
  }
}

function summary(times: number[]): ReadTimes {
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((times[Math.floor(times.length * share)] ?? 0) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99) };
}

async function openAt(server: string): Promise<Channel> {
  const connection = await connect(server, { tls: { ca }, timeoutMs: 60_000 });
  return connection.open('bench', { mode: kind === 'lock' ? 'update' : 'input' });
}

const ofEmpty: number[] = [];
const ofLaden: number[] = [];
const emptyChannel = await openAt(empty);
const ladenChannel = await openAt(laden);
await takeTurn(emptyChannel, [], WARM_UP);
await takeTurn(ladenChannel, [], WARM_UP);
while (ofLaden.length < Number(reads)) {
  await takeTurn(emptyChannel, ofEmpty, TURN);
  await takeTurn(ladenChannel, ofLaden, TURN);
}
console.log(JSON.stringify({ empty: summary(ofEmpty), laden: summary(ofLaden) }));
process.exit();
