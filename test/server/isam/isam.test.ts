// What a file of records does by itself: autokeys, what it says of itself, which records and changes it
// takes. What sessions see of it is compared with a model in test/integration.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createUniqueClock } from '../../../server/isam/autokey.js';
import { IsamFile } from '../../../server/isam/isam-file.js';
import { ISINFO_REQUESTS, isinfo } from '../../../server/isam/isinfo.js';
import { isRsyndError } from '../../../shared/base/error.js';
import type { FileSpec, KeySpec, SegmentType } from '../../../shared/record/file-spec.js';
import { type EngineName, makeGround, plainSpec } from '../../model/session-harness.js';

const ENGINES: readonly EngineName[] = ['lmdb', 'memory'];

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'fine';
  } catch (error) {
    return isRsyndError(error) ? error.code : String(error);
  }
}

const autokey = (name: string, offset: number, type: SegmentType): KeySpec => ({
  name,
  segments: [{ offset, length: 8, type, order: 'ascending' }],
  dups: 'none',
  modifiable: false,
});

/** id (4), sequence, time of creation, time of change, note (4): ids are unique. */
const AUTOKEYS: FileSpec = plainSpec({
  record: { size: 32, format: 'variable' },
  keys: [
    ...plainSpec().keys,
    autokey('SEQ', 4, 'sequence'),
    autokey('MADE', 12, 'ctimestamp'),
    autokey('CHANGED', 20, 'timestamp'),
  ],
  seeds: { 1: 100 },
});

const record = (id: string, note = 'note'): Buffer =>
  Buffer.from(id.padEnd(4) + '\xaa'.repeat(24) + note, 'latin1');

const autokeysOf = (bytes: Buffer): { seq: bigint; made: bigint; changed: bigint } => ({
  seq: bytes.readBigInt64LE(4),
  made: bytes.readBigInt64LE(12),
  changed: bytes.readBigInt64LE(20),
});

/** A new file on each engine; `reopen` closes it and opens it again as a new process would. */
async function withFile(
  t: Test,
  spec: FileSpec,
  nowMs: () => number,
  check: (t: Test, file: IsamFile, reopen: () => Promise<IsamFile>) => Promise<void>,
): Promise<void> {
  for (const engine of ENGINES) {
    await t.test(engine, async (t) => {
      const { services, close } = makeGround(engine);
      const path = join(t.testdir(), 'file.ism');
      await services.engine.create(path, spec);
      const open = async () =>
        new IsamFile(await services.engine.open(path), 'file', createUniqueClock(nowMs));
      let file = await open();
      await check(t, file, async () => {
        await file.close();
        file = await open();
        return file;
      });
      await file.close();
      await close();
    });
  }
}

t.test('a sequence begins at its seed and gives no number twice', async (t) => {
  await withFile(t, AUTOKEYS, Date.now, async (t, file, reopen) => {
    const first = await file.store(record('A'));
    const second = await file.store(record('B'));
    t.equal(autokeysOf(first.record).seq, 100n);
    t.equal(autokeysOf(second.record).seq, 101n);
    await file.remove(second);
    t.equal(await codeOf(() => file.store(record('A'))), 'ERR_NODUPS');
    const again = await reopen();
    const third = await again.store(record('B'));
    t.ok(
      autokeysOf(third.record).seq > 101n,
      'not that of the deleted record, after a restart either',
    );
    const outcome = await again.storeMany([record('C'), record('D')]);
    t.strictSame(outcome, { stored: 2 });
    const numbers: bigint[] = [];
    for await (const bytes of again.scanRecords(0)) numbers.push(autokeysOf(bytes).seq);
    t.equal(new Set(numbers).size, 4);
    t.strictSame(numbers, [...numbers].sort(), 'and they rise in the order of stores');
  });
});

