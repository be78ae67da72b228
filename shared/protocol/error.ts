// The error reply, and the same body inside a storedMany reply.
//
//   error = [errno: number, message: text, retryable: boolean, file: text|nil]   MessagePack
//
// It must always be sendable, so what is too long is cut here rather than refused.

import { ERROR_CODES, type ErrorCode, errorCodeOf } from '../base/error-code.js';
import { errorMessageBytesMax, fileNameBytesMax } from '../base/limits.js';
import type { BodyReader } from './body-reader.js';
import { packControl, unpackControl } from './control-message.js';
import type { ErrorReply } from './message.js';
import type { MessageCodec } from './message-codec.js';
import { REPLY_VERBS } from './verb.js';

const ERRNO_MAX = 0xffff;
/** All but line feed and tab: programs print messages, and a terminal would obey a hostile server's. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const TERMINAL_CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export const errorReply: MessageCodec<ErrorReply> = {
  encode(writer, reply) {
    const body = packError(reply);
    writer.begin(REPLY_VERBS.error, body.length);
    writer.bytes(body);
  },
  decode: readError,
};

/** The body of an error. Never throws for a reply of the right type. */
export function packError({ code, message, retryable, file }: ErrorReply): Buffer {
  return packControl('error reply', [
    ERROR_CODES[code].errno,
    cutText(message, errorMessageBytesMax),
    retryable,
    file === undefined ? null : cutText(file, fileNameBytesMax),
  ]);
}

/** Reads what is left of a body as an error. */
export function readError(body: BodyReader): ErrorReply {
  const fields = unpackControl(body.message, body.rest());
  const errno = fields.count('errno', ERRNO_MAX);
  const message = fields.text('message').replace(TERMINAL_CONTROLS, '\ufffd');
  const retryable = fields.flag('retryable');
  const file = fields.optionalText('file');
  fields.end();
  const reply = { verb: 'error', ...nameError(errno, message), retryable } as const;
  return file === undefined ? reply : { ...reply, file };
}

/** A newer server may know errors that we do not: the number then goes into the message. */
function nameError(errno: number, message: string): { code: ErrorCode; message: string } {
  const code = errorCodeOf(errno);
  if (code !== undefined) return { code, message };
  const { text } = ERROR_CODES.ERR_PROTOCOL;
  return {
    code: 'ERR_PROTOCOL',
    message: `${text}: error ${errno} is unknown to this version, it says: ${message}`,
  };
}

/** The longest beginning of a text that fits, whole characters only, lone surrogates replaced. */
function cutText(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= bytesMax) return bytes.toString('utf8');
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
