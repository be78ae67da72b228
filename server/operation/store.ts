// STORE and its bulk form: new records. Neither moves the position nor the current record.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { isRsyndError } from '../../shared/base/error.js';
import type {
  StoredManyReply,
  StoredReply,
  StoreManyRequest,
  StoreRequest,
} from '../../shared/protocol/message.js';
import type { StoredRecord } from '../storage/engine.js';
import { errorReply } from './error-reply.js';
import { type OpenChannel, requireMode, rfaText } from './open-channel.js';

export function store(channel: OpenChannel, request: StoreRequest): Answer<StoredReply> {
  requireMode(channel, 'store', 'update', 'output', 'append');
  return andThen(channel.file.store(request.record), (stored) => {
    if (request.lock === 'none' || channel.lock === 'none') return storedReply(stored, false);
    return lockNew(channel, stored);
  });
}

/** Somebody may have found and locked it before us. It is stored all the same, so that is no error. */
async function lockNew(channel: OpenChannel, stored: StoredRecord): Promise<StoredReply> {
  try {
    await channel.hold.lock(stored.rfa, { waitMs: 0 });
  } catch (error) {
    if (!isRsyndError(error)) throw error;
    return storedReply(stored, false);
  }
  // The record that was current at this address is deleted: a write must not mean the new one.
  if (channel.current?.rfa.equals(stored.rfa) === true) channel.current = undefined;
  channel.manualLocked.add(rfaText(stored.rfa));
  return storedReply(stored, true);
}

export function storeMany(
  channel: OpenChannel,
  request: StoreManyRequest,
): Answer<StoredManyReply> {
  requireMode(channel, 'store', 'update', 'output', 'append');
  return andThen(storeAll(channel, request), ({ stored, error }) => {
    if (error === undefined) return { verb: 'storedMany', stored };
    if (!isRsyndError(error)) throw error;
    return { verb: 'storedMany', stored, error: errorReply(error) };
  });
}

/** It may take long, and locks of a session that is gone wait for it: it ends with its session. */
const storeAll = (channel: OpenChannel, { records }: StoreManyRequest) =>
  channel.file.storeMany(records, () => !channel.isAbandoned);

const storedReply = ({ rfa, crc }: StoredRecord, locked: boolean): StoredReply => ({
  verb: 'stored',
  rfa,
  crc,
  locked,
});