t.test(
  'times are those of the clock in microseconds, and differ though it stands still',
  async (t) => {
    let now = 1_700_000_000_000;
    await withFile(
      t,
      AUTOKEYS,
      () => now,
      async (t, file) => {
        now = 1_700_000_000_000;
        const first = autokeysOf((await file.store(record('A'))).record);
        t.equal(first.made, 1_700_000_000_000_000n);
        t.equal(first.changed, first.made, 'a new record was changed when it was made');
        const second = autokeysOf((await file.store(record('B'))).record);
        now -= 60_000;
        const third = autokeysOf((await file.store(record('C'))).record);
        t.ok(
          first.made < second.made && second.made < third.made,
          'nor do they go back with the clock',
        );
      },
    );
  },
);

t.test('two clocks that show the same give different times to one file', async (t) => {
  // As two processes have it: each with a clock of its own, and one file.
  const now = (): number => 1_700_000_000_000;
  await withFile(t, AUTOKEYS, now, async (t, file) => {
    const other = new IsamFile(file.stored, 'file', createUniqueClock(now));
    const [one, two] = [await file.store(record('A')), await other.store(record('B'))];
    const times = [autokeysOf(one.record).changed, autokeysOf(two.record).changed];
    const again = await other.rewrite(one, record('A', 'more'));
    const late = await file.rewrite(two, record('B', 'more'));
    times.push(autokeysOf(Buffer.from(again.record)).changed);
    times.push(autokeysOf(Buffer.from(late.record)).changed);
    t.strictSame(
      times,
      [0n, 1n, 2n, 3n].map((after) => 1_700_000_000_000_000n + after),
    );
    t.same((await file.fetch(two.rfa)).record, late.record, 'as answered');
  });
});

t.test(
  'a write keeps the sequence and the time of creation and sets the time of change',
  async (t) => {
    await withFile(t, AUTOKEYS, Date.now, async (t, file) => {
      const stored = await file.store(record('A'));
      const { record: changed } = await file.rewrite(stored, record('A', 'more'));
      const [before, after] = [autokeysOf(stored.record), autokeysOf(Buffer.from(changed))];
      t.equal(after.seq, before.seq);
      t.equal(after.made, before.made);
      t.ok(after.changed > before.changed);
      const found = await file.fetch(stored.rfa);
      t.same(found.record, changed, 'what was answered is what is stored');
      t.equal(Buffer.from(changed).toString('latin1', 28), 'more');
    });
  },
);

t.test('a record too short for its autokeys is ERR_IRCSIZ, stored or written', async (t) => {
  await withFile(t, AUTOKEYS, Date.now, async (t, file) => {
    const stored = await file.store(record('A'));
    for (const length of [4, 11, 12, 27]) {
      const short = record('B').subarray(0, length);
      t.equal(await codeOf(() => file.store(short)), 'ERR_IRCSIZ', `store of ${length} bytes`);
      t.equal(await codeOf(() => file.rewrite(stored, short)), 'ERR_IRCSIZ', `write of ${length}`);
    }
    const bare = record('A').subarray(0, 28);
    t.equal(await codeOf(() => file.rewrite(stored, bare)), 'fine', 'one that holds them just so');
    const many = await file.storeMany([record('C'), record('D').subarray(0, 20), record('E')]);
    t.equal(many.stored, 1, 'a bulk store stops there');
    t.match(many.error, { code: 'ERR_IRCSIZ' });
  });
});

t.test('a time of change in a key does not make the rest of the key modifiable', async (t) => {
  const segments = [
    { offset: 0, length: 4, type: 'alpha', order: 'ascending' },
    { offset: 20, length: 8, type: 'timestamp', order: 'ascending' },
  ] as const;
  const spec = plainSpec({
    record: { size: 32, format: 'fixed' },
    keys: [{ name: 'BOTH', segments, dups: 'none', modifiable: false }],
  });
  await withFile(t, spec, Date.now, async (t, file) => {
    const stored = await file.store(record('A'));
    t.equal(await codeOf(() => file.rewrite(stored, record('B'))), 'ERR_KEYNOT');
    t.equal(await codeOf(() => file.rewrite(stored, record('A', 'new!'))), 'fine');
    const problems: unknown[] = [];
    await file.verify((problem) => problems.push(problem));
    t.strictSame(problems, [], 'the index went with it');
  });
});

