// Runs the whole bench on a tiny file: not how quick anybody is, but that every line gives a figure, that what
// is written can be read, and that the files are clean behind it. And how aims are judged and drawn.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runProgram } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import { judge } from './aims.js';
import { drawChart } from './chart.js';
import type { Line, LineOutcome, SideOutcome } from './line.js';
import type { Machine } from './machine.js';
import { allLines } from './works/works.js';

const RECORDS = 2000;
const BENCH = 'dist/test/bench/main.js';

interface Written {
  readonly missing: readonly string[];
  readonly peers: readonly { readonly name: string; readonly security: string }[];
  readonly lines: readonly {
    readonly name: string;
    readonly sides: readonly { readonly name: string; readonly values: readonly number[] }[];
  }[];
  readonly verified: string;
}

t.setTimeout(240_000);
const directory = temporaryDirectory(t);
const json = join(directory, 'bench.json');
const svg = join(directory, 'bench.svg');
const small = ['--records', String(RECORDS), '--rounds', '1', '--ms', '20', '--seed', '7'];
const run = await runProgram(BENCH, [...small, '--json', json, '--svg', svg]);
if (run.code !== 0) throw new Error(`the bench ended with ${run.code}: ${run.stdout}${run.stderr}`);
const written: Written = JSON.parse(readFileSync(json, 'utf8'));
const sizes = { records: RECORDS, bulkRecords: RECORDS / 5, forMs: 20 };
const lines = allLines(sizes);

const without = (program: string) =>
  written.missing.includes(program) ? { skip: `skipped: needs ${program}` } : {};

/** Every side of these peers, in every line, with a figure. */
function measured(t: Test, peers: readonly string[]): void {
  for (const line of lines) {
    const found = written.lines.find(({ name }) => name === line.name);
    for (const side of line.sides.filter(({ peer }) => peers.includes(peer))) {
      const [value = 0] = found?.sides.find(({ name }) => name === side.name)?.values ?? [];
      t.ok(value > 0, `${line.name}: ${side.name}`);
      t.ok(run.stdout.includes(`[${line.name}]`), `${line.name} is printed`);
    }
  }
}

t.test('one command measures rsynd, in clear too, and the limit on every line', async (t) => {
  measured(t, ['rsynd', 'plain', 'tls']);
  t.match(run.stdout, `${RECORDS} records of 200 bytes, 1 rounds of 20 ms, seed 7`);
});

t.test('PostgreSQL is measured beside it', without('postgresql'), async (t) => {
  measured(t, ['pg', 'postgres.js']);
});

t.test('Redis is measured beside it', without('redis-server'), async (t) => {
  measured(t, ['redis']);
});

t.test('all who take part but one use TLS 1.3 with the same cipher', async (t) => {
  for (const { name, security } of written.peers) {
    t.equal(security, name === 'plain' ? 'plain' : 'TLSv1.3 TLS_AES_256_GCM_SHA384', name);
  }
});

t.test('every index of the files is checked when all is done', async (t) => {
  const verdicts = written.verified.split('\n').filter((line) => line.includes(' records, '));
  t.equal(verdicts.length, 4);
  for (const verdict of verdicts) t.match(verdict, 'no problems');
  t.ok(run.stdout.includes(written.verified));
});

t.test('a line that there is not is refused with those there are', async (t) => {
  const { code, stderr } = await runProgram(BENCH, ['--only', 'read-1,write-2']);
  t.not(code, 0);
  t.match(stderr, 'there is no line write-2; there are read-1, read-64');
});

const sideOf = (name: string, ...values: number[]): SideOutcome => ({
  ...{ name, values, clientUs: 1, serverUs: 1 },
});

function outcomeOf(name: string, ...sides: SideOutcome[]): LineOutcome {
  const line = lines.find((each) => each.name === name) as Line;
  return { line, sides, foreignCores: 0 };
}

t.test('an aim is judged by the median of its rounds, beside the best of each round', async (t) => {
  const outcome = outcomeOf(
    'store-1',
    sideOf('rsynd', 90, 100, 300),
    sideOf('pg', 100, 50, 100),
    sideOf('redis', 50, 100, 200),
  );
  const [store] = judge(outcome);
  t.match(store, { median: 1, low: 0.9, high: 1.5, isMet: true });
  t.strictSame(store?.aim.of, ['pg', 'redis']);
});

t.test('an aim is missed below its figure, and above where fewer are better', async (t) => {
  const [bytes] = judge(
    outcomeOf('filter-bytes', sideOf('rsynd', 2), sideOf('rsynd ships all', 100)),
  );
  t.equal(bytes?.isMet, false);
  const [bulk] = judge(outcomeOf('bulk', sideOf('rsynd', 99), sideOf('COPY', 100)));
  t.equal(bulk?.isMet, false);
});

t.test('nothing is said of an aim beside somebody who is not there', async (t) => {
  t.strictSame(judge(outcomeOf('bulk', sideOf('rsynd', 99))), []);
});

t.test('the chart is well-formed, whatever the machine is called', async (t) => {
  isWellFormed(t, readFileSync(svg, 'utf8'));
  const machine = { cpu: 'a <b> & "c"', cores: 2, node: 'v1', commit: '', date: '' } as Machine;
  const outcome = outcomeOf('bulk', sideOf('rsynd', 99), sideOf('COPY', 100));
  const drawn = drawChart(machine, [outcome], { rounds: 1, records: 100 });
  isWellFormed(t, drawn);
  t.match(drawn, 'a &lt;b&gt; &amp;');
  t.match(drawn, '0.99 x');
});

/** Every element is closed where it was opened, and there is no other angle bracket. */
function isWellFormed(t: Test, text: string): void {
  const open: string[] = [];
  for (const [, close, name = '', rest = ''] of text.matchAll(/<(\/?)([a-z]+)([^<>]*)>/g)) {
    if (close === '/') t.equal(open.pop(), name);
    else if (!rest.endsWith('/')) open.push(name);
  }
  t.strictSame(open, []);
  t.notMatch(text.replaceAll(/<\/?[a-z]+[^<>]*>/g, ''), /[<>]/);
  t.notMatch(text, /&(?!amp;|lt;|gt;)/);
}
