// defineFile() lays fields out, turns keys into segments and gives records their types; definitions
// that contradict themselves, or come from strangers, are refused with ERR_BADDEF and nothing else.

import fc from 'fast-check';
import { pack, unpack } from 'msgpackr';
import t from 'tap';
import { isRsyndError } from '../../../shared/base/error.js';
import {
  alpha,
  binary,
  boolean,
  ctimestamp,
  date,
  decimal,
  implied,
  integer,
  nocase,
  sequence,
  time,
  timestamp,
  unsigned,
} from '../../../shared/record/field.js';
import { compileRecordCodec } from '../../../shared/record/field-codec.js';
import { defineFile, type RecordOf, specOf } from '../../../shared/record/file-definition.js';
import type { FieldSpec, FileSpec, KeySpec } from '../../../shared/record/file-spec.js';
import type { KeyOf, KeyScalar } from '../../../shared/record/key.js';
import { parseSpec, validateSpec } from '../../../shared/record/validate-spec.js';

const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
t.comment(`seed ${seed}`);

/** True only for one and the same type, optional and readonly included. */
type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isTrue = <T extends true>(value: T): T => value;

const everything = defineFile({
  fields: {
    number: decimal(6),
    huge: decimal(16),
    total: implied(12, 2),
    placedBy: alpha(25),
    nick: nocase(8),
    count: integer(4),
    big: integer(8),
    flags: unsigned(2),
    hash: unsigned(8),
    ordered: date('YYYYMMDD'),
    at: time('HHMM'),
    paid: boolean(),
    blob: binary(16),
    seq: sequence(),
    changed: timestamp(),
    created: ctimestamp(),
  },
  keys: {
    number: { parts: ['number'] },
    place: {
      parts: [{ field: 'placedBy', start: 2, length: 5, nocase: true }, 'nick', 'ordered'],
      dups: 'fifo',
      modifiable: true,
      nullKey: { kind: 'noreplicate', value: 'x' },
    },
    newest: {
      parts: [{ field: 'ordered', order: 'descending', length: 4 }],
      dups: 'lifo',
      nullKey: 'replicate',
    },
    seq: { parts: ['seq'], seed: 100 },
    bySeq: { parts: ['placedBy', 'seq'] },
    changed: { parts: ['changed'] },
    created: { parts: ['created'] },
  },
  networkEncrypt: true,
  text: 'all kinds',
  attributes: { recordLimit: 1000 },
});

interface Everything {
  number: number;
  huge: string;
  total: string;
  placedBy: string;
  nick: string;
  count: number;
  big: bigint;
  flags: number;
  hash: bigint;
  ordered: string;
  at: string;
  paid: boolean;
  blob: Buffer;
  seq: bigint;
  changed: bigint;
  created: bigint;
}

t.test('records have the types of their fields', async (t) => {
  type Actual = RecordOf<typeof everything>;
  t.ok(
    isTrue<Equal<{ [N in keyof Actual]: Actual[N] }, { [N in keyof Everything]: Everything[N] }>>(
      true,
    ),
  );
  t.ok(isTrue<Equal<KeyOf<Buffer>, string | Buffer>>(true));
  t.ok(
    isTrue<Equal<KeyOf<{ a: string }>, KeyScalar | readonly KeyScalar[] | Partial<{ a: string }>>>(
      true,
    ),
  );
  const length: number = 9;
  const loose = defineFile({
    fields: { some: decimal(length), other: integer(length - 1) },
    keys: { some: { parts: ['some'] } },
  });
  t.ok(
    isTrue<Equal<RecordOf<typeof loose>, { some: string | number; other: number | bigint }>>(true),
  );
  const wrong = () =>
    defineFile({
      fields: { a: alpha(1) },
      // @ts-expect-error a part must be a field of the file
      keys: { a: { parts: ['b'] } },
    });
  t.throws(wrong, { code: 'ERR_BADDEF', message: /key a: part b is no field of the file; .* a$/ });
});

t.test('values of typed records are what the types say', async (t) => {
  const record: RecordOf<typeof everything> = {
    number: 1,
    huge: '-1234567890123456',
    total: '12.50',
    placedBy: 'Ann',
    nick: 'ann',
    count: -5,
    big: -5n,
    flags: 5,
    hash: 5n,
    ordered: '20170102',
    at: '2359',
    paid: true,
    blob: Buffer.alloc(16, 7),
    seq: 1n,
    changed: 2n,
    created: 3n,
  };
  const codec = compileRecordCodec(specOf(everything));
  t.same(codec.decode(codec.encode(record)), record);
});

