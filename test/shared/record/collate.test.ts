// Index bytes against a naive comparison of decoded values: same order for every type, both
// orders and keys of several segments. The seed of each property is printed; FC_SEED repeats a run.

import fc from 'fast-check';
import t from 'tap';
import { collateKey, collateValue, compileKey } from '../../../shared/record/collate.js';
import { foldByte } from '../../../shared/record/collate-segment.js';
import type {
  KeySpec,
  SegmentOrder,
  SegmentSpec,
  SegmentType,
} from '../../../shared/record/file-spec.js';

const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
t.comment(`seed ${seed}`);

const TYPES: readonly SegmentType[] = [
  'alpha',
  'nocase',
  'decimal',
  'integer',
  'unsigned',
  'sequence',
  'timestamp',
  'ctimestamp',
];

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const keyOf = (segments: readonly SegmentSpec[], more: Partial<KeySpec> = {}): KeySpec => ({
  name: 'TESTED',
  segments,
  dups: 'none',
  modifiable: false,
  ...more,
});

/** Segments one behind the other from byte 0. */
function layOut(
  parts: readonly { type: SegmentType; length: number; order?: SegmentOrder }[],
): SegmentSpec[] {
  let offset = 0;
  return parts.map(({ type, length, order = 'ascending' }) => {
    const segment = { offset, length, type, order };
    offset += length;
    return segment;
  });
}

const oneSegment = (type: SegmentType, length: number, order: SegmentOrder = 'ascending') =>
  keyOf(layOut([{ type, length, order }]));

const sign = (value: number | bigint): number => (value > 0 ? 1 : value < 0 ? -1 : 0);

/** Zoned digits by way of text, written independently of the code under test. */
function naiveDecimal(bytes: Buffer): bigint | undefined {
  const text = bytes.toString('latin1').replaceAll(' ', '0');
  const match = /^(\d*)([0-9p-y])$/.exec(text);
  if (match === null) return undefined;
  const [, head = '', last = ''] = match;
  const place = 'pqrstuvwxy'.indexOf(last);
  return place === -1 ? BigInt(text) : -BigInt(`${head}${place}`);
}

/** 'ÿ' folds to a character outside latin1, 'ß' to two, 'µ' to Greek: those stay. */
const naiveFold = (bytes: Buffer): Buffer =>
  latin1(
    [...bytes.toString('latin1')]
      .map((char) => (/^[\0-\xff]$/.test(char.toUpperCase()) ? char.toUpperCase() : char))
      .join(''),
  );

function naiveInteger(bytes: Buffer, signed: boolean): bigint {
  const value = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  return signed ? BigInt.asIntN(bytes.length * 8, value) : value;
}

function naiveCompareSegment(type: SegmentType, a: Buffer, b: Buffer): number {
  switch (type) {
    case 'alpha':
      return a.compare(b);
    case 'nocase':
      return naiveFold(a).compare(naiveFold(b));
    case 'decimal': {
      const [left, right] = [naiveDecimal(a), naiveDecimal(b)];
      if (left === undefined || right === undefined) {
        if (left === undefined && right === undefined) return a.compare(b);
        return left === undefined ? -1 : 1;
      }
      return sign(left - right);
    }
    default:
      return sign(naiveInteger(a, type !== 'unsigned') - naiveInteger(b, type !== 'unsigned'));
  }
}

function naiveCompare(key: KeySpec, a: Buffer, b: Buffer): number {
  for (const { offset, length, type, order } of key.segments) {
    const [left, right] = [a, b].map((record) => record.subarray(offset, offset + length));
    const result = naiveCompareSegment(type, left ?? a, right ?? b);
    if (result !== 0) return order === 'ascending' ? result : -result;
  }
  return 0;
}

