import fc from 'fast-check';
import t from 'tap';
import { fileProblem } from '../../../server/tool/file-problem.js';
import { readLines } from '../../../server/tool/format/line-reader.js';
import { createReader, createWriter, type FormatChoice } from '../../../server/tool/formats.js';
import { type LoadReport, loadRows } from '../../../server/tool/load.js';
import { Unload, type UnloadReport } from '../../../server/tool/unload.js';
import { RsyndError } from '../../../shared/base/error.js';
import type { FieldSpec, FileSpec, RecordFormat } from '../../../shared/record/file-spec.js';

const SALES: readonly FieldSpec[] = [
  { name: 'NUMBER', type: 'decimal', offset: 0, length: 6 },
  { name: 'NAME', type: 'alpha', offset: 6, length: 10 },
  { name: 'PRICE', type: 'decimal', offset: 16, length: 7, precision: 2 },
  { name: 'SOLD', type: 'date', offset: 23, length: 8, format: 'YYYYMMDD' },
  { name: 'COUNT', type: 'integer', offset: 31, length: 2 },
  { name: 'SIZES', type: 'decimal', offset: 33, length: 2, dimension: [3] },
  { name: 'YEAR', type: 'decimal', offset: 23, length: 4, overlay: true },
];

function specOf(
  fields: readonly FieldSpec[],
  size: number,
  format: RecordFormat = 'fixed',
): FileSpec {
  const segments = [{ offset: 0, length: 1, type: 'alpha', order: 'ascending' }] as const;
  return {
    record: { size, format },
    keys: [{ name: 'KEY0', segments, dups: 'none', modifiable: false }],
    fields,
    networkEncrypt: false,
    text: '',
    attributes: {},
  };
}

const sales = specOf(SALES, 39);
/** A record of `sales`: everything but COUNT is text. */
const record = (text: string, count = 0): Buffer => {
  const bytes = Buffer.from(`${text.slice(0, 31)}..${text.slice(31)}`, 'latin1');
  bytes.writeInt16LE(count, 31);
  return bytes;
};

async function* inPieces(input: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < input.length; at += size) yield input.subarray(at, at + size);
}

async function load(
  spec: FileSpec,
  choice: FormatChoice,
  input: string | Buffer,
  options: { badRowsMax?: number; pieces?: number; refuse?: (record: Buffer) => unknown } = {},
): Promise<{ records: Buffer[]; report: LoadReport }> {
  const records: Buffer[] = [];
  const storeMany = (batch: readonly Buffer[]) => {
    for (const [stored, each] of batch.entries()) {
      const error = options.refuse?.(each);
      if (error !== undefined) return { stored, error };
      records.push(each);
    }
    return { stored: batch.length };
  };
  const bytes = Buffer.from(input);
  const rows = createReader(spec, choice)(inPieces(bytes, options.pieces ?? (bytes.length || 1)));
  const report = await loadRows(
    rows,
    { spec, storeMany },
    { badRowsMax: options.badRowsMax ?? 100 },
  );
  return { records, report };
}

async function unload(
  spec: FileSpec,
  choice: FormatChoice,
  records: readonly Buffer[],
  badRowsMax = 100,
): Promise<{ text: Buffer; report: UnloadReport }> {
  async function* all() {
    yield* records;
  }
  const work = new Unload(all(), spec, createWriter(spec, choice), { badRowsMax });
  const pieces: Buffer[] = [];
  for await (const piece of work.pieces()) pieces.push(piece);
  return { text: Buffer.concat(pieces), report: work.report() };
}

const problems = (report: LoadReport | UnloadReport): string[] =>
  report.problems.map(({ line, message }) => `${line} ${message.replace('Bad data: ', '')}`);

t.test(
  'readLines() cuts lines wherever the input is cut, and skips what is too long',
  async (t) => {
    const input = Buffer.from('ab\r\n\nabcd\nabcde\nabcd\r\nabcdefghijkl\nx');
    for (let size = 1; size <= input.length; size++) {
      const lines: string[] = [];
      for await (const { line, bytes } of readLines(inPieces(input, size), 4)) {
        lines.push(`${line} ${bytes === undefined ? 'too long' : bytes}`);
      }
      const expected = ['1 ab', '2 ', '3 abcd', '4 too long', '5 abcd', '6 too long', '7 x'];
      t.strictSame(lines, expected, `pieces of ${size}`);
    }
  },
);