t.test('fields lie in the order they are written and keys on them', async (t) => {
  const { spec } = everything;
  let end = 0;
  for (const field of spec.fields) {
    t.equal(field.offset, end, field.name);
    end += field.length;
  }
  t.same(spec.record, { size: end, format: 'fixed' });
  const offsets = new Map(spec.fields.map((field) => [field.name, field.offset]));
  const at = (name: string, more = 0) => (offsets.get(name) ?? -1) + more;
  const up = 'ascending';
  t.same(spec.keys[1], {
    name: 'place',
    segments: [
      { offset: at('placedBy', 1), length: 5, type: 'nocase', order: up },
      { offset: at('nick'), length: 8, type: 'nocase', order: up },
      { offset: at('ordered'), length: 8, type: 'decimal', order: up },
    ],
    dups: 'fifo',
    modifiable: true,
    nullKey: { kind: 'noreplicate', value: 'x' },
  });
  t.same(spec.keys[2], {
    name: 'newest',
    segments: [{ offset: at('ordered'), length: 4, type: 'decimal', order: 'descending' }],
    dups: 'lifo',
    modifiable: false,
    nullKey: { kind: 'replicate' },
  });
  const types = (number: number) => spec.keys[number]?.segments.map((segment) => segment.type);
  t.same(types(3), ['sequence']);
  t.same(types(4), ['alpha', 'integer'], 'a file fills its sequence once');
  t.same([types(5), types(6)], [['timestamp'], ['ctimestamp']]);
  t.same(spec.seeds, { 3: 100 });
  t.equal(spec.networkEncrypt, true);
  t.equal(spec.text, 'all kinds');
  t.same(spec.attributes, { recordLimit: 1000 });
});

t.test('a definition is frozen and the objects it was made of are not', async (t) => {
  const nullKey = { kind: 'replicate' } as const;
  const definition = defineFile({
    fields: { a: alpha(4) },
    keys: { a: { parts: ['a'], nullKey } },
    variable: true,
    recordSize: 10,
  });
  t.same(definition.spec.record, { size: 10, format: 'variable' });
  t.ok(Object.isFrozen(definition.spec) && Object.isFrozen(definition.spec.keys[0]?.segments[0]));
  t.notOk(Object.isFrozen(nullKey));
});

t.test('what defineFile() cannot lay out is refused', async (t) => {
  const fields = { a: alpha(4), n: decimal(4), i: integer(4) };
  const part = (more: object) => () =>
    defineFile({ fields, keys: { k: { parts: [{ field: 'a', ...more }] } } });
  t.throws(part({ field: 'n', length: 2 }), {
    code: 'ERR_BADDEF',
    message: /a key takes it whole/,
  });
  t.throws(part({ field: 'i', nocase: true }), { code: 'ERR_BADDEF', message: /only text/ });
  for (const bad of [
    { start: 0 },
    { start: 5 },
    { start: 2, length: 4 },
    { length: 0 },
    { start: 1.5 },
  ]) {
    t.throws(part(bad), { code: 'ERR_BADDEF', message: /has 4 bytes: start and length leave it/ });
  }
  t.throws(() => defineFile({ fields, keys: {} }), { code: 'ERR_BADDEF', message: /keys must be/ });
  t.throws(() => defineFile({ fields, keys: { a: { parts: ['a'] } }, recordSize: 8 }), {
    code: 'ERR_BADDEF',
    message: /field i: ends at byte 12, the record has 8/,
  });
  t.throws(() => defineFile({ fields: { 7: alpha(1) }, keys: { a: { parts: ['7'] } } } as never), {
    code: 'ERR_BADDEF',
  });
  t.throws(() => implied(4, 0), TypeError);
});

