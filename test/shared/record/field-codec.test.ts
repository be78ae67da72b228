// Values to bytes and back: decimals as text, every field type, arrays, records that are short or
// variable, and keys made of values.

import fc from 'fast-check';
import t from 'tap';
import type { RsyndError } from '../../../shared/base/error.js';
import {
  addExact,
  decimalToZoned,
  formatDecimal,
  normaliseDecimal,
  parseDecimal,
  zonedToNumber,
  zonedToText,
} from '../../../shared/record/decimal.js';
import { compileRecordCodec } from '../../../shared/record/field-codec.js';
import type {
  FieldSpec,
  FileSpec,
  KeySpec,
  RecordFormat,
  SegmentType,
} from '../../../shared/record/file-spec.js';
import { validateSpec } from '../../../shared/record/validate-spec.js';

const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
t.comment(`seed ${seed}`);

type FieldShape = Pick<FieldSpec, 'name' | 'type' | 'length'> & Partial<FieldSpec>;

const segment = (offset: number, length: number, type: SegmentType = 'alpha') => ({
  offset,
  length,
  type,
  order: 'ascending' as const,
});

const key = (
  name: string,
  segments: KeySpec['segments'],
  more: Partial<KeySpec> = {},
): KeySpec => ({
  name,
  segments,
  dups: 'fifo',
  modifiable: true,
  ...more,
});

/** Fields one behind the other, unless they say where they are; key 0 is the first byte. */
function fileOf(
  shapes: readonly FieldShape[],
  { keys, format = 'fixed' }: { keys?: readonly KeySpec[]; format?: RecordFormat } = {},
): FileSpec {
  let end = 0;
  const fields = shapes.map((shape): FieldSpec => {
    const field = { offset: end, ...shape };
    const count = (field.dimension ?? []).reduce((product, size) => product * size, 1);
    end = Math.max(end, field.offset + field.length * count);
    return field;
  });
  const spec: FileSpec = {
    record: { size: end, format },
    keys: keys ?? [key('K0', [segment(0, 1)])],
    fields,
    networkEncrypt: false,
    text: '',
    attributes: {},
  };
  validateSpec(spec);
  return spec;
}

const codecOf = (...shapes: readonly FieldShape[]) => compileRecordCodec(fileOf(shapes));
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

t.test('parseDecimal() and formatDecimal() take and give plain decimal text', async (t) => {
  for (const [text, canonical] of [
    ['0', '0'],
    ['-0', '0'],
    ['-0.00', '0.00'],
    ['007', '7'],
    ['+1.50', '1.50'],
    ['-.07', '-0.07'],
    ['12.', '12'],
    [' 42 ', '42'],
    ['123456789012345678901234567890.12', '123456789012345678901234567890.12'],
  ] as const) {
    const value = parseDecimal(text);
    t.equal(value && formatDecimal(value), canonical, `'${text}'`);
  }
  for (const text of ['', ' ', '.', '-', '1e3', '1,000', '0x10', '1.2.3', 'NaN', '--1', '1 2']) {
    t.equal(parseDecimal(text), undefined, `'${text}' is none`);
  }
});

t.test('normaliseDecimal() gives the places asked for and drops no digit', async (t) => {
  t.equal(normaliseDecimal('5', 2), '5.00');
  t.equal(normaliseDecimal('5.100', 1), '5.1');
  t.equal(normaliseDecimal('5.12', 1), undefined);
  t.equal(normaliseDecimal('.000', 0), '0');
  t.equal(normaliseDecimal('x', 0), undefined);
});

t.test('zoned digits read as Synergy writes them', async (t) => {
  const cases: readonly [string, number, string | undefined][] = [
    ['012345', 2, '123.45'],
    ['00000w', 2, '-0.07'],
    ['00000p', 2, '0.00'],
    ['      ', 2, '0.00'],
    [' 12 4 ', 0, '12040'],
    ['7', 1, '0.7'],
    ['y', 0, '-9'],
    ['1234567890123456789012345678', 4, '123456789012345678901234.5678'],
    ['12x4', 0, undefined],
    ['12\x004', 0, undefined],
    ['12-4', 0, undefined],
    ['123`', 0, undefined],
  ];
  for (const [zoned, precision, text] of cases) {
    t.equal(zonedToText(latin1(zoned), 0, zoned.length, precision), text, JSON.stringify(zoned));
    if (zoned.length > 15 || precision > 0) continue;
    const number = zonedToNumber(latin1(zoned), 0, zoned.length);
    t.equal(Object.is(number, text === undefined ? NaN : Number(text)), true);
  }
});

