// Messages about a file as a whole: open, create, close, isinfo and their replies.
//
//   open request    = [name: text, mode: word, share: word, lock: word, spec: map|nil]
//   open reply      = [spec: map]
//   create request  = [name: text, spec: map]
//   isinfo request  = [request: text, key: u8, segment: u8|nil]
//   value reply     = [value: number|text]
//   close, done     = nothing
//
// Arrays are MessagePack. A spec is a map of the names of shared/record/file-spec.ts.

import { RsyndError } from '../base/error.js';
import { parseSpec } from '../record/validate-spec.js';
import { unpackControl } from './control-message.js';
import type {
  CloseRequest,
  CreateRequest,
  DoneReply,
  IsinfoRequest,
  OpenReply,
  OpenRequest,
  ValueReply,
} from './message.js';
import { emptyCodec, type MessageCodec, writeControl } from './message-codec.js';
import { REPLY_VERBS, REQUEST_VERBS } from './verb.js';
import { violation } from './violation.js';
import { CHANNEL_LOCK, numberOfWord, OPEN_MODE, SHARE_MODE } from './wire-word.js';

const U8_MAX = 0xff;

export const openRequest: MessageCodec<OpenRequest> = {
  encode: (writer, { name, mode, share, lock, spec }) =>
    writeControl(writer, REQUEST_VERBS.open, [
      name,
      numberOfWord(OPEN_MODE, mode),
      numberOfWord(SHARE_MODE, share),
      numberOfWord(CHANNEL_LOCK, lock),
      spec ?? null,
    ]),
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const name = fields.text('name');
    const mode = fields.word(OPEN_MODE);
    const share = fields.word(SHARE_MODE);
    const lock = fields.word(CHANNEL_LOCK);
    const spec = fields.any('spec');
    fields.end();
    const request = { verb: 'open', name, mode, share, lock } as const;
    return spec === undefined ? request : { ...request, spec: parseSpec(spec) };
  },
};

export const openReply: MessageCodec<OpenReply> = {
  encode: (writer, { spec }) => writeControl(writer, REPLY_VERBS.open, [spec]),
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const spec = fields.any('spec');
    fields.end();
    return { verb: 'open', spec: parseSpec(spec) };
  },
};

export const createRequest: MessageCodec<CreateRequest> = {
  encode: (writer, { name, spec }) => writeControl(writer, REQUEST_VERBS.create, [name, spec]),
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const name = fields.text('name');
    const spec = fields.any('spec');
    fields.end();
    return { verb: 'create', name, spec: parseSpec(spec) };
  },
};

export const isinfoRequest: MessageCodec<IsinfoRequest> = {
  encode(writer, { request, key, segment = null }) {
    for (const number of [key, segment ?? 0]) {
      if (!Number.isInteger(number) || number < 0 || number > U8_MAX) {
        throw new RsyndError('ERR_ISINFO', `no key or segment has the number ${number}`);
      }
    }
    writeControl(writer, REQUEST_VERBS.isinfo, [request, key, segment]);
  },
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const request = fields.text('request');
    const key = fields.count('key', U8_MAX);
    const segment = fields.optionalCount('segment', U8_MAX);
    fields.end();
    return { verb: 'isinfo', request, key, ...(segment === undefined ? {} : { segment }) };
  },
};

export const valueReply: MessageCodec<ValueReply> = {
  encode: (writer, { value }) => writeControl(writer, REPLY_VERBS.value, [value]),
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const value = fields.any('value');
    fields.end();
    if (typeof value === 'string' || Number.isFinite(value)) {
      return { verb: 'value', value: value as string | number };
    }
    throw violation(body.message, 'value is neither a number nor text');
  },
};

export const closeRequest = emptyCodec<CloseRequest>(REQUEST_VERBS.close, { verb: 'close' });
export const doneReply = emptyCodec<DoneReply>(REPLY_VERBS.done, { verb: 'done' });