t.test('fixed text is the record itself, short lines padded', async (t) => {
  const spec = specOf([], 5);
  const { records, report } = await load(spec, { format: 'fixed' }, 'abcde\nab\r\n\nabcdef\nxyz');
  t.strictSame(records.map(String), ['abcde', 'ab   ', 'xyz  ']);
  t.strictSame(problems(report), [
    '3 the line is empty',
    '4 the line is longer than the record, 5 bytes',
  ]);
  t.equal(report.bad, 2);
  const out = await unload(spec, { format: 'fixed' }, [...records, Buffer.from('a\nbcd')]);
  t.equal(String(out.text), 'abcde\nab   \nxyz  \n');
  t.match(problems(out.report), [
    '4 the record holds a line end; unload with --format jsonl or --packed',
  ]);
  const variable = specOf([], 5, 'variable');
  t.strictSame((await load(variable, { format: 'fixed' }, 'ab\nc ')).records.map(String), [
    'ab',
    'c ',
  ]);
});

t.test('packed records have no line ends and hold any byte', async (t) => {
  const spec = specOf([], 3);
  const bytes = Buffer.from('a\nb\r\n\0cde');
  for (const pieces of [1, 2, 4, 9]) {
    const { records, report } = await load(spec, { format: 'fixed', packed: true }, bytes, {
      pieces,
    });
    t.ok(Buffer.concat(records).equals(bytes), `pieces of ${pieces}`);
    t.equal(report.bad, 0);
  }
  const out = await unload(spec, { format: 'fixed', packed: true }, [Buffer.from('a\nb')]);
  t.equal(String(out.text), 'a\nb');
  const cut = await load(spec, { format: 'fixed', packed: true }, 'abcd');
  t.strictSame(problems(cut.report), ['2 the input ends after 1 of the 3 bytes of a record']);
  t.throws(() => createReader(specOf([], 3, 'variable'), { format: 'fixed', packed: true }), {
    code: 'ERR_INVARG',
  });
  t.throws(() => createWriter(sales, { format: 'csv', packed: true }), { code: 'ERR_INVARG' });
});

t.test('csv carries numbers exactly, blank or zero, and takes columns in any order', async (t) => {
  const records = [
    record('000017Oak, "red"000012p20170102010203', -5),
    record('      Plain     0000000        000000', 7),
    record('000018          999999900000000    99', 0),
  ];
  const { text, report } = await unload(sales, { format: 'csv' }, records);
  t.strictSame(String(text).split('\n'), [
    'NUMBER,NAME,PRICE,SOLD,COUNT,SIZES[1],SIZES[2],SIZES[3]',
    '17,"Oak, ""red""",-1.20,20170102,-5,1,2,3',
    ',Plain,0.00,,7,0,0,0',
    '18,,99999.99,0,0,,,99',
    '',
  ]);
  t.equal(report.bad, 0);
  const back = await load(sales, { format: 'csv' }, text, { pieces: 3 });
  t.strictSame(back.records, records);
  t.strictSame(back.report.totals, report.totals);

  const free = '\uFEFFname , price,Number,YEAR,sold\r\n"two\nlines",12.5,1,9999,2017-01-31\r\n';
  const taken = await load(sales, { format: 'csv' }, free);
  t.equal(String(taken.records[0]?.subarray(0, 31)), '000001two\nlines 000125020170131');
});

t.test('csv reports bad rows by their line and stores the others', async (t) => {
  const input = [
    'NUMBER,NAME,PRICE',
    '1,one,1.00',
    '2,two',
    'x,three,3.00',
    '4,"four\nlines",4.00',
    '5,five,5.005',
    '6,much too long a name,6',
    '7,seven ♣,7',
    '8,ei"ght,8',
    '9,nine,12345678.00',
    '10,ten,10',
  ].join('\n');
  const { records, report } = await load(sales, { format: 'csv' }, input);
  t.equal(report.read, 10);
  t.equal(report.stored, records.length);
  t.equal(report.stored + report.bad, report.read, 'no row is lost');
  t.strictSame(
    report.problems.map(({ line }) => line),
    [3, 4, 7, 8, 9, 10, 11],
  );
  t.match(problems(report)[0], 'the row has 2 columns, the header 3');
  t.match(problems(report)[1], 'field NUMBER takes a decimal number');
  t.match(problems(report)[2], 'field PRICE has more than 2 decimal places');
});

