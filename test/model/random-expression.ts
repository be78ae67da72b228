// Random definitions with fields and keys, records of them, and conditions that suit them (those are made in
// random-condition.ts). Values come from
// small pools, so that conditions match now and then, and hold what is hard: numbers that are none, signs,
// blanks, empty and impossible dates, records that end early, values with more places than their field.

import fc from 'fast-check';
import type {
  FieldSpec,
  FileSpec,
  KeySpec,
  NullKeySpec,
  SegmentSpec,
} from '../../shared/record/file-spec.js';
import type { Expression } from '../../shared/select/expression.js';
import { DATES, expressionArbitrary, TEXTS } from './random-condition.js';

export interface SelectCase {
  readonly spec: FileSpec;
  readonly expression: Expression;
  readonly records: readonly Buffer[];
}

export interface CaseOptions {
  /** Only records that the file would take: none ends inside a key. @default false */
  readonly storable?: boolean;
  /** @default 8 */
  readonly recordsMax?: number;
}

/** A definition, a condition and records of it. */
export const caseArbitrary = (options: CaseOptions = {}): fc.Arbitrary<SelectCase> =>
  specArbitrary.chain((spec) =>
    fc.record({
      spec: fc.constant(spec),
      expression: expressionArbitrary(spec),
      records: fc.array(
        recordArbitrary(spec, options.storable === true ? storableBytesMin(spec) : 1),
        {
          minLength: 1,
          maxLength: options.recordsMax ?? 8,
        },
      ),
    }),
  );

// ---- definitions

type Draft = Omit<FieldSpec, 'name' | 'offset'>;

const draftArbitrary: fc.Arbitrary<Draft> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.integer({ min: 1, max: 9 }).map((length): Draft => ({ type: 'alpha', length })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        length: fc.constantFrom(1, 3, 6, 9, 15, 16, 18, 28),
        places: fc.constantFrom(0, 0, 1, 2, 4),
      })
      .map(
        ({ length, places }): Draft => ({
          type: 'decimal',
          length,
          precision: Math.min(places, length),
        }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 8 }).map((length): Draft => ({ type: 'integer', length })),
  },
  {
    weight: 2,
    arbitrary: fc
      .integer({ min: 1, max: 8 })
      .map((length): Draft => ({ type: 'unsigned', length })),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('YYYYMMDD', 'YYMMDD', 'YYYYJJJ', 'YYJJJ', 'YYYYPP', 'YYPP')
      .map((format): Draft => ({ type: 'date', length: format.length, format })),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('HHMM', 'HHMMSS')
      .map((format): Draft => ({ type: 'time', length: format.length, format })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1, 2).map((length): Draft => ({ type: 'boolean', length })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1, 3).map((length): Draft => ({ type: 'binary', length })),
  },
);

const dimensionArbitrary = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom([2], [2, 3]) },
);

/** Plain names, words of the grammar, a name that must be quoted, mixed case. */
const NAMES = ['state', 'Total', 'ORDER', 'in', 'a.b', 'x', 'odd name', 'rec', 'LIMIT', 'not'];

const fieldsArbitrary: fc.Arbitrary<readonly FieldSpec[]> = fc
  .array(fc.tuple(draftArbitrary, dimensionArbitrary), { minLength: 2, maxLength: NAMES.length })
  .map((drafts) => {
    let offset = 0;
    return drafts.map(([draft, dimension], index): FieldSpec => {
      const field = { ...draft, name: NAMES[index] ?? '', offset };
      offset += draft.length * (dimension ?? []).reduce((product, size) => product * size, 1);
      return dimension === undefined ? field : { ...field, dimension };
    });
  });

const nullKeyArbitrary = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<NullKeySpec>(
      { kind: 'replicate' },
      { kind: 'noreplicate' },
      { kind: 'short' },
    ),
  },
);

