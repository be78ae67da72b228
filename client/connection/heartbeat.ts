// Notices a server that fell silent without a goodbye: its machine is off, or the network between. After one
// beat of silence it pings, after two it gives up. Its timer never keeps the process alive.

/** What the heartbeat does to its link. */
export interface HeartbeatActions {
  ping(): void;
  giveUp(silentMs: number): void;
}

export class Heartbeat {
  readonly #beatMs: number;
  readonly #actions: HeartbeatActions;
  readonly #timer: NodeJS.Timeout | undefined;
  #heardAt = performance.now();
  #isPinged = false;

  /** `beatMs` is the server's; 0 means it has none, and then nothing is watched. */
  constructor(beatMs: number, actions: HeartbeatActions) {
    this.#beatMs = beatMs;
    this.#actions = actions;
    if (beatMs > 0) this.#timer = setInterval(() => this.#look(), beatMs / 4).unref();
  }

  /** Something came from the server. */
  heard(): void {
    this.#heardAt = performance.now();
    this.#isPinged = false;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const silentMs = performance.now() - this.#heardAt;
    if (silentMs > 2 * this.#beatMs) this.#lookAgain();
    if (silentMs < this.#beatMs || this.#isPinged) return;
    this.#isPinged = true;
    this.#actions.ping();
  }

  /**
   * After a long stretch of busy work in this process the timer fires before the socket is read: what
   * came meanwhile must be heard first. Two turns of the loop read it.
   */
  #lookAgain(): void {
    setImmediate(() =>
      setImmediate(() => {
        const silentMs = performance.now() - this.#heardAt;
        if (silentMs > 2 * this.#beatMs) this.#actions.giveUp(Math.round(silentMs));
      }),
    );
  }
}
