// The rules of server/storage/engine.ts as tests that every engine must pass. To add an engine, run
// this on it in test/server/storage/.

import { join } from 'node:path';
import type { Test } from 'tap';
import type {
  Edge,
  Problem,
  RecordDraft,
  StorageEngine,
  StoredFile,
} from '../../server/storage/engine.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import { makeRfa, recordCrc } from '../../shared/record/rfa.js';
import {
  idOf,
  insertRow,
  makeFile,
  noteOf,
  numberedDraft,
  removeRow,
  rewriteRow,
  rowBytes,
  rowDraft,
  rowKeys,
  rowSpec,
  scanIds,
  walkIds,
} from './storage-rows.js';

type Rule = (t: Test, file: StoredFile, engine: StorageEngine, path: string) => Promise<void>;

/** Runs all rules on fresh files of the engine, one subtest each. */
export function storageConformance(t: Test, name: string, makeEngine: () => StorageEngine): void {
  for (const [rule, check] of Object.entries(RULES)) {
    t.test(`${name}: ${rule}`, async (t) => {
      const engine = makeEngine();
      const path = join(t.testdir(), 'rows.ism');
      const file = await makeFile(engine, path, SPECS[rule] ?? rowSpec());
      await check(t, file, engine, path);
      const whole = await engine.open(path);
      t.same(await problemsOf(whole), [], 'verify finds nothing wrong');
      await whole.close();
      await file.close();
      await engine.close();
    });
  }
}

export async function problemsOf(file: StoredFile): Promise<Problem[]> {
  const problems: Problem[] = [];
  await file.verify(rowKeys, (problem) => problems.push(problem));
  return problems;
}

const bytes = (...values: number[]): Buffer => Buffer.from(values);
const before = (prefix: Uint8Array): Edge => ({ prefix, side: 'before' });
const after = (prefix: Uint8Array): Edge => ({ prefix, side: 'after' });
const START = before(Buffer.alloc(0));
const END = after(Buffer.alloc(0));

const SPECS: Record<string, FileSpec> = {
  'refuses records past the record limit': rowSpec({ attributes: { recordLimit: 3 } }),
  'keeps fixed records and gives each slot room': rowSpec({
    record: { size: 24, format: 'fixed' },
  }),
};