t.test('a change is refused when its record is not as it was read', async (t) => {
  await withFile(t, plainSpec(), Date.now, async (t, file) => {
    const stored = await file.store(Buffer.from('AAAA0001'));
    const { crc } = await file.rewrite(stored, Buffer.from('AAAA0002'));
    t.equal(await codeOf(() => file.rewrite(stored, Buffer.from('AAAA0003'))), 'ERR_RECNOT');
    t.equal(await codeOf(() => file.remove(stored)), 'ERR_RECNOT');
    t.equal(await codeOf(() => file.fetch(stored.rfa, stored.crc)), 'ERR_RECNOT');
    const now = await file.fetch(stored.rfa, crc);
    t.equal(String(now.record), 'AAAA0002');
    await file.remove(now);
    t.equal(await codeOf(() => file.rewrite(now, Buffer.from('AAAA0003'))), 'ERR_DELREC');
    t.equal(await codeOf(() => file.remove(now)), 'ERR_DELREC');
    t.equal(await codeOf(() => file.fetch(stored.rfa)), 'ERR_DELREC');
    t.equal(await codeOf(() => file.fetch(Buffer.alloc(6, 0xff))), 'ERR_INVALRFA');
  });
});

t.test('a bulk store stops at the first record that cannot be stored', async (t) => {
  const records = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));
  const cases: readonly (readonly [string, Buffer[], number, string | undefined])[] = [
    ['none', [], 0, undefined],
    ['all', records('AAAA0001', 'BBBB0001'), 2, undefined],
    ['a duplicate', records('CCCC0001', 'AAAA0002', 'DDDD0001'), 1, 'ERR_NODUPS'],
    ['a duplicate of its own', records('EEEE0001', 'EEEE0002'), 1, 'ERR_NODUPS'],
    ['a short one behind a duplicate', records('FFFF0001', 'AAAA', 'A'), 1, 'ERR_IRCSIZ'],
    ['a duplicate ahead of a short one', records('AAAA0001', 'A'), 0, 'ERR_NODUPS'],
  ];
  await withFile(t, plainSpec(), Date.now, async (t, file) => {
    for (const [name, batch, stored, code] of cases) {
      const outcome = await file.storeMany(batch);
      t.equal(outcome.stored, stored, name);
      t.equal(isRsyndError(outcome.error) ? outcome.error.code : outcome.error, code, name);
    }
    let count = 0;
    for await (const _ of file.scanRecords()) count++;
    t.equal(count, 5, 'what was counted is there');
  });
});

const INFO_SPEC: FileSpec = {
  record: { size: 40, format: 'variable' },
  keys: [
    {
      name: 'STATE',
      segments: [
        { offset: 2, length: 2, type: 'alpha', order: 'ascending' },
        { offset: 10, length: 6, type: 'decimal', order: 'descending' },
      ],
      dups: 'fifo',
      modifiable: true,
      nullKey: { kind: 'noreplicate', value: 'ZZ' },
      density: 75,
    },
    {
      name: 'CODE',
      segments: [{ offset: 16, length: 4, type: 'nocase', order: 'ascending' }],
      dups: 'lifo',
      modifiable: false,
    },
    autokey('SEQ', 20, 'sequence'),
  ],
  fields: [],
  networkEncrypt: true,
  text: 'free text',
  attributes: {
    density: 60,
    pageSize: 8192,
    compressData: true,
    sizeLimit: 512,
    recordLimit: 1000,
    rollback: false,
    addressing: 48,
    trackChanges: true,
    resilient: true,
    portableIntegers: [{ offset: 30, length: 4 }],
  },
  seeds: { 2: 7 },
};

