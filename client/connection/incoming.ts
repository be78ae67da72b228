// What comes over a TLS connection, on its shortest way: node:tls writes it into one buffer and calls back. As a
// 'data' event each piece is memory of its own, goes through the queue of a stream and makes work for the
// next tick; where one small reply comes at a time that is a tenth of the client's CPU.

import type { OnReadOpts, Socket } from 'node:net';

/** Whom the bytes are for. */
export interface Receiver {
  /** Takes bytes, and owns them from then on. */
  take(chunk: Buffer): void;
  /** Takes the first bytes of a buffer, which are there until it returns. */
  borrow(buffer: Buffer, bytes: number): void;
}

/** A whole TLS record. Filled and called back for in one go, so that all connections share it. */
const recordBuffer = Buffer.allocUnsafeSlow(16 * 1024);

export class Incoming {
  /** For tls.connect(). */
  readonly onread: OnReadOpts;
  #receiver: Receiver | undefined;
  /** What came before anybody listened, a refusal at most: reading stops with the first of it. */
  readonly #early: Buffer[] = [];

  constructor() {
    this.onread = {
      buffer: recordBuffer,
      callback: (bytes) => this.#keep(bytes),
    };
  }

  /** Gives `receiver` all that came and will come over `socket`, which was made with our `onread`. */
  listen(socket: Socket, receiver: Receiver): void {
    this.#receiver = receiver;
    for (const chunk of this.#early.splice(0)) receiver.take(chunk);
    socket.resume();
  }

  #keep(bytes: number): boolean {
    const receiver = this.#receiver;
    if (receiver === undefined) {
      return this.#early.push(Buffer.from(recordBuffer.subarray(0, bytes))) === 0;
    }
    receiver.borrow(recordBuffer, bytes);
    return true;
  }
}
