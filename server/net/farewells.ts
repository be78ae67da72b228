// Says last words to refused peers so that they arrive. Closing a socket with unread input makes the
// kernel send RST, and the peer may never see the error frame or alert before it. So: write, end, go on
// reading for a bounded time and amount, then destroy.

import type { Socket } from 'node:net';

export interface FarewellLimits {
  readonly lingerMs: number;
  readonly lingerBytesMax: number;
  /** More sockets than this are destroyed without last words. */
  readonly lingeringMax: number;
}

export class Farewells {
  readonly #limits: FarewellLimits;
  readonly #sockets = new Set<Socket>();

  constructor(limits: FarewellLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Takes the socket over: the caller has removed its own listeners, 'error' excepted. */
  say(socket: Socket, lastWords: Buffer): void {
    if (socket.destroyed) return;
    if (this.#sockets.size >= this.#limits.lingeringMax) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), this.#limits.lingerMs);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    this.#drain(socket);
    socket.end(lastWords);
  }

  /** Its place is wanted. */
  endOldest(): void {
    const [oldest] = this.#sockets;
    if (oldest === undefined) return;
    this.#sockets.delete(oldest);
    oldest.destroy();
  }

  closeAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #drain(socket: Socket): void {
    let left = this.#limits.lingerBytesMax;
    socket.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) socket.destroy();
    });
    socket.resume();
  }
}
