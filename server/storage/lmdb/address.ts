// RFAs as numbers, as indexes keep them in memory: block × 256 + slot, below 2^48.

import type { Rfa } from '../../../shared/record/rfa.js';
import { makeRfa } from '../../../shared/record/rfa.js';
import { ADDRESS_BYTES } from './format.js';

const SLOTS = 256;

export const makeAddress = (block: number, slot: number): number => block * SLOTS + slot;
export const addressBlock = (address: number): number => Math.floor(address / SLOTS);
// Not `%`: of numbers above 2^31 that is a call.
// `| 0`: where loops count on from it they stay in whole numbers, which processors do several times faster.
export const addressSlot = (address: number): number =>
  (address - addressBlock(address) * SLOTS) | 0;
export const rfaToAddress = (rfa: Rfa): number => rfa.readUIntBE(0, ADDRESS_BYTES);
/** The address at `start`, as an index has it. By hand, because it runs for every entry of a walk. */
export function addressAt(bytes: Uint8Array, start: number): number {
  const high = ((bytes[start] ?? 0) << 8) | (bytes[start + 1] ?? 0);
  const middle = ((bytes[start + 2] ?? 0) << 8) | (bytes[start + 3] ?? 0);
  const low = ((bytes[start + 4] ?? 0) << 8) | (bytes[start + 5] ?? 0);
  return high * 0x1_0000_0000 + middle * 0x1_0000 + low;
}

export const addressToRfa = (address: number): Rfa =>
  makeRfa(addressBlock(address), addressSlot(address));
/** For messages: an RFA as users see it. */
export const addressText = (address: number): string =>
  address.toString(16).padStart(2 * ADDRESS_BYTES, '0');
