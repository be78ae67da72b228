// GETFA and ISINFO as functions of a channel, as programs of the field know them.

import type { Channel, GetfaOption } from './channel/channel.js';

/**
 * A fact about a channel: SLE (1 when its link is encrypted), SLC (the cipher, cut to `length`),
 * NETCRYPT (1 when the file insists on encryption), RSZ (record size), SPC (file name).
 */
export const getfa = (
  channel: Pick<Channel, 'getfa'>,
  option: GetfaOption | (string & {}),
  length?: number,
): Promise<number | string> => channel.getfa(option, length);

/**
 * A fact about a channel's file: NETCRYPT, NUMKEYS, NUMRECS, SIZE …; about a key by number or name, or
 * its 1-based segment.
 */
export const isinfo = (
  channel: Pick<Channel, 'isinfo'>,
  request: string,
  key?: number | string,
  segment?: number,
): Promise<number | string> => channel.isinfo(request, key, segment);
