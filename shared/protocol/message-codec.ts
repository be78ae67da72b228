// What a codec of one message is, and the few codecs that several messages share. The codecs
// themselves are in session.ts, file.ts, record.ts, stream.ts, select.ts and error.ts; codec.ts finds them by
// verb.

import type { BodyReader } from './body-reader.js';
import { packControl } from './control-message.js';
import type { FrameWriter } from './frame-writer.js';

export interface MessageCodec<M> {
  /** Appends one frame, or throws an RsyndError with nothing appended. */
  encode(writer: FrameWriter, message: M): void;
  /** Reads a body; bytes in the result are what it gives. Throws ERR_PROTOCOL only. */
  decode(body: BodyReader): M;
}

/** A message that is its verb and nothing else. */
export const emptyCodec = <M>(verb: number, message: M): MessageCodec<M> => ({
  encode: (writer) => writer.begin(verb, 0),
  decode: () => message,
});

/** Appends a frame whose body is an array of fields in MessagePack. */
export function writeControl(writer: FrameWriter, verb: number, fields: readonly unknown[]): void {
  const body = packControl('message', fields);
  writer.begin(verb, body.length);
  writer.bytes(body);
}
