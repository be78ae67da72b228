// The door of the wire format: typed messages to frames and back. Sessions and connections call
// these four functions; the codecs behind them are found in one table per direction, by name and by
// number.
//
// To add a verb see verb.ts; its codec is entered here.

import { BodyReader } from './body-reader.js';
import { errorReply } from './error.js';
import {
  closeRequest,
  createRequest,
  doneReply,
  isinfoRequest,
  openReply,
  openRequest,
  valueReply,
} from './file.js';
import { type BodyPlace, REPLY_VERB_NAMES, REQUEST_VERB_NAMES, verbHex } from './frame.js';
import type { FrameWriter } from './frame-writer.js';
import type { Reply, Request } from './message.js';
import type { MessageCodec } from './message-codec.js';
import {
  absentReply,
  deleteRequest,
  findRequest,
  getRequest,
  readRequest,
  readsRequest,
  recordReply,
  storedManyReply,
  storedReply,
  storeManyRequest,
  storeRequest,
  unlockRequest,
  writeRequest,
} from './record.js';
import { rowsReply, selectedReply, selectRequest } from './select.js';
import {
  helloReply,
  helloRequest,
  loginReply,
  loginRequest,
  pingReply,
  pingRequest,
  pongReply,
} from './session.js';
import { cancelRequest, creditRequest, dataReply, endReply, scanRequest } from './stream.js';
import { violation } from './violation.js';

type Codecs<M extends { readonly verb: string }> = {
  readonly [V in M['verb']]: MessageCodec<Extract<M, { readonly verb: V }>>;
};

const REQUEST_CODECS: Codecs<Request> = {
  hello: helloRequest,
  login: loginRequest,
  ping: pingRequest,
  open: openRequest,
  create: createRequest,
  close: closeRequest,
  isinfo: isinfoRequest,
  read: readRequest,
  reads: readsRequest,
  find: findRequest,
  get: getRequest,
  store: storeRequest,
  storeMany: storeManyRequest,
  write: writeRequest,
  delete: deleteRequest,
  unlock: unlockRequest,
  scan: scanRequest,
  select: selectRequest,
  credit: creditRequest,
  cancel: cancelRequest,
};

const REPLY_CODECS: Codecs<Reply> = {
  hello: helloReply,
  login: loginReply,
  ping: pingReply,
  pong: pongReply,
  open: openReply,
  done: doneReply,
  value: valueReply,
  record: recordReply,
  absent: absentReply,
  stored: storedReply,
  storedMany: storedManyReply,
  data: dataReply,
  end: endReply,
  rows: rowsReply,
  selected: selectedReply,
  error: errorReply,
};

/** How bodies of one verb are read, with the name of the message for errors. */
interface Decoder<M> {
  readonly codec: Pick<MessageCodec<M>, 'decode'>;
  readonly message: string;
}

/** By verb number: names are put together here, once, and not for each message. */
const REQUEST_DECODERS = REQUEST_VERB_NAMES.map((name): Decoder<Request> | undefined =>
  name === undefined ? undefined : { codec: REQUEST_CODECS[name], message: `${name} request` },
);
const REPLY_DECODERS = REPLY_VERB_NAMES.map((name): Decoder<Reply> | undefined =>
  name === undefined ? undefined : { codec: REPLY_CODECS[name], message: `${name} reply` },
);

/**
 * Appends a request. Throws an RsyndError (ERR_INVARG, ERR_BADMODE, ERR_BADKEY, ERR_INVALRFA), with
 * nothing appended, for values that no frame can carry.
 */
export function encodeRequest(
  writer: FrameWriter,
  request: Request,
  channel: number,
  id: number,
): void {
  writer.to(channel, id);
  // The table pairs each verb with the codec of its own message, which the compiler cannot follow.
  const codec = REQUEST_CODECS[request.verb] as MessageCodec<Request>;
  codec.encode(writer, request);
}

/**
 * Appends a reply. Large records and data are kept, not copied: they must not change any more.
 * Throws ERR_INVARG, with nothing appended, for a reply that no frame can carry; an error reply
 * always fits.
 */
export function encodeReply(writer: FrameWriter, reply: Reply, channel: number, id: number): void {
  writer.to(channel, id);
  const codec = REPLY_CODECS[reply.verb] as MessageCodec<Reply>;
  codec.encode(writer, reply);
}

/**
 * Reads the body of a request, which is all of `body` or has its place there, as a frame says. Bytes of the result are
 * views into it, or copies where it is lent. Throws ERR_PROTOCOL for what is no such message, and ERR_BADDEF
 * for a file definition that contradicts itself; nothing else.
 */
export function decodeRequest(verb: number, body: Buffer, place = allOf(body)): Request {
  const decoder = REQUEST_DECODERS[verb];
  if (decoder === undefined) throw violation('request', `verb ${verbHex(verb)} is unknown`);
  return decodeWhole(decoder, body, place);
}

/** Reads the body of a reply, as `decodeRequest` does. */
export function decodeReply(verb: number, body: Buffer, place = allOf(body)): Reply {
  const decoder = REPLY_DECODERS[verb];
  if (decoder === undefined) throw violation('reply', `verb ${verbHex(verb)} is unknown`);
  return decodeWhole(decoder, body, place);
}

const allOf = (body: Buffer): BodyPlace => ({ start: 0, end: body.length, isLent: false });

function decodeWhole<M>({ codec, message }: Decoder<M>, body: Buffer, place: BodyPlace): M {
  const reader = new BodyReader(message, body, place);
  const decoded = codec.decode(reader);
  reader.end();
  return decoded;
}
