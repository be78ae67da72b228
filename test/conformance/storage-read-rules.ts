import type { Edge, ScanCursor } from '../../server/storage/engine.js';
import { makeRfa, recordCrc } from '../../shared/record/rfa.js';
import {
  idOf,
  insertRow,
  noteOf,
  removeRow,
  rewriteRow,
  rowBytes,
  rowDraft,
  rowKeys,
  type StorageRule,
  scanIds,
  walkIds,
} from './storage-rows.js';

const bytes = (...values: number[]): Buffer => Buffer.from(values);
const before = (prefix: Uint8Array): Edge => ({ prefix, side: 'before' });
const after = (prefix: Uint8Array): Edge => ({ prefix, side: 'after' });
const START = before(Buffer.alloc(0));
const END = after(Buffer.alloc(0));
/** Makes a record too long for a block. */
const NOTE = 'x'.repeat(30_000);

export const READ_RULES: Readonly<Record<string, StorageRule>> = {
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
    const at = async (edge: Edge, direction: 'forward' | 'reverse') => {
      const found = await file.seek(0, edge, direction);
      return found && Buffer.from(found.place).toString('latin1');
    };
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

  'shows in each step of a scan what was changed since the one before': async (t, file) => {
    const ids = Array.from({ length: 40 }, (_, n) => `${10 + n}`);
    await file.insertMany(ids.map((id) => rowDraft({ id, note: 'old' })));
    for (const [order, note] of [
      [0, 'new'],
      ['stored', 'newer'],
    ] as const) {
      const cursor: ScanCursor = { order, direction: 'forward', from: START, until: END };
      const seen: string[] = [];
      const visit = (bytes: Buffer, start: number, end: number): boolean => {
        const record = bytes.subarray(start, end);
        return seen.push(`${idOf(record)} ${noteOf(record)}`) > 0;
      };
      for (const id of ids) {
        const found = await file.find(0, Buffer.from(id.padEnd(8)));
        if (found === undefined) throw new Error('not found');
        await rewriteRow(file, found, { id, note });
        await file.scan(cursor, visit, 1);
      }
      t.same(
        seen,
        ids.map((id) => `${id} ${note}`),
      );
      t.equal(await file.scan(cursor, visit, 1), 'end');
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

  'asks a filter first, passes what it says no to and counts all it looked at': async (t, file) => {
    const ids = Array.from({ length: 90 }, (_, n) => `${10 + n}`);
    await file.insertMany(ids.map((id) => rowDraft({ id, note: id === '31' ? NOTE : 'n' })));
    const endsInOne = (bytes: Buffer, start: number): boolean => bytes[start + 1] === 0x31;
    for (const order of [0, 'stored'] as const) {
      for (const direction of ['forward', 'reverse'] as const) {
        const forward = direction === 'forward';
        const [from, until] = forward ? [START, END] : [END, START];
        const cursor: ScanCursor = { order, direction, from, until };
        const seen: string[] = [];
        const visit = (bytes: Buffer, start: number, end: number): boolean =>
          seen.push(idOf(bytes.subarray(start, end))) > 0;
        t.equal(await file.scan(cursor, visit, 7, endsInOne), 'more');
        t.equal(cursor.looked, 7, 'the bound is of records looked at');
        while ((await file.scan(cursor, visit, 7, endsInOne)) === 'more');
        t.equal(cursor.looked, 90);
        const wanted = ids.filter((id) => id.endsWith('1'));
        t.same(seen, forward ? wanted : wanted.reverse(), `${order} ${direction}`);
      }
    }
  },

  'a record its visitor did not take counts as looked at when it comes again': async (t, file) => {
    await file.insertMany(['a1', 'b', 'c1', 'd'].map((id) => rowDraft({ id })));
    const endsInOne = (bytes: Buffer, start: number): boolean => bytes[start + 1] === 0x31;
    for (const order of [0, 'stored'] as const) {
      const cursor: ScanCursor = { order, direction: 'forward', from: START, until: END };
      const seen: string[] = [];
      const take = (bytes: Buffer, start: number, end: number): boolean =>
        seen.push(idOf(bytes.subarray(start, end))) !== 2;
      t.equal(await file.scan(cursor, take, 10, endsInOne), 'more');
      t.equal(cursor.looked, 2, 'a1 and b');
      t.equal(await file.scan(cursor, take, 10, endsInOne), 'end');
      t.same(seen, ['a1', 'c1', 'c1']);
      t.equal(cursor.looked, 4);
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
};
