// A client in a process of its own that reads random records by key, one at a time, and prints how long each
// took in microseconds, as one JSON line. Arguments: server, authority file, reads, records in the file.

import { connect } from '../../client/index.js';

const [server = '', ca = '', reads = '0', records = '0'] = process.argv.slice(2);
await using client = await connect(server, { tls: { ca }, timeoutMs: 60_000 });
await using channel = await client.open('bench');
let random = 42;
const someKey = (): string => {
  random = (random * 1103515245 + 12345) % 2147483648;
  return String(random % Number(records)).padStart(8, '0');
};
for (let warm = 0; warm < 2000; warm++) await channel.get(someKey());
const times: number[] = [];
for (let read = 0; read < Number(reads); read++) {
  const started = performance.now();
  await channel.get(someKey());
  times.push(Math.round((performance.now() - started) * 1000));
}
console.log(JSON.stringify(times));
