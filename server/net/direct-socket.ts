// A TLS socket that hands on what comes at once. As a 'data' event each piece goes through the queue of the stream
// and makes work for the next tick, which costs a server of small requests a twentieth of its CPU.
//
//   node:tls ──push──▶ flowing, nothing queued ─────────────────▶ take
//                └───▶ paused, or something queued ──▶ queue ──▶ 'data' ──▶ take
//
// Where node lets us, it decrypts into one buffer that all sockets share; what is pushed is a copy, so nothing of one
// connection is ever seen through another. Should node deliver in another way than by push(), all goes the second way.

import { TLSSocket } from 'node:tls';
import { readInto } from './read-into.js';

/** Takes bytes, and owns them from then on. */
export type Take = (chunk: Buffer) => void;

/** A whole TLS record. Filled and copied from in one go. */
const recordBuffer = Buffer.allocUnsafeSlow(16 * 1024);

export class DirectSocket extends TLSSocket {
  #take: Take | undefined;

  /** In place of a listener for 'data'. pause() and resume() hold for it too. */
  readDirectly(take: Take): void {
    this.#take = take;
    readInto(this, recordBuffer, (bytes) => this.#pushCopy(bytes));
    this.on('data', take);
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const take = this.#take;
    const isDirect = this.readableFlowing === true && this.readableLength === 0;
    if (take === undefined || !isDirect || !Buffer.isBuffer(chunk)) {
      return super.push(chunk, encoding);
    }
    take(chunk);
    return true;
  }

  /** Small copies are cut from a larger piece by node. */
  #pushCopy(bytes: number): boolean {
    const chunk = Buffer.allocUnsafe(bytes);
    recordBuffer.copy(chunk, 0, 0, bytes);
    return this.push(chunk);
  }
}
