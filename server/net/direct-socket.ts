// A TLS socket that hands on what comes at once. As a 'data' event each piece goes through the queue of the stream
// and makes work for the next tick, which costs a server of small requests a twentieth of its CPU.
//
//   node:tls ──push──▶ flowing, nothing queued ─────────────────▶ take
//                └───▶ paused, or something queued ──▶ queue ──▶ 'data' ──▶ take
//
// Where node lets us, it decrypts into one buffer that all sockets share. The taker borrows that for the time of
// a call; what goes the second way is a copy. So nothing of one connection is ever seen through another.

import { TLSSocket } from 'node:tls';
import { readInto } from './read-into.js';

/** Whom the bytes are for. */
export interface Taker {
  /** Takes bytes, and owns them from then on. */
  take(chunk: Buffer): void;
  /** Takes the first bytes of a buffer, which are there until it returns. */
  borrow(buffer: Buffer, bytes: number): void;
}

/** A whole TLS record. Filled and handed on in one go: nothing else is read meanwhile. */
const recordBuffer = Buffer.allocUnsafeSlow(16 * 1024);

export class DirectSocket extends TLSSocket {
  #taker: Taker | undefined;

  /** In place of a listener for 'data'. pause() and resume() hold for it too. */
  readDirectly(taker: Taker): void {
    this.#taker = taker;
    readInto(this, recordBuffer, (bytes) => this.#handOn(taker, bytes));
    this.on('data', (chunk: Buffer) => taker.take(chunk));
  }

  /** Should node deliver in another way than by push(), or into our buffer, all goes the second way. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const taker = this.#taker;
    if (taker === undefined || !this.#isDirect || !Buffer.isBuffer(chunk)) {
      return super.push(chunk, encoding);
    }
    taker.take(chunk);
    return true;
  }

  get #isDirect(): boolean {
    return this.readableFlowing === true && this.readableLength === 0;
  }

  #handOn(taker: Taker, bytes: number): boolean {
    if (!this.#isDirect) return super.push(Buffer.from(recordBuffer.subarray(0, bytes)));
    taker.borrow(recordBuffer, bytes);
    return true;
  }
}