const base: FileSpec = {
  record: { size: 40, format: 'fixed' },
  keys: [
    {
      name: 'NUMBER',
      segments: [{ offset: 0, length: 8, type: 'alpha', order: 'ascending' }],
      dups: 'none',
      modifiable: false,
    },
  ],
  fields: [{ name: 'number', type: 'decimal', offset: 0, length: 8 }],
  networkEncrypt: false,
  text: '',
  attributes: {},
};
const withKey = (more: Partial<KeySpec>, ...others: readonly Partial<KeySpec>[]): FileSpec => ({
  ...base,
  keys: [more, ...others].map((changes, index) => ({
    name: `K${index}`,
    segments: [{ offset: 0, length: 8, type: 'alpha', order: 'ascending' }],
    dups: 'none',
    modifiable: false,
    ...changes,
  })),
});
const withSegment = (more: Partial<KeySpec['segments'][number]>): FileSpec => {
  const segment = { offset: 0, length: 8, type: 'alpha', order: 'ascending', ...more } as const;
  return withKey({ segments: [segment] });
};
const withField = (more: Partial<FieldSpec>): FileSpec => ({
  ...base,
  fields: [{ name: 'f', type: 'alpha', offset: 0, length: 8, ...more }],
});
const segments = (count: number, length = 1): KeySpec['segments'] =>
  Array.from({ length: count }, () => ({ offset: 0, length, type: 'alpha', order: 'ascending' }));

t.test('definitions at the limits are good', async (t) => {
  const sequenceAt = (offset: number): Partial<KeySpec> => ({
    segments: [{ offset, length: 8, type: 'sequence', order: 'ascending' }],
  });
  const good: readonly [string, FileSpec][] = [
    ['plain', base],
    [
      'smallest',
      { ...withSegment({ length: 1 }), record: { size: 1, format: 'variable' }, fields: [] },
    ],
    ['largest', { ...base, record: { size: 1024 * 1024, format: 'multiple' } }],
    ['255 keys', withKey({}, ...Array.from({ length: 254 }, () => ({})))],
    ['8 segments', withKey({ segments: segments(8) })],
    [
      '254 bytes',
      { ...withKey({ segments: segments(2, 127) }), record: { size: 127, format: 'fixed' } },
    ],
    ['two autokeys', withKey(sequenceAt(0), sequenceAt(8))],
    ['seed', { ...withKey(sequenceAt(0)), seeds: { 0: 5 } }],
    ['array', withField({ length: 4, dimension: [2, 5] })],
    ['precision', withField({ type: 'decimal', precision: 8 })],
    ['time', withField({ type: 'time', length: 6, format: 'HHMMSS' })],
    ['null key', withKey({ nullKey: { kind: 'noreplicate', value: 'NONE' } })],
  ];
  for (const [name, spec] of good) {
    t.doesNotThrow(() => validateSpec(spec), name);
    t.same(parseSpec(unpack(pack(spec))), spec, `${name} survives the wire`);
  }
  t.same(parseSpec(unpack(pack(everything.spec))), everything.spec);
});

