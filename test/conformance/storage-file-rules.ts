import type { Problem } from '../../server/storage/engine.js';
import {
  idOf,
  insertRow,
  noteOf,
  numberedDraft,
  removeRow,
  rewriteRow,
  rowDraft,
  rowKeys,
  rowSpec,
  type StorageRule,
  scanIds,
  walkIds,
} from './storage-rows.js';

export const FILE_RULES: Readonly<Record<string, StorageRule>> = {
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

  'replaces a file nobody has open by an empty one': async (t, _file, engine, path) => {
    const other = `${path}.other`;
    await t.rejects(async () => engine.replace(other, rowSpec()), { code: 'ERR_FNF' });
    await engine.create(other, rowSpec());
    const before = await engine.open(other);
    await insertRow(before, { id: 'a' });
    await t.rejects(async () => engine.replace(other, rowSpec()), { code: 'ERR_FINUSE' });
    await before.close();
    await engine.replace(other, { ...rowSpec(), text: 'replaced' });
    const after = await engine.open(other);
    t.same(await walkIds(after, 0), [], 'it is empty');
    t.equal(after.spec.text, 'replaced', 'by the new definition');
    await insertRow(after, { id: 'b' });
    await after.close();
    const again = await engine.open(other);
    t.same(await walkIds(again, 0), ['b'], 'and keeps what is stored then');
    await again.close();
    await engine.remove(other);
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