t.test('decimals come back from zoned digits exactly', async (t) => {
  const decimals = fc
    .tuple(
      fc.integer({ min: 1, max: 40 }),
      fc.nat(40),
      fc.bigInt({ min: 0n, max: 10n ** 40n - 1n }),
    )
    .map(([length, precision, value]) => ({
      length,
      precision: Math.min(precision, length),
      digits: String(value).slice(0, length),
    }));
  fc.assert(
    fc.property(decimals, fc.boolean(), ({ length, precision, digits }, negative) => {
      const target = Buffer.alloc(length + 2, 0x2a);
      const text = formatDecimal({ negative, digits, scale: precision });
      const value = parseDecimal(text);
      if (value === undefined) return false;
      if (decimalToZoned(value, target, 1, length, precision) !== undefined) return false;
      const isInPlace = target[0] === 0x2a && target[length + 1] === 0x2a;
      return isInPlace && zonedToText(target, 1, length, precision) === text;
    }),
    { seed },
  );
  t.pass();
});

t.test('addExact() is exact where floats are not', async (t) => {
  t.equal(addExact('0.1', '0.2'), '0.3');
  t.equal(addExact('-0.07', '0.07'), '0.00');
  t.equal(addExact('99999999999999999999.99', '0.01'), '100000000000000000000.00');
  t.equal(addExact('1', '-2.505'), '-1.505');
  t.throws(() => addExact('1', 'x'), TypeError);
  const cents = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });
  const text = (value: bigint) =>
    formatDecimal({ negative: value < 0n, digits: String(value).replace('-', ''), scale: 2 });
  fc.assert(
    fc.property(cents, cents, (a, b) => addExact(text(a), text(b)) === text(a + b)),
    { seed },
  );
});

t.test('every field type writes its bytes and reads them back', async (t) => {
  const cases: readonly [Omit<FieldShape, 'name'>, unknown, string, unknown?][] = [
    [{ type: 'alpha', length: 5 }, 'ab', 'ab   '],
    [{ type: 'alpha', length: 2 }, 'ab   ', 'ab', 'ab'],
    [{ type: 'alpha', length: 4 }, 'é\nß', 'é\nß '],
    [{ type: 'decimal', length: 6 }, 42, '000042'],
    [{ type: 'decimal', length: 6 }, -42, '00004r'],
    [{ type: 'decimal', length: 6 }, -0, '000000', 0],
    [{ type: 'decimal', length: 6 }, '17', '000017', 17],
    [{ type: 'decimal', length: 15 }, 999_999_999_999_999, '999999999999999'],
    [{ type: 'decimal', length: 16 }, '-9999999999999999', '999999999999999y'],
    [{ type: 'decimal', length: 16 }, 5n, '0000000000000005', '5'],
    [{ type: 'decimal', length: 6, precision: 2 }, '123.45', '012345'],
    [{ type: 'decimal', length: 6, precision: 2 }, '-0.07', '00000w'],
    [{ type: 'decimal', length: 6, precision: 2 }, 3, '000300', '3.00'],
    [{ type: 'decimal', length: 6, precision: 2 }, '1.500', '000150', '1.50'],
    [{ type: 'integer', length: 1 }, -1, '\xff'],
    [{ type: 'integer', length: 4 }, -2, '\xfe\xff\xff\xff'],
    [{ type: 'integer', length: 6 }, 2 ** 40, '\0\0\0\0\0\x01'],
    [{ type: 'integer', length: 7 }, -2n, '\xfe\xff\xff\xff\xff\xff\xff'],
    [{ type: 'integer', length: 8 }, 258n, '\x02\x01\0\0\0\0\0\0'],
    [{ type: 'integer', length: 8 }, 5, '\x05\0\0\0\0\0\0\0', 5n],
    [{ type: 'integer', length: 8 }, -(2n ** 63n), '\0\0\0\0\0\0\0\x80'],
    [{ type: 'unsigned', length: 2 }, 65_535, '\xff\xff'],
    [{ type: 'unsigned', length: 8 }, 2n ** 64n - 1n, '\xff'.repeat(8)],
    [{ type: 'unsigned', length: 2 }, '7', '\x07\0', 7],
    [{ type: 'date', length: 8, format: 'YYYYMMDD' }, '20170102', '20170102'],
    [{ type: 'date', length: 8, format: 'YYYYMMDD' }, '2017-01-02', '20170102', '20170102'],
    [{ type: 'date', length: 8, format: 'YYYYMMDD' }, '', '00000000'],
    [{ type: 'date', length: 6, format: 'YYMMDD' }, '2000-02-29', '000229', '000229'],
    [{ type: 'date', length: 7, format: 'YYYYJJJ' }, '2016-12-31', '2016366', '2016366'],
    [{ type: 'date', length: 5, format: 'YYJJJ' }, '17032', '17032'],
    [{ type: 'date', length: 6, format: 'YYYYPP' }, '201713', '201713'],
    [{ type: 'date', length: 4, format: 'YYPP' }, '1704', '1704'],
    [{ type: 'time', length: 6, format: 'HHMMSS' }, '235959', '235959'],
    [{ type: 'time', length: 6, format: 'HHMMSS' }, '23:59', '235900', '235900'],
    [{ type: 'time', length: 4, format: 'HHMM' }, '12:30:45', '1230', '1230'],
    [{ type: 'time', length: 4, format: 'HHMM' }, '0000', '0000'],
    [{ type: 'time', length: 4, format: 'HHMM' }, '', '    '],
    [{ type: 'boolean', length: 1 }, true, '1'],
    [{ type: 'boolean', length: 1 }, false, '0'],
    [{ type: 'boolean', length: 4 }, true, '\x01\0\0\0'],
    [{ type: 'boolean', length: 4 }, 'false', '\0\0\0\0', false],
    [{ type: 'binary', length: 3 }, Buffer.of(1, 2, 3), '\x01\x02\x03'],
    [{ type: 'binary', length: 3 }, Buffer.of(1), '\x01\0\0', Buffer.of(1, 0, 0)],
    [{ type: 'alpha', length: 2, dimension: [3] }, ['a', 'bb', ''], 'a bb  '],
    [
      { type: 'decimal', length: 1, dimension: [2, 2] },
      [[1, 2], [3]],
      '1230',
      [
        [1, 2],
        [3, 0],
      ],
    ],
  ];
  for (const [shape, value, bytes, back = value] of cases) {
    const codec = codecOf({ name: 'f', ...shape });
    const record = codec.encode({ f: value });
    t.equal(record.toString('latin1'), bytes, `${shape.type} ${shape.length} writes`);
    t.same(codec.decode(record), { f: back }, `${shape.type} ${shape.length} reads`);
  }
});