t.test('csv refuses input it cannot make sense of', async (t) => {
  const cases: readonly (readonly [input: string, message: RegExp])[] = [
    ['', /the input has no header row/],
    ['NUMBER,NAEM\n1,x\n', /column "NAEM" is no field, did you mean NAME/],
    ['NUMBER,WHATEVER\n1,x\n', /column "WHATEVER" is no field; the fields are NUMBER/],
    ['NUMBER,number\n1,1\n', /column number is there twice/],
  ];
  for (const [input, message] of cases) {
    await t.rejects(load(sales, { format: 'csv' }, input), { code: 'ERR_BADDATA', message });
  }
  t.throws(() => createReader(specOf([], 5), { format: 'csv' }), {
    code: 'ERR_INVARG',
    message: /csv needs named fields/,
  });
});

t.test('csv does not write what it would change', async (t) => {
  const records = [
    record('    17Oak       000012020170102010203'),
    record('00001pOak       000012020170102010203'),
    record('abcdefOak       000012020170102010203'),
    record('000011Oak       000012020179999010203'),
  ];
  const { text, report } = await unload(sales, { format: 'csv' }, records);
  t.equal(String(text).trimEnd().split('\n').length, 2, 'only the header and a record');
  t.equal(report.written, 1);
  t.strictSame(
    report.problems.map(({ line }) => line),
    [1, 3, 4],
  );
});

t.test('jsonl carries every record, as fields or as bytes', async (t) => {
  const records = [
    record('000017Oak, "red"000012p20170102010203', -5),
    record('      Plain     0000000        00  00', 7),
    record('abcdef\u0000\n\u00ff      whatever99999999zzzzzz', 7),
  ];
  const { text, report } = await unload(sales, { format: 'jsonl' }, records);
  const lines = String(text)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.strictSame(lines[0], {
    NUMBER: 17,
    NAME: 'Oak, "red"',
    PRICE: '-1.20',
    SOLD: '20170102',
    COUNT: -5,
    SIZES: [1, 2, 3],
  });
  t.strictSame([lines[1].NUMBER, lines[1].SOLD, lines[1].SIZES], [null, null, [0, null, 0]]);
  t.strictSame(Object.keys(lines[2]), ['$record']);
  t.equal(report.bad, 0);
  const back = await load(sales, { format: 'jsonl' }, text);
  t.strictSame(back.records, records);
  const unnamed = specOf([], 39);
  t.match(String((await unload(unnamed, { format: 'jsonl' }, records)).text), /^\{"\$record":"/);
});

t.test('jsonl reports bad rows by their line', async (t) => {
  const input = [
    '{"NUMBER":1}',
    'not json',
    '[1]',
    '',
    '{"NUMBR":1}',
    '{"PRICE":1.5}',
    '{"PRICE":"1.5","SIZES":[1,2]}',
    '{"$record":"AAAA","NUMBER":1}',
    '{"$record":"A"}',
    '{"NUMBER":12345678901234567890}',
  ].join('\n');
  const { report } = await load(sales, { format: 'jsonl' }, input);
  t.equal(report.stored, 1);
  t.strictSame(
    problems(report).map((problem) => problem.slice(0, 45)),
    [
      '2 the line is not JSON',
      '3 the line is not a JSON object',
      '5 there is no field "NUMBR", did you mean NUM',
      '6 field PRICE takes numbers only when they ar',
      '7 field SIZES takes a list of 3',
      '8 "$record" takes base64 and stands alone',
      '9 "$record" takes base64 and stands alone',
      '10 field NUMBER takes numbers only when they ',
    ],
  );
});

t.test('any bytes survive jsonl and packed, and csv when it writes them', async (t) => {
  const seed = Date.now() % 2 ** 31;
  t.comment(`seed ${seed}`);
  const fields: readonly FieldSpec[] = [
    { name: 'D', type: 'decimal', offset: 0, length: 3, precision: 1 },
    { name: 'L', type: 'decimal', offset: 3, length: 18 },
    { name: 'A', type: 'alpha', offset: 21, length: 4 },
    { name: 'T', type: 'time', offset: 25, length: 4, format: 'HHMM' },
    { name: 'I', type: 'integer', offset: 29, length: 8 },
    { name: 'U', type: 'unsigned', offset: 37, length: 3 },
    { name: 'B', type: 'boolean', offset: 40, length: 1 },
    { name: 'X', type: 'binary', offset: 41, length: 4 },
  ];
  const byte = fc.oneof(
    fc.constantFrom(0x20, 0x30, 0x39, 0x70, 0x0a, 0x0d, 0x22, 0x2c),
    fc.nat(255),
  );
  const bytes = fc.array(byte, { minLength: 45, maxLength: 46 }).map((list) => Buffer.from(list));
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { maxLength: 5 }), fc.boolean(), async (raw, isVariable) => {
      const spec = specOf(fields, isVariable ? 46 : 45, isVariable ? 'variable' : 'fixed');
      const records = isVariable ? raw : raw.map((each) => each.subarray(0, 45));
      for (const format of ['jsonl', 'csv'] as const) {
        const out = await unload(spec, { format }, records);
        const back = await load(spec, { format }, out.text, { pieces: 7 });
        const refused = new Set(out.report.problems.map(({ line }) => line - 1));
        const written = records.filter((_, index) => !refused.has(index));
        t.strictSame(back.records, written);
        t.strictSame(back.report.totals, out.report.totals);
        if (format === 'jsonl') t.equal(out.report.bad, 0);
      }
    }),
    { seed, numRuns: 100 },
  );
});

