// Puts conditions together, for builder and parser alike: `a and (b and c)` and `(a and b) and c` are the
// same list of three, so that both faces make the same tree.

import type { Expression } from './expression.js';

/** All (`and`) or one (`or`) of the terms. Terms that are themselves the same `op` are taken apart. */
export function combine(op: 'and' | 'or', terms: readonly Expression[]): Expression {
  const [only] = terms;
  if (only !== undefined && terms.length === 1) return only;
  return { op, terms: terms.flatMap((term) => (term.op === op ? term.terms : [term])) };
}

/** `term` or the opposite of it. */
export const negateIf = (negated: boolean, term: Expression): Expression =>
  negated ? { op: 'not', term } : term;