t.test('values that do not fit are refused by field name, without their content', async (t) => {
  const cases: readonly [Omit<FieldShape, 'name'>, readonly unknown[]][] = [
    [{ type: 'alpha', length: 3 }, ['secret', '€', 'a\u0301', '\ud800', 5, {}]],
    [{ type: 'decimal', length: 3 }, [1000, -1000, 1.5, '1.5', NaN, Infinity, 2 ** 53, '', true]],
    [{ type: 'decimal', length: 6, precision: 2 }, ['1.234', 1.25, '10000.00', 'secret', '1e2']],
    [{ type: 'integer', length: 1 }, [128, -129, 1.5, '1.5', 'secret', true, 2 ** 60]],
    [{ type: 'unsigned', length: 8 }, [-1, -1n, 2n ** 64n, 2 ** 53, '9'.repeat(21)]],
    [
      { type: 'date', length: 8, format: 'YYYYMMDD' },
      ['20171301', '2017-02-29', '2017-0101', '170101', 'secret', 20170101, '00000000'],
    ],
    [{ type: 'date', length: 6, format: 'YYYYPP' }, ['2017-01-01']],
    [{ type: 'date', length: 5, format: 'YYJJJ' }, ['17367', '17000']],
    [{ type: 'time', length: 4, format: 'HHMM' }, ['2400', '1260', '12:3', '123000']],
    [{ type: 'boolean', length: 1 }, ['yes', 2]],
    [{ type: 'binary', length: 2 }, ['ab', Buffer.alloc(3)]],
    [{ type: 'alpha', length: 6, dimension: [2] }, ['secret', ['a', 'b', 'c'], [5]]],
  ];
  for (const [shape, values] of cases) {
    const codec = codecOf({ name: 'thing', ...shape });
    for (const value of values) {
      const error = t.throws(() => codec.encode({ thing: value }), { code: 'ERR_BADDATA' });
      t.match(error, { message: /^Bad data: field thing / }, `${shape.type}: ${String(value)}`);
      t.notMatch(error, { message: /secret/ });
    }
  }
});

