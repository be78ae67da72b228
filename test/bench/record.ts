// The records everybody stores: 200 bytes, a primary key of 8, a secondary key of 8 with duplicates, a
// decimal that no key holds, and the rest. The same number makes the same record on every side.

import { alpha, decimal, defineFile } from '../../client/index.js';

export const RECORD_BYTES = 200;
/** Records share a secondary key with about a thousandth of the others. */
export const GROUPS = 1000;
/** One record of a hundred has it. */
export const WANTED_GRADE = 42;

export const rows = defineFile({
  fields: { number: alpha(8), grp: alpha(8), grade: decimal(4), rest: alpha(180) },
  keys: { number: { parts: ['number'] }, grp: { parts: ['grp'], dups: 'fifo', modifiable: true } },
});

const REST = 'x'.repeat(180);

export const keyOf = (number: number): string => String(number).padStart(8, '0');
export const groupOf = (number: number): string => keyOf(number % GROUPS);
/** Scattered, so that no block and no page is without a wanted one for long. */
export const gradeOf = (number: number): number => (number * 7919) % 100;
export const REST_BYTES = REST.length;

export const recordText = (number: number): string =>
  `${keyOf(number)}${groupOf(number)}${String(gradeOf(number)).padStart(4, '0')}${REST}`;

export const recordOf = (number: number): Buffer => Buffer.from(recordText(number), 'latin1');

export function* recordsFrom(first: number, count: number): Generator<Buffer> {
  for (let number = first; number < first + count; number++) yield recordOf(number);
}

/** Numbers below `below`, the same ones for the same seed. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    // xorshift32: the low bits of a linear generator would repeat soon.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
