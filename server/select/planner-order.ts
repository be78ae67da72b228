// Can an index give the order that was asked for? Called by the planner. The order of a key is that of its
// segments, the order of a query that of sort-key.ts; where the two could differ for any record that
// matches, the answer is no, and the records are sorted.
//
//   operand          segment              the same order
//   alpha, binary    alpha                always
//   integer          integer, autokeys    always
//   unsigned         unsigned             always
//   decimal          decimal              yes, but what is no number stands in the order of its bytes
//                                         where a sort takes it as equal: only as the last of the order,
//                                         or when the condition asks for a number
//   date             alpha, nocase        when the condition asks for a date, and as the last of the order:
//                                         blanks and zeros are both none
//                    decimal              when the condition asks for a date
//   time             alpha, nocase        when the condition asks for a time
//   others           others               no

import { isAutokeyType, type KeySpec, type SegmentSpec } from '../../shared/record/file-spec.js';
import type { BoundExpression, BoundOperand, BoundOrder } from '../../shared/select/bound.js';
import type { Direction } from '../storage/engine.js';

export interface OrderQuestion {
  readonly key: KeySpec;
  /** Leading segments with one value in all that is walked: they may be left out of the order. */
  readonly fixed: number;
  readonly orderBy: readonly BoundOrder[];
  readonly where: BoundExpression;
}

/** The direction in which the key gives the order; undefined when it does not. */
export function directionOf({ key, fixed, orderBy, where }: OrderQuestion): Direction | undefined {
  // A field with one value in all records that match says nothing, and nor does one that was there before.
  const terms = orderBy.filter(
    ({ operand }, index) =>
      !hasOneValue(operand, where) &&
      !orderBy.slice(0, index).some((earlier) => isSamePlace(earlier.operand, operand)),
  );
  let direction: Direction | undefined;
  let at = 0;
  for (const [index, term] of terms.entries()) {
    while (at < fixed && !isOver(term.operand, key.segments[at])) at++;
    const segment = key.segments[at++];
    const isLast = index === terms.length - 1;
    if (segment === undefined || !isSameOrder(term.operand, segment, where, isLast))
      return undefined;
    const needed = term.descending === (segment.order === 'descending') ? 'forward' : 'reverse';
    if (direction !== undefined && direction !== needed) return undefined;
    direction = needed;
  }
  return direction ?? 'forward';
}

function isSameOrder(
  operand: BoundOperand,
  segment: SegmentSpec,
  where: BoundExpression,
  isLast: boolean,
): boolean {
  if (!isOver(operand, segment)) return false;
  const { type } = segment;
  const isText = type === 'alpha' || type === 'nocase';
  switch (operand.type) {
    case 'alpha':
    case 'binary':
      return type === 'alpha';
    case 'integer':
      return type === 'integer' || isAutokeyType(type);
    case 'unsigned':
      return type === 'unsigned';
    case 'decimal':
      return type === 'decimal' && (isLast || asksForValue(operand, where));
    case 'date':
      return ((isText && isLast) || type === 'decimal') && asksForValue(operand, where);
    case 'time':
      return isText && asksForValue(operand, where);
    default:
      return false;
  }
}

const isOver = (operand: BoundOperand, segment: SegmentSpec | undefined): boolean =>
  operand.offset === segment?.offset && operand.length === segment.length;

const isSamePlace = (a: BoundOperand, b: BoundOperand): boolean =>
  a.offset === b.offset && a.length === b.length && a.type === b.type;

/** Terms that are all true for every record that matches. */
const certainTerms = (where: BoundExpression): readonly BoundExpression[] =>
  where.op === 'and' ? where.terms : [where];

/** Every condition on a value is false when there is none. */
const asksForValue = (operand: BoundOperand, where: BoundExpression): boolean =>
  certainTerms(where).some((term) => {
    if ('terms' in term || term.op === 'constant') return false;
    if (term.op === 'isInvalid' || term.op === 'isBlank') return false;
    return isSamePlace(term.operand, operand);
  });

const hasOneValue = (operand: BoundOperand, where: BoundExpression): boolean =>
  certainTerms(where).some(
    (term) =>
      term.op === 'compare' &&
      term.comparison === '=' &&
      !term.nocase &&
      isSamePlace(term.operand, operand),
  );
