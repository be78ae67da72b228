import type { RecordDraft } from '../../server/storage/engine.js';
import { recordCrc } from '../../shared/record/rfa.js';
import {
  idOf,
  insertRow,
  noteOf,
  numberedDraft,
  removeRow,
  rewriteRow,
  rowBytes,
  rowDraft,
  rowKeys,
  type StorageRule,
  scanIds,
  walkIds,
} from './storage-rows.js';

export const WRITE_RULES: Readonly<Record<string, StorageRule>> = {
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
};
