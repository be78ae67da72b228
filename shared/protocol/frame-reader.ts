// Cuts the bytes of one connection into frames. Both sides use it: give it what the socket gave,
// pull frames until there are none. It knows lengths and verbs; what a body means is for the
// codecs.
//
//   preamble ──▶ length ──▶ header ──▶ body ──▶ (a frame) ──▶ length …      any bad byte ──▶ failed
//   (server only)
//
// A length is judged as soon as its four bytes are there. A body inside one chunk stays there;
// one that spans chunks gets a buffer that grows with the bytes that came, so that a
// stranger who only claims two megabytes makes us hold a few kilobytes.

import type { RsyndError } from '../base/error.js';
import {
  FRAME_HEADER_BYTES,
  FRAME_LENGTH_BYTES,
  FRAME_LENGTH_MIN,
  type Frame,
  type FrameDirection,
  verbHex,
  verbNames,
} from './frame.js';
import { PREAMBLE } from './version.js';
import { violation } from './violation.js';

/** Where the reader stands: what it waits for next. */
export type FrameReaderState = 'preamble' | 'length' | 'header' | 'body' | 'failed';

export interface FrameReaderOptions {
  /** `request` on a server, which then wants the preamble first; `reply` on a client. */
  readonly direction: FrameDirection;
  /** Longest `length` taken, so everything of a frame but its first four bytes. */
  readonly frameBytesMax: number;
}

const NOTHING = Buffer.alloc(0);
/** The first buffer of a body that spans chunks, and by how much it may run ahead of what came. */
const BODY_BUFFER_BYTES_MIN = 4 * 1024;
const BODY_BUFFER_GROWTH = 8;

/** One per connection. Single-threaded, no events: `push`, then `next` until undefined. */
export class FrameReader {
  /** May be raised at any frame boundary, as a login does. */
  frameBytesMax: number;
  readonly #direction: FrameDirection;
  readonly #verbNames: readonly (string | undefined)[];
  #state: FrameReaderState;
  #failure: RsyndError | undefined;
  #chunk: Buffer = NOTHING;
  #position = 0;
  /** Where the bytes of the chunk end. */
  #end = 0;
  #isLent = false;
  /** The header, or the preamble, as far as it came. */
  readonly #head = new Uint8Array(FRAME_HEADER_BYTES);
  #headBytes = 0;
  #bodyLength = 0;
  /** Only while a body spans chunks. */
  #body: Buffer = NOTHING;
  #bodyBytes = 0;

  constructor(options: FrameReaderOptions) {
    this.#direction = options.direction;
    this.#verbNames = verbNames(options.direction);
    this.frameBytesMax = options.frameBytesMax;
    this.#state = options.direction === 'request' ? 'preamble' : 'length';
  }

  get state(): FrameReaderState {
    return this.#state;
  }

  /** True in the middle of a frame (or of the preamble): a connection that ends here was cut. */
  get isMidFrame(): boolean {
    return this.#headBytes > 0 || this.#position < this.#end;
  }

  /** Bytes held for a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#body.length;
  }

  /**
   * Takes the next bytes of the connection. The chunk belongs to the reader and to the frames cut
   * from it: do not write into it again. Throws a TypeError when frames of the last chunk are still
   * unread, because the reader keeps no queue: who stops pulling must stop reading the socket too.
   */
  push(chunk: Buffer): void {
    this.#begin(chunk, chunk.length, false);
  }

  /**
   * As `push`, for the first bytes of a buffer that will be written into again: after the frames in it were
   * decoded, or `keep` was called.
   */
  lend(buffer: Buffer, bytes: number): void {
    this.#begin(buffer, bytes, true);
  }

  /** Copies what is unread of bytes that were lent. */
  keep(): void {
    if (!this.#isLent || this.#position === this.#end) return;
    this.#chunk = Buffer.from(this.#chunk.subarray(this.#position, this.#end));
    this.#position = 0;
    this.#end = this.#chunk.length;
    this.#isLent = false;
  }

  #begin(chunk: Buffer, bytes: number, isLent: boolean): void {
    if (this.#position < this.#end) {
      throw new TypeError('push() before next() has said that the last chunk is used up');
    }
    this.#chunk = chunk;
    this.#position = 0;
    this.#end = bytes;
    this.#isLent = isLent;
  }

