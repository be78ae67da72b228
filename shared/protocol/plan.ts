// The plan of a query as it travels: a map. Used by the codec of `selected`; what a plan means is said in
// shared/select/query.ts.
//
//   plan = { key?: { number, name }, ranges: [text, …], filter: text, order: text, estimate: number, advice?: text }

import type { Plan } from '../select/query.js';
import { violation } from './violation.js';

const ORDERS: readonly Plan['order'][] = ['none', 'key', 'sort', 'top'];

/** The map of a plan, without names that have no value. */
export const packPlan = ({ key, ranges, filter, order, estimate, advice }: Plan): object => ({
  ...(key === undefined ? {} : { key: { number: key.number, name: key.name } }),
  ranges,
  filter,
  order,
  estimate,
  ...(advice === undefined ? {} : { advice }),
});

/** Checks a plan that came. Names it does not know are passed over. ERR_PROTOCOL. */
export function parsePlan(value: unknown, message: string): Plan {
  const map = mapOf(value, 'plan', message);
  const { ranges, order, estimate } = map;
  if (!Array.isArray(ranges) || !ranges.every((range) => typeof range === 'string')) {
    throw violation(message, 'plan.ranges is no array of texts');
  }
  const word = ORDERS.find((each) => each === order);
  if (word === undefined) {
    throw violation(message, `plan.order is none of ${ORDERS.join(', ')}`);
  }
  if (typeof estimate !== 'number' || !(estimate >= 0)) {
    throw violation(message, 'plan.estimate is no count');
  }
  return {
    ...(map.key === undefined ? {} : { key: keyOf(map.key, message) }),
    ranges,
    filter: textOf(map.filter, 'plan.filter', message),
    order: word,
    estimate,
    ...(map.advice === undefined ? {} : { advice: textOf(map.advice, 'plan.advice', message) }),
  };
}

function keyOf(value: unknown, message: string): { number: number; name: string } {
  const { number, name } = mapOf(value, 'plan.key', message);
  if (typeof number !== 'number') throw violation(message, 'plan.key.number is no number');
  return { number, name: textOf(name, 'plan.key.name', message) };
}

function mapOf(value: unknown, field: string, message: string): { [name: string]: unknown } {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return { ...value };
  }
  throw violation(message, `${field} is no map`);
}

function textOf(value: unknown, field: string, message: string): string {
  if (typeof value === 'string') return value;
  throw violation(message, `${field} is no text`);
}
