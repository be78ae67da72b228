// Computes over the records of a group: count, sum, min, max, avg, exact over decimals. Called by the
// executor; values that are invalid are left out, and where nothing is left the result is null.
//
//   count     all records; with a field, those whose value is valid
//   sum       decimals with places, or past 15 digits: text with the field's places
//             other numbers: a number while that is exact, else a bigint
//   avg       text with the field's places and 6 more, rounded half up (a tie goes away from zero)
//   min, max  the value itself, in the order of the field

import { formatDecimal } from '../../shared/record/decimal.js';
import { NUMBER_DIGITS_MAX } from '../../shared/record/scalar-codec.js';
import type { BoundAggregate, BoundOperand } from '../../shared/select/bound.js';
import type { Scalar } from '../../shared/select/expression.js';
import { wholeNumber } from '../../shared/select/scalar.js';
import { compileIsValid } from './predicate.js';
import { compileSortKey } from './sort-key.js';
import { compileValue } from './value.js';
import { compileNumber, type NumberReader } from './value-number.js';
import { compileUnscaled } from './value-wide.js';

/** The running results of one group. */
export interface Accumulator {
  /** Takes the record `bytes[start, end)` in; keeps nothing of the bytes. */
  add(bytes: Buffer, start: number, end: number): void;
  /** In the order of the aggregates; null where there was nothing to compute with. */
  result(): (Scalar | null)[];
}

interface Running {
  add(bytes: Buffer, start: number, end: number): void;
  result(): Scalar | null;
}

/** Decimal places of an average besides those of its field. */
export const AVERAGE_PLACES = 6;
/** A sum of numbers is put by before it could lose a digit. */
const EXACT_SUM_MAX = Number.MAX_SAFE_INTEGER - 10 ** NUMBER_DIGITS_MAX;

/** What makes an accumulator for each group. */
export function compileAggregates(aggregates: readonly BoundAggregate[]): { make(): Accumulator } {
  const makers = aggregates.map(compileAggregate);
  return {
    make() {
      const running = makers.map((make) => make());
      return {
        add(bytes, start, end) {
          for (const one of running) one.add(bytes, start, end);
        },
        result: () => running.map((one) => one.result()),
      };
    },
  };
}

function compileAggregate({ function: name, operand }: BoundAggregate): () => Running {
  if (operand === undefined) return countAll;
  switch (name) {
    case 'count':
      return compileCount(operand);
    case 'sum':
      return compileTotal(operand, (total) => sumResult(operand, total));
    case 'avg':
      return compileTotal(operand, (total, count) => averageResult(operand, total, count));
    case 'min':
      return compileExtreme(operand, true);
    case 'max':
      return compileExtreme(operand, false);
  }
}

function countAll(): Running {
  let count = 0;
  return {
    add() {
      count++;
    },
    result: () => count,
  };
}

function compileCount(operand: BoundOperand): () => Running {
  const isValid = compileIsValid(operand);
  return () => {
    let count = 0;
    return {
      add(bytes, start, end) {
        if (isValid(bytes, start, end)) count++;
      },
      result: () => count,
    };
  };
}

type Finish = (total: bigint, count: number) => Scalar;

function compileTotal(operand: BoundOperand, finish: Finish): () => Running {
  const read = compileNumber(operand);
  return read === undefined ? totalWide(operand, finish) : totalNumbers(read, finish);
}

function totalNumbers(read: NumberReader, finish: Finish): () => Running {
  return () => {
    let total = 0n;
    let recent = 0;
    let count = 0;
    return {
      add(bytes, start, end) {
        const value = read(bytes, start, end);
        if (Number.isNaN(value)) return;
        count++;
        recent += value;
        if (recent < EXACT_SUM_MAX && recent > -EXACT_SUM_MAX) return;
        total += BigInt(recent);
        recent = 0;
      },
      result: () => (count === 0 ? null : finish(total + BigInt(recent), count)),
    };
  };
}

function totalWide(operand: BoundOperand, finish: Finish): () => Running {
  const read = compileUnscaled(operand);
  return () => {
    let total = 0n;
    let count = 0;
    return {
      add(bytes, start, end) {
        const value = read(bytes, start, end);
        if (value === undefined) return;
        count++;
        total += value;
      },
      result: () => (count === 0 ? null : finish(total, count)),
    };
  };
}

function sumResult({ type, length, precision }: BoundOperand, total: bigint): Scalar {
  const isText = type === 'decimal' && (precision > 0 || length > NUMBER_DIGITS_MAX);
  return isText ? decimalText(total, precision) : wholeNumber(total);
}

function averageResult({ precision }: BoundOperand, total: bigint, count: number): string {
  const magnitude = (total < 0n ? -total : total) * 10n ** BigInt(AVERAGE_PLACES);
  const divisor = BigInt(count);
  const rounded = (2n * magnitude + divisor) / (2n * divisor);
  return decimalText(total < 0n ? -rounded : rounded, precision + AVERAGE_PLACES);
}

const decimalText = (unscaled: bigint, scale: number): string =>
  formatDecimal({
    negative: unscaled < 0n,
    digits: (unscaled < 0n ? -unscaled : unscaled).toString(),
    scale,
  });

/** Keeps the bytes of the best value so far, and its sort key to compare by. */
function compileExtreme(operand: BoundOperand, isLeast: boolean): () => Running {
  const key = compileSortKey([{ operand, descending: !isLeast }]);
  const isValid = compileIsValid(operand);
  const readAlone = compileValue({ ...operand, offset: 0 });
  const { offset, length } = operand;
  const candidate = Buffer.alloc(key.bytes);
  return () => {
    const best = Buffer.alloc(key.bytes);
    const value = Buffer.alloc(length);
    let valueLength = -1;
    return {
      add(bytes, start, end) {
        if (!isValid(bytes, start, end)) return;
        key.write(bytes, start, end, candidate, 0);
        if (valueLength >= 0 && candidate.compare(best) >= 0) return;
        candidate.copy(best);
        const from = Math.min(start + offset, end);
        valueLength = bytes.copy(value, 0, from, Math.min(from + length, end));
      },
      result: () => (valueLength < 0 ? null : readAlone(value, 0, valueLength)),
    };
  };
}
