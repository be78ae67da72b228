// The token that says where a select goes on. To a client it is opaque; to us it is checked: its digest is
// over the query and the plan too, so that the token of another query, or of the same one when another key
// is gone by now, is refused. Forged or not, it can only lead to records that match the query.
//
//   | 1 | digest, 16 bytes | records given, 6 bytes | range, 4 bytes | kind | place or RFA |
//   kind 0: at the start of the range, 1: behind a place, 2: behind a record
//
// In users' hands: never change the layout without another first byte.

import { createHash } from 'node:crypto';
import { RsyndError } from '../../shared/base/error.js';
import { resumeBytesMax } from '../../shared/base/limits.js';
import { RFA_BYTES } from '../../shared/record/rfa.js';
import type { WalkPoint } from './record-walk.js';

/** Where a select stopped. */
export interface StopPoint {
  readonly point: WalkPoint;
  /** Records given up to there, which count for `limit`. */
  readonly records: number;
}

const VERSION = 1;
const DIGEST_BYTES = 16;
const HEAD_BYTES = 1 + DIGEST_BYTES + 6 + 4 + 1;

/** `identity`: text of the query and the plan, the same whenever it is asked again. */
export function encodeResume({ point, records }: StopPoint, identity: string): Buffer {
  const tail = point.place ?? point.rfa ?? Buffer.alloc(0);
  const token = Buffer.alloc(HEAD_BYTES + tail.length);
  token[0] = VERSION;
  token.writeUIntBE(records, 1 + DIGEST_BYTES, 6);
  token.writeUInt32BE(point.range, 7 + DIGEST_BYTES);
  token[HEAD_BYTES - 1] = point.place !== undefined ? 1 : point.rfa !== undefined ? 2 : 0;
  token.set(tail, HEAD_BYTES);
  digestOf(token, identity).copy(token, 1);
  return token;
}

/** ERR_INVOPER for what is no token of this query. */
export function decodeResume(resume: Uint8Array, identity: string): StopPoint {
  const token = Buffer.from(resume);
  const fits = token.length >= HEAD_BYTES && token.length <= resumeBytesMax;
  if (!fits || token[0] !== VERSION) throw notOurs();
  if (!digestOf(token, identity).equals(token.subarray(1, 1 + DIGEST_BYTES))) throw notOurs();
  const tail = token.subarray(HEAD_BYTES);
  const kind = token[HEAD_BYTES - 1];
  if (kind === 2 && tail.length !== RFA_BYTES) throw notOurs();
  const range = token.readUInt32BE(7 + DIGEST_BYTES);
  const behind = kind === 1 ? { place: tail } : kind === 2 ? { rfa: tail } : {};
  return { point: { range, ...behind }, records: token.readUIntBE(1 + DIGEST_BYTES, 6) };
}

const digestOf = (token: Buffer, identity: string): Buffer =>
  createHash('sha256')
    .update(identity)
    .update('\0')
    .update(token.subarray(1 + DIGEST_BYTES))
    .digest()
    .subarray(0, DIGEST_BYTES);

function notOurs(): RsyndError {
  const why =
    'resume is not of this query on this file as it is now; ' +
    'ask the same query that gave it, or ask anew without resume';
  return new RsyndError('ERR_INVOPER', why, { subject: 'select' });
}
