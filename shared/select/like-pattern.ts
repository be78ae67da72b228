// The pattern of a `like`, taken apart: `%` any text, `_` one character, `\` takes the next as it is.
// Runs of `%` and `_` are put in one form, so that whoever matches meets no two `%` in a row.

import type { LikePart } from './bound.js';
import { selectError } from './select-error.js';

const PERCENT = 0x25;
const UNDERSCORE = 0x5f;
const BACKSLASH = 0x5c;

/** The parts of a pattern. ERR_INVOPER when it ends in the middle of an escape. */
export function parseLike(pattern: Buffer): readonly LikePart[] {
  const parts: LikePart[] = [];
  let literal: number[] = [];
  let hasAny = false;
  const endLiteral = (): void => {
    if (literal.length > 0) parts.push({ literal: Buffer.from(literal) });
    literal = [];
  };
  // `%_` is put down as `_%`: within a run the order says nothing.
  const endRun = (): void => {
    if (hasAny) parts.push('any');
    hasAny = false;
  };
  for (let at = 0; at < pattern.length; at++) {
    const byte = pattern[at] ?? 0;
    if (byte === PERCENT || byte === UNDERSCORE) {
      endLiteral();
      if (byte === UNDERSCORE) parts.push('one');
      else hasAny = true;
      continue;
    }
    endRun();
    if (byte === BACKSLASH && ++at === pattern.length) {
      throw selectError('a `like` pattern ends with \\, which takes the next character as it is');
    }
    literal.push(pattern[at] ?? 0);
  }
  endLiteral();
  endRun();
  return parts;
}
