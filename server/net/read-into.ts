// Has node read a socket into a buffer of ours and call back, as the option `onread` of net and tls.connect() does,
// where the socket was made without it: a TLS server's sockets are given no such option. Without, node makes
// memory of its own for each record it has decrypted and leaves it to the garbage collector.
//
// It knows what `onread` is made of in node 20 to 24: the buffer and the callback are kept under symbols described as
// kBuffer and kBufferCb, null where the option was not given, and the handle is told by `useUserBuffer`. pause(),
// resume() and the end of the stream go by these. If one of them is missing or not null nothing is
// changed, and the caller goes on as without.

import type { Socket } from 'node:net';
import { isObject } from '../../shared/base/is-object.js';

/**
 * False when that cannot be done. `callback` is told how many bytes are in `buffer`, which are there until it returns;
 * false from it stops the reading, as from push().
 */
export function readInto(
  socket: Socket,
  buffer: Buffer,
  callback: (bytes: number) => boolean,
): boolean {
  const handle: unknown = Reflect.get(socket, '_handle');
  const bufferKey = unusedSymbol(socket, 'kBuffer');
  const callbackKey = unusedSymbol(socket, 'kBufferCb');
  if (bufferKey === undefined || callbackKey === undefined) return false;
  if (!isObject(handle) || typeof handle.useUserBuffer !== 'function') return false;
  Reflect.set(socket, bufferKey, buffer);
  Reflect.set(socket, callbackKey, callback);
  handle.useUserBuffer(buffer);
  return true;
}

/** The symbol of that description under which the socket has null. */
function unusedSymbol(socket: Socket, description: string): symbol | undefined {
  const key = Object.getOwnPropertySymbols(socket).find((each) => each.description === description);
  return key !== undefined && Reflect.get(socket, key) === null ? key : undefined;
}
