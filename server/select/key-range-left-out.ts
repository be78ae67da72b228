// An index with a null key does not lead to all records. Called by the planner: may it be gone by without
// losing one that matches? It may when no record it leaves out could be inside the ranges.
//
//   replicate, noreplicate   all that is left out would have one and the same index key: is that inside?
//   short                    a record that ends before the key does: the condition must ask for something
//                            that reaches the end of the key and is there only when its bytes are

import { compileKey } from '../../shared/record/collate.js';
import { type FileSpec, type KeySpec, keyLength } from '../../shared/record/file-spec.js';
import type { BoundCondition, BoundExpression, BoundValue } from '../../shared/select/bound.js';
import type { IndexRange } from './key-range.js';

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;

/** Could a record that is not in the index match? `ranges`: undefined when nothing narrows them. */
export function couldMissRecords(
  spec: FileSpec,
  key: KeySpec,
  where: BoundExpression,
  ranges: readonly IndexRange[] | undefined,
): boolean {
  if (key.nullKey === undefined) return false;
  if (key.nullKey.kind === 'short') {
    return spec.record.format !== 'fixed' && !reachesKeyEnd(where, key);
  }
  if (ranges === undefined) return true;
  const nullKey = nullIndexKey(key);
  return ranges.some(
    ({ least, greatest }) =>
      Buffer.compare(least, nullKey) <= 0 && Buffer.compare(nullKey, greatest) <= 0,
  );
}

/**
 * The index key that every record left out would have: null-key.ts says of each byte what it must be. A
 * digit may also be blank, which is the same number.
 */
export function nullIndexKey(key: KeySpec): Uint8Array {
  const given = Buffer.from(key.nullKey?.value ?? '', 'latin1');
  const image = Buffer.alloc(keyLength(key));
  let at = 0;
  for (const { type, length } of key.segments) {
    const isText = type === 'alpha' || type === 'nocase';
    const filling = isText ? BLANK : DIGIT_ZERO;
    for (const end = at + length; at < end; at++) {
      const byte = key.nullKey?.kind === 'replicate' ? given[0] : given[at];
      image[at] = isText || type === 'decimal' ? (byte ?? filling) : 0;
    }
  }
  return compileKey(key).ofValue(image, 'whole').bytes;
}

/** Is one of the terms false for every record that ends before the key does? */
function reachesKeyEnd(where: BoundExpression, key: KeySpec): boolean {
  const reach = Math.max(...key.segments.map(({ offset, length }) => offset + length));
  return (where.op === 'and' ? where.terms : [where]).some((term) => {
    if (term.op === 'compare')
      return term.comparison === '=' && needsBytes(term, term.value, reach);
    return term.op === 'in' && !term.negated
      ? term.values.every((value) => needsBytes(term, value, reach))
      : false;
  });
}

/** A value that is not the empty one and whose last byte lies at or behind the end of the key. */
function needsBytes({ operand }: BoundCondition, value: BoundValue, reach: number): boolean {
  const end = operand.offset + operand.length;
  switch (value.kind) {
    case 'text':
      // Without blanks at its end, so that its last byte must be in the record.
      return operand.offset + value.bytes.length >= reach && value.bytes.length > 0;
    case 'number':
      return end >= reach && value.unscaled !== 0n;
    case 'digits':
      return end >= reach && value.digits !== '';
    default:
      return false;
  }
}