t.test('totals are exact where floats are not', async (t) => {
  const fields: readonly FieldSpec[] = [
    { name: 'CENTS', type: 'decimal', offset: 0, length: 15, precision: 2 },
    { name: 'LONG', type: 'decimal', offset: 15, length: 20, precision: 3 },
    { name: 'BIG', type: 'unsigned', offset: 35, length: 8 },
  ];
  const one = Buffer.from(`9999999999999${'99'}9999999999999999999p`.padEnd(43, '\xff'), 'latin1');
  const bad = Buffer.from(`${'x'.repeat(15)}${' '.repeat(20)}`.padEnd(43, '\0'), 'latin1');
  const records = [...Array.from({ length: 1000 }, () => one), bad];
  const { report } = await unload(specOf(fields, 43), { format: 'fixed', packed: true }, records);
  t.strictSame(report.totals, [
    { field: 'CENTS', total: '9999999999999990.00', unreadable: 1 },
    { field: 'LONG', total: '-99999999999999999990.000', unreadable: 0 },
    { field: 'BIG', total: (1000n * (2n ** 64n - 1n)).toString(), unreadable: 0 },
  ]);
});

t.test('a load goes on behind refused records and stops when there are too many', async (t) => {
  const spec = specOf([], 2);
  const input = Array.from({ length: 30 }, (_, index) => String(index).padStart(2, '0')).join('\n');
  const refuse = (each: Buffer) =>
    Number(each) % 10 === 3 ? new RsyndError('ERR_NODUPS', 'there already') : undefined;
  const all = await load(spec, { format: 'fixed' }, input, { refuse });
  t.equal(all.report.stored, 27);
  t.equal(all.report.complete, true);
  t.strictSame(
    all.report.problems.map(({ line }) => line),
    [4, 14, 24],
  );
  const stopped = await load(spec, { format: 'fixed' }, input, { refuse, badRowsMax: 1 });
  t.equal(stopped.report.complete, false);
  t.equal(stopped.report.bad, 2);
  t.equal(stopped.report.stored, 12);
  const full = () => new RsyndError('ERR_FILFUL', 'no more');
  await t.rejects(load(spec, { format: 'fixed' }, input, { refuse: full }), { code: 'ERR_FILFUL' });
});

t.test('fileProblem() names the file and keeps other errors as they are', async (t) => {
  const failure = (code: string) => Object.assign(new Error('x'), { code, syscall: 'open' });
  const cases = [
    ['ENOENT', 'ERR_FNF'],
    ['EACCES', 'ERR_PROTEC'],
    ['ENOSPC', 'ERR_NOSPAC'],
    ['EIO', 'ERR_IOFAIL'],
  ] as const;
  for (const [cause, code] of cases)
    t.match(fileProblem(failure(cause), 'a.txt'), { code, file: 'a.txt' });
  const bug = new TypeError('a bug');
  t.equal(fileProblem(bug, 'a.txt'), bug);
});

