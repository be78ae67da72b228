// READS: the next record along the key of reference, in either direction. Answers `absent` at an end;
// turned round there, it comes back with the last (or first) record.

import { type Answer, andThen } from '../../shared/base/answer.js';
import type { AbsentReply, ReadsRequest, RecordReply } from '../../shared/protocol/message.js';
import type { Direction } from '../storage/engine.js';
import { copyBytes } from '../storage/place.js';
import { becomeCurrent, effectiveLock, type Found, leaveCurrent, lockFound } from './locate.js';
import { nextEdge, type OpenChannel, type Position, requireMode } from './open-channel.js';
import { recordReply, type Signal } from './read.js';

export function reads(
  channel: OpenChannel,
  request: ReadsRequest,
  signal: Signal,
): Answer<RecordReply | AbsentReply> {
  requireMode(channel, 'reads', 'input', 'update');
  const lock = effectiveLock(channel, request.lock);
  const wait = signal === undefined ? request : { waitMs: request.waitMs, signal };
  const from = channel.position;
  return andThen(leaveCurrent(channel), () =>
    andThen(
      lockFound(channel, lock, wait, () => locateNext(channel, from, request.direction)),
      (found) => {
        if (found === undefined) {
          channel.position = endOf(from, request.direction);
          return { verb: 'absent' };
        }
        becomeCurrent(channel, found, lock);
        return recordReply(channel, found.stored);
      },
    ),
  );
}

function locateNext(
  channel: OpenChannel,
  from: Position,
  direction: Direction,
): Answer<Found | undefined> {
  const { key } = from;
  const [edge, way] = nextEdge(from, direction);
  return andThen(channel.file.stored.seek(key, edge, way), (stored) =>
    stored === undefined
      ? undefined
      : { stored, position: { kind: 'at', key, place: copyBytes(stored.place) } },
  );
}

const endOf = ({ key }: Position, direction: Direction): Position => ({
  kind: direction === 'forward' ? 'end' : 'start',
  key,
});
