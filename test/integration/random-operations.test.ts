// The proof of the record files: random definitions, random requests of two sessions with two channels
// each, every reply and every error code compared with the plain model of test/model. FC_SEED replays a
// run; FC_SHRINK=1 looks for the smallest failing one.

import { mkdtemp, rm } from 'node:fs/promises';
import fc from 'fast-check';
import t from 'tap';
import { fileArbitrary, type RandomFile } from '../model/random-spec.js';
import { stepsArbitrary } from '../model/random-step.js';
import { type EngineName, makeGround, temporaryPrefix } from '../model/session-harness.js';
import { Twin } from '../model/twin.js';

const stepsPerFile = 200;

const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);

interface Tally {
  definitions: number;
  operations: number;
  /** Times of each error code, and of each request with its kind of reply. */
  readonly outcomes: Map<string, number>;
}

async function compare(engine: EngineName, definitions: number): Promise<Tally> {
  const tally: Tally = { definitions: 0, operations: 0, outcomes: new Map() };
  const property = fc.asyncProperty(
    fileArbitrary,
    stepsArbitrary(stepsPerFile),
    async (file, steps) => {
      const directory = await mkdtemp(temporaryPrefix('random'));
      const ground = makeGround(engine);
      try {
        const twin = new Twin(ground.services, directory, file);
        await twin.start();
        for (const step of steps) await twin.run(step);
        await twin.finish();
        count(tally, twin);
      } finally {
        await ground.close();
        await rm(directory, { recursive: true, force: true });
      }
    },
  );
  const endOnFailure = process.env.FC_SHRINK === undefined;
  const run = await fc.check(property, { numRuns: definitions, seed, endOnFailure });
  if (run.failed) throw new Error(story(engine, run.counterexample?.[0], run.errorInstance));
  return tally;
}

/** Without the hundreds of steps that the library would print. */
function story(engine: EngineName, file: RandomFile | undefined, error: unknown): string {
  const what = error instanceof Error ? error.message : String(error);
  return `${engine}, FC_SEED=${seed}, ${JSON.stringify(file?.spec)}:\n${what}`;
}

function count(tally: Tally, twin: Twin): void {
  tally.definitions++;
  tally.operations += twin.compared;
  for (const [name, times] of twin.outcomes) {
    tally.outcomes.set(name, (tally.outcomes.get(name) ?? 0) + times);
  }
}

function print(engine: EngineName, { definitions, operations, outcomes }: Tally): void {
  const sorted = [...outcomes].sort(([a], [b]) => (a < b ? -1 : 1));
  const list = (isError: boolean): string =>
    sorted
      .filter(([name]) => name.startsWith('ERR_') === isError)
      .map(([name, times]) => `${name} ${times}`)
      .join(', ');
  t.comment(
    `${engine}: seed ${seed}, ${definitions} definitions, ${operations} operations, all equal`,
  );
  t.comment(`${engine}: answers compared: ${list(false)}`);
  t.comment(`${engine}: errors compared: ${list(true)}`);
}

/** What random files and requests must have brought about, or they prove less than they say. */
const EXPECTED_CODES = [
  'ERR_BADKEY',
  'ERR_DELREC',
  'ERR_EOF',
  'ERR_FILOPT',
  'ERR_FINUSE',
  'ERR_INVALRFA',
  'ERR_INVPKEY',
  'ERR_IRCSIZ',
  'ERR_KEYNOT',
  'ERR_LOCKED',
  'ERR_NOCURR',
  'ERR_NODUPS',
  'ERR_NOOPEN',
  'ERR_RECNOT',
  'ERR_RNF',
];

// Generous, for machines that do other things as well; by itself it takes about ten seconds.
t.setTimeout(300_000);
t.comment(`random operations: FC_SEED=${seed}`);

t.test('sessions over LMDB answer 20,000 random requests as the model does', async (t) => {
  const tally = await compare('lmdb', 100);
  print('lmdb', tally);
  t.ok(tally.operations >= 20_000, `${tally.operations} operations`);
  for (const code of EXPECTED_CODES) t.ok(tally.outcomes.has(code), `${code} came up`);
});

t.test('sessions over the engine in memory, which answers later, do so too', async (t) => {
  const tally = await compare('memory', 15);
  print('memory', tally);
  t.ok(tally.operations >= 3_000, `${tally.operations} operations`);
});
