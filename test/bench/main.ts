// npm run bench: rsynd beside PostgreSQL, Redis and bare TLS, on one machine, in one run, sides in turn.
// README.md beside this says what each line is and what it does not prove; --help says what can be asked.

import { appendFileSync, writeFileSync } from 'node:fs';
import { drawChart } from './chart.js';
import { prepareGround } from './ground.js';
import type { Line, LineOutcome } from './line.js';
import { describeMachine } from './machine.js';
import { type Options, readOptions } from './options.js';
import { aimsText, headText, jsonOf, lineText } from './report.js';
import { runLine } from './rounds.js';
import { allLines } from './works/works.js';

/** What the caller can mend. */
class UsageError extends Error {}

const options = readOptions(process.argv.slice(2));
const undo: (() => unknown)[] = [];
let tidying: Promise<void> | undefined;
const teardown = { teardown: (step: () => unknown) => undo.unshift(step) };
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void tidyUp().finally(() => process.exit(1)));
}
try {
  await bench(options);
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = 1;
} finally {
  await tidyUp();
}

/** Ends what was started, last first; once, whoever asks. */
function tidyUp(): Promise<void> {
  tidying ??= (async () => {
    for (const step of undo) await step();
  })();
  return tidying;
}

async function bench(options: Options): Promise<void> {
  const lines = chosen(allLines(options), options.only);
  // What cannot be written is better known now than in eight minutes.
  for (const path of [options.json, options.svg]) if (path !== undefined) appendFileSync(path, '');
  const machine = describeMachine();
  const ground = await prepareGround(teardown, options);
  console.log(headText(machine, options, ground));
  console.log(
    '\nby side: median, our median ratio to it (lowest-highest round), CPU a call of client and server',
  );
  const outcomes: LineOutcome[] = [];
  for (const line of lines) {
    const outcome = await runLine(line, ground.contestants, options.rounds);
    outcomes.push(outcome);
    console.log(lineText(outcome));
  }
  console.log(aimsText(outcomes, options.rounds));
  const verified = await ground.verify();
  console.log(`\nisutl -v\n${verified}`);
  const { json, svg } = options;
  if (json !== undefined) {
    writeFileSync(json, jsonOf({ machine, options, ground, outcomes, verified }));
  }
  if (svg !== undefined) writeFileSync(svg, drawChart(machine, outcomes, options));
}

/** By name, or by the beginning of it where no line has that name. */
function chosen(lines: readonly Line[], only: readonly string[] | undefined): readonly Line[] {
  if (only === undefined) return lines;
  const asked = new Set(only.flatMap((word) => linesNamed(word, lines)));
  return lines.filter((line) => asked.has(line));
}

function linesNamed(word: string, lines: readonly Line[]): readonly Line[] {
  const exact = lines.filter(({ name }) => name === word);
  const found = exact.length > 0 ? exact : lines.filter(({ name }) => name.startsWith(word));
  if (found.length > 0) return found;
  const known = lines.map(({ name }) => name).join(', ');
  throw new UsageError(`there is no line ${word}; there are ${known}`);
}
