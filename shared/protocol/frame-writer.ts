// Collects the frames of one turn so that they leave in one write. Both sides use it, one per
// connection. The codecs append; the connection takes what is there and writes it.
//
//   slab   | taken by earlier turns | this turn's bytes …▒▒▒ free ▒▒▒ |
//                                   ^start              ^used
//
// A slab is never written again where it was taken, so the pieces stay valid until the socket is
// done with them and nothing is copied twice. A slab that is full becomes a piece and a new one
// begins, sized by what the last turn needed, so that an idle connection holds little. Large bodies
// are not copied at all: they become a piece of their own.

import { RsyndError } from '../base/error.js';
import { frameBytesMax } from '../base/limits.js';
import {
  CHANNEL_NUMBER_MAX,
  FRAME_HEADER_BYTES,
  FRAME_LENGTH_BYTES,
  FRAME_LENGTH_MIN,
  REQUEST_ID_MAX,
} from './frame.js';

const SLAB_BYTES_MIN = 4 * 1024;
const SLAB_BYTES_MAX = 64 * 1024;
/** From here on a body is attached rather than copied: below it one more piece costs more. */
const ATTACH_BYTES_MIN = 16 * 1024;
const NOTHING = Buffer.alloc(0);

/** A frame is `to(channel, request)`, `begin(verb, bodyBytes)`, then exactly that many bytes. */
export class FrameWriter {
  #slab: Buffer = NOTHING;
  #start = 0;
  #used = 0;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Bytes of the turn before this one. */
  #turnBytes = 0;
  /** Where, counted over the turn, the frame begun last must end. */
  #frameEnd = 0;
  #channel = 0;
  #request = 0;

  /** Bytes that wait for `take`. */
  get pendingBytes(): number {
    return this.#pieceBytes + this.#used - this.#start;
  }

  /** Addresses the next frame. TypeError for numbers that do not fit their fields. */
  to(channel: number, request: number): void {
    if (!isUnsigned(channel, CHANNEL_NUMBER_MAX) || !isUnsigned(request, REQUEST_ID_MAX)) {
      throw new TypeError(`channel ${channel} or request id ${request} does not fit a frame`);
    }
    this.#channel = channel;
    this.#request = request;
  }

  /**
   * Begins a frame whose body has exactly `bodyBytes`. Throws ERR_INVARG, with nothing written,
   * when no peer would take a frame so long.
   */
  begin(verb: number, bodyBytes: number): void {
    this.#assertWhole();
    const length = FRAME_LENGTH_MIN + bodyBytes;
    assertFits(length);
    const needed = FRAME_HEADER_BYTES + (bodyBytes < ATTACH_BYTES_MIN ? bodyBytes : 0);
    this.#room(this.pendingBytes > 0 ? needed : Math.max(needed, this.#expectedBytes));
    this.u32(length);
    this.u16(verb << 8);
    this.u16(this.#channel);
    this.u32(this.#request);
    this.#frameEnd = this.pendingBytes + bodyBytes;
  }

  /**
   * A whole frame: `frame` has its body behind room for the header, which is written there. Throws as `begin`
   * does. Kept as it is: the caller must not change it any more.
   */
  enclose(verb: number, frame: Buffer): void {
    this.#assertWhole();
    const length = frame.length - FRAME_LENGTH_BYTES;
    assertFits(length);
    frame.writeUInt32BE(length, 0);
    frame.writeUInt16BE(verb << 8, 4);
    frame.writeUInt16BE(this.#channel, 6);
    frame.writeUInt32BE(this.#request, 8);
    this.#seal();
    this.#pieces.push(frame);
    this.#pieceBytes += frame.length;
    this.#frameEnd = this.pendingBytes;
  }

  u8(value: number): void {
    this.#room(1);
    this.#slab[this.#used++] = value;
  }

  u16(value: number): void {
    this.#room(2);
    const slab = this.#slab;
    slab[this.#used++] = value >>> 8;
    slab[this.#used++] = value;
  }

  u32(value: number): void {
    this.#room(4);
    const slab = this.#slab;
    slab[this.#used++] = value >>> 24;
    slab[this.#used++] = value >>> 16;
    slab[this.#used++] = value >>> 8;
    slab[this.#used++] = value;
  }

  /** A whole number up to 2^53 - 1 in eight bytes. */
  u64(value: number): void {
    this.u32(Math.floor(value / 0x1_0000_0000));
    this.u32(value);
  }

  /** Copies. The caller keeps its bytes. */
  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#slab.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Copies small bytes, keeps large ones as they are: the caller must not change them any more. */
  attach(bytes: Uint8Array): void {
    if (bytes.length < ATTACH_BYTES_MIN) this.bytes(bytes);
    else {
      this.#seal();
      this.#pieces.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      this.#pieceBytes += bytes.length;
    }
  }

  /**
   * Everything appended since the last call, to be written in this order and at once (corked where
   * it is more than one piece); mostly it is one. The pieces belong to the caller.
   */
  take(): readonly Buffer[] {
    this.#assertWhole();
    this.#seal();
    const pieces = this.#pieces;
    this.#turnBytes = this.#pieceBytes;
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#frameEnd = 0;
    return pieces;
  }

  /** Lets go of the slab of earlier turns, so that a quiet connection holds none. */
  rest(): void {
    if (this.pendingBytes > 0) return;
    this.#slab = NOTHING;
    this.#start = 0;
    this.#used = 0;
    this.#turnBytes = 0;
  }

  /** As much as the turn before needed: a turn whose bytes lie in one slab leaves in one piece. */
  get #expectedBytes(): number {
    return Math.min(SLAB_BYTES_MAX, this.#turnBytes);
  }

  /** Makes what the slab holds of this turn a piece. */
  #seal(): void {
    if (this.#used === this.#start) return;
    this.#pieces.push(this.#slab.subarray(this.#start, this.#used));
    this.#pieceBytes += this.#used - this.#start;
    this.#start = this.#used;
  }

  #room(bytes: number): void {
    if (this.#used + bytes <= this.#slab.length) return;
    this.#seal();
    const wanted = 2 * Math.max(this.#turnBytes, this.#pieceBytes);
    const slabBytes = Math.min(SLAB_BYTES_MAX, Math.max(SLAB_BYTES_MIN, wanted));
    this.#slab = Buffer.allocUnsafeSlow(Math.max(bytes, slabBytes));
    this.#start = 0;
    this.#used = 0;
  }

  /** Invariant: a frame's body is as long as was said when it began. */
  #assertWhole(): void {
    if (this.pendingBytes !== this.#frameEnd) {
      throw new TypeError(
        `a frame ends at ${this.pendingBytes} that was to end at ${this.#frameEnd}`,
      );
    }
  }
}

function assertFits(length: number): void {
  if (length <= frameBytesMax) return;
  const why = `a message of ${length} bytes does not fit a frame of ${frameBytesMax}; send less at once`;
  throw new RsyndError('ERR_INVARG', why);
}

const isUnsigned = (value: number, max: number): boolean =>
  Number.isInteger(value) && value >= 0 && value <= max;
