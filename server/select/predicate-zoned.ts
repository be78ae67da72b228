// Is a decimal one certain number? Answered from its last digit backwards without making a number of it: nine
// of ten records are passed after one byte. Works for decimals of every length.
//
//   42 in 4 digits      last '2', then '4', then '0' or a blank, then '0' or a blank
//   0                   last '0', a blank or -0 ('p'), then only '0' or blanks
//   -42                 last 'r', which is '2' with the sign

import type { BoundOperand } from '../../shared/select/bound.js';
import type { Predicate } from './query-plan.js';

const BLANK = 0x20;
const DIGIT_ZERO = 0x30;
const SIGN_BIT = 0x40;

/** Matches records whose operand is this many last places; none when it cannot hold them. */
export function compileZonedEqual({ offset, length }: BoundOperand, unscaled: bigint): Predicate {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(length, '0');
  if (digits.length > length) return () => false;
  const wanted = Buffer.from(digits, 'latin1');
  const isZero = unscaled === 0n;
  const sign = unscaled < 0n ? SIGN_BIT : 0;
  const lastWanted = (wanted[length - 1] ?? 0) | sign;
  // A blank is a zero, but not a negative one; -0 is zero.
  const lastOther = lastWanted !== DIGIT_ZERO ? lastWanted : BLANK;
  const lastThird = isZero ? DIGIT_ZERO | SIGN_BIT : lastWanted;
  return (bytes, start, end) => {
    const first = start + offset;
    const last = first + length - 1;
    if (last >= end) return isZero; // a field behind the end of its record reads as zero
    const byte = bytes[last] ?? 0;
    if (byte !== lastWanted && byte !== lastOther && byte !== lastThird) return false;
    for (let at = last - 1; at >= first; at--) {
      const digit = bytes[at] ?? 0;
      const other = wanted[at - first] ?? 0;
      if (digit !== other && (digit !== BLANK || other !== DIGIT_ZERO)) return false;
    }
    return true;
  };
}
