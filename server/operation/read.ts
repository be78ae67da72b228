// READ: goes to a record by key, end or address, locks it where asked, and makes it the current one.
// FIND goes there too, but the next READS answers the record; it locks only when asked to.

import { type Answer, andThen } from '../../shared/base/answer.js';
import type {
  FindRequest,
  ReadRequest,
  RecordReply,
  StoredReply,
} from '../../shared/protocol/message.js';
import type { StoredRecord } from '../storage/engine.js';
import {
  becomeCurrent,
  effectiveLock,
  type Found,
  leaveCurrent,
  locate,
  lockFound,
} from './locate.js';
import { type OpenChannel, requireMode } from './open-channel.js';

/** Ends a wait for a lock early: the client cancelled, or is gone. */
export type Signal = AbortSignal | undefined;

export function read(
  channel: OpenChannel,
  request: ReadRequest,
  signal: Signal,
): Answer<RecordReply> {
  requireMode(channel, 'read', 'input', 'update');
  return andThen(settle(channel, request, signal), ({ stored }) => recordReply(channel, stored));
}

export function find(
  channel: OpenChannel,
  request: FindRequest,
  signal: Signal,
): Answer<StoredReply> {
  requireMode(channel, 'find', 'input', 'update');
  return andThen(settle(channel, request, signal), ({ stored, position }) => {
    // A record that its null key keeps out of the key of reference is not on the way of any reads.
    if (position?.kind === 'at') channel.position = { ...position, kind: 'found' };
    const { rfa, crc } = stored;
    return { verb: 'stored', rfa, crc, locked: channel.hold.isLocked(rfa) };
  });
}

function settle(
  channel: OpenChannel,
  request: ReadRequest | FindRequest,
  signal: Signal,
): Answer<Found> {
  const lock = effectiveLock(channel, request.lock);
  const wait = signal === undefined ? request : { waitMs: request.waitMs, signal };
  return andThen(leaveCurrent(channel), () =>
    andThen(
      lockFound(channel, lock, wait, () => locate(channel, request.target)),
      (found) => {
        becomeCurrent(channel, found, lock);
        return found;
      },
    ),
  );
}

export const recordReply = (channel: OpenChannel, stored: StoredRecord): RecordReply => ({
  verb: 'record',
  rfa: stored.rfa,
  crc: stored.crc,
  locked: channel.hold.isLocked(stored.rfa),
  record: stored.record,
});
