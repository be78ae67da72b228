// The one switch over verbs of open channels: which operation answers which request.
// To add a verb see shared/protocol/verb.ts.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { unreachable } from '../../shared/base/error.js';
import type { Reply, Request } from '../../shared/protocol/message.js';
import { isinfo } from '../isam/isinfo.js';
import { get } from '../operation/get.js';
import type { OpenChannel } from '../operation/open-channel.js';
import { find, read, type Signal } from '../operation/read.js';
import { reads } from '../operation/reads.js';
import { store, storeMany } from '../operation/store.js';
import { remove, unlock, write } from '../operation/write.js';

/** Requests about an open file that get exactly one reply. */
export type ChannelRequest = Extract<
  Request,
  {
    verb:
      | 'isinfo'
      | 'read'
      | 'reads'
      | 'find'
      | 'get'
      | 'store'
      | 'storeMany'
      | 'write'
      | 'delete'
      | 'unlock';
  }
>;

export function dispatch(
  channel: OpenChannel,
  request: ChannelRequest,
  signal: Signal,
): Answer<Reply> {
  switch (request.verb) {
    case 'get':
      return get(channel, request);
    case 'read':
      return read(channel, request, signal);
    case 'reads':
      return reads(channel, request, signal);
    case 'find':
      return find(channel, request, signal);
    case 'store':
      return store(channel, request);
    case 'storeMany':
      return storeMany(channel, request);
    case 'write':
      return write(channel, request);
    case 'delete':
      return remove(channel);
    case 'unlock':
      return unlock(channel, request);
    case 'isinfo':
      return andThen(
        isinfo(channel.file, request.request, request.key, request.segment),
        (value) => ({ verb: 'value', value }),
      );
    default:
      return unreachable(request);
  }
}

/** The longest a request may wait for a lock; requests that never wait need no way to be cancelled. */
export const waitOf = (request: Request): number =>
  request.verb === 'read' || request.verb === 'reads' || request.verb === 'find'
    ? request.waitMs
    : 0;
