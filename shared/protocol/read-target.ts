// The places a read or find may go to, and the numbers of keys, as they lie in the body of a
// request.
//
//   target = 0 key:u8 match:u8 value:*      by key; the value may be empty
//          | 1 key:u8                       first by this key
//          | 2 key:u8                       last by this key
//          | 3 address                      by RFA
//   address = rfa(6) | grfa(10)
//
// `*` is everything up to the end of the body. A value too long for its key is no violation: the
// operation answers ERR_BADKEY, the connection goes on.

import { RsyndError, unreachable } from '../base/error.js';
import { keysPerFileMax } from '../base/limits.js';
import { GRFA_BYTES, RFA_BYTES } from '../record/rfa.js';
import type { BodyReader } from './body-reader.js';
import type { FrameWriter } from './frame-writer.js';
import type { ReadTarget } from './message.js';
import { violation } from './violation.js';
import { MATCH, numberOfWord, TARGET } from './wire-word.js';

/**
 * Bytes of a target in a body. Checks it too, so that writing it cannot fail: see `writeTarget`.
 */
export function measureTarget(target: ReadTarget): number {
  switch (target.by) {
    case 'key':
      checkKeyNumber(target.key);
      numberOfWord(MATCH, target.match);
      return 3 + target.value.length;
    case 'first':
    case 'last':
      checkKeyNumber(target.key);
      return 2;
    case 'rfa':
      checkAddress(target.address);
      return 1 + target.address.length;
    default:
      return unreachable(target);
  }
}

/** Only after `measureTarget`. */
export function writeTarget(writer: FrameWriter, target: ReadTarget): void {
  writer.u8(TARGET.numbers[target.by]);
  if (target.by === 'rfa') {
    writer.bytes(target.address);
    return;
  }
  writer.u8(target.key);
  if (target.by !== 'key') return;
  writer.u8(MATCH.numbers[target.match]);
  writer.bytes(target.value);
}

export function readTarget(body: BodyReader): ReadTarget {
  const by = body.word(TARGET);
  if (by === 'rfa') return { by, address: readAddress(body) };
  const key = readKeyNumber(body);
  if (by !== 'key') return { by, key };
  const match = body.word(MATCH);
  return { by, key, value: body.rest(), match };
}

/** Throws ERR_BADKEY for what no key of reference can be. */
export function checkKeyNumber(key: number): void {
  if (Number.isInteger(key) && key >= 0 && key < keysPerFileMax) return;
  throw new RsyndError(
    'ERR_BADKEY',
    `keys have the numbers 0 to ${keysPerFileMax - 1}, not ${key}`,
  );
}

export function readKeyNumber(body: BodyReader): number {
  const key = body.u8('key');
  if (key < keysPerFileMax) return key;
  throw violation(body.message, `key is ${key}, the highest is ${keysPerFileMax - 1}`);
}

/** Throws ERR_INVALRFA for what is neither an RFA nor a GRFA. */
export function checkAddress(address: Uint8Array): void {
  if (isAddressLength(address.length)) return;
  throw new RsyndError(
    'ERR_INVALRFA',
    `an RFA has ${RFA_BYTES} bytes and a GRFA ${GRFA_BYTES}, not ${address.length}`,
  );
}

/** What is left of a body, which must be an RFA or a GRFA. */
export function readAddress(body: BodyReader): Buffer {
  if (isAddressLength(body.left)) return body.rest();
  throw violation(
    body.message,
    `address has ${body.left} bytes, not ${RFA_BYTES} or ${GRFA_BYTES}`,
  );
}

export const isAddressLength = (bytes: number): boolean =>
  bytes === RFA_BYTES || bytes === GRFA_BYTES;
