// Every engine passes the conformance suite, and all give the same answers to the same random steps.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type {
  Edge,
  StorageEngine,
  StoredFile,
  StoredRecord,
} from '../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../server/storage/lmdb/engine.js';
import { createMemoryEngine } from '../../../server/storage/memory/engine.js';
import type { Rfa } from '../../../shared/record/rfa.js';
import { problemsOf, storageConformance } from '../../conformance/storage.js';
import {
  insertRow,
  makeFile,
  type Row,
  removeRow,
  rewriteRow,
  rowDraft,
  rowKeys,
  rowSpec,
  scanIds,
} from '../../conformance/storage-rows.js';

storageConformance(t, 'memory', createMemoryEngine);
storageConformance(t, 'lmdb', createLmdbEngine);

/** One random step; answers what a caller may see of it, addresses left out. */
type Step = (subject: Subject) => Promise<unknown>;

/** A file and the addresses its records were given, in the order of their inserts. */
interface Subject {
  readonly file: StoredFile;
  readonly rfas: (Rfa | undefined)[];
}

/** Drops deleted records whose address LMDB gave to another one; the memory engine never does. */
function forgetReused(lmdb: Subject, memory: Subject): void {
  const seen = new Set<string>();
  for (let at = lmdb.rfas.length - 1; at >= 0; at--) {
    const address = lmdb.rfas[at]?.toString('hex');
    if (address === undefined) continue;
    if (seen.has(address)) {
      lmdb.rfas[at] = undefined;
      memory.rfas[at] = undefined;
    }
    seen.add(address);
  }
}

const without = ({ rfa: _, ...seen }: { rfa: Rfa }): object => seen;

async function current({ file, rfas }: Subject, nth: number): Promise<StoredRecord | string> {
  const rfa = rfas[nth % Math.max(1, rfas.length)];
  return rfa === undefined ? 'none' : file.fetch(rfa);
}

const insert =
  (row: Row): Step =>
  async (subject) => {
    const stored = await insertRow(subject.file, row);
    subject.rfas.push(stored.rfa);
    return without(stored);
  };

const insertTogether =
  (rows: readonly Row[]): Step =>
  async (subject) => {
    const asked = rows.map((row) => insertRow(subject.file, row));
    const outcomes = await Promise.allSettled(asked);
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') return outcome.reason.code;
      subject.rfas.push(outcome.value.rfa);
      return without(outcome.value);
    });
  };

const update =
  (nth: number, row: Row, isStale: boolean): Step =>
  async (subject) => {
    const found = await current(subject, nth);
    if (typeof found === 'string') return found;
    return rewriteRow(subject.file, isStale ? { ...found, crc: found.crc ^ 1 } : found, row);
  };

const remove =
  (nth: number): Step =>
  async (subject) => {
    const found = await current(subject, nth);
    return typeof found === 'string' ? found : removeRow(subject.file, found);
  };

const seek =
  (key: number, edge: Edge, direction: 'forward' | 'reverse'): Step =>
  async ({ file }) => {
    const found = await file.seek(key, edge, direction);
    return found && without(found);
  };

const find =
  (key: number, value: Buffer): Step =>
  async ({ file }) => {
    const found = await file.find(key, value);
    return found && without(found);
  };

const place =
  (nth: number, key: number): Step =>
  async (subject) => {
    const found = await current(subject, nth);
    if (typeof found === 'string') return found;
    return subject.file.placeOf(key, found.rfa, rowKeys(found.record)[key]);
  };

const scan =
  (key: number, direction: 'forward' | 'reverse', step: number): Step =>
  ({ file }) =>
    scanIds(file, key, direction, step);

const scanAll: Step = async ({ file }) => (await scanIds(file, 'stored', 'forward', 7)).sort();
const facts: Step = async ({ file }) => (await file.facts()).records;
const rebuild: Step = async ({ file }) => file.rebuild(rowKeys, () => undefined);
const clear: Step = async ({ file }) => file.clear();
const insertMany =
  (rows: readonly Row[]): Step =>
  async ({ file, rfas }) => {
    const { stored, error } = await file.insertMany(rows.map(rowDraft));
    for (const { id } of rows.slice(0, stored)) {
      rfas.push((await file.find(0, pad(0, Buffer.from(id, 'latin1'))))?.rfa);
    }
    return [stored, error instanceof Error && 'code' in error ? error.code : undefined];
  };