  /**
   * The next whole frame, or undefined when more bytes are needed. Throws ERR_PROTOCOL for bytes
   * that are no frame, and again on every later call: the connection is of no use any more.
   */
  next(): Frame | undefined {
    if (this.#state === 'length' && this.#headBytes === 0) {
      if (this.#position === this.#end) return this.#starve();
      const frame = this.#takeWhole();
      if (frame !== undefined) return frame;
    }
    for (;;) {
      switch (this.#state) {
        case 'preamble':
          if (!this.#readPreamble()) return this.#starve();
          break;
        case 'length':
          if (!this.#readLength()) return this.#starve();
          break;
        case 'header':
          if (!this.#readHeader()) return this.#starve();
          break;
        case 'body':
          return this.#readBody() ? this.#makeFrame() : this.#starve();
        case 'failed':
          throw this.#failure;
      }
    }
  }

  /**
   * The usual case at once: a frame that lies whole in the chunk and has nothing wrong. Anything else
   * is undefined, with nothing taken, and left to the states.
   */
  #takeWhole(): Frame | undefined {
    const chunk = this.#chunk;
    const start = this.#position;
    if (this.#end - start < FRAME_HEADER_BYTES) return undefined;
    const length = chunk.readUInt32BE(start);
    const end = start + FRAME_LENGTH_BYTES + length;
    if (length < FRAME_LENGTH_MIN || length > this.frameBytesMax || end > this.#end) {
      return undefined;
    }
    const verb = chunk[start + 4] ?? 0;
    if (this.#verbNames[verb] === undefined || chunk[start + 5] !== 0) return undefined;
    this.#position = end;
    return {
      verb,
      channel: chunk.readUInt16BE(start + 6),
      request: chunk.readUInt32BE(start + 8),
      bytes: chunk,
      start: start + FRAME_HEADER_BYTES,
      end,
      isLent: this.#isLent,
    };
  }

  #readPreamble(): boolean {
    const isWhole = this.#gather(PREAMBLE.length);
    for (let index = 0; index < this.#headBytes; index++) {
      if (this.#head[index] !== PREAMBLE[index]) {
        this.#fail('preamble', 'the first bytes are not those of this protocol');
      }
    }
    if (!isWhole) return false;
    this.#headBytes = 0;
    this.#state = 'length';
    return true;
  }

  #readLength(): boolean {
    if (!this.#gather(FRAME_LENGTH_BYTES)) return false;
    const length = this.#headUint32(0);
    if (length < FRAME_LENGTH_MIN) {
      this.#fail('frame', `length ${length} is below the least, ${FRAME_LENGTH_MIN}`);
    }
    if (length > this.frameBytesMax) {
      this.#fail('frame', `length ${length} is above the ${this.frameBytesMax} allowed now`);
    }
    this.#bodyLength = length - FRAME_LENGTH_MIN;
    this.#state = 'header';
    return true;
  }

  #readHeader(): boolean {
    if (!this.#gather(FRAME_HEADER_BYTES)) return false;
    const verb = this.#head[4] ?? 0;
    const flags = this.#head[5] ?? 0;
    if (this.#verbNames[verb] === undefined) {
      this.#fail('frame', `verb ${verbHex(verb)} is no ${this.#direction}`);
    }
    if (flags !== 0) this.#fail('frame', `flags are ${flags}, they must be 0`);
    this.#state = 'body';
    return true;
  }

  /** Moves what is there of a body into a buffer of its own. */
  #readBody(): boolean {
    const available = this.#end - this.#position;
    const taken = Math.min(available, this.#bodyLength - this.#bodyBytes);
    this.#growBody(this.#bodyBytes + taken);
    this.#chunk.copy(this.#body, this.#bodyBytes, this.#position, this.#position + taken);
    this.#position += taken;
    this.#bodyBytes += taken;
    return this.#bodyBytes === this.#bodyLength;
  }

  #growBody(bytes: number): void {
    if (this.#body.length >= bytes) return;
    const wanted = Math.max(BODY_BUFFER_BYTES_MIN, bytes * BODY_BUFFER_GROWTH);
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#bodyLength, wanted));
    this.#body.copy(grown, 0, 0, this.#bodyBytes);
    this.#body = grown;
  }

  #makeFrame(): Frame {
    const frame = {
      verb: this.#head[4] ?? 0,
      channel: ((this.#head[6] ?? 0) << 8) | (this.#head[7] ?? 0),
      request: this.#headUint32(8),
      bytes: this.#body,
      start: 0,
      end: this.#bodyLength,
      isLent: false,
    };
    this.#body = NOTHING;
    this.#bodyBytes = 0;
    this.#headBytes = 0;
    this.#state = 'length';
    return frame;
  }

  /**
   * Moves bytes of the chunk into the head until it holds `count`. A loop: twelve bytes at most.
   */
  #gather(count: number): boolean {
    const chunk = this.#chunk;
    while (this.#headBytes < count && this.#position < this.#end) {
      this.#head[this.#headBytes++] = chunk[this.#position++] ?? 0;
    }
    return this.#headBytes === count;
  }

  #headUint32(offset: number): number {
    const head = this.#head;
    const high = ((head[offset] ?? 0) << 8) | (head[offset + 1] ?? 0);
    const low = ((head[offset + 2] ?? 0) << 8) | (head[offset + 3] ?? 0);
    return high * 0x1_0000 + low;
  }

  /** Lets go of a chunk that is used up, so that a quiet connection does not pin it. */
  #starve(): undefined {
    this.#chunk = NOTHING;
    this.#position = 0;
    this.#end = 0;
    return undefined;
  }

  #fail(message: string, what: string): never {
    this.#state = 'failed';
    this.#failure = violation(message, what);
    this.#body = NOTHING;
    this.#starve();
    throw this.#failure;
  }
}
