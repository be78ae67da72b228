// Random definitions and random records that suit them. Domains are small on purpose: equal keys,
// refused duplicates and null keys must happen all the time. Fields lie one behind the other; keys pick
// from them, so that one field may serve several keys.

import fc from 'fast-check';
import type {
  Duplicates,
  FileSpec,
  KeySpec,
  NullKeySpec,
  SegmentOrder,
  SegmentSpec,
  SegmentType,
} from '../../shared/record/file-spec.js';

/** Which of its possible values each field of a record has, and how long the record is. */
export interface RecordPicks {
  readonly values: readonly number[];
  readonly length: number;
}

/** A definition, and how many values each field can have. */
export interface RandomFile {
  readonly spec: FileSpec;
  readonly fields: readonly RandomField[];
}

interface RandomField {
  readonly type: SegmentType;
  readonly offset: number;
  readonly length: number;
  readonly domain: number;
}

const FIELDS_MAX = 10;
const AUTOKEY_BYTES = 8;

const typeArbitrary = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<SegmentType>('alpha', 'nocase', 'decimal') },
  { weight: 3, arbitrary: fc.constantFrom<SegmentType>('integer', 'unsigned') },
  { weight: 1, arbitrary: fc.constantFrom<SegmentType>('sequence', 'timestamp', 'ctimestamp') },
);

const isAutokey = (type: SegmentType): boolean =>
  type === 'sequence' || type === 'timestamp' || type === 'ctimestamp';

const fieldsArbitrary = fc
  .array(
    fc.record({
      type: typeArbitrary,
      bytes: fc.integer({ min: 1, max: 5 }),
      domain: fc.constantFrom(2, 5, 12, 60),
    }),
    { minLength: 2, maxLength: FIELDS_MAX },
  )
  .map((drafts) => {
    let offset = 0;
    return drafts.map(({ type, bytes, domain }): RandomField => {
      const field = { type, offset, length: isAutokey(type) ? AUTOKEY_BYTES : bytes, domain };
      offset += field.length;
      return field;
    });
  });

const nullKeyArbitrary: fc.Arbitrary<NullKeySpec | undefined> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<NullKeySpec>(
      { kind: 'replicate' },
      { kind: 'replicate', value: 'A' },
      { kind: 'noreplicate' },
      { kind: 'noreplicate', value: 'B' },
      { kind: 'short' },
    ),
  },
);

const keyDraftArbitrary = fc.record({
  parts: fc.array(fc.record({ field: fc.nat(FIELDS_MAX - 1), descending: fc.boolean() }), {
    minLength: 1,
    maxLength: 4,
  }),
  dups: fc.constantFrom<Duplicates>('none', 'fifo', 'fifo', 'lifo'),
  modifiable: fc.constantFrom(true, true, false),
  nullKey: nullKeyArbitrary,
});

export const fileArbitrary: fc.Arbitrary<RandomFile> = fc
  .record({
    fields: fieldsArbitrary,
    keys: fc.array(keyDraftArbitrary, { minLength: 1, maxLength: 6 }),
    filler: fc.constantFrom(0, 0, 7, 90, 900, 5000),
    format: fc.constantFrom('fixed' as const, 'variable' as const, 'multiple' as const),
    seed: fc.constantFrom(1, 100),
  })
  .map(({ fields, keys, filler, format, seed }) => {
    const taken = new Set<number>();
    const keySpecs = keys.map((draft, number): KeySpec => {
      const { parts, dups, modifiable, nullKey } = draft;
      const segments = parts.map(({ field, descending }) =>
        segmentOf(fields, field, descending ? 'descending' : 'ascending', taken),
      );
      return {
        name: `KEY${number}`,
        segments,
        dups,
        modifiable,
        ...(nullKey !== undefined && { nullKey }),
      };
    });
    const last = fields[fields.length - 1];
    const size = (last === undefined ? 0 : last.offset + last.length) + filler;
    const sequence = keySpecs.findIndex(({ segments }) =>
      segments.some(({ type }) => type === 'sequence'),
    );
    const spec: FileSpec = {
      record: { size, format },
      keys: keySpecs,
      fields: [],
      networkEncrypt: false,
      text: '',
      attributes: {},
      ...(sequence >= 0 && { seeds: { [sequence]: seed } }),
    };
    return { spec, fields };
  });