const word = (chars: number) =>
  fc.string({ unit: fc.constantFrom('a', 'b', 'ÿ', '~'), maxLength: chars });
const row: fc.Arbitrary<Row> = fc.record({
  id: word(4),
  group: word(1),
  rank: word(1),
  alias: word(3),
  note: fc
    .tuple(fc.constantFrom(0, 1, 50, 200, 900, 2500, 5000, 20_000), fc.nat(20))
    .map(([size, more]) => 'n'.repeat(size + more)),
});
const nth = fc.nat(500);
const key = fc.constantFrom(0, 1, 2, 3);
const direction = fc.constantFrom('forward' as const, 'reverse' as const);
const prefix = word(4).map((text) => Buffer.from(text, 'latin1'));
const edge = fc.record({ prefix, side: fc.constantFrom('before' as const, 'after' as const) });

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: row.map(insert) },
  { weight: 4, arbitrary: fc.array(row, { maxLength: 12 }).map(insertTogether) },
  { weight: 3, arbitrary: fc.array(row, { maxLength: 12 }).map(insertMany) },
  { weight: 15, arbitrary: fc.tuple(nth, row, fc.constant(false)).map((of) => update(...of)) },
  { weight: 1, arbitrary: fc.tuple(nth, row, fc.constant(true)).map((of) => update(...of)) },
  { weight: 18, arbitrary: nth.map(remove) },
  { weight: 10, arbitrary: fc.tuple(key, edge, direction).map((of) => seek(...of)) },
  { weight: 5, arbitrary: fc.tuple(key, prefix).map(([key, value]) => find(key, pad(key, value))) },
  { weight: 5, arbitrary: fc.tuple(nth, key).map((of) => place(...of)) },
  {
    weight: 4,
    arbitrary: fc.tuple(key, direction, fc.integer({ min: 1, max: 9 })).map((of) => scan(...of)),
  },
  { weight: 2, arbitrary: fc.constantFrom(scanAll, facts) },
  { weight: 1, arbitrary: fc.constantFrom(rebuild, facts, facts, clear) },
);

const pad = (key: number, value: Buffer): Buffer =>
  Buffer.concat([value, Buffer.alloc(8, ' ')]).subarray(0, key === 1 || key === 2 ? 4 : 8);

async function answer(step: Step, subject: Subject): Promise<unknown> {
  try {
    return await step(subject);
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : String(error);
  }
}

t.test('lmdb and memory answer the same to the same steps', async (t) => {
  const seed = Date.now() % 2 ** 31;
  t.comment(`seed ${seed}`);
  const directory = t.testdir();
  let runs = 0;
  let steps = 0;
  const property = fc.asyncProperty(
    fc.array(anyStep, { minLength: 20, maxLength: 250, size: 'max' }),
    async (sequence) => {
      const path = join(directory, `run${runs++}.ism`);
      const engines: StorageEngine[] = [createLmdbEngine(), createMemoryEngine()];
      const subjects: Subject[] = [];
      for (const engine of engines) {
        subjects.push({ file: await makeFile(engine, path, rowSpec()), rfas: [] });
      }
      const [lmdb, memory] = subjects;
      if (lmdb === undefined || memory === undefined) throw new Error('no engines');
      for (const [at, step] of sequence.entries()) {
        const got = await answer(step, lmdb);
        const wanted = await answer(step, memory);
        // Not an assertion of tap for each: thousands of them take longer than the steps.
        assert.deepStrictEqual(got, wanted, `step ${at}`);
        forgetReused(lmdb, memory);
        steps++;
      }
      assert.deepStrictEqual(await problemsOf(lmdb.file), []);
      for (const engine of engines) await engine.close();
    },
  );
  const outcome = await fc.check(property, { seed, numRuns: 40, endOnFailure: true });
  t.comment(`${steps} steps compared`);
  if (outcome.failed) t.comment(String(outcome.errorInstance));
  t.notOk(outcome.failed, `seed ${seed}, path ${outcome.counterexamplePath}`);
});
