// When a record is left out of an index because its key holds the null value (see NullKeySpec in
// file-spec.ts). Called by collate.ts only; the kind `short` is a matter of length and decided
// there.
//
// Each byte of the key is compared with the null value where that reaches (replicate: its first
// character, all along the key) and with the blank or zero of its segment elsewhere. The null value
// is text, so it does not apply to integers: null is zero there.

import type { KeySpec, SegmentSpec } from './file-spec.js';

/** Says whether a record, long enough for the key, is null in it. */
export type NullTest = (record: Uint8Array) => boolean;

interface NullByte {
  readonly offset: number;
  readonly value: number;
  /** A second byte that counts the same: a blank for the digit zero. */
  readonly other: number;
}

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;

/** Undefined when no content of the key keeps a record out. */
export function compileNullTest(key: KeySpec): NullTest | undefined {
  if (key.nullKey === undefined || key.nullKey.kind === 'short') return undefined;
  const { kind, value = '' } = key.nullKey;
  const given = Buffer.from(value, 'latin1');
  const valueAt = (index: number): number | undefined =>
    kind === 'replicate' ? given[0] : given[index];

  const nullBytes: NullByte[] = [];
  for (const segment of key.segments) {
    for (let index = 0; index < segment.length; index++) {
      nullBytes.push(nullByte(segment, index, valueAt(nullBytes.length)));
    }
  }
  return (record) =>
    nullBytes.every(({ offset, value, other }) => {
      const byte = record[offset];
      return byte === value || byte === other;
    });
}

function nullByte(segment: SegmentSpec, index: number, given: number | undefined): NullByte {
  const offset = segment.offset + index;
  switch (segment.type) {
    case 'alpha':
    case 'nocase':
      return { offset, value: given ?? BLANK, other: given ?? BLANK };
    case 'decimal':
      return { offset, value: given ?? DIGIT_ZERO, other: given ?? BLANK };
    default:
      return { offset, value: 0, other: 0 };
  }
}
