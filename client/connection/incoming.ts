// What comes over a TLS connection, on its shortest way: node:tls writes it into one buffer and calls back. As a
// 'data' event each piece is memory of its own, goes through the queue of a stream and makes work for the
// next tick; where one small reply comes at a time that is a tenth of the client's CPU.

import type { OnReadOpts, Socket } from 'node:net';

/** Takes bytes, and owns them from then on. */
export type Take = (chunk: Buffer) => void;

/** A whole TLS record. Filled and called back for in one go, so that all connections share it. */
const recordBuffer = Buffer.allocUnsafeSlow(16 * 1024);

export class Incoming {
  /** For tls.connect(). */
  readonly onread: OnReadOpts;
  #take: Take | undefined;
  /** What came before anybody listened, a refusal at most: reading stops with the first of it. */
  readonly #early: Buffer[] = [];

  constructor() {
    this.onread = {
      buffer: recordBuffer,
      callback: (bytes) => this.#keep(bytes),
    };
  }

  /** Gives `take` all that came and will come over `socket`, which was made with our `onread`. */
  listen(socket: Socket, take: Take): void {
    this.#take = take;
    for (const chunk of this.#early.splice(0)) take(chunk);
    socket.resume();
  }

  #keep(bytes: number): boolean {
    // Small ones are cut from a larger piece by node.
    const chunk = Buffer.allocUnsafe(bytes);
    recordBuffer.copy(chunk, 0, 0, bytes);
    if (this.#take === undefined) return this.#early.push(chunk) === 0;
    this.#take(chunk);
    return true;
  }
}
