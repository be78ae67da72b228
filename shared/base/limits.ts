// Every bound of the program in one place: no queue, buffer, table, wait or retry is without one.
// A bound that is reached has a clear error and a test. Sizes are bytes, times milliseconds.

/** Records, keys and definitions. Key and segment counts: "ISAM limits" of the field. */
export const recordBytesMax = 1024 * 1024;
export const keysPerFileMax = 255;
export const segmentsPerKeyMax = 8;
export const keyBytesMax = 254;
export const fieldsPerFileMax = 4096;
export const headerTextBytesMax = 1024;
/** XDL, repository and certificate files are read whole. */
export const definitionFileBytesMax = 16 * 1024 * 1024;

/** Frames. Small until the session has logged in, so that strangers cannot make us hold much. */
export const frameBeforeLoginBytesMax = 4 * 1024;
/** A whole record of the largest size, its key and its header fit. */
export const frameBytesMax = 2 * 1024 * 1024;
/** Target size of one data frame of a stream: measured as the best for TLS (16 KiB records inside). */
export const streamFrameBytes = 64 * 1024;
/** Bytes a stream may have on the way before its reader grants more. */
export const streamCreditBytes = 1024 * 1024;
export const streamCreditBytesMax = 8 * 1024 * 1024;
/** MessagePack of control messages, checked before it is decoded. */
export const messageDepthMax = 16;
export const messageElementsMax = 64 * 1024;

/** Sessions and channels. */
export const channelsPerSessionMax = 1024;
/** Requests of one session accepted but not yet answered; past it the socket is not read. */
export const requestsPerSessionMax = 4096;
export const locksPerChannelMax = 10_000;
/** Bytes queued towards one client before its requests are not read any more. */
export const outputQueueBytesMax = 1024 * 1024;
export const fileNameBytesMax = 512;
export const userNameBytesMax = 128;
