// How large an expression may be. A tree is measured before anything goes down it by recursion, so that a
// tree of any shape is refused in one pass. Called by the builder, the parser, wire.ts and bind.ts.

import {
  expressionDepthMax,
  expressionNodesMax,
  inValuesMax,
  queryValueBytesMax,
} from '../base/limits.js';
import type { Expression, Scalar } from './expression.js';
import { selectError } from './select-error.js';

/** ERR_INVOPER when the tree is too deep, has too many parts or too large values. Returns it. */
export function checkExpression(expression: Expression): Expression {
  let level: readonly Expression[] = [expression];
  let nodes = 0;
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > expressionDepthMax) {
      throw selectError(
        `a condition nests at most ${expressionDepthMax} deep, use \`in\` or fewer parts`,
      );
    }
    nodes += level.length;
    if (nodes > expressionNodesMax) {
      throw selectError(
        `a condition has at most ${expressionNodesMax} parts; \`in\` takes many values`,
      );
    }
    for (const node of level) checkValues(node);
    level = level.flatMap(partsOf);
  }
  return expression;
}

function partsOf(expression: Expression): readonly Expression[] {
  if (expression.op === 'and' || expression.op === 'or') return expression.terms;
  return expression.op === 'not' ? [expression.term] : [];
}

function checkValues(expression: Expression): void {
  if ('value' in expression) checkValue(expression.value);
  if ('low' in expression) {
    checkValue(expression.low);
    checkValue(expression.high);
  }
  if (!('values' in expression)) return;
  const { length } = expression.values;
  if (length > inValuesMax) {
    throw selectError(`\`in\` takes at most ${inValuesMax} values, not ${length}: ask in parts`);
  }
  expression.values.forEach(checkValue);
}

function checkValue(value: Scalar): void {
  const size = typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
  if (size > queryValueBytesMax) {
    throw selectError(`a value has at most ${queryValueBytesMax} bytes, not ${size}`);
  }
}
