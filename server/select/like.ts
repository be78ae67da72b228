// `like` and `contains` in time that grows with the text and not with how the pattern was chosen. A
// pattern falls apart at its `%` into segments: the first stands at the start of the text, the last at its
// end, the others are found one after another, each as early as possible, and never looked for again.
//
//   a%b_d%e     segments  a | b_d | e
//
// A segment is found by its bits: bit i of `state` says that the last i + 1 bytes match the first i + 1
// of the segment, and one shift and one table look-up take it to the next byte (Shift-And, Baeza-Yates
// and Gonnet). Called by predicate.ts. Nothing is allocated for a record.

import { trimmedEnd } from '../../shared/record/scalar-codec.js';
import type { BoundCondition, LikePart } from '../../shared/select/bound.js';
import { foldTable } from './predicate-text.js';
import type { Predicate } from './query-plan.js';

type LikeCondition = Extract<BoundCondition, { op: 'like' }>;

/** Stands for `_` in a segment. */
const ANY_BYTE = -1;
const WORD_BITS = 32;
/** Segments up to this are tried at each place; it is a bound, so time stays linear. */
const TRIED_LENGTH_MAX = 4;

/** Where a segment ends, found in `bytes[from, to)`; -1 when it is not there. */
type Finder = (bytes: Uint8Array, from: number, to: number) => number;

/** The predicate of a `like`: it is put to the text without the blanks behind it. */
export function compileLike({ operand, pattern, nocase, negated }: LikeCondition): Predicate {
  const { offset, length } = operand;
  // Too long for the field: known without tables for a pattern that may be long.
  if (leastLength(pattern) > length) return () => negated;
  const matches = compilePattern(pattern, foldTable(nocase));
  return (bytes, start, end) => {
    const from = Math.min(start + offset, end);
    const to = trimmedEnd(bytes, from, Math.min(from + length, end));
    return matches(bytes, from, to) !== negated;
  };
}

/** Bytes of the shortest text that matches. */
const leastLength = (pattern: readonly LikePart[]): number =>
  pattern.reduce(
    (sum, part) => sum + (typeof part === 'object' ? part.literal.length : Number(part === 'one')),
    0,
  );

/** Does `bytes[from, to)` match the whole pattern? */
export function compilePattern(
  pattern: readonly LikePart[],
  fold: Uint8Array,
): (bytes: Uint8Array, from: number, to: number) => boolean {
  const [head = [], ...others] = segmentsOf(pattern);
  const tail = others.pop();
  if (tail === undefined) {
    return (bytes, from, to) => to - from === head.length && standsAt(head, fold, bytes, from);
  }
  const finders = others
    .filter(({ length }) => length > 0)
    .map((part) => compileFinder(part, fold));
  const least = head.length + tail.length + others.reduce((sum, { length }) => sum + length, 0);
  return (bytes, from, to) => {
    if (to - from < least) return false;
    const limit = to - tail.length;
    if (!standsAt(tail, fold, bytes, limit) || !standsAt(head, fold, bytes, from)) return false;
    let at = from + head.length;
    for (const find of finders) {
      at = find(bytes, at, limit);
      if (at < 0) return false;
    }
    return true;
  };
}

/** What stands between the `%`s: bytes, and ANY_BYTE for `_`. One more than there are `%`s. */
function segmentsOf(pattern: readonly LikePart[]): number[][] {
  const segments: number[][] = [[]];
  for (const part of pattern) {
    if (part === 'any') segments.push([]);
    else if (part === 'one') segments.at(-1)?.push(ANY_BYTE);
    else for (const byte of part.literal) segments.at(-1)?.push(byte);
  }
  return segments;
}

function standsAt(
  segment: readonly number[],
  fold: Uint8Array,
  bytes: Uint8Array,
  at: number,
): boolean {
  for (let index = 0; index < segment.length; index++) {
    const wanted = segment[index];
    if (wanted !== ANY_BYTE && fold[bytes[at + index] ?? 0] !== wanted) return false;
  }
  return true;
}

/** Finds the earliest place of a segment, which is not empty. */
function compileFinder(segment: readonly number[], fold: Uint8Array): Finder {
  if (segment.length <= TRIED_LENGTH_MAX) return findByTrying(segment, fold);
  return segment.length <= WORD_BITS ? findByBits(segment, fold) : findByWords(segment, fold);
}

function findByTrying(segment: readonly number[], fold: Uint8Array): Finder {
  const [first = ANY_BYTE] = segment;
  const { length } = segment;
  return (bytes, from, to) => {
    for (let at = from; at <= to - length; at++) {
      if (first !== ANY_BYTE && fold[bytes[at] ?? 0] !== first) continue;
      if (standsAt(segment, fold, bytes, at)) return at + length;
    }
    return -1;
  };
}

function findByBits(segment: readonly number[], fold: Uint8Array): Finder {
  const masks = masksOf(segment, fold, 1);
  const found = 1 << (segment.length - 1);
  return (bytes, from, to) => {
    let state = 0;
    for (let at = from; at < to; at++) {
      state = ((state << 1) | 1) & (masks[bytes[at] ?? 0] ?? 0);
      if ((state & found) !== 0) return at + 1;
    }
    return -1;
  };
}

/** The same with as many words of bits as the segment needs. */
function findByWords(segment: readonly number[], fold: Uint8Array): Finder {
  const words = Math.ceil(segment.length / WORD_BITS);
  const masks = masksOf(segment, fold, words);
  const found = 1 << ((segment.length - 1) % WORD_BITS);
  const state = new Int32Array(words);
  return (bytes, from, to) => {
    state.fill(0);
    for (let at = from; at < to; at++) {
      const row = (bytes[at] ?? 0) * words;
      let carry = 1;
      for (let word = 0; word < words; word++) {
        const bits = state[word] ?? 0;
        state[word] = ((bits << 1) | carry) & (masks[row + word] ?? 0);
        carry = bits >>> 31;
      }
      if (((state[words - 1] ?? 0) & found) !== 0) return at + 1;
    }
    return -1;
  };
}

/** For each byte the places of the segment it may stand at: a row of words. */
function masksOf(segment: readonly number[], fold: Uint8Array, words: number): Int32Array {
  const masks = new Int32Array(256 * words);
  for (const [index, wanted] of segment.entries()) {
    if (wanted !== ANY_BYTE) addPlace(masks, wanted * words, index);
  }
  const anyByte = new Int32Array(words);
  for (const [index, wanted] of segment.entries()) {
    if (wanted === ANY_BYTE) addPlace(anyByte, 0, index);
  }
  // Small letters have the places of their capitals, whatever row of theirs was filled first.
  for (let byte = 255; byte >= 0; byte--) {
    const like = fold[byte] ?? byte;
    for (let word = 0; word < words; word++) {
      masks[byte * words + word] = (masks[like * words + word] ?? 0) | (anyByte[word] ?? 0);
    }
  }
  return masks;
}

function addPlace(masks: Int32Array, row: number, index: number): void {
  const at = row + Math.floor(index / WORD_BITS);
  masks[at] = (masks[at] ?? 0) | (1 << (index % WORD_BITS));
}
