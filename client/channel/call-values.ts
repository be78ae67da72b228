// Small checks on what goes into a channel's calls and what comes out of them.

import { RsyndError } from '../../shared/base/error.js';
import { lockWaitMsMax } from '../../shared/base/limits.js';
import type { Reply } from '../../shared/protocol/message.js';
import type { Rfa } from '../../shared/record/rfa.js';
import type { LockOptions, ReadPlace } from './channel.js';

export type ReplyOf<V extends Reply['verb']> = Extract<Reply, { readonly verb: V }>;

/** A place is an object with just one of these three; anything else is a key value. */
export function isPlace(where: unknown): where is ReadPlace {
  if (typeof where !== 'object' || where === null || where instanceof Uint8Array) return false;
  const [[name, value] = [], more] = Object.entries(where);
  if (more !== undefined) return false;
  return name === 'rfa'
    ? value instanceof Uint8Array
    : (name === 'first' || name === 'last') && value === true;
}

/** Milliseconds of a lock wait. ERR_INVARG for more than a server grants. */
export function waitOf({ waitMs = 0 }: LockOptions): number {
  if (waitMs >= 0 && waitMs <= lockWaitMsMax) return Math.ceil(waitMs);
  throw new RsyndError('ERR_INVARG', `waitMs must be from 0 to ${lockWaitMsMax}, not ${waitMs}`);
}

/** Narrows a reply to the one its request has. ERR_PROTOCOL for any other. */
export function expected<V extends Reply['verb']>(verb: V, reply: Reply): ReplyOf<V> {
  // Checked here, so the cast says no more than the comparison.
  if (reply.verb === verb) return reply as ReplyOf<V>;
  throw new RsyndError('ERR_PROTOCOL', `expected ${verb}, the server answered ${reply.verb}`);
}

/** Form of an RFA in a Set. */
export const rfaText = (rfa: Rfa): string => rfa.toString('latin1');