t.test('bytes that are no value are refused by field name when they are read', async (t) => {
  const cases: readonly [Omit<FieldShape, 'name'>, string][] = [
    [{ type: 'decimal', length: 3 }, 'a23'],
    [{ type: 'decimal', length: 3, precision: 1 }, '\0\0\0'],
    [{ type: 'date', length: 8, format: 'YYYYMMDD' }, '2017 1 2'],
    [{ type: 'time', length: 4, format: 'HHMM' }, 'noon'],
  ];
  for (const [shape, bytes] of cases) {
    t.throws(() => codecOf({ name: 'thing', ...shape }).decode(latin1(bytes)), {
      code: 'ERR_BADDATA',
      message: /field thing/,
    });
  }
});

t.test('fields not given are blank or zero', async (t) => {
  const codec = codecOf(
    { name: 'a', type: 'alpha', length: 2 },
    { name: 'd', type: 'decimal', length: 2, precision: 1 },
    { name: 'i', type: 'integer', length: 2 },
    { name: 'q', type: 'unsigned', length: 8 },
    { name: 'day', type: 'date', length: 6, format: 'YYMMDD' },
    { name: 'b', type: 'boolean', length: 1 },
    { name: 'list', type: 'decimal', length: 1, dimension: [2] },
  );
  const record = codec.encode({ a: undefined, d: null });
  t.equal(record.toString('latin1'), '  00\0\0\0\0\0\0\0\0\0\x000000000' + '00');
  t.same(codec.decode(record), {
    a: '',
    d: '0.0',
    i: 0,
    q: 0n,
    day: '',
    b: false,
    list: [0, 0],
  });
});

t.test('a name that is no field is refused with the names there are', async (t) => {
  const codec = codecOf(
    { name: 'number', type: 'decimal', length: 2 },
    { name: 'state', type: 'alpha', length: 2 },
  );
  t.throws(() => codec.encode({ State: 'CA' }), {
    code: 'ERR_BADDATA',
    message: 'Bad data: there is no field "State"; the fields are number, state',
  });
});

t.test('overlays are read and not written', async (t) => {
  const codec = codecOf(
    { name: 'year', type: 'decimal', length: 4 },
    { name: 'rest', type: 'decimal', length: 4 },
    { name: 'all', type: 'alpha', length: 8, offset: 0, overlay: true },
  );
  const record = codec.encode({ year: 2017, rest: 102, all: 'ignored' });
  t.equal(record.toString('latin1'), '20170102');
  t.same(codec.decode(record), { year: 2017, rest: 102, all: '20170102' });
});

t.test('variable records end with what was given and keep their keys whole', async (t) => {
  const shapes: FieldShape[] = [
    { name: 'id', type: 'decimal', length: 4 },
    { name: 'state', type: 'alpha', length: 2 },
    { name: 'note', type: 'alpha', length: 20 },
  ];
  const keys = [key('ID', [segment(0, 4, 'decimal')]), key('STATE', [segment(4, 2)])];
  const codec = compileRecordCodec(fileOf(shapes, { keys, format: 'variable' }));
  const cases = [
    [{ id: 1, state: 'CA', note: 'short' }, '0001CAshort'],
    [{ id: 1, state: 'CA', note: '' }, '0001CA'],
    [{ id: 1 }, '0001  '],
    [{}, '0000  '],
  ] as const;
  for (const [values, bytes] of cases) {
    const record = codec.encode(values);
    t.equal(record.toString('latin1'), bytes);
    t.same(codec.decode(record), { id: 0, state: '', note: '', ...values });
  }
  t.same(codec.decode(latin1('00')), { id: 0, state: '', note: '' }, 'a cut number is nothing');
  t.same(codec.decode(latin1('0001CA ab')), { id: 1, state: 'CA', note: ' ab' });

  const short = keys.map((k) => ({ ...k, nullKey: { kind: 'short' as const } }));
  const free = compileRecordCodec(fileOf(shapes, { keys: short, format: 'variable' }));
  t.equal(free.encode({ id: 7 }).toString('latin1'), '0007');
});

t.test('any record of good values survives decode and encode', async (t) => {
  const codec = codecOf(
    { name: 'text', type: 'alpha', length: 4 },
    { name: 'small', type: 'integer', length: 3 },
    { name: 'wide', type: 'unsigned', length: 7 },
    { name: 'wider', type: 'integer', length: 8 },
    { name: 'raw', type: 'binary', length: 3 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 25, maxLength: 25 }), (bytes) => {
      const record = Buffer.from(bytes);
      return codec.encode(codec.decode(record)).equals(record);
    }),
    { seed },
  );
  t.pass();
});

