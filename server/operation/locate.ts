// Finds the record a read or find is about and, where asked, locks it: the record answered is the one
// behind the lock, however long the wait for it was and whatever happened meanwhile.

import { type Answer, andThen, isLater } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import type { ReadLock, ReadTarget } from '../../shared/protocol/message.js';
import { type Rfa, splitAddress } from '../../shared/record/rfa.js';
import type { LockWait } from '../lock/lock-manager.js';
import type { LocatedRecord, StoredRecord } from '../storage/engine.js';
import { copyBytes } from '../storage/place.js';
import { END, type OpenChannel, type Position, rfaText, START } from './open-channel.js';

/** A record and the position it gives; `position` is undefined when it is not in the key of reference. */
export interface Found {
  readonly stored: StoredRecord;
  readonly position: Position | undefined;
}

/**
 * Looks for the target. ERR_RNF for `eq`, ERR_EOF for the others (the position is then at that end),
 * ERR_DELREC and kin for RFAs.
 */
export function locate(channel: OpenChannel, target: ReadTarget): Answer<Found> {
  const { file } = channel;
  if (target.by === 'rfa') return locateAddress(channel, target.address);
  file.keySpec(target.key);
  return andThen(seekTarget(channel, target), (located) => {
    if (located === undefined) throw missed(channel, target);
    return {
      stored: located,
      position: { kind: 'at', key: target.key, place: copyBytes(located.place) },
    };
  });
}

function seekTarget(
  { file }: OpenChannel,
  target: Exclude<ReadTarget, { by: 'rfa' }>,
): Answer<LocatedRecord | undefined> {
  switch (target.by) {
    case 'first':
      return file.stored.seek(target.key, START, 'forward');
    case 'last':
      return file.stored.seek(target.key, END, 'reverse');
    case 'key': {
      const prefix = file.searchBytes(target.key, target.value, target.match);
      if (target.match === 'eq') return file.stored.find(target.key, prefix);
      const side = target.match === 'gtr' ? 'after' : 'before';
      return file.stored.seek(target.key, { prefix, side }, 'forward');
    }
  }
}

function locateAddress(channel: OpenChannel, address: Uint8Array): Answer<Found> {
  const { file } = channel;
  const { rfa, crc } = splitAddress(address);
  const { key } = channel.position;
  return andThen(file.fetch(rfa, crc), (stored) =>
    andThen(
      file.stored.placeOf(key, rfa, file.keyOf(key, stored.record)),
      (place): Found => ({
        stored,
        position: place === undefined ? undefined : { kind: 'at', key, place },
      }),
    ),
  );
}

function missed(channel: OpenChannel, target: ReadTarget): RsyndError {
  const exact = target.by === 'key' && target.match === 'eq';
  const key = target.by === 'rfa' ? 0 : target.key;
  if (!exact) channel.position = { kind: target.by === 'first' ? 'start' : 'end', key };
  const where = `key ${key} (${channel.file.keySpec(key).name}) of ${channel.name}`;
  return exact
    ? new RsyndError('ERR_RNF', `no record has that value of ${where}`, { file: channel.name })
    : new RsyndError('ERR_EOF', `there is no record there by ${where}`, { file: channel.name });
}

/** The locking a read asks for, given what its channel does at all. */
export function effectiveLock(channel: OpenChannel, asked: ReadLock): ReadLock {
  return channel.mode === 'update' && channel.lock === 'auto' ? asked : 'none';
}

/** Frees the automatic lock and forgets the current record: what every new read begins with. */
export function leaveCurrent(channel: OpenChannel): Answer<void> {
  channel.current = undefined;
  return freeAutomatic(channel);
}

/** Frees the automatic lock, if there is one. */
export function freeAutomatic(channel: OpenChannel): Answer<void> {
  const rfa = channel.autoLocked;
  channel.autoLocked = undefined;
  return rfa === undefined ? undefined : channel.hold.unlock(rfa);
}

/**
 * Runs `look` and locks what it finds; looks again when the record changed or went while the lock was
 * waited for. The budget of `wait` holds for all of it. Finding nothing is passed on.
 */
export function lockFound<T extends Found | undefined>(
  channel: OpenChannel,
  lock: ReadLock,
  wait: LockWait,
  look: () => Answer<T>,
): Answer<T> {
  if (lock === 'none') return look();
  const deadline = Date.now() + wait.waitMs;
  const attempt = (): Answer<T> => andThen(look(), lockOne);
  const lockOne = (found: T): Answer<T> => {
    if (found === undefined) return found;
    const { rfa, crc } = found.stored;
    const heldBefore = channel.hold.isLocked(rfa);
    const left = { ...wait, waitMs: Math.max(0, deadline - Date.now()) };
    const giveBack = (): Answer<void> => (heldBefore ? undefined : channel.hold.unlock(rfa));
    return andThen(channel.hold.lock(rfa, left), () =>
      andThen(
        orElse(() => lookAgain(channel, rfa), giveBack),
        (now) =>
          typeof now !== 'string' && now.crc === crc ? found : andThen(giveBack(), attempt),
      ),
    );
  };
  return attempt();
}

/** The record as it is now, whichever process changed it before it gave us the lock. */
export const lookAgain = (
  { file }: OpenChannel,
  rfa: Rfa,
): Answer<StoredRecord | 'deleted' | 'invalid'> =>
  andThen(file.stored.renew(), () => file.stored.fetch(rfa));

/** Runs `step`; when it fails, undoes first and then fails with the same error. */
export function orElse<T>(step: () => Answer<T>, undo: () => Answer<void>): Answer<T> {
  const fail = (error: unknown): Answer<T> =>
    andThen(undo(), () => {
      throw error;
    });
  try {
    const answer = step();
    return isLater(answer) ? answer.catch(fail) : answer;
  } catch (error) {
    return fail(error);
  }
}

/** Makes a found record the current one of its channel and notes what kind of lock it is under. */
export function becomeCurrent(channel: OpenChannel, found: Found, lock: ReadLock): void {
  const { rfa, crc } = found.stored;
  channel.current = { rfa, crc };
  if (lock === 'manual') channel.manualLocked.add(rfaText(rfa));
  if (lock === 'auto' && !channel.manualLocked.has(rfaText(rfa))) channel.autoLocked = rfa;
  if (found.position !== undefined) channel.position = found.position;
}
