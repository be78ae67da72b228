// What the thread is asked: which state of which file, which condition, and where to write what it finds. It is data
// only; a condition is made a predicate by the same compiler on both sides. It comes as a message of
// node:worker_threads, which only the server itself can send; that turns buffers into plain bytes, so they are made
// buffers again here.

import { isObject } from '../../shared/base/is-object.js';
import { helpedConditionMax, helpedStepsMax } from '../../shared/base/limits.js';
import type { BoundExpression } from '../../shared/select/bound.js';
import { effortOf } from '../../shared/select/check-effort.js';
import type { UnmappedState } from '../storage/engine.js';

export interface Question {
  /** Of a board. */
  readonly memory: SharedArrayBuffer;
  readonly state: UnmappedState;
  readonly where: BoundExpression;
}

/** Throws for what no server of ours sends. */
export function questionFrom(value: unknown): Question {
  const isQuestion =
    isObject(value) &&
    value.memory instanceof SharedArrayBuffer &&
    isObject(value.state) &&
    isObject(value.where);
  if (!isQuestion) throw new TypeError('this is no question');
  const { memory, state, where } = value as unknown as Question;
  return { memory, state, where: withBuffers(where) as BoundExpression };
}

function withBuffers(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(withBuffers);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withBuffers(part)]));
}

/** Whether to send a condition takes no time worth mentioning, and to look through a part by it not long. */
export const isSendable = (where: BoundExpression): boolean =>
  sizeOf(where) <= helpedConditionMax && effortOf(where).steps <= helpedStepsMax;

function sizeOf(where: BoundExpression): number {
  switch (where.op) {
    case 'and':
    case 'or':
      return where.terms.reduce((sum, term) => sum + sizeOf(term), 1);
    case 'in':
      return where.values.length;
    default:
      return 1;
  }
}