/** Bytes likely to be telling for a type: few different ones, and now and then any. */
function segmentBytes(type: SegmentType, length: number): fc.Arbitrary<Buffer> {
  const any = fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));
  const of = (alphabet: string) =>
    fc
      .array(fc.constantFrom(...alphabet), { minLength: length, maxLength: length })
      .map((chars) => latin1(chars.join('')));
  switch (type) {
    case 'alpha':
    case 'nocase':
      return fc.oneof(any, of(' aAbBzZ[_éÉßÿ×÷µ'));
    case 'decimal':
      return fc.oneof(
        any,
        of('019 '),
        of('00001 x'),
        fc
          .tuple(of('0019 '), fc.constantFrom(...'019pqy '))
          .map(([head, last]) => Buffer.concat([head.subarray(1), latin1(last)])),
      );
    default:
      return fc.oneof(any, of('\x00\x01\x7f\x80\xff'));
  }
}

const parts = fc
  .tuple(fc.constantFrom(...TYPES), fc.integer({ min: 1, max: 8 }), fc.boolean())
  .map(([type, length, down]) => ({
    type,
    length: ['sequence', 'timestamp', 'ctimestamp'].includes(type) ? 8 : length,
    order: down ? ('descending' as const) : ('ascending' as const),
  }));

const recordOf = (key: KeySpec) =>
  fc
    .tuple(...key.segments.map((segment) => segmentBytes(segment.type, segment.length)))
    .map((buffers) => Buffer.concat(buffers));

const keyAndRecords = fc
  .array(parts, { minLength: 1, maxLength: 4 })
  .map((list) => keyOf(layOut(list)))
  .chain((key) => fc.tuple(fc.constant(key), recordOf(key), recordOf(key)));

t.test('index bytes order as the values do, for one segment of every type', async (t) => {
  for (const type of TYPES) {
    for (const order of ['ascending', 'descending'] as const) {
      const lengths = ['sequence', 'timestamp', 'ctimestamp'].includes(type) ? [8] : [1, 2, 5, 8];
      for (const length of lengths) {
        const key = oneSegment(type, length, order);
        const compiled = compileKey(key);
        const bytes = segmentBytes(type, length);
        fc.assert(
          fc.property(bytes, bytes, (a, b) => {
            const [left, right] = [compiled.ofRecord(a), compiled.ofRecord(b)];
            if (left === undefined || right === undefined) return false;
            return sign(Buffer.compare(left, right)) === sign(naiveCompare(key, a, b));
          }),
          { seed, numRuns: 300 },
        );
      }
    }
    t.pass(type);
  }
});

t.test('index bytes of several segments order as the values do and have one length', async (t) => {
  fc.assert(
    fc.property(keyAndRecords, ([key, a, b]) => {
      const compiled = compileKey(key);
      const [left, right] = [compiled.ofRecord(a), compiled.ofRecord(b)];
      if (left === undefined || right === undefined) return false;
      if (left.length !== compiled.indexBytes || right.length !== compiled.indexBytes) return false;
      return sign(Buffer.compare(left, right)) === sign(naiveCompare(key, a, b));
    }),
    { seed, numRuns: 3000 },
  );
  t.pass();
});

t.test('a whole value has the index bytes of a record that holds it, in either mode', async (t) => {
  fc.assert(
    fc.property(keyAndRecords, ([key, record]) => {
      const bytes = collateKey(key, record);
      const whole = collateValue(key, record, 'whole');
      const leading = collateValue(key, record, 'leading');
      if (bytes === undefined || !whole.whole || !leading.whole) return false;
      return Buffer.compare(bytes, whole.bytes) === 0 && Buffer.compare(bytes, leading.bytes) === 0;
    }),
    { seed, numRuns: 500 },
  );
  t.pass();
});