t.test('definitions that contradict themselves are refused and say why', async (t) => {
  const bad: readonly [FileSpec, RegExp][] = [
    [
      { ...base, record: { size: 0, format: 'fixed' } },
      /record: size must be .* from 1 to 1048576/,
    ],
    [{ ...base, record: { size: 1048577, format: 'fixed' } }, /record: size/],
    [{ ...base, record: { size: 10.5, format: 'fixed' } }, /record: size/],
    [{ ...base, record: { size: 40, format: 'loose' as 'fixed' } }, /format must be one of fixed/],
    [
      { ...base, record: { size: 40, format: 'multiple' }, attributes: { compressData: true } },
      /multiple and compression/,
    ],
    [{ ...base, keys: [] }, /keys must be a list of 1 to 255/],
    [withKey({}, ...Array.from({ length: 255 }, () => ({}))), /keys must be a list/],
    [withKey({ name: 'same' }, { name: 'SAME' }), /key SAME: has the same name as key same/],
    [withKey({ name: '' }), /key 0: has no usable name/],
    [withKey({ name: 'a\nb' }), /key 0: has no usable name/],
    [withKey({ segments: [] }), /key K0: segments must be a list of 1 to 8/],
    [withKey({ segments: segments(9) }), /segments must be a list/],
    [withKey({ segments: segments(7, 37) }), /key K0: has 259 bytes, at most 254/],
    [withSegment({ offset: 33 }), /key K0, segment 1: ends at byte 41, the record has 40/],
    [withSegment({ offset: -1 }), /segment 1: offset/],
    [withSegment({ length: 0 }), /segment 1: length/],
    [withSegment({ type: 'integer', length: 9 }), /is integer of 9 bytes; integers have 1 to 8/],
    [withSegment({ type: 'unsigned', length: 9 }), /is unsigned of 9 bytes/],
    [withSegment({ type: 'sequence', length: 4 }), /is a sequence of 4 bytes; autokeys have 8/],
    [withSegment({ type: 'text' as 'alpha' }), /type must be one of/],
    [withSegment({ order: 'up' as 'ascending' }), /order must be one of/],
    [
      withKey(
        { segments: [{ offset: 0, length: 8, type: 'sequence', order: 'ascending' }] },
        { segments: [{ offset: 7, length: 8, type: 'timestamp', order: 'ascending' }] },
      ),
      /key K1: its autokey shares bytes with the one of key K0/,
    ],
    [withKey({ nullKey: { kind: 'replicate', value: '**' } }), /replicate repeats one character/],
    [withKey({ nullKey: { kind: 'noreplicate', value: 'x'.repeat(9) } }), /within its 8 bytes/],
    [withKey({ nullKey: { kind: 'noreplicate', value: '€' } }), /latin1/],
    [{ ...base, seeds: { 0: 5 } }, /seed of key 0: the key is not there or has no sequence/],
    [{ ...base, seeds: { 9: 5 } }, /seed of key 9/],
    [withField({ offset: 39 }), /field f: ends at byte 47, the record has 40/],
    [withField({ dimension: [6] }), /field f: ends at byte 48/],
    [withField({ dimension: [0] }), /each dimension/],
    [withField({ dimension: Array(8).fill(1048576) }), /field f: ends at byte/],
    [withField({ type: 'integer', length: 9 }), /is integer of 9 bytes/],
    [withField({ precision: 1 }), /is alpha; only decimals have a precision/],
    [withField({ type: 'decimal', precision: 9 }), /fewer than its 9 decimal places/],
    [withField({ format: 'YYYYMMDD' }), /is alpha; only dates and times/],
    [withField({ type: 'date', format: 'HHMM' }), /no storage of a date/],
    [withField({ type: 'date', format: 'YYMMDD' }), /has 8 bytes, its format YYMMDD needs 6/],
    [withField({ name: '__proto__' }), /no usable name/],
    [
      {
        ...base,
        fields: [...base.fields, { name: 'NUMBER', type: 'alpha', offset: 0, length: 1 }],
      },
      /field NUMBER: has the same name as field number/,
    ],
    [{ ...base, text: 'x'.repeat(1025) }, /text must be/],
    [
      { ...base, attributes: { portableIntegers: [{ offset: 38, length: 4 }] } },
      /portable integer/,
    ],
    [{ ...base, attributes: { addressing: 64 as 32 } }, /addressing must be 32, 40 or 48/],
  ];
  for (const [spec, message] of bad) {
    t.throws(() => validateSpec(spec), { code: 'ERR_BADDEF', message }, String(message));
  }
});

t.test('unknown properties are dropped', async (t) => {
  const more = {
    ...base,
    later: 1,
    record: { ...base.record, later: 2 },
    attributes: { later: 3 },
  };
  t.same(parseSpec(more), base);
  const hostile: unknown = JSON.parse('{"__proto__": {"record": 1}, "constructor": {}}');
  t.throws(() => parseSpec(hostile), { code: 'ERR_BADDEF' });
});

/** Whatever it is given, it answers with a definition or ERR_BADDEF. */
function isJudged(value: unknown): boolean {
  try {
    validateSpec(parseSpec(value));
    return true;
  } catch (error) {
    return isRsyndError(error, 'ERR_BADDEF');
  }
}

t.test('anything at all is judged', async (t) => {
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withMap: true, withTypedArray: true }), isJudged),
    {
      seed,
      numRuns: 1000,
    },
  );
  t.pass();
});

t.test('a definition with any one value replaced is judged', async (t) => {
  const good = unpack(pack(everything.spec)) as object;
  const paths = leafPaths(good, []);
  fc.assert(
    fc.property(
      fc.constantFrom(...paths),
      fc.oneof(fc.anything(), fc.integer(), fc.constantFrom('', 'alpha', 'sequence', 8, NaN, null)),
      (path, value) => isJudged(replaced(good, path, value)),
    ),
    { seed, numRuns: 2000 },
  );
  t.pass();
});

function leafPaths(value: unknown, path: readonly string[]): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  return [
    [...path],
    ...Object.entries(value).flatMap(([name, member]) => leafPaths(member, [...path, name])),
  ];
}

function replaced(value: unknown, [name, ...rest]: readonly string[], by: unknown): unknown {
  if (name === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((member, index) =>
      String(index) === name ? replaced(member, rest, by) : member,
    );
  }
  const members = Object.entries(value as object).map(([member, content]) => [
    member,
    member === name ? replaced(content, rest, by) : content,
  ]);
  return Object.fromEntries(members);
}
