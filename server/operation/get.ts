// GET: the record with exactly this key, without lock, position or current record. The hottest verb.

import { type Answer, andThen } from '../../shared/base/answer.js';
import type { AbsentReply, GetRequest, RecordReply } from '../../shared/protocol/message.js';
import { type OpenChannel, requireMode } from './open-channel.js';
import { recordReply } from './read.js';

const ABSENT: AbsentReply = { verb: 'absent' };

export function get(channel: OpenChannel, request: GetRequest): Answer<RecordReply | AbsentReply> {
  requireMode(channel, 'get', 'input', 'update');
  const key = channel.file.searchBytes(request.key, request.value, 'eq');
  return andThen(channel.file.stored.find(request.key, key), (found) =>
    found === undefined ? ABSENT : recordReply(channel, found),
  );
}