const RULES: Record<string, Rule> = {
  'makes, opens, shares and deletes files': async (t, file, engine, path) => {
    t.equal(await engine.exists(path), true);
    await t.rejects(async () => engine.create(path, rowSpec()), { code: 'ERR_REPLAC' });
    await t.rejects(async () => engine.open(`${path}.no`), { code: 'ERR_FNF' });
    await t.rejects(async () => engine.remove(`${path}.no`), { code: 'ERR_FNF' });
    await t.rejects(async () => engine.remove(path), { code: 'ERR_FINUSE' });
    const second = await engine.open(path);
    await insertRow(file, { id: 'a' });
    t.same(await walkIds(second, 0), ['a'], 'openers see the same records');
    await second.close();
    t.same(await walkIds(file, 0), ['a'], 'close counts openers');
    const other = `${path}.other`;
    await engine.create(other, rowSpec());
    await engine.remove(other);
    t.equal(await engine.exists(other), false);
  },

  'keeps records when the file is closed and opened': async (t, file, engine, path) => {
    await insertRow(file, { id: 'a', group: 'g', note: 'kept' });
    await file.close();
    await t.rejects(async () => file.find(0, Buffer.from('a'.padEnd(8))), TypeError);
    const again = await engine.open(path);
    t.same(again.spec, rowSpec());
    const found = await again.find(0, Buffer.from('a'.padEnd(8)));
    t.equal(noteOf(found?.record ?? Buffer.alloc(0)), 'kept');
    await again.close();
  },

  'finds by exact key and says where': async (t, file) => {
    const stored = await insertRow(file, { id: 'a', group: 'g' });
    await insertRow(file, { id: 'b', group: 'g' });
    const found = await file.find(0, Buffer.from('a'.padEnd(8)));
    t.same(found?.record, rowBytes({ id: 'a', group: 'g' }));
    t.same(found?.rfa, stored.rfa);
    t.equal(found?.crc, recordCrc(stored.record));
    t.same(found?.place, Buffer.from('a'.padEnd(8)));
    t.equal(await file.find(0, Buffer.from('a')), undefined, 'a leading part is not the key');
    t.equal(await file.find(0, Buffer.from('zz')), undefined);
    t.equal(await file.find(1, Buffer.from('g  ')), undefined);
    const first = await file.find(1, Buffer.from('g   '));
    t.equal(idOf(first?.record ?? Buffer.alloc(8)), 'a', 'the first of the duplicates');
    await t.rejects(async () => file.find(9, Buffer.from('x')), TypeError);
  },

  'seeks from both sides of an edge in both directions': async (t, file) => {
    for (const id of ['aa', 'ab', 'b', 'c']) await insertRow(file, { id });
    const at = async (edge: Edge, direction: 'forward' | 'reverse') => {
      const found = await file.seek(0, edge, direction);
      return found === undefined ? undefined : idOf(found.record);
    };
    const cases: [Edge, string | undefined, string | undefined][] = [
      [START, 'aa', undefined],
      [END, undefined, 'c'],
      [before(Buffer.from('a')), 'aa', undefined],
      [after(Buffer.from('a')), 'b', 'ab'],
      [before(Buffer.from('ab      ')), 'ab', 'aa'],
      [after(Buffer.from('ab      ')), 'b', 'ab'],
      [before(Buffer.from('bb')), 'c', 'b'],
      [after(Buffer.from('bb')), 'c', 'b'],
      [before(bytes(0xff, 0xff)), undefined, 'c'],
      [after(bytes(0xff, 0xff)), undefined, 'c'],
      [before(bytes(0)), 'aa', undefined],
      [after(bytes(0)), 'aa', undefined],
    ];
    for (const [edge, forward, reverse] of cases) {
      const label = `${edge.side} ${Buffer.from(edge.prefix).toString('hex')}`;
      t.equal(await at(edge, 'forward'), forward, `${label} forward`);
      t.equal(await at(edge, 'reverse'), reverse, `${label} reverse`);
    }
    await t.rejects(async () => file.seek(0, before(Buffer.alloc(2000)), 'forward'), {
      code: 'ERR_BADKEY',
    });
  },

  'knows edges of prefixes that end in ff bytes': async (t, file) => {
    const ids = [bytes(0x41, 0xfe), bytes(0x41, 0xff), bytes(0x41, 0xff, 0xff), bytes(0x42)];
    ids.push(bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), bytes(0, 0, 0));
    for (const id of ids) await insertRow(file, { id: id.toString('latin1') });
    const order = ids.map((id) => id.toString('latin1').padEnd(8)).sort();
    const at = async (edge: Edge, direction: 'forward' | 'reverse') =>
      (await file.seek(0, edge, direction))?.place.toString('latin1');
    for (const prefix of [bytes(0x41, 0xff), bytes(0x41, 0xff, 0xff), bytes(0xff), bytes(0)]) {
      const text = prefix.toString('latin1');
      const inside = order.filter((id) => id.startsWith(text));
      const ahead = order.filter((id) => id < text);
      const behind = order.filter((id) => id > text && !id.startsWith(text));
      const label = prefix.toString('hex');
      t.equal(await at(before(prefix), 'forward'), inside[0] ?? behind[0], `${label} before`);
      t.equal(await at(after(prefix), 'forward'), behind[0], `${label} after`);
      t.equal(await at(before(prefix), 'reverse'), ahead.at(-1), `${label} before, reverse`);
      const last = inside.at(-1) ?? ahead.at(-1);
      t.equal(await at(after(prefix), 'reverse'), last, `${label} after, reverse`);
    }
  },

  'orders duplicates first in first out and last in first out': async (t, file) => {
    for (const id of ['3', '1', '2']) await insertRow(file, { id, group: 'g', rank: 'r' });
    await insertRow(file, { id: '0', group: 'h', rank: 'q' });
    t.same(await walkIds(file, 1), ['3', '1', '2', '0']);
    t.same(await walkIds(file, 1, 'reverse'), ['0', '2', '1', '3']);
    t.same(await walkIds(file, 2), ['0', '2', '1', '3']);
    t.same(await walkIds(file, 2, 'reverse'), ['3', '1', '2', '0']);
    t.same(await scanIds(file, 2), ['0', '2', '1', '3']);
    t.equal(idOf((await file.find(2, Buffer.from('r   ')))?.record ?? Buffer.alloc(8)), '2');
  },

  'moves a changed key to the end of its duplicates and leaves others': async (t, file) => {
    const stored = [];
    for (const id of ['1', '2', '3']) {
      stored.push(await insertRow(file, { id, group: 'g', rank: 'r' }));
    }
    const [first, second] = stored;
    if (first === undefined || second === undefined) throw new Error('not stored');
    await rewriteRow(file, first, { id: '1', group: 'g', rank: 'r', note: 'same keys' });
    t.same(await walkIds(file, 1), ['1', '2', '3'], 'unchanged keys keep their place');
    await rewriteRow(file, second, { id: '2', group: 'h', rank: 'r' });
    t.same(await walkIds(file, 2), ['3', '2', '1'], 'the other key is not moved');
    const moved = await file.fetch(second.rfa);
    if (typeof moved === 'string') throw new Error(moved);
    await rewriteRow(file, moved, { id: '2', group: 'g', rank: 'r' });
    t.same(await walkIds(file, 1), ['1', '3', '2'], 'fifo: it comes last');
    t.same(await walkIds(file, 2), ['3', '2', '1']);
    const again = await file.fetch(second.rfa);
    if (typeof again === 'string') throw new Error(again);
    await rewriteRow(file, again, { id: '2', group: 'g', rank: 'x' });
    const back = await file.fetch(second.rfa);
    if (typeof back === 'string') throw new Error(back);
    await rewriteRow(file, back, { id: '2', group: 'g', rank: 'r' });
    t.same(await walkIds(file, 2), ['2', '3', '1'], 'lifo: it comes first');
  },

  'leaves records with a null key out of that index': async (t, file) => {
    const plain = await insertRow(file, { id: 'a' });
    const named = await insertRow(file, { id: 'b', alias: 'bee' });
    await insertRow(file, { id: 'c' });
    t.same(await walkIds(file, 3), ['b']);
    t.equal(await file.placeOf(3, plain.rfa, undefined), undefined);
    await rewriteRow(file, plain, { id: 'a', alias: 'ant' });
    await rewriteRow(file, named, { id: 'b' });
    t.same(await walkIds(file, 3), ['a']);
    t.same(await walkIds(file, 0), ['a', 'b', 'c']);
  },

  'says where a record stands in each index': async (t, file) => {
    await insertRow(file, { id: 'a', group: 'g', rank: 'r' });
    const stored = await insertRow(file, { id: 'b', group: 'g', rank: 'r', alias: 'bee' });
    const keys = rowKeys(stored.record);
    for (const key of [0, 1, 2, 3]) {
      const place = await file.placeOf(key, stored.rfa, keys[key]);
      t.ok(place, `key ${key} has a place`);
      const found = await file.seek(key, before(place ?? Buffer.alloc(0)), 'forward');
      t.same(found?.rfa, stored.rfa);
      t.same(found?.place, place);
    }
    await removeRow(file, stored);
    t.equal(await file.placeOf(0, stored.rfa, keys[0]), undefined);
    t.equal(await file.placeOf(1, stored.rfa, keys[1]), undefined);
  },

  'refuses a second record of a unique key without a trace': async (t, file) => {
    const first = await insertRow(file, { id: 'a', group: 'g', alias: 'one' });
    const second = await insertRow(file, { id: 'b', group: 'g', alias: 'two' });
    await t.rejects(insertRow(file, { id: 'c', group: 'g', alias: 'one' }), { code: 'ERR_NODUPS' });
    await t.rejects(insertRow(file, { id: 'a', group: 'x' }), { code: 'ERR_NODUPS' });
    await t.rejects(rewriteRow(file, second, { id: 'b', group: 'x', alias: 'one' }), {
      code: 'ERR_NODUPS',
    });
    t.same(await walkIds(file, 0), ['a', 'b']);
    t.same(await walkIds(file, 1), ['a', 'b']);
    t.same(await walkIds(file, 3), ['a', 'b']);
    t.equal((await file.facts()).records, 2);
    await rewriteRow(file, first, { id: 'a', group: 'g', alias: 'one', note: 'own key again' });
    await removeRow(file, second);
    await insertRow(file, { id: 'b', alias: 'two' });
  },

  'refuses keys and records no index or block can take': async (t, file) => {
    const draft = (record: Buffer, keys: (Buffer | undefined)[]): RecordDraft => ({
      sequences: [],
      finish: () => ({ record, keys }),
    });
    const record = rowBytes({ id: 'a' });
    const keys = [...rowKeys(record)].map((key) => key && Buffer.from(key));
    const insert = async (record: Buffer, keys: (Buffer | undefined)[]) =>
      file.insert(draft(record, keys));
    await t.rejects(insert(record, keys.slice(1)), TypeError);
    await t.rejects(insert(record, [Buffer.alloc(601), ...keys.slice(1)]), { code: 'ERR_BADKEY' });
    await t.rejects(insert(record, [Buffer.alloc(0), ...keys.slice(1)]), { code: 'ERR_BADKEY' });
    await t.rejects(insert(Buffer.alloc(0), keys), { code: 'ERR_IRCSIZ' });
    await t.rejects(insert(Buffer.alloc(1024 * 1024 + 1), keys), { code: 'ERR_IRCSIZ' });
    t.same(await walkIds(file, 0), []);
  },

  'gives sequence numbers without gaps': async (t, file) => {
    const numbers = [];
    for (let count = 0; count < 3; count++) {
      numbers.push(idOf((await file.insert(numberedDraft(7n))).record));
    }
    await t.rejects(insertRow(file, { id: '00000007' }), { code: 'ERR_NODUPS' });
    const taken = await insertRow(file, { id: '00000010' });
    await t.rejects(async () => file.insert(numberedDraft(7n)), { code: 'ERR_NODUPS' });
    await removeRow(file, taken);
    const together = await Promise.all([
      file.insert(numberedDraft(7n)),
      file.insert(numberedDraft(7n)),
    ]);
    numbers.push(...together.map(({ record }) => idOf(record)));
    const expected = ['00000007', '00000008', '00000009', '00000010', '00000011'];
    t.same(numbers, expected);
    t.equal((await file.insertMany([numberedDraft(7n), numberedDraft(7n)])).stored, 2);
    t.same((await walkIds(file, 0)).slice(-2), ['00000012', '00000013']);
  },

  'commits concurrent writes and refuses only those that fail': async (t, file) => {
    const asked = Array.from({ length: 50 }, (_, n) => insertRow(file, { id: `${n % 40}` }));
    const outcomes = await Promise.allSettled(asked);
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 40);
    t.equal((await file.facts()).records, 40);
  },

  'stores many in order and stops at the first that fails': async (t, file) => {
    const drafts = ['a', 'b', 'c', 'b', 'd'].map((id) => rowDraft({ id }));
    const outcome = await file.insertMany(drafts);
    t.equal(outcome.stored, 3);
    t.match(outcome.error, { code: 'ERR_NODUPS' });
    t.same(await scanIds(file, 'stored'), ['a', 'b', 'c']);
    t.same(await file.insertMany([]), { stored: 0 });
    const many = Array.from({ length: 3000 }, (_, n) => rowDraft({ id: `m${n}`, group: 'g' }));
    t.same(await file.insertMany(many), { stored: 3000 });
    t.equal((await file.facts()).records, 3003);
  },

  'answers gone and changed for records that are not as the caller saw them': async (t, file) => {
    const stored = await insertRow(file, { id: 'a', note: 'one' });
    const outcome = await rewriteRow(file, stored, { id: 'a', note: 'two' });
    t.same(outcome, { crc: recordCrc(rowBytes({ id: 'a', note: 'two' })) });
    t.equal(await rewriteRow(file, stored, { id: 'a', note: 'three' }), 'changed');
    t.equal(await removeRow(file, stored), 'changed');
    const now = await file.fetch(stored.rfa);
    if (typeof now === 'string') throw new Error(now);
    t.equal(noteOf(now.record), 'two');
    t.same(await removeRow(file, now), { crc: now.crc });
    t.equal(await removeRow(file, now), 'gone');
    t.equal(await rewriteRow(file, now, { id: 'a' }), 'gone');
    t.same(await walkIds(file, 0), []);
  },

  'tells deleted addresses from those that never were': async (t, file) => {
    const stored = await insertRow(file, { id: 'a' });
    const kept = await insertRow(file, { id: 'b' });
    await removeRow(file, stored);
    t.equal(await file.fetch(stored.rfa), 'deleted');
    t.equal(await file.fetch(makeRfa(2 ** 39, 0)), 'invalid');
    t.equal(await file.fetch(makeRfa(0, 0)), 'invalid');
    const found = await file.fetch(kept.rfa);
    t.same(found, { rfa: kept.rfa, record: kept.record, crc: kept.crc });
    await removeRow(file, kept);
    t.equal(await file.fetch(kept.rfa), 'deleted', 'also when its block is empty');
  },

  'keeps addresses while records grow, shrink and go out of line': async (t, file) => {
    const sizes = [10, 3000, 4500, 100_000, 2000, 1024 * 1024 - 24, 1, 60];
    const rows = await Promise.all(
      Array.from({ length: 30 }, (_, n) => insertRow(file, { id: `${n}`, group: 'g', rank: 'r' })),
    );
    for (const size of sizes) {
      for (const row of rows.slice(0, 6)) {
        const now = await file.fetch(row.rfa);
        if (typeof now === 'string') throw new Error(now);
        const note = String.fromCharCode(97 + (size % 26)).repeat(size);
        const next = { id: idOf(now.record), group: 'g', rank: 'r', note };
        const outcome = await rewriteRow(file, now, next);
        t.type(outcome, 'object');
        const then = await file.find(0, Buffer.from(next.id.padEnd(8)));
        t.same(then?.rfa, row.rfa);
        t.equal(noteOf(then?.record ?? Buffer.alloc(0)) === note, true, `${size} bytes`);
      }
      t.equal((await scanIds(file, 'stored')).length, 30);
    }
    t.same(
      await walkIds(file, 1),
      rows.map(({ record }) => idOf(record)),
      'and the order of duplicates stays',
    );
  },

  'takes large records and gives them to scans': async (t, file) => {
    const note = 'x'.repeat(30_000);
    for (const id of ['a', 'b', 'c']) await insertRow(file, { id, note: id === 'b' ? 'y' : note });
    const lengths: number[] = [];
    const cursor = { order: 0, direction: 'forward', from: START, until: END } as const;
    await file.scan({ ...cursor }, (_, start, end) => lengths.push(end - start) > 0, 10);
    t.same(lengths, [30_024, 25, 30_024]);
    t.same(await scanIds(file, 'stored'), ['a', 'b', 'c']);
    const found = await file.find(0, Buffer.from('a'.padEnd(8)));
    if (found === undefined) throw new Error('not found');
    t.same(await removeRow(file, found), { crc: found.crc });
  },

  'stores again after deletes without losing or doubling records': async (t, file) => {
    const live = new Map<string, Buffer>();
    for (let n = 0; n < 400; n++) {
      const stored = await insertRow(file, { id: `${n}`, group: 'g', note: 'n'.repeat(n % 90) });
      live.set(`${n}`, stored.record);
      if (n % 3 !== 0) continue;
      const victim = await file.find(0, Buffer.from(`${Math.floor(n / 2)}`.padEnd(8)));
      if (victim === undefined) continue;
      await removeRow(file, victim);
      live.delete(idOf(victim.record));
    }
    t.same((await walkIds(file, 0)).sort(), [...live.keys()].sort());
    t.same((await scanIds(file, 'stored')).sort(), [...live.keys()].sort());
    t.equal((await file.facts()).records, live.size);
  },

  'scans in steps and resumes where it stopped': async (t, file) => {
    const drafts = Array.from({ length: 100 }, (_, n) =>
      rowDraft({ id: `${1000 + n}`, group: `${n % 7}`, rank: `${n % 5}`, note: 'n'.repeat(150) }),
    );
    await file.insertMany(drafts);
    for (const order of [0, 1, 2, 'stored'] as const) {
      const all = await scanIds(file, order);
      t.equal(all.length, 100);
      if (order !== 'stored') t.same(all, await walkIds(file, order), `as seek walks key ${order}`);
      for (const step of [1, 3, 64]) {
        t.same(await scanIds(file, order, 'forward', step), all, `${order} by ${step}`);
        const reverse = await scanIds(file, order, 'reverse', step);
        t.same(reverse, [...all].reverse(), `${order} reverse by ${step}`);
      }
    }
  },

  'gives a record its visitor did not take first next time': async (t, file) => {
    await file.insertMany(['a', 'b', 'c', 'd'].map((id) => rowDraft({ id })));
    for (const order of [0, 'stored'] as const) {
      const cursor = { order, direction: 'forward', from: START, until: END } as const;
      const moving = { ...cursor };
      const seen: string[] = [];
      const take = (max: number) => (bytes: Buffer, start: number, end: number) => {
        if (seen.length === max) return false;
        return seen.push(idOf(bytes.subarray(start, end))) > 0;
      };
      t.equal(await file.scan(moving, take(0), 10), 'more');
      t.equal(await file.scan(moving, take(2), 10), 'more');
      t.same(seen, ['a', 'b']);
      t.equal(await file.scan(moving, take(9), 10), 'end');
      t.same(seen, ['a', 'b', 'c', 'd']);
    }
  },

  'stops a scan at its edge': async (t, file) => {
    await file.insertMany(['a1', 'a2', 'b1', 'b2', 'c1'].map((id) => rowDraft({ id })));
    const scan = async (from: Edge, until: Edge, direction: 'forward' | 'reverse') => {
      const ids: string[] = [];
      const visit = (bytes: Buffer, start: number, end: number): boolean =>
        ids.push(idOf(bytes.subarray(start, end))) > 0;
      await file.scan({ order: 0, direction, from, until }, visit, 100);
      return ids;
    };
    const b = Buffer.from('b');
    t.same(await scan(before(b), after(b), 'forward'), ['b1', 'b2']);
    t.same(await scan(after(b), before(b), 'reverse'), ['b2', 'b1']);
    t.same(await scan(START, before(b), 'forward'), ['a1', 'a2']);
    t.same(await scan(END, after(b), 'reverse'), ['c1']);
    t.same(await scan(after(b), before(b), 'forward'), []);
    t.same(await scan(START, START, 'forward'), []);
    t.same(await scan(END, END, 'reverse'), []);
    t.same(await scan(START, after(bytes(0xff)), 'forward'), ['a1', 'a2', 'b1', 'b2', 'c1']);
  },

  'gives out copies and keeps none of what it was given': async (t, file) => {
    const record = rowBytes({ id: 'a', note: 'mine' });
    const keys = rowKeys(Buffer.from(record));
    const stored = await file.insert({ sequences: [], finish: () => ({ record, keys }) });
    record.fill(0);
    const found = await file.find(0, Buffer.from('a'.padEnd(8)));
    t.equal(noteOf(found?.record ?? Buffer.alloc(0)), 'mine');
    found?.record.fill(0);
    found?.place.fill(0);
    stored.record.fill(0);
    const again = await file.fetch(stored.rfa);
    t.equal(typeof again === 'string' ? again : noteOf(again.record), 'mine');
  },

  'refuses records past the record limit': async (t, file) => {
    for (const id of ['a', 'b', 'c']) await insertRow(file, { id });
    await t.rejects(insertRow(file, { id: 'd' }), { code: 'ERR_FILFUL' });
    const first = await file.find(0, Buffer.from('a'.padEnd(8)));
    if (first === undefined) throw new Error('not found');
    await removeRow(file, first);
    await insertRow(file, { id: 'd' });
    t.same(await walkIds(file, 0), ['b', 'c', 'd']);
  },

  'keeps fixed records and gives each slot room': async (t, file) => {
    const drafts = Array.from({ length: 600 }, (_, n) => rowDraft({ id: `${n}` }));
    t.same(await file.insertMany(drafts), { stored: 600 });
    const facts = await file.facts();
    t.equal(facts.records, 600);
    t.equal(facts.depths.length, 4);
    t.ok((facts.depths[0] ?? 0) >= 1);
    t.ok(facts.bytes >= 600 * 24);
  },

  'clears all records and goes on with new addresses': async (t, file) => {
    const old = await insertRow(file, { id: 'a', alias: 'ant' });
    await file.insert(numberedDraft(1n));
    await file.clear();
    for (const key of [0, 1, 2, 3]) t.same(await walkIds(file, key), []);
    t.same(await scanIds(file, 'stored'), []);
    t.equal((await file.facts()).records, 0);
    t.equal(await file.fetch(old.rfa), 'deleted');
    await insertRow(file, { id: 'a', alias: 'ant' });
    t.equal(idOf((await file.insert(numberedDraft(1n))).record), '00000002');
  },

  'changes its definition but not its layout': async (t, file, engine, path) => {
    await insertRow(file, { id: 'a' });
    await file.setSpec(rowSpec({ networkEncrypt: true, text: 'secret shop' }));
    t.equal(file.spec.networkEncrypt, true);
    await t.rejects(async () => file.setSpec(rowSpec({ keys: [] })), TypeError);
    const again = await engine.open(path);
    t.equal(again.spec.text, 'secret shop');
    t.same(await walkIds(again, 0), ['a']);
    await again.close();
  },

  'rebuilds with the same addresses and the same order': async (t, file) => {
    for (let n = 0; n < 120; n++) {
      const note = n % 11 === 0 ? 'x'.repeat(9000) : 'y'.repeat(n);
      await insertRow(file, { id: `${n}`, group: `${n % 3}`, rank: `${n % 2}`, note });
    }
    const victim = await file.find(0, Buffer.from('7'.padEnd(8)));
    if (victim === undefined) throw new Error('not found');
    await removeRow(file, victim);
    const moved = await file.find(0, Buffer.from('9'.padEnd(8)));
    if (moved === undefined) throw new Error('not found');
    await rewriteRow(file, moved, { id: '9', group: '1', rank: '1' });
    await file.insert(numberedDraft(50n));
    const orders = async () => Promise.all([0, 1, 2].map((key) => walkIds(file, key)));
    const was = await orders();
    const problems: Problem[] = [];
    let steps = 0;
    const report = await file.rebuild(
      rowKeys,
      (problem) => problems.push(problem),
      () => steps++,
    );
    t.same(problems, []);
    t.same(report, { records: 120, entries: [120, 120, 120, 0] });
    t.same(await orders(), was);
    const found = await file.fetch(moved.rfa);
    t.equal(typeof found === 'string' ? found : idOf(found.record), '9');
    t.equal(await file.fetch(victim.rfa), 'deleted');
    t.equal(idOf((await file.insert(numberedDraft(50n))).record), '00000051');
    await insertRow(file, { id: 'new', group: '0' });
    const order = await walkIds(file, 1);
    t.equal(order[order.indexOf('117') + 1], 'new', 'a new duplicate comes last');
  },

  'verifies both ways and counts': async (t, file) => {
    await file.insertMany(
      Array.from({ length: 50 }, (_, n) =>
        rowDraft({ id: `${n}`, alias: n % 2 === 0 ? `al${n}` : '' }),
      ),
    );
    const verified = await file.verify(rowKeys, () => undefined);
    t.same(verified, { records: 50, entries: [50, 50, 50, 25] });
    const problems: Problem[] = [];
    await file.verify(
      (record) => [Buffer.from('nonsense'), ...rowKeys(record).slice(1)],
      (problem) => problems.push(problem),
    );
    t.ok(problems.some(({ kind, key }) => kind === 'missing-entry' && key === 0));
  },
};
