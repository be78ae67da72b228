// The range check of numbers that travel in four or eight bytes.

import { RsyndError } from '../base/error.js';

const U32_MAX = 0xffff_ffff;

/** Throws ERR_INVARG unless `value` is a whole number that four bytes hold. */
export function checkU32(field: string, value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= U32_MAX) return;
  throw new RsyndError(
    'ERR_INVARG',
    `${field} is ${value}, not a whole number from 0 to ${U32_MAX}`,
  );
}

/** Throws ERR_INVARG unless `value` is a whole number that travels exactly in eight bytes. */
export function checkU64(field: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new RsyndError('ERR_INVARG', `${field} is ${value}, not a whole number from 0 to 2^53 - 1`);
}
