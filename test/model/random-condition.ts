// Random conditions on the records of random-expression.ts. Values come from the same small pools, so that
// conditions match now and then, and hold what is hard: more places than the field has, numbers beyond it.

import fc from 'fast-check';
import type { FieldSpec, FileSpec } from '../../shared/record/file-spec.js';
import { combine } from '../../shared/select/combine.js';
import type { Comparison, Expression, Operand, Scalar } from '../../shared/select/expression.js';
import { scalarOf } from '../../shared/select/scalar.js';

export const TEXTS = [
  '',
  'A',
  'a',
  'B',
  'AB',
  'ab',
  'b',
  'Abc',
  'A B',
  '\u00e9',
  '\u00c9',
  '\u00ff',
  'A\0',
  '%',
  '_a',
  ' a',
];

export const DATES: { readonly [format: string]: readonly string[] } = {
  YYYYMMDD: ['20170131', '20170201', '20000229', '19991231', '00000101'],
  YYMMDD: ['170131', '170201', '000229', '991231', '000101'],
  YYYYJJJ: ['2017031', '2017366', '2000001'],
  YYJJJ: ['17031', '17366', '00001'],
  YYYYPP: ['201701', '201799', '000001'],
  YYPP: ['1701', '1799', '0001'],
  HHMM: ['0000', '1230', '2359'],
  HHMMSS: ['000000', '123000', '235959'],
};

/** A condition that bindExpression takes, in the form that builder and parser make. */
export const expressionArbitrary = (spec: FileSpec): fc.Arbitrary<Expression> =>
  fc.letrec<{ tree: Expression; condition: Expression }>((tie) => ({
    condition: conditionArbitrary(spec),
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 3, arbitrary: tie('condition') },
      {
        weight: 2,
        arbitrary: fc
          .tuple(
            fc.constantFrom('and' as const, 'or' as const),
            fc.array(tie('tree'), { minLength: 2, maxLength: 4 }),
          )
          .map(([op, terms]) => combine(op, terms)),
      },
      { weight: 1, arbitrary: tie('tree').map((term): Expression => ({ op: 'not', term })) },
    ),
  })).tree;

const COMPARISONS: readonly Comparison[] = ['=', '<>', '<', '<=', '>', '>='];

interface Place {
  readonly operand: Operand;
  readonly field: Omit<FieldSpec, 'name' | 'offset'>;
}

const conditionArbitrary = (spec: FileSpec): fc.Arbitrary<Expression> =>
  placeArbitrary(spec).chain(({ operand, field }) => {
    const value = valueArbitrary(field);
    const state = fc
      .constantFrom('isInvalid' as const, 'isBlank' as const)
      .map((op) => ({ op, operand }));
    const plain = fc.oneof(
      { weight: 4, arbitrary: fc.record({ op: fc.constantFrom(...COMPARISONS), value }) },
      {
        weight: 1,
        arbitrary: fc.record({ op: fc.constant('between' as const), low: value, high: value }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          op: fc.constant('in' as const),
          values: fc.array(value, { maxLength: 5 }),
        }),
      },
    );
    const test = field.type === 'alpha' ? fc.oneof(plain, textTestArbitrary) : plain;
    const isBlind = field.type === 'alpha' ? fc.boolean() : fc.constant(false);
    const valueTest = fc
      .tuple(test, isBlind)
      .map(([asked, nocase]): Expression => ({ ...asked, operand, ...(nocase && { nocase }) }));
    return fc.oneof({ weight: 8, arbitrary: valueTest }, { weight: 1, arbitrary: state });
  });

const textTestArbitrary = fc.record({
  op: fc.constantFrom('like' as const, 'contains' as const, 'starts' as const),
  value: fc
    .array(fc.constantFrom('%', '_', 'A', 'a', 'b', 'B', ' ', '\\%', '\\\\', '\u00e9'), {
      maxLength: 5,
    })
    .map((parts) => parts.join('')),
});

const placeArbitrary = (spec: FileSpec): fc.Arbitrary<Place> =>
  fc.oneof({ weight: 6, arbitrary: fieldPlace(spec) }, { weight: 1, arbitrary: bytesPlace(spec) });

const fieldPlace = (spec: FileSpec): fc.Arbitrary<Place> =>
  fc.constantFrom(...spec.fields).chain((field) => {
    const spelling = fc.constantFrom(field.name, field.name.toLowerCase());
    const index = fc.tuple(
      ...(field.dimension ?? []).map((size) => fc.integer({ min: 1, max: size })),
    );
    return fc.tuple(spelling, index).map(([name, position]): Place => {
      const operand = position.length === 0 ? { field: name } : { field: name, index: position };
      return { operand, field };
    });
  });

const bytesPlace = (spec: FileSpec): fc.Arbitrary<Place> =>
  fc.tuple(fc.integer({ min: 1, max: spec.record.size }), fc.nat(8)).map(([start, more]) => {
    const length = Math.min(1 + more, spec.record.size - start + 1);
    return { operand: { start, length }, field: { type: 'alpha', length } };
  });

const NUMBERS: readonly Scalar[] = [
  0,
  1,
  -1,
  5,
  12,
  -12,
  100,
  '0.5',
  '-0.5',
  '1.00',
  '1.2',
  '12.345',
  '-0.01',
  '12345.6789',
  127,
  128,
  -128,
  255,
  256,
  -32_768,
  2n ** 40n,
  -(2n ** 62n),
  2n ** 63n,
  10n ** 27n,
  '0.00000000001',
];

function valueArbitrary({ type, format = '', length }: Place['field']): fc.Arbitrary<Scalar> {
  const from = (pool: readonly Scalar[]): fc.Arbitrary<Scalar> =>
    fc.constantFrom(...pool.map((value) => scalarOf(value, 'the pool')));
  switch (type) {
    case 'alpha':
      return from([...TEXTS, 'A   ', Buffer.from('A\0', 'latin1')]);
    case 'date':
    case 'time':
      return from(['', ...(DATES[format] ?? [])]);
    case 'boolean':
      return from([true, false, 1, 0]);
    case 'binary':
      return fc.uint8Array({ minLength: 0, maxLength: length, max: 1 });
    default:
      return from(NUMBERS);
  }
}
