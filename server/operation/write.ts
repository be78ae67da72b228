// WRITE and DELETE: change the current record, which must be locked by this channel; or, with an
// address, the record there, locked for the moment of the change. UNLOCK gives records back.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import type {
  DoneReply,
  StoredReply,
  UnlockRequest,
  WriteRequest,
} from '../../shared/protocol/message.js';
import { type Rfa, splitAddress } from '../../shared/record/rfa.js';
import { freeAutomatic } from './locate.js';
import { type CurrentRecord, type OpenChannel, requireMode, rfaText } from './open-channel.js';

export function write(channel: OpenChannel, request: WriteRequest): Answer<StoredReply> {
  requireMode(channel, 'write', 'update');
  if (request.address !== undefined) return writeAt(channel, request.address, request.record);
  const { rfa } = requireLockedCurrent(channel, 'write');
  return andThen(replace(channel, rfa, undefined, request.record), (reply) => {
    channel.current = { rfa, crc: reply.crc };
    return andThen(freeAutomatic(channel), () => reply);
  });
}

/** Locks the record for the change alone, unless the channel holds it anyway. */
function writeAt(
  channel: OpenChannel,
  address: Uint8Array,
  record: Uint8Array,
): Answer<StoredReply> {
  requireLocking(channel, 'write');
  const { rfa, crc } = splitAddress(address);
  if (channel.hold.isLocked(rfa)) return writeLocked(channel, rfa, crc, record);
  const changed = andThen(channel.hold.lock(rfa, { waitMs: 0 }), async () => {
    try {
      return await replace(channel, rfa, crc, record);
    } finally {
      await channel.hold.unlock(rfa);
    }
  });
  return andThen(changed, (reply) => ({ ...reply, locked: false }));
}

/** The automatic lock ends with a write of its record, however that was addressed. */
function writeLocked(
  channel: OpenChannel,
  rfa: Rfa,
  crc: number | undefined,
  record: Uint8Array,
): Answer<StoredReply> {
  return andThen(replace(channel, rfa, crc, record), (reply) => {
    const isAutomatic = channel.autoLocked?.equals(rfa) === true;
    return isAutomatic ? andThen(freeAutomatic(channel), () => reply) : reply;
  });
}

function replace(
  channel: OpenChannel,
  rfa: Rfa,
  crc: number | undefined,
  record: Uint8Array,
): Answer<StoredReply> {
  const { file } = channel;
  return andThen(file.fetch(rfa, crc), (previous) =>
    andThen(file.rewrite(previous, record), (changed) => ({
      verb: 'stored',
      rfa,
      crc: changed.crc,
      locked: channel.manualLocked.has(rfaText(rfa)),
    })),
  );
}

export function remove(channel: OpenChannel): Answer<DoneReply> {
  requireMode(channel, 'delete', 'update');
  const { rfa } = requireLockedCurrent(channel, 'delete');
  return andThen(channel.file.fetch(rfa), (previous) =>
    andThen(channel.file.remove(previous), () => {
      channel.current = undefined;
      return andThen(unlockOne(channel, rfa), () => DONE);
    }),
  );
}

/** Without an RFA frees the automatic lock; with one that record. Silent when nothing was locked. */
export function unlock(channel: OpenChannel, request: UnlockRequest): Answer<DoneReply> {
  const freed =
    request.rfa === undefined
      ? freeAutomatic(channel)
      : unlockOne(channel, splitAddress(request.rfa).rfa);
  return andThen(freed, () => DONE);
}

const DONE: DoneReply = { verb: 'done' };

function unlockOne(channel: OpenChannel, rfa: Rfa): Answer<void> {
  channel.manualLocked.delete(rfaText(rfa));
  if (channel.autoLocked?.equals(rfa)) {
    channel.autoLocked = undefined;
  }
  return channel.hold.unlock(rfa);
}

function requireLockedCurrent(channel: OpenChannel, verb: string): CurrentRecord {
  requireLocking(channel, verb);
  const { current } = channel;
  if (current !== undefined && channel.hold.isLocked(current.rfa)) return current;
  const why =
    `${verb} on ${channel.name} needs a record that was read and is still locked; ` +
    'read it first with lock auto or manual';
  throw new RsyndError('ERR_NOCURR', why, { file: channel.name });
}

function requireLocking(channel: OpenChannel, verb: string): void {
  if (channel.lock === 'auto') return;
  const why = `${verb} on ${channel.name} needs record locks, and it was opened with lock none`;
  throw new RsyndError('ERR_NOCURR', why, { file: channel.name });
}