t.test('fixed rows whose numbers are none are stored as they are, and named', async (t) => {
  const spec = specOf(
    [
      { name: 'ID', type: 'decimal', offset: 0, length: 4 },
      { name: 'NAME', type: 'alpha', offset: 4, length: 4 },
      { name: 'SIZES', type: 'decimal', offset: 8, length: 2, dimension: [2] },
      { name: 'COUNT', type: 'integer', offset: 12, length: 2 },
      { name: 'LONG', type: 'decimal', offset: 14, length: 16 },
      { name: 'HALF', type: 'decimal', offset: 0, length: 2, overlay: true },
    ],
    30,
  );
  const whole = (text: string): string => text.padEnd(14, '0').padEnd(30);
  const rows: readonly (readonly [row: string, doubt?: string])[] = [
    [whole('0001good0102')],
    [whole('    none    ')],
    [whole('secrbad 0102'), 'field ID holds no number'],
    [whole('0002bad 01x2'), 'field SIZES holds no number'],
    [`${whole('0003bad 0102').slice(0, 29)}?`, 'field LONG holds no number'],
    ['0', 'field ID is cut off by the end of the line'],
    ['0004shor'],
    ['0005shor010', 'field SIZES is cut off by the end of the line'],
    ['0006shor01 '],
    ['0007shor0102a', 'field COUNT is cut off by the end of the line'],
    ['   '],
  ];
  const { records, report } = await load(
    spec,
    { format: 'fixed' },
    rows.map(([row]) => row).join('\n'),
  );
  t.strictSame(
    records.map(String),
    rows.map(([row]) => row.padEnd(30)),
  );
  const doubts = rows.flatMap(([, message], index) =>
    message === undefined ? [] : [{ line: index + 1, message }],
  );
  t.strictSame(report.doubts, doubts);
  t.equal(report.questionable, doubts.length);
  t.equal(report.bad, 0);

  const packed = rows.slice(0, 3).map(([row]) => row);
  const choice = { format: 'fixed', packed: true } as const;
  t.strictSame((await load(spec, choice, packed.join(''))).report.doubts, doubts.slice(0, 1));

  const many = Array.from({ length: 1000 }, () => 'x'.padEnd(30)).join('\n');
  const refuse = (each: Buffer) =>
    records.includes(each) ? undefined : new RsyndError('ERR_NODUPS', 'there already');
  const all = (await load(spec, { format: 'fixed' }, many)).report;
  t.strictSame([all.questionable, all.doubts.length], [1000, 100], 'all counted, the first kept');
  const none = await load(spec, { format: 'fixed' }, many, { refuse, badRowsMax: 2000 });
  t.match(none.report, { bad: 1000, questionable: 0 }, 'a row refused is a bad row only');
});

t.test('a load that stops at a row keeps the good ones before it', async (t) => {
  const spec = specOf([], 2);
  const { records, report } = await load(spec, { format: 'fixed' }, '01\n02\nlong\n03', {
    badRowsMax: 0,
  });
  t.strictSame(records.map(String), ['01', '02']);
  t.match(report, { read: 3, stored: 2, bad: 1, complete: false });
  const refuse = (each: Buffer) =>
    String(each) === '02' ? new RsyndError('ERR_NODUPS', 'there already') : undefined;
  const refused = await load(spec, { format: 'fixed' }, '01\n02\n03\n04', {
    badRowsMax: 0,
    refuse,
  });
  t.match(refused.report, { read: 4, stored: 1, bad: 1, complete: false });
});

t.test('bad rows are listed by line, whoever refused them', async (t) => {
  const refuse = (each: Buffer) =>
    String(each) === '02' ? new RsyndError('ERR_NODUPS', 'there already') : undefined;
  const { report } = await load(specOf([], 2), { format: 'fixed' }, '01\n02\nlong\n03\nlong', {
    refuse,
  });
  t.strictSame(
    report.problems.map(({ line }) => line),
    [2, 3, 5],
  );
});

t.test(
  'a broken quote in csv is told by the line its row begins at, without content',
  async (t) => {
    const spec = specOf([{ name: 'NAME', type: 'alpha', offset: 0, length: 40 }], 40);
    const cases: readonly (readonly [input: string, lines: readonly string[]])[] = [
      [
        'NAME\none\n"two"secret\nthree\n',
        ['3 text follows a closing quote', '4 a quote is not closed'],
      ],
      ['NAME\none\n"tw\no\nthree\nsecret\n', ['3 a quote is not closed']],
    ];
    for (const [input, lines] of cases) {
      const { report } = await load(spec, { format: 'csv' }, input);
      t.strictSame(
        problems(report).map((problem, index) => problem.slice(0, lines[index]?.length)),
        lines,
      );
      t.notMatch(problems(report).join(), /secret|three/);
    }
  },
);
