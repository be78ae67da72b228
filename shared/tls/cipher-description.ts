// The SLC text: what a negotiated cipher is, in the words of `openssl ciphers -v`. Server and client
// call it with what their socket negotiated; it knows nothing of sockets.
//
//     TLS_AES_256_GCM_SHA384 TLSv1.3 Kx=any Au=any Enc=AESGCM(256) Mac=AEAD
//     name                   negotiated protocol, then key exchange, who signs, encryption, integrity

import { cipherDescriptionBytesMax } from '../base/limits.js';
import { CIPHER_WORDS } from './cipher-words.js';

const wordsByName: ReadonlyMap<string, string> = new Map(
  CIPHER_WORDS.map((row) => {
    const space = row.indexOf(' ');
    return [row.slice(0, space), row.slice(space + 1)];
  }),
);

/**
 * Describes a negotiated cipher. `protocol` must be the one negotiated (`socket.getProtocol()`):
 * `getCipher().version` is only the lowest the suite can be used with. `length` cuts the text shorter,
 * as a caller with a fixed field needs.
 * A suite newer than the table gets name and protocol only.
 */
export function describeCipher(
  name: string,
  protocol: string,
  length = cipherDescriptionBytesMax,
): string {
  const words = wordsByName.get(name);
  const text = words === undefined ? `${name} ${protocol}` : `${name} ${protocol} ${words}`;
  return text.slice(0, Math.max(0, Math.min(length, cipherDescriptionBytesMax)));
}
