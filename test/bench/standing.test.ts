// The benches of standing still and of sizes, with next to nothing: that they run, and say what they should. What they
// measure is for a quiet machine.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runProgram } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const patient = { skip: !existsSync('/proc/self/smaps_rollup'), timeout: 120_000 };

t.test('standing.js tells memory and reads of each load', patient, async (t) => {
  const few = ['--connections', '40', '--files', '20', '--locks', '300', '--reads', '200'];
  const { code, stdout, stderr } = await runProgram('dist/test/bench/standing.js', [
    ...few,
    '--json',
  ]);
  t.equal(code, 0, stderr);
  const { outcomes } = JSON.parse(stdout);
  t.match(outcomes, [
    {
      load: 'idle connection',
      count: 40,
      each: { rss: Number },
      reads: { laden: { p99: Number } },
    },
    { load: 'open file', count: 20 },
    { load: 'held lock', count: 300 },
  ]);
  t.equal(outcomes[0].each.descriptors, 1, 'a connection is one descriptor');
  t.equal(outcomes[2].left.at(-1).descriptors, outcomes[2].left[0].descriptors);
});

t.test('sizes.js tells the depth of each tree and draws a chart', patient, async (t) => {
  const svg = join(temporaryDirectory(t), 'sizes.svg');
  const few = ['--sizes', '100,1000', '--reads', '50', '--svg', svg, '--json'];
  const { code, stdout, stderr } = await runProgram('dist/test/bench/sizes.js', few);
  t.equal(code, 0, stderr);
  t.match(JSON.parse(stdout).outcomes, [
    { records: 100, depth: [1, 1], p50: Number },
    { records: 1000, depth: [2, 1], p50: Number },
  ]);
  const drawn = readFileSync(svg, 'utf8');
  t.match(drawn, /^<svg [^>]*>\n/);
  t.match(drawn, /1,000<\/text>/);
  t.equal(drawn.match(/<polyline /g)?.length, 2);
});