/** An autokey field belongs to the first segment that names it; others see an integer. */
function segmentOf(
  fields: readonly RandomField[],
  pick: number,
  order: SegmentOrder,
  taken: Set<number>,
): SegmentSpec {
  const field = fields[pick % fields.length];
  if (field === undefined) throw new TypeError('a file has fields');
  const { type, offset, length } = field;
  if (!isAutokey(type)) return { offset, length, type, order };
  if (taken.has(offset)) return { offset, length, type: 'integer', order };
  taken.add(offset);
  return { offset, length, type, order };
}

export const picksArbitrary: fc.Arbitrary<RecordPicks> = fc.record({
  values: fc.array(fc.nat(59), { minLength: FIELDS_MAX, maxLength: FIELDS_MAX }),
  length: fc.nat(99),
});

/** A record of the file; now and then one of a length the file does not take. */
export function recordOf({ spec, fields }: RandomFile, { values, length }: RecordPicks): Buffer {
  const record = Buffer.alloc(spec.record.size, '.');
  for (const [index, field] of fields.entries()) {
    fieldValue(field, values[index] ?? 0).copy(record, field.offset);
  }
  if (length === 0) return Buffer.concat([record, Buffer.from('x')]);
  if (length === 1) return record.subarray(0, length);
  const isCut = spec.record.format !== 'fixed' && length > 60;
  return isCut ? record.subarray(0, Math.ceil((record.length * (length - 50)) / 50)) : record;
}

/** A value for one key of the file, as bytes: the leading `share` percent of it, or all. */
export function searchBytesOf(
  { fields }: RandomFile,
  key: KeySpec,
  { values }: RecordPicks,
  share: number,
): Buffer {
  const parts = key.segments.map((segment, index) => {
    const field = fields.find(({ offset }) => offset === segment.offset);
    return field === undefined ? Buffer.alloc(0) : fieldValue(field, values[index] ?? 0);
  });
  const whole = Buffer.concat(parts);
  if (share > 110) return Buffer.concat([whole, Buffer.from('+')]);
  return whole.subarray(0, Math.ceil((whole.length * Math.min(share, 100)) / 100));
}

const LETTERS = ['', 'A', 'a', 'B', 'AB', 'ab', 'b', '\u00e9', '\u00c9', '\u00ff', '\u00df', '\0'];
const DECIMALS = ['0', '', '1', 'q', 'p', '12', '1r', 'x!', ' 5', '-1', '9', 'y'];
const INTEGERS = [0n, 1n, -1n, 127n, 128n, -128n, 255n, 256n, 65_535n, -32_768n, 2n, -2n];

/** The n-th value of a field; fields of one type share the interesting ones. */
function fieldValue({ type, length, domain }: RandomField, pick: number): Buffer {
  const n = pick % domain;
  const round = Math.floor(n / LETTERS.length);
  const suffix = round === 0 ? '' : String(round);
  switch (type) {
    case 'alpha':
    case 'nocase':
      return Buffer.from(`${LETTERS[n % 12]}${suffix}`.padEnd(length).slice(0, length), 'latin1');
    case 'decimal':
      return Buffer.from(decimalText(`${suffix}${DECIMALS[n % 12]}`, length), 'latin1');
    default: {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE((INTEGERS[n % 12] ?? 0n) + BigInt(round) * 512n);
      return bytes.subarray(0, length);
    }
  }
}

/** Right-aligned over zeros, as numbers are; the empty one is blank. */
const decimalText = (text: string, length: number): string =>
  text === '' ? ' '.repeat(length) : text.padStart(length, '0').slice(-length);
