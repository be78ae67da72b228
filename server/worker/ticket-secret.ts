// Keys of TLS session tickets that several processes share, so that a client may resume at any of them. The
// supervisor has a secret and makes a new one now and then; each worker derives its keys from it and from the
// options of its context, so that a ticket never counts under another certificate or level than its own.

import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { ticketKeysMs, ticketKeysPauseMs } from '../../shared/base/limits.js';

/** What OpenSSL takes: a name, a key of the cipher and one of the code, 16 bytes each. */
const TICKET_KEYS_BYTES = 48;

/** Keys for a context of these options. */
export function ticketKeysFor(secret: Buffer, options: SecureContextOptions): Buffer {
  const context = createHash('sha512').update(JSON.stringify(options)).digest();
  return Buffer.from(hkdfSync('sha512', secret, '', context, TICKET_KEYS_BYTES));
}

/** The secret of one server, as its supervisor keeps it. */
export class TicketSecret {
  readonly #onNew: () => void;
  readonly #pauseMs: number;
  readonly #rotation: NodeJS.Timeout;
  #pause: NodeJS.Timeout | undefined;
  #isDue = false;
  #secret = newSecret();

  /** `onNew` passes it on; `pauseMs` lies between one made because it was asked for and the next. */
  constructor(onNew: () => void, pauseMs: number = ticketKeysPauseMs) {
    this.#onNew = onNew;
    this.#pauseMs = pauseMs;
    this.#rotation = setInterval(() => this.#renew(), ticketKeysMs).unref();
  }

  /** Base64. Never log it. */
  get value(): string {
    return this.#secret.toString('base64');
  }

  /** Makes a new one: now, and once more for all who ask within the pause, as workers do one after the other. */
  renew(): void {
    this.#isDue = this.#pause !== undefined;
    if (this.#isDue) return;
    this.#renew();
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (this.#isDue) this.renew();
    }, this.#pauseMs);
  }

  close(): void {
    clearInterval(this.#rotation);
    clearTimeout(this.#pause);
  }

  #renew(): void {
    this.#secret = newSecret();
    this.#onNew();
  }
}

const newSecret = (): Buffer => randomBytes(32);
