// Numbers of the verbs. On the wire: never renumber, never reuse.
// To add a verb: a number here, its messages in message.ts, its codec beside the others, an operation,
// a case in server/session/dispatch.ts, a client method, a row and a hex example in PROTOCOL.md.

/** What a client asks. */
export const REQUEST_VERBS = {
  hello: 0x01,
  login: 0x02,
  ping: 0x03,
  open: 0x10,
  create: 0x11,
  close: 0x12,
  isinfo: 0x13,
  read: 0x20,
  reads: 0x21,
  find: 0x22,
  get: 0x23,
  store: 0x24,
  storeMany: 0x25,
  write: 0x26,
  delete: 0x27,
  unlock: 0x28,
  scan: 0x30,
  credit: 0x31,
  cancel: 0x32,
  select: 0x33,
} as const;

/**
 * What a server says. `ping` goes both ways: a server answers one with `pong`, a client answers the
 * server's with a `ping` of its own, so that each has heard the other.
 */
export const REPLY_VERBS = {
  hello: 0x81,
  login: 0x82,
  ping: 0x83,
  pong: 0x84,
  open: 0x90,
  done: 0x91,
  value: 0x92,
  record: 0xa0,
  absent: 0xa1,
  stored: 0xa2,
  storedMany: 0xa3,
  data: 0xb0,
  end: 0xb1,
  rows: 0xb2,
  selected: 0xb3,
  error: 0xff,
} as const;

export type RequestVerb = keyof typeof REQUEST_VERBS;
export type ReplyVerb = keyof typeof REPLY_VERBS;
