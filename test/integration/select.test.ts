// Select over a real daemon with encryption: how little travels, that every face of a question finds the same,
// and that work nobody waits for any more ends on the server.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
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
import {
  cleanEnvironment,
  type RunningDaemon,
  runProgram,
  startDaemon,
} from '../fixture/daemon.js';
import { startRecordingProxy } from '../fixture/recording-proxy.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const RECORDS = 20_000;
const ALL_BYTES = RECORDS * 200;

const partsFile = defineFile({
  fields: {
    number: decimal(8),
    group: decimal(4),
    grade: decimal(2),
    name: alpha(20),
    rest: alpha(166),
  },
  keys: { number: { parts: ['number'] }, group: { parts: ['group'], dups: 'fifo' } },
  networkEncrypt: true,
});

/** One grade in a hundred is 42, spread over the file. */
const part = (number: number) => ({
  number,
  group: number % 50,
  grade: (number * 37) % 100,
  name: `part ${number}`,
  rest: 'x'.repeat(160),
});

const data = temporaryDirectory(t);
let server: RunningDaemon;
let ca = '';

t.before(async () => {
  const written = await writeCertificate(data);
  ca = written.ca;
  await makeParts('parts');
  server = await startDaemon(t, [
    '-d',
    data,
    '-n',
    '-u',
    'nina',
    '-encrypt',
    `-cert=${written.bundle}`,
  ]);
});

async function makeParts(name: string): Promise<void> {
  const path = join(data, `${name}.ism`);
  await isamc(path, partsFile);
  await using parts = await open(path, { mode: 'update', definition: partsFile });
  await parts.storeMany(Array.from({ length: RECORDS }, (_, number) => part(number)));
}

const numbersOf = (records: readonly { readonly number: number }[]): number[] =>
  records.map(({ number }) => number).sort((one, other) => one - other);

t.test('a select of one record in a hundred costs under 2 % of shipping them all', async (t) => {
  const proxy = await startRecordingProxy(t, server.port);
  await using connection = await connect(`rsynds://localhost:${proxy.port}`, { tls: { ca } });
  const parts = await connection.open('parts', { definition: partsFile });
  const before = proxy.bytesFromServer;
  const query = parts.select((f) => f.grade.eq(42));
  const found = await query.toArray();
  const selectBytes = proxy.bytesFromServer - before;
  t.equal(found.length, RECORDS / 100);
  t.strictSame(query.stats, { scanned: RECORDS, returned: 200, bytes: 200 * 200 });
  let shipped = 0;
  for await (const record of parts) if (record.grade === 42) shipped++;
  t.equal(shipped, found.length, 'the same by filtering here');
  const scanBytes = proxy.bytesFromServer - before - selectBytes;
  t.comment(`${selectBytes} bytes for the select, ${scanBytes} for all`);
  t.ok(scanBytes > ALL_BYTES, 'all of them were shipped');
  t.ok(selectBytes < 0.02 * scanBytes, `${((100 * selectBytes) / scanBytes).toFixed(2)} %`);
  const sparseFrom = proxy.bytesFromServer;
  await parts
    .select((f) => f.grade.eq(42))
    .sparse('number')
    .toArray();
  t.ok(proxy.bytesFromServer - sparseFrom < selectBytes / 5, 'one field of them is far less');
});

t.test('builder, text and rsynctl find the same; isutl does on the same file', async (t) => {
  await using connection = await connect(`rsynds://${server.server}`, { tls: { ca } });
  const parts = await connection.open('parts', { definition: partsFile });
  const wanted = Array.from({ length: RECORDS }, (_, n) => part(n))
    .filter(({ group, grade }) => group >= 10 && group <= 12 && grade < 20)
    .map(({ number }) => number);
  t.ok(wanted.length > 100);
  const builder = await parts.select((f) => f.group.between(10, 12).and(f.grade.lt(20))).toArray();
  t.strictSame(numbersOf(builder), wanted);
  const text = 'group between 10 and 12 and grade < 20';
  t.strictSame(numbersOf(await parts.select(text).toArray()), wanted);
  t.equal(await parts.select(text).count(), wanted.length);
  t.match(await parts.select(text).explain(), { key: { name: /group/i }, filter: /grade/ });

  const options = ['--encrypt', '--ca', ca];
  const query = ['query', `parts@${server.server}`, `where ${text} order by number`, ...options];
  const jsonl = await runProgram('dist/rsynctl/main.js', [...query, '--jsonl']);
  t.equal(jsonl.code, 0, jsonl.stderr);
  const rows = jsonl.stdout.trim().split('\n');
  t.strictSame(
    rows.map((row) => JSON.parse(row).number),
    wanted,
  );
  t.match(JSON.parse(rows[0] ?? ''), part(wanted[0] ?? 0));
  const count = await runProgram('dist/rsynctl/main.js', [...query, '--count']);
  t.equal(count.stdout, `${wanted.length}\n`);
  const csv = await runProgram('dist/rsynctl/main.js', [
    ...query,
    '--csv',
    '--fields',
    'number,grade',
  ]);
  t.equal(csv.stdout.split('\n')[0], 'number,grade');
  t.equal(csv.stdout.trim().split('\n').length, wanted.length + 1);
  const local = await runProgram('dist/server/isutl.js', [
    'select',
    join(data, 'parts.ism'),
    `${text} order by number`,
    '--json',
  ]);
  t.equal(local.code, 0, local.stderr);
  t.strictSame(
    JSON.parse(local.stdout).map(({ number }: { number: number }) => number),
    wanted,
  );
});

