// Case-blind text: both sides are folded to upper case, byte by byte, as `nocase` keys are.

import { foldByte } from '../record/collate-segment.js';

/** A folded copy. */
export function foldText(bytes: Uint8Array): Buffer {
  const folded = Buffer.from(bytes);
  for (const [at, byte] of folded.entries()) folded[at] = foldByte(byte);
  return folded;
}
