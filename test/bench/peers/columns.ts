// The record as columns of PostgreSQL: number, grp, grade, exact, rest. `exact` is the grade as numeric, which
// is what an exact decimal is there; the rest is shorter by what the extra column and its headers take.

import { gradeOf, groupOf, keyOf } from '../record.js';

export type Columns = readonly [
  number: string,
  grp: string,
  grade: number,
  exact: number,
  rest: string,
];

export const REST = 'x'.repeat(174);

export const columnsOf = (number: number): Columns => {
  const grade = gradeOf(number);
  return [keyOf(number), groupOf(number), grade, grade, REST];
};

/** One row as COPY takes it. */
export const copyLineOf = (number: number): string => `${columnsOf(number).join('\t')}\n`;
