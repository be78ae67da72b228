// 2,000 random trees: text and wire give back the same tree, builder and text make the same one, the file
// takes it, and what it means on random records is the same for the predicate of the server and the naive
// evaluator. The seed is printed; FC_SEED repeats a run.

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { compilePredicate } from '../../../server/select/predicate.js';
import { validateSpec } from '../../../shared/record/validate-spec.js';
import { bindExpression } from '../../../shared/select/bind.js';
import { buildExpression, type WhereFields } from '../../../shared/select/builder.js';
import { and, type Condition, or } from '../../../shared/select/condition.js';
import type { Expression, Operand } from '../../../shared/select/expression.js';
import { parseExpression } from '../../../shared/select/parse.js';
import { printExpression } from '../../../shared/select/print.js';
import { packExpression, unpackExpression } from '../../../shared/select/wire.js';
import { caseArbitrary } from '../../model/random-expression.js';
import { matches } from '../../model/select-evaluator.js';

const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
t.comment(`seed ${seed}`);

/** The tree, made once more as a program would. */
function build(fields: WhereFields<Buffer>, expression: Expression): Condition {
  if ('operand' in expression) return buildTest(fields, expression);
  if (expression.op === 'not') return build(fields, expression.term).not();
  const terms = expression.terms.map((term) => build(fields, term));
  return expression.op === 'and' ? and(...terms) : or(...terms);
}

const METHODS = { '=': 'eq', '<>': 'ne', '<': 'lt', '<=': 'lte', '>': 'gt', '>=': 'gte' } as const;

function buildTest(
  fields: WhereFields<Buffer>,
  test: Extract<Expression, { readonly operand: Operand }>,
): Condition {
  const { operand } = test;
  const place =
    'field' in operand ? fields.field(operand.field) : fields.rec(operand.start, operand.length);
  const element =
    'field' in operand && operand.index !== undefined ? place.element(...operand.index) : place;
  const subject = 'nocase' in test && test.nocase === true ? element.nocase : element;
  switch (test.op) {
    case 'isBlank':
    case 'isInvalid':
      return subject[test.op]();
    case 'between':
      return subject.between(test.low, test.high);
    case 'in':
      return subject.in(test.values);
    case 'like':
    case 'contains':
    case 'starts':
      return subject[test.op](test.value);
    default:
      return subject[METHODS[test.op]](test.value);
  }
}

t.test('builder, text and wire make the same tree of 2,000 random ones', async (t) => {
  const property = fc.property(caseArbitrary({ recordsMax: 1 }), ({ spec, expression }) => {
    validateSpec(spec);
    const text = printExpression(expression);
    const faces = {
      text: parseExpression(text),
      where: parseExpression(`WHERE ${text} `),
      wire: unpackExpression(packExpression(expression)),
      builder: buildExpression<Buffer>((fields) => build(fields, expression), spec.fields),
    };
    for (const [face, tree] of Object.entries(faces)) {
      if (!isDeepStrictEqual(tree, expression)) throw new Error(`${face} differs: ${text}`);
    }
  });
  t.doesNotThrow(() => fc.assert(property, { seed, numRuns: 2000 }));
});

t.test('2,000 random conditions mean on records what they mean on values', async (t) => {
  let matching = 0;
  let others = 0;
  const property = fc.property(caseArbitrary(), ({ spec, expression, records }) => {
    const predicate = compilePredicate(bindExpression(expression, spec));
    for (const record of records) {
      const expected = matches(expression, record, spec);
      const around = Buffer.concat([Buffer.from('zz'), record, Buffer.from('9A')]);
      if (predicate(around, 2, 2 + record.length) !== expected) {
        throw new Error(`${expected} is right for ${printExpression(expression)}`);
      }
      if (expected) matching++;
      else others++;
    }
  });
  t.doesNotThrow(() => fc.assert(property, { seed, numRuns: 2000 }));
  t.comment(`${matching} records matched, ${others} did not`);
  t.ok(matching > 500 && others > 500);
});

t.test('the generated parser evaluates nothing', async (t) => {
  const code = readFileSync(new URL('../../../shared/select/grammar.js', import.meta.url), 'utf8');
  t.notMatch(code, /\beval\s*\(|\bFunction\s*\(|RegExp\((?!")/);
});
