// Fixed-width text is stored as it comes, bytes that are no number included: old data has them, and they must
// survive. This says of a row whether it is one to look at, and names the field; never what is in it.

import { zonedToNumber, zonedToText } from '../../../shared/record/decimal.js';
import type { FieldSpec, FileSpec } from '../../../shared/record/file-spec.js';

/**
 * What is doubtful about a record of whose bytes the first `bytesGiven` were in the input, in words;
 * undefined when nothing is.
 */
export type NumberDoubts = (record: Buffer, bytesGiven: number) => string | undefined;

/** One value of a numeric field: an element, where the field is an array. */
interface Place {
  readonly field: FieldSpec;
  readonly offset: number;
  readonly end: number;
}

const BLANK = 0x20;
/** Digits a JS number holds exactly. */
const EXACT_DIGITS = 15;

export function numberDoubts({ fields }: FileSpec): NumberDoubts {
  const places = fields.filter(isNumeric).flatMap(placesOf);
  return (record, bytesGiven) => {
    for (const place of places) {
      const why = doubtOf(place, record, bytesGiven);
      if (why !== undefined) return `field ${place.field.name} ${why}`;
    }
    return undefined;
  };
}

/** Fields over others are those others' bytes. */
const isNumeric = ({ type, overlay }: FieldSpec): boolean =>
  overlay !== true && (type === 'decimal' || type === 'integer' || type === 'unsigned');

function placesOf(field: FieldSpec): Place[] {
  const count = (field.dimension ?? []).reduce((product, size) => product * size, 1);
  return Array.from({ length: count }, (_, element) => {
    const offset = field.offset + element * field.length;
    return { field, offset, end: offset + field.length };
  });
}

function doubtOf(place: Place, record: Buffer, bytesGiven: number): string | undefined {
  const { field, offset, end } = place;
  if (bytesGiven <= offset) return undefined;
  if (bytesGiven < end) {
    const isBlank = field.type === 'decimal' && isBlankFrom(record, offset, bytesGiven);
    return isBlank ? undefined : 'is cut off by the end of the line';
  }
  return field.type !== 'decimal' || isNumber(record, offset, field.length)
    ? undefined
    : 'holds no number';
}

function isBlankFrom(record: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (record[at] !== BLANK) return false;
  return true;
}

/** Blanks are a number that was not filled in. */
const isNumber = (record: Buffer, offset: number, length: number): boolean =>
  length <= EXACT_DIGITS
    ? !Number.isNaN(zonedToNumber(record, offset, length))
    : zonedToText(record, offset, length, 0) !== undefined;