const keyDraftArbitrary = fc.record({
  parts: fc.array(
    fc.record({
      field: fc.nat(99),
      descending: fc.boolean(),
      nocase: fc.boolean(),
      part: fc.nat(5),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  dups: fc.constantFrom('fifo' as const, 'fifo' as const, 'lifo' as const),
  nullKey: nullKeyArbitrary,
});
type KeyDraft = typeof keyDraftArbitrary extends fc.Arbitrary<infer D> ? D : never;

/** Every definition passes validateSpec. All keys take duplicates. */
export const specArbitrary: fc.Arbitrary<FileSpec> = fc
  .record({
    fields: fieldsArbitrary,
    keys: fc.array(keyDraftArbitrary, { minLength: 1, maxLength: 5 }),
    filler: fc.constantFrom(0, 0, 11),
    format: fc.constantFrom('fixed' as const, 'variable' as const),
  })
  .map(({ fields, keys, filler, format }) => {
    const size = fields.reduce((end, field) => Math.max(end, fieldEnd(field)), 0) + filler;
    return {
      record: { size, format },
      keys: keys.map((draft, number) => keyOf(fields, draft, number)),
      fields,
      networkEncrypt: false,
      text: '',
      attributes: {},
    };
  });

const elementsOf = (field: FieldSpec): number =>
  (field.dimension ?? []).reduce((product, size) => product * size, 1);

const fieldEnd = (field: FieldSpec): number => field.offset + field.length * elementsOf(field);

function keyOf(fields: readonly FieldSpec[], draft: KeyDraft, number: number): KeySpec {
  return {
    name: `KEY${number}`,
    segments: draft.parts.map((part) => segmentOf(fields, part)),
    dups: draft.dups,
    modifiable: number > 0,
    ...(draft.nullKey !== undefined && number > 0 && { nullKey: draft.nullKey }),
  };
}

/** A whole field (the first element of an array), now and then only the beginning of a text. */
function segmentOf(fields: readonly FieldSpec[], draft: KeyDraft['parts'][number]): SegmentSpec {
  const field = fields[draft.field % fields.length];
  if (field === undefined) throw new TypeError('a file has fields');
  const order = draft.descending ? ('descending' as const) : ('ascending' as const);
  const { offset, length } = field;
  switch (field.type) {
    case 'alpha': {
      const cut = draft.part === 0 ? Math.max(1, length - 1) : length;
      return { offset, length: cut, type: draft.nocase ? 'nocase' : 'alpha', order };
    }
    case 'decimal':
    case 'date':
    case 'time':
      return { offset, length, type: draft.part === 0 ? 'alpha' : 'decimal', order };
    case 'integer':
    case 'unsigned':
      return { offset, length, type: field.type, order };
    default:
      return { offset, length, type: 'alpha', order };
  }
}

/** The shortest record that ends inside no key it must be in. */
export const storableBytesMin = (spec: FileSpec): number =>
  spec.keys
    .filter((key) => key.nullKey?.kind !== 'short')
    .flatMap((key) => key.segments)
    .reduce((reach, segment) => Math.max(reach, segment.offset + segment.length), 1);

// ---- records

const ZONED = [
  '0',
  '',
  '1',
  'q',
  'p',
  '12',
  '1r',
  'x!',
  ' 5',
  '-1',
  '9',
  '9y',
  '100',
  '12345',
  '1000u',
  '0p',
];
const INTEGERS = [
  0n,
  1n,
  -1n,
  127n,
  128n,
  -128n,
  255n,
  256n,
  65_535n,
  -32_768n,
  2n ** 40n,
  -(2n ** 62n),
  2n ** 63n,
];
const NO_DATES = ['', '0', '99', '32', 'x', '-1', '13', ' 1', 'p'];

/** A record of the definition; those of format variable end anywhere from `bytesMin` on. */
export const recordArbitrary = (spec: FileSpec, bytesMin = 1): fc.Arbitrary<Buffer> =>
  fc
    .record({
      picks: fc.array(fc.nat(9999), { minLength: 12, maxLength: 12 }),
      cut: fc.nat(2 * spec.record.size),
    })
    .map(({ picks, cut }) => {
      const record = Buffer.alloc(spec.record.size, ' ');
      let at = 0;
      for (const field of spec.fields) {
        for (let element = 0; element < elementsOf(field); element++, at++) {
          const pick = (picks[at % picks.length] ?? 0) + Math.floor(at / picks.length);
          storedBytes(field, pick).copy(record, field.offset + element * field.length);
        }
      }
      const isCut = spec.record.format === 'variable' && cut < spec.record.size;
      return isCut ? record.subarray(0, Math.max(bytesMin, cut)) : record;
    });

function storedBytes({ type, length, format }: FieldSpec, pick: number): Buffer {
  const from = <V>(pool: readonly V[]): V | undefined => pool[pick % pool.length];
  switch (type) {
    case 'alpha':
      return Buffer.from((from(TEXTS) ?? '').padEnd(length).slice(0, length), 'latin1');
    case 'decimal':
      return Buffer.from(rightAligned(from(ZONED) ?? '', length), 'latin1');
    case 'date':
    case 'time': {
      const isValid = pick % 3 > 0;
      const text = isValid
        ? from(DATES[format ?? ''] ?? [])
        : NO_DATES[Math.floor(pick / 3) % NO_DATES.length];
      return Buffer.from(rightAligned(text ?? '', length), 'latin1');
    }
    case 'boolean':
      return Buffer.from(
        (from(['0', '1', ' ', '\0', '\u0001']) ?? '').padEnd(length, '\0'),
        'latin1',
      );
    default: {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, from(INTEGERS) ?? 0n));
      return bytes.subarray(0, length);
    }
  }
}

/** Over zeros, as numbers are; the empty one is blank. */
const rightAligned = (text: string, length: number): string =>
  text === '' ? ' '.repeat(length) : text.padStart(length, '0').slice(-length);