t.test('rsynctl says what is wrong, with the exit status for it', async (t) => {
  const run = (...args: string[]) =>
    runProgram('dist/rsynctl/main.js', ['query', ...args, '--encrypt', '--ca', ca]);
  const wrong = await run(`parts@${server.server}`, 'grade == 3');
  t.equal(wrong.code, 1);
  t.match(wrong.stderr, /expected/);
  t.match(await run(`parts@${server.server}`, 'greade = 3'), {
    code: 1,
    stdout: '',
    stderr: /no field "greade".*grade/,
  });
  t.match(await run(`nothing@${server.server}`), { code: 3 });
  t.match(await run(`parts@${server.server}`, '', '--csv', '--jsonl'), { code: 2 });
  t.match(await runProgram('dist/rsynctl/main.js', ['query', `parts@${server.server}`]), {
    code: 6,
  });
  t.match(await run(`parts@${server.server}`, '--json', 'greade = 3'), {
    stderr: /^{"error":{"code":"ERR_INVOPER"/,
  });
});

t.test('groups and budgets travel too', async (t) => {
  await using connection = await connect(`rsynds://${server.server}`, { tls: { ca } });
  const parts = await connection.open('parts', { definition: partsFile });
  const groups = await parts
    .select((f) => f.group.lt(3))
    .groupBy(['group'], { n: ['count'], most: ['max', 'number'] })
    .orderBy('group')
    .toArray();
  t.match(
    groups.map(({ group, n }) => [group, n]),
    [
      [0, RECORDS / 50],
      [1, RECORDS / 50],
      [2, RECORDS / 50],
    ],
  );
  const found: number[] = [];
  const question = () => parts.select((f) => f.grade.eq(42)).maxScan(3000);
  let query = question();
  let stops = 0;
  for (let isDone = false; !isDone; ) {
    isDone = true;
    try {
      for await (const { number } of query) found.push(number);
    } catch (error) {
      const { code, resume } = error as { code: string; resume: Buffer };
      t.equal(code, 'ERR_BUDGET');
      stops++;
      query = question().resume(resume);
      isDone = false;
    }
  }
  t.ok(stops >= 6, `${stops} stops`);
  t.equal(found.length, RECORDS / 100, 'nothing twice, nothing left out');
});

t.test('joins and locking selects work over the connection', async (t) => {
  await makeParts('locked');
  await using connection = await connect(`rsynds://${server.server}`, { tls: { ca } });
  const locked = await connection.open('locked', { definition: partsFile, mode: 'update' });
  const parts = await connection.open('parts', { definition: partsFile });
  const question = locked.select((f) => f.number.lt(5)).orderBy('number');
  const pairs = await question.join(parts, { number: 'number' }).toArray();
  t.strictSame(
    pairs,
    [0, 1, 2, 3, 4].map((number) => [part(number), part(number)]),
  );
  for await (const each of question.lock()) await locked.write({ ...each, name: 'seen' });
  t.equal(await locked.select("name = 'seen'").count(), 5);
  t.equal(locked.current?.locked, false);
});

/** Resolves with how many are left once some are deleted; rejects never: a test has its time. */
async function whenSomeAreGone(channel: Channel<unknown>): Promise<number> {
  for (;;) {
    const left = Number(await channel.isinfo('NUMRECS'));
    if (left < RECORDS) return left;
  }
}

t.test('aborting a delete ends it on the server', async (t) => {
  await makeParts('doomed');
  await using connection = await connect(`rsynds://${server.server}`, { tls: { ca } });
  const doomed = await connection.open('doomed', { definition: partsFile, mode: 'update' });
  const watch = await connection.open('doomed', { definition: partsFile });
  const controller = new AbortController();
  const deleting = doomed.select().signal(controller.signal).delete();
  await Promise.race([whenSomeAreGone(watch), deleting.catch(() => {})]);
  controller.abort();
  await t.rejects(deleting, { code: 'ERR_ABORTED' });
  // A channel's requests are carried out in order: this comes behind the end of the delete.
  await doomed.select().limit(1).count();
  const left = await watch.select().count();
  t.ok(left > 0 && left < RECORDS, `${left} are left`);
  t.equal(await watch.select().count(), left, 'and stay');
});

t.test('a client that dies takes its work with it', async (t) => {
  await makeParts('orphaned');
  await using connection = await connect(`rsynds://${server.server}`, { tls: { ca } });
  const watch = await connection.open('orphaned', { definition: partsFile });
  const script = `
    import { open } from '${new URL('../../client/index.js', import.meta.url)}';
    const channel = await open('orphaned@${server.server}', {
      encrypt: true, tls: { ca: process.argv[1] }, mode: 'update',
    });
    await channel.select().delete();
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, ca], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await whenSomeAreGone(watch);
  child.kill('SIGKILL');
  // Work that went on would show within the time of a count over the whole file.
  let left = await watch.select().count();
  for (let again = -1; again !== left; ) {
    again = left;
    left = await watch.select().count();
  }
  t.ok(left > 0 && left < RECORDS, `${left} are left`);
});