t.test(
  'a leading value is a prefix of the index bytes of records that begin with it',
  async (t) => {
    const isPrefix = (part: Uint8Array, all: Uint8Array | undefined) =>
      all !== undefined && Buffer.compare(part, all.subarray(0, part.length)) === 0;
    const key = keyOf(
      layOut([
        { type: 'alpha', length: 3, order: 'descending' },
        { type: 'nocase', length: 3 },
        { type: 'decimal', length: 4, order: 'descending' },
        { type: 'integer', length: 2 },
        { type: 'decimal', length: 3 },
      ]),
    );
    const record = latin1('CALabc0042\x01\x02123');
    const other = latin1('CALABC0042\x01\x02 23');
    for (const length of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15]) {
      const value = collateValue(key, record.subarray(0, length), 'leading');
      t.equal(isPrefix(value.bytes, collateKey(key, record)), true, `${length} bytes`);
      t.equal(value.whole, length === 15);
      t.equal(
        isPrefix(value.bytes, collateKey(key, other)),
        length <= 12,
        `${length} of the other`,
      );
    }
    t.throws(() => collateValue(key, record.subarray(0, 11), 'leading'), { code: 'ERR_INVPKEY' });
    t.throws(() => collateValue(key, Buffer.alloc(16), 'leading'), { code: 'ERR_BADKEY' });
  },
);

t.test('a leading part of a decimal is not negative', async (t) => {
  const key = oneSegment('decimal', 4);
  const value = Buffer.from(collateValue(key, latin1(' 1'), 'leading').bytes);
  const begins = (record: string) =>
    Buffer.from(collateKey(key, latin1(record)) ?? []).indexOf(value) === 0;
  t.equal(begins('0123'), true);
  t.equal(begins(' 1 9'), true);
  t.equal(begins('012s'), false, '-123');
  t.equal(begins('0223'), false);
});

t.test('a short value of an exact match is padded where text is missing only', async (t) => {
  const key = keyOf(
    layOut([
      { type: 'alpha', length: 2 },
      { type: 'decimal', length: 2 },
      { type: 'nocase', length: 4 },
    ]),
  );
  const padded = collateValue(key, latin1('CA07sm'), 'whole');
  t.same(padded.bytes, collateKey(key, latin1('CA07Sm  ')));
  t.equal(padded.whole, true);
  t.same(collateValue(key, latin1('CA07'), 'whole').bytes, collateKey(key, latin1('CA07    ')));
  for (const short of ['', 'CA', 'CA0']) {
    t.throws(() => collateValue(key, latin1(short), 'whole'), {
      code: 'ERR_INVPKEY',
      message: /use match gen or geq/,
    });
  }
  const plain = oneSegment('alpha', 4);
  t.same(collateValue(plain, latin1('ab'), 'whole').bytes, latin1('ab  '));
  t.same(collateValue(plain, latin1('ab'), 'leading'), { bytes: latin1('ab'), whole: false });
});

t.test('equal numbers have equal bytes and numbers stand behind what is none', async (t) => {
  const key = oneSegment('decimal', 3);
  const bytes = (text: string) => Buffer.from(collateKey(key, latin1(text)) ?? []);
  for (const [left, right] of [
    ['   ', '000'],
    ['00p', '000'],
    ['  p', '   '],
    [' 1 ', '010'],
    [' 1p', '01p'],
  ] as const) {
    t.same(bytes(left), bytes(right), `'${left}' is '${right}'`);
  }
  const ordered = ['\0\0\0', '0p0', 'ab`', '99y', '00q', '000', '001', '999'];
  const sorted = [...ordered].reverse().sort((a, b) => bytes(a).compare(bytes(b)));
  t.same(sorted, ordered);
});

t.test('a record that is too short is refused, or left out by a short null key', async (t) => {
  const segments = [{ offset: 4, length: 6, type: 'alpha', order: 'ascending' }] as const;
  t.equal(compileKey(keyOf(segments)).reach, 10);
  t.throws(() => collateKey(keyOf(segments), Buffer.alloc(9)), { code: 'ERR_IRCSIZ' });
  t.same(collateKey(keyOf(segments), latin1('....abcdef')), latin1('abcdef'));
  const short = keyOf(segments, { nullKey: { kind: 'short' } });
  t.equal(collateKey(short, Buffer.alloc(9)), undefined);
  t.same(collateKey(short, Buffer.alloc(10, 0x20)), Buffer.alloc(6, 0x20));
  const replicate = keyOf(segments, { nullKey: { kind: 'replicate' } });
  t.throws(() => collateKey(replicate, Buffer.alloc(9)), { code: 'ERR_IRCSIZ' });
});

