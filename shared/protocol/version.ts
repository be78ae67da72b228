// The protocol version and what a connection opens with.

/** Spoken by this build. A server answers a hello of another version with ERR_PROTOCOL naming both. */
export const PROTOCOL_VERSION = 1;

/** First bytes of a client's connection (inside TLS where there is TLS), ahead of its hello frame. */
export const PREAMBLE = Buffer.from('RSYN\r\n\x1a\n', 'latin1');