/** request, key, segment, answer */
const INFO: readonly (readonly [string, number, number | undefined, number | string])[] = [
  ['SIZE', 0, undefined, 40],
  ['NUMKEYS', 0, undefined, 3],
  ['NUMRECS', 0, undefined, 2],
  ['KPOSITION', 0, undefined, 3],
  ['KPOSITION', 0, 2, 11],
  ['KEYLENGTH', 0, undefined, 8],
  ['KEYLENGTH', 0, 2, 6],
  ['KEYLENGTH', 2, undefined, 8],
  ['SEGLENGTH', 0, 1, 2],
  ['KEYSEGMENTS', 0, undefined, 2],
  ['KTYPE', 0, undefined, 'A'],
  ['KTYPE', 0, 2, 'D'],
  ['KTYPE', 1, 1, 'N'],
  ['KTYPE', 2, 1, 'S'],
  ['KEYNAME', 1, undefined, 'CODE'],
  ['KEYDENSITY', 0, undefined, 75],
  ['KEYDENSITY', 1, undefined, 60],
  ['DUPS', 0, undefined, 1],
  ['DUPS', 2, undefined, 0],
  ['MODIFY', 0, undefined, 1],
  ['MODIFY', 1, undefined, 0],
  ['ATEND', 0, undefined, 1],
  ['ATEND', 1, undefined, 0],
  ['ASCEND', 0, 1, 1],
  ['ASCEND', 0, 2, 0],
  ['NULL', 0, undefined, 'NOREPLICATE'],
  ['NULL', 1, undefined, 'NONE'],
  ['NULLVALUE', 0, undefined, 'ZZ'],
  ['NULLVALUE', 1, undefined, ''],
  ['REVISION', 0, undefined, 6],
  ['PAGESIZE', 0, undefined, 8192],
  ['NETCRYPT', 0, undefined, 1],
  ['FILENAME', 0, undefined, 'file'],
  ['TEXT', 0, undefined, 'free text'],
  [
    'FOPTS',
    0,
    undefined,
    'VARIABLE,COMPRESS,NETWORK_ENCRYPT,NOROLLBACK,PAGE=8192,RECORD_LIMIT=1000,RESILIENT,' +
      'SIZE_LIMIT=512,STATIC_RFA,STORED_GRFA,TBYTE,TRACK_CHANGES,SEED=7,I=31:4',
  ],
];

t.test('ISINFO answers every request, however it is written', async (t) => {
  await withFile(t, INFO_SPEC, Date.now, async (t, file) => {
    await file.storeMany([Buffer.alloc(40, 'a'), Buffer.alloc(30, 'b')]);
    for (const [request, key, segment, expected] of INFO) {
      const label = `${request} ${key} ${segment ?? ''}`;
      t.equal(await isinfo(file, request, key, segment), expected, label);
      t.equal(await isinfo(file, request.toLowerCase(), key, segment), expected, `${label} small`);
    }
    for (const measured of ['BYTES', 'DEPTH']) {
      t.ok(Number(await isinfo(file, measured, 0, undefined)) >= 1, measured);
    }
    const asked = new Set([...INFO.map(([request]) => request), 'BYTES', 'DEPTH']);
    t.strictSame([...asked].sort(), [...ISINFO_REQUESTS].sort(), 'and no request is left out here');
  });
});

t.test('ISINFO refuses what it does not know', async (t) => {
  const cases: readonly (readonly [string, number, number | undefined, string])[] = [
    ['NOSUCH', 0, undefined, 'ERR_ISINFO'],
    ['', 0, undefined, 'ERR_ISINFO'],
    ['__proto__', 0, undefined, 'ERR_ISINFO'],
    ['toString', 0, undefined, 'ERR_ISINFO'],
    ['KEYLENGTH', 3, undefined, 'ERR_BADKEY'],
    ['KEYNAME', -1, undefined, 'ERR_BADKEY'],
    ['DEPTH', 3, undefined, 'ERR_BADKEY'],
    ['KTYPE', 0, 0, 'ERR_ISINFO'],
    ['KTYPE', 0, 3, 'ERR_ISINFO'],
    ['KEYLENGTH', 1, 2, 'ERR_ISINFO'],
  ];
  await withFile(t, INFO_SPEC, Date.now, async (t, file) => {
    for (const [request, key, segment, code] of cases) {
      const asked = async () => isinfo(file, request, key, segment);
      t.equal(await codeOf(asked), code, `${request} ${key} ${segment ?? ''}`);
    }
  });
});