t.test('encodeKey() makes whole and partial keys of scalars, lists and objects', async (t) => {
  const spec = fileOf(
    [
      { name: 'number', type: 'decimal', length: 4 },
      { name: 'state', type: 'alpha', length: 2 },
      { name: 'city', type: 'alpha', length: 5 },
      { name: 'seq', type: 'integer', length: 8 },
      { name: 'due', type: 'date', length: 8, format: 'YYYYMMDD' },
    ],
    {
      keys: [
        key('NUMBER', [segment(0, 4, 'decimal')]),
        key('PLACE', [segment(4, 2), segment(6, 5, 'nocase'), segment(0, 4)]),
        key('SEQ', [segment(11, 8, 'sequence')]),
        key('DUE', [segment(19, 4), segment(4, 2)]),
        key('ACROSS', [segment(2, 4)]),
      ],
    },
  );
  const codec = compileRecordCodec(spec);
  const cases: readonly [number, unknown, string][] = [
    [0, 42, '0042'],
    [0, '42', '0042'],
    [0, -1, '000q'],
    [0, { number: 7 }, '0007'],
    [0, [7], '0007'],
    [0, Buffer.from('00'), '00'],
    [1, 'C', 'C'],
    [1, { state: 'C' }, 'C'],
    [1, ['CA', 'Sac'], 'CASac'],
    [1, ['C', 'Sac'], 'C Sac'],
    [1, { city: 'Sac', state: 'C' }, 'C Sac'],
    [1, { state: 'CA', city: 'Sac', number: 3 }, 'CASac  0003'],
    [1, ['CA', 'Sac', 3], 'CASac  0003'],
    [1, { state: 'CA', city: undefined }, 'CA'],
    [2, 5n, '\x05\0\0\0\0\0\0\0'],
    [3, '2017-03-04', '2017'],
    [3, { due: '20170304', state: 'NY' }, '2017NY'],
    [4, '12NY', '12NY'],
    [4, { number: 1234, state: 'NY' }, '34NY'],
  ];
  for (const [number, values, bytes] of cases) {
    const text = codec.encodeKey(number, values).toString('latin1');
    t.equal(text, bytes, `key ${number} of ${fc.stringify(values)}`);
  }
});

t.test('encodeKey() says which part of a key is wrong', async (t) => {
  const spec = fileOf(
    [
      { name: 'state', type: 'alpha', length: 2 },
      { name: 'number', type: 'decimal', length: 4 },
      { name: 'other', type: 'alpha', length: 1 },
    ],
    { keys: [key('PLACE', [segment(0, 2), segment(2, 4, 'decimal')])] },
  );
  const codec = compileRecordCodec(spec);
  const cases: readonly [unknown, RsyndError['code'], RegExp][] = [
    ['CAL', 'ERR_INVKVAL', /key PLACE has 2 bytes here/],
    ['€', 'ERR_INVKVAL', /latin1/],
    [['CA', 12345], 'ERR_INVKVAL', /key PLACE: field number needs 5 digits/],
    [['CA', 1, 2], 'ERR_INVKVAL', /has 2 parts, 3 were given/],
    [[], 'ERR_INVPKEY', /part 1/],
    [['CA', undefined], 'ERR_INVPKEY', /part 2/],
    [{}, 'ERR_INVPKEY', /part 1/],
    [{ number: 1 }, 'ERR_INVPKEY', /part 1/],
    [{ state: 'CA', other: 'x' }, 'ERR_INVKVAL', /no field "other"/],
    [{ nowhere: 1 }, 'ERR_INVKVAL', /no field "nowhere"/],
    [undefined, 'ERR_INVPKEY', /part 1/],
  ];
  for (const [values, code, message] of cases) {
    t.throws(() => codec.encodeKey(0, values), { code, message }, fc.stringify(values));
  }
  t.throws(() => codec.encodeKey(1, 'CA'), { code: 'ERR_BADKEY' });
});

t.test('reads a record that is part of more bytes, and nothing around it', async (t) => {
  const codec = compileRecordCodec({
    record: { size: 14, format: 'variable' },
    keys: [],
    fields: [
      { name: 'id', type: 'decimal', offset: 0, length: 4 },
      { name: 'sum', type: 'decimal', offset: 4, length: 4, precision: 2 },
      { name: 'codes', type: 'alpha', offset: 8, length: 2, dimension: [3] },
    ],
    networkEncrypt: false,
    text: '',
    attributes: {},
  });
  const record = latin1('00120345abc');
  const around = Buffer.concat([latin1('99999'), record, latin1('defgh')]);
  const expected = { id: 12, sum: '3.45', codes: ['ab', 'c', ''] };
  t.same(codec.decode(record), expected);
  t.same(codec.decode(around, 5, 5 + record.length), expected);
});
