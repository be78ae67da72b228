// What one TLS connection leaves for the next, so that it need not prove everything anew.

import type { TLSSocket } from 'node:tls';

export class Ticket {
  #session: Buffer | undefined;
  #wasOffered = false;

  /** For tls.connect(): the session of before; nothing at first. */
  offer(): { session?: Buffer } {
    this.#wasOffered = this.#session !== undefined;
    return this.#session === undefined ? {} : { session: this.#session };
  }

  /** Call when the handshake is done. Throws when the server did not take what was offered. */
  keep(socket: TLSSocket): void {
    if (this.#wasOffered && !socket.isSessionReused()) {
      throw new Error('the session was not resumed');
    }
    socket.on('session', (session: Buffer) => {
      this.#session = session;
    });
  }

  /** Call when the server has answered something: its tickets come before. */
  require(): void {
    if (this.#session === undefined) throw new Error('the server gave no session to resume');
  }
}
