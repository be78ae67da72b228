// The frame: what every message travels in, both ways, after the preamble of the client.
//
//   0        4      5       6         8            12
//   +--------+------+-------+---------+------------+----------------+
//   | length | verb | flags | channel | request id | body           |
//   |  u32   |  u8  |  u8   |   u16   |    u32     | length-8 bytes |
//   +--------+------+-------+---------+------------+----------------+
//
// Big-endian. `length` counts the bytes behind itself, so 8 is the least. `flags` are reserved: 0.
// On the wire: never change. Reader and writer are in files of their own; this one holds the shape.

import { REPLY_VERBS, REQUEST_VERBS, type ReplyVerb, type RequestVerb } from './verb.js';

export const FRAME_LENGTH_BYTES = 4;
export const FRAME_HEADER_BYTES = 12;
/** Verb, flags, channel and request id: what `length` counts besides the body. */
export const FRAME_LENGTH_MIN = FRAME_HEADER_BYTES - FRAME_LENGTH_BYTES;
export const CHANNEL_NUMBER_MAX = 0xffff;
export const REQUEST_ID_MAX = 0xffff_ffff;

/** Where a body lies in the bytes it came with. */
export interface BodyPlace {
  readonly start: number;
  readonly end: number;
  /** The bytes are somebody else's, and there only until the frames of this chunk are done with. */
  readonly isLent: boolean;
}

/** A frame as it came. `verb` is one that is known in this direction. */
export interface Frame extends BodyPlace {
  readonly verb: number;
  readonly channel: number;
  readonly request: number;
  /** The chunk it came in, or a buffer of its own when it spanned chunks. */
  readonly bytes: Buffer;
}

/** The body as a view; the hot ones are read where they lie. */
export const bodyOf = ({ bytes, start, end }: Frame): Buffer => bytes.subarray(start, end);

/** What a side reads: a server reads requests (after the preamble), a client replies. */
export type FrameDirection = 'request' | 'reply';

const namesByNumber = <V extends string>(
  verbs: Readonly<Record<V, number>>,
): readonly (V | undefined)[] => {
  const names: (V | undefined)[] = new Array(256).fill(undefined);
  for (const name of Object.keys(verbs) as V[]) names[verbs[name]] = name;
  return names;
};

/** Name of a request verb by its number; undefined where there is none. */
export const REQUEST_VERB_NAMES = namesByNumber<RequestVerb>(REQUEST_VERBS);
/** Name of a reply verb by its number; undefined where there is none. */
export const REPLY_VERB_NAMES = namesByNumber<ReplyVerb>(REPLY_VERBS);

/** Which numbers a side may read, and their names for messages. */
export const verbNames = (direction: FrameDirection): readonly (string | undefined)[] =>
  direction === 'request' ? REQUEST_VERB_NAMES : REPLY_VERB_NAMES;

/** How a verb that nobody knows is named in messages: `0x7f`. */
export const verbHex = (verb: number): string => `0x${verb.toString(16).padStart(2, '0')}`;
