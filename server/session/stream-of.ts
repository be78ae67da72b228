// From a request that is answered by a stream to that stream: what it makes, which channels it needs and
// how much it may send at first. Called by the session.

import type { ScanRequest, SelectRequest } from '../../shared/protocol/message.js';
import type { OpenChannel } from '../operation/open-channel.js';
import { Scan } from '../operation/scan.js';
import { select } from '../operation/select.js';
import type { StreamStart } from './stream-table.js';

/** The stream of a request on `channel`; `others` finds other open channels of the session by number. */
export function streamOf(
  channel: OpenChannel,
  request: ScanRequest | SelectRequest,
  others: (number: number) => OpenChannel | undefined,
): Omit<StreamStart, 'id' | 'channel'> {
  const { verb, credit } = request;
  if (verb === 'scan') {
    return { verb, isLarge: false, credit, others: [], make: () => new Scan(channel, request) };
  }
  const { action, query } = request;
  const partner = query.join === undefined ? undefined : others(query.join.channel);
  return {
    verb,
    isLarge: action === 'read' && query.groupBy !== undefined && query.groupBy.fields.length > 0,
    // What answers with its last reply alone needs no credit.
    credit: action === 'read' ? credit : Math.max(1, credit),
    others: query.join === undefined ? [] : [query.join.channel],
    make: (signal) => select(channel, request, partner, signal),
  };
}
