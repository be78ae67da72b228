// RFAs as numbers, as indexes keep them in memory: block × 256 + slot, below 2^48.

import type { Rfa } from '../../../shared/record/rfa.js';
import { makeRfa } from '../../../shared/record/rfa.js';
import { ADDRESS_BYTES } from './format.js';

const SLOTS = 256;

export const makeAddress = (block: number, slot: number): number => block * SLOTS + slot;
export const addressBlock = (address: number): number => Math.floor(address / SLOTS);
// Not `%`: of numbers above 2^31 that is a call.
export const addressSlot = (address: number): number => address - addressBlock(address) * SLOTS;
export const rfaToAddress = (rfa: Rfa): number => rfa.readUIntBE(0, ADDRESS_BYTES);
export const addressToRfa = (address: number): Rfa =>
  makeRfa(addressBlock(address), addressSlot(address));
/** For messages: an RFA as users see it. */
export const addressText = (address: number): string =>
  address.toString(16).padStart(2 * ADDRESS_BYTES, '0');
