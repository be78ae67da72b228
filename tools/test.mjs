// Runs tap on the compiled tests and says what came of it: a line per file, what tests print, every
// failure in full, and last, alone on its line, the real counts:
//   412 passed, 0 failed
// Leaf assertions are counted; a file or test that fails though none of its leaves did (crash, signal,
// timeout, bad plan) counts as one failure. With CI=true a skip is a failure: what a test needs must
// be there. Arguments are handed to tap (file names, --jobs …).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Parser } from 'tap-parser';

const counts = { passed: 0, failed: 0, skipped: 0 };
const print = (text) => process.stdout.write(`${text}\n`);

/** Counts the leaves of one parser; `parent.failed` grows so that a failure is counted once. */
function watch(parser, parent, level) {
  let child;
  parser.on('child', (nested) => {
    child = { failed: 0 };
    watch(nested, child, level + 1);
  });
  parser.on('comment', (comment) => {
    if (level > 0 && !comment.startsWith('# Subtest')) process.stdout.write(`  ${comment}`);
  });
  parser.on('assert', (assertion) => {
    const inner = child;
    child = undefined;
    if (level === 0) print(`${assertion.ok ? 'ok  ' : 'FAIL'} ${assertion.name}`);
    if (inner !== undefined) {
      parent.failed += inner.failed;
      if (assertion.ok || inner.failed > 0) return;
    }
    count(assertion, parent);
  });
  parser.on('complete', ({ failures }) => {
    const broken = failures.filter((failure) => failure.tapError);
    for (const failure of broken) print(`  not ok: ${failure.tapError}`);
    counts.failed += broken.length;
    parent.failed += broken.length;
  });
}

function count(assertion, parent) {
  if (assertion.skip) {
    counts.skipped++;
    print(`  skipped: ${assertion.fullname} ${assertion.name}: ${assertion.skip}`);
  } else if (assertion.ok) {
    counts.passed++;
  } else {
    counts.failed++;
    parent.failed++;
    print(`  not ok: ${assertion.fullname} > ${assertion.name}`);
    if (assertion.diag) print(JSON.stringify(assertion.diag, null, 2).replace(/^/gm, '    '));
  }
}

const root = new Parser();
watch(root, { failed: 0 }, 0);
root.on('bailout', (reason) => print(`bailed out: ${reason}`));

const args = ['node_modules/tap/dist/esm/run.mjs', '--reporter=tap', ...process.argv.slice(2)];
const tap = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
tap.stdout.pipe(root);
const [[code], { ok }] = await Promise.all([
  once(tap, 'close'),
  once(root, 'complete').then((e) => e[0]),
]);

if (process.env.CI === 'true') counts.failed += counts.skipped;
if ((code !== 0 || !ok) && counts.failed === 0) counts.failed = 1;
if (counts.skipped > 0) print(`${counts.skipped} skipped`);
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
print(`${counts.passed} passed, ${counts.failed} failed`);
