// Messages of a connection as a whole: hello, login, ping and pong.
//
//   hello request  = [protocol: u32, software: text]                     MessagePack
//   hello reply    = [protocol: u32, software: text, heartbeatMs: u32]   MessagePack
//   login request  = [user: text|nil, password: text|nil]                MessagePack
//   login reply    = [user: text]                                        MessagePack
//   ping, pong     = nothing
//
// The first two fields of a hello are what every version says, so that two versions can name each
// other; a hello of another version may go on with fields we do not know.

import type { BodyReader } from './body-reader.js';
import { type ControlFields, unpackControl } from './control-message.js';
import type {
  HelloReply,
  HelloRequest,
  LoginReply,
  LoginRequest,
  PingReply,
  PingRequest,
  PongReply,
} from './message.js';
import { emptyCodec, type MessageCodec, writeControl } from './message-codec.js';
import { REPLY_VERBS, REQUEST_VERBS } from './verb.js';
import { PROTOCOL_VERSION } from './version.js';

const U32_MAX = 0xffff_ffff;

export const helloRequest: MessageCodec<HelloRequest> = {
  encode: (writer, { protocol, software }) =>
    writeControl(writer, REQUEST_VERBS.hello, [protocol, software]),
  decode(body) {
    const { fields, protocol, software } = readGreeting(body);
    if (protocol === PROTOCOL_VERSION) fields.end();
    return { verb: 'hello', protocol, software };
  },
};

export const helloReply: MessageCodec<HelloReply> = {
  encode: (writer, { protocol, software, heartbeatMs }) =>
    writeControl(writer, REPLY_VERBS.hello, [protocol, software, heartbeatMs]),
  decode(body) {
    const { fields, protocol, software } = readGreeting(body);
    const heartbeatMs = fields.count('heartbeatMs', U32_MAX);
    if (protocol === PROTOCOL_VERSION) fields.end();
    return { verb: 'hello', protocol, software, heartbeatMs };
  },
};

export const loginRequest: MessageCodec<LoginRequest> = {
  encode: (writer, { user, password }) =>
    writeControl(writer, REQUEST_VERBS.login, [user ?? null, password ?? null]),
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const user = fields.optionalText('user');
    const password = fields.optionalText('password');
    fields.end();
    return {
      verb: 'login',
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
    };
  },
};

export const loginReply: MessageCodec<LoginReply> = {
  encode: (writer, { user }) => writeControl(writer, REPLY_VERBS.login, [user]),
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const user = fields.text('user');
    fields.end();
    return { verb: 'login', user };
  },
};

export const pingRequest = emptyCodec<PingRequest>(REQUEST_VERBS.ping, { verb: 'ping' });
export const pingReply = emptyCodec<PingReply>(REPLY_VERBS.ping, { verb: 'ping' });
export const pongReply = emptyCodec<PongReply>(REPLY_VERBS.pong, { verb: 'pong' });

function readGreeting(body: BodyReader): {
  fields: ControlFields;
  protocol: number;
  software: string;
} {
  const fields = unpackControl(body.message, body.rest());
  return { fields, protocol: fields.count('protocol', U32_MAX), software: fields.text('software') };
}