t.test('null keys leave out the records that hold the null value', async (t) => {
  const mixed = layOut([
    { type: 'alpha', length: 3 },
    { type: 'decimal', length: 2 },
    { type: 'integer', length: 2 },
  ]);
  const text = layOut([{ type: 'nocase', length: 4 }]);
  const number = layOut([{ type: 'decimal', length: 4 }]);
  const cases: readonly [readonly SegmentSpec[], KeySpec['nullKey'], string, boolean][] = [
    [text, { kind: 'replicate' }, '    ', true],
    [text, { kind: 'replicate' }, '   x', false],
    [text, { kind: 'replicate', value: '*' }, '****', true],
    [text, { kind: 'replicate', value: '*' }, '*   ', false],
    [text, { kind: 'replicate', value: '*' }, '    ', false],
    [text, { kind: 'noreplicate' }, '    ', true],
    [text, { kind: 'noreplicate', value: 'NO' }, 'NO  ', true],
    [text, { kind: 'noreplicate', value: 'NO' }, 'NOT ', false],
    [text, { kind: 'noreplicate', value: 'NO' }, '    ', false],
    [number, { kind: 'replicate' }, '0000', true],
    [number, { kind: 'replicate' }, '   0', true],
    [number, { kind: 'replicate' }, '0100', false],
    [number, { kind: 'replicate', value: '9' }, '9999', true],
    [number, { kind: 'replicate', value: '9' }, '0000', false],
    [number, { kind: 'noreplicate', value: '9' }, '9000', true],
    [mixed, { kind: 'replicate' }, '   00\0\0', true],
    [mixed, { kind: 'noreplicate' }, '     \0\0', true],
    [mixed, { kind: 'noreplicate' }, '   00\0\x01', false],
    [text, { kind: 'short' }, '    ', false],
  ];
  for (const [segments, nullKey, record, isLeftOut] of cases) {
    const key = keyOf(segments, nullKey === undefined ? {} : { nullKey });
    const bytes = collateKey(key, latin1(record));
    t.equal(bytes === undefined, isLeftOut, `${nullKey?.kind} ${nullKey?.value ?? ''} '${record}'`);
  }
});

t.test('index bytes are what is on disk', async (t) => {
  const cases: readonly [SegmentType, string, string, string][] = [
    ['alpha', 'aB\xe9', '6142e9', '9ebd16'],
    ['nocase', 'aB\xe9', '4142c9', 'bebd36'],
    ['decimal', '012', '02000102', 'fdfffefd'],
    ['decimal', '01r', '01090807', 'fef6f7f8'],
    ['decimal', 'x 1', '00782031', 'ff87dfce'],
    ['integer', '\x01\0', '8001', '7ffe'],
    ['integer', '\xff\xff', '7fff', '8000'],
    ['unsigned', '\x01\0', '0001', 'fffe'],
    ['sequence', '\x01\0\0\0\0\0\0\0', '8000000000000001', '7ffffffffffffffe'],
  ];
  for (const [type, value, ascending, descending] of cases) {
    const hex = (order: SegmentOrder) =>
      Buffer.from(collateKey(oneSegment(type, value.length, order), latin1(value)) ?? []).toString(
        'hex',
      );
    t.equal(hex('ascending'), ascending, `${type} ascending`);
    t.equal(hex('descending'), descending, `${type} descending`);
  }
});

t.test('foldByte() turns exactly the letters that have a capital in latin1', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  t.same(Buffer.from(bytes.map(foldByte)), naiveFold(bytes));
});

t.test('keys longer than a loop copies are whole', async (t) => {
  const record = Buffer.from(Array.from({ length: 254 }, (_, index) => index));
  t.same(collateKey(oneSegment('alpha', 254), record), record);
});
