// One accepted connection from its first byte until it is served, refused or gone. The first byte decides:
// 0x16 is a TLS ClientHello, anything else is a client without encryption.
//
//              ┌─ not 0x16, plain server ─────────────────────────────▶ admitted
//     silent ──┼─ 0x16, encrypted server ─▶ ClientHello whole ─▶ shaking ─▶ admitted
//              └─ wrong kind of client, deadline, eviction, error ────▶ refused
//
// It owns the socket, its deadline and its listeners until then, and afterwards nothing: whoever is
// admitted must not drag a handshake behind it. Node's own handshakeTimeout is not used, because it
// reports and leaves the socket open.

import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { ClientHelloReader, HANDSHAKE_RECORD, type OfferedTls } from './client-hello.js';
import type { Pending } from './pending-table.js';
import {
  handshakeFailureAlert,
  libraryReason,
  ownReason,
  type Peer,
  type Refusal,
  type RefusalCode,
} from './refusal.js';

/** A connection ready to be served. Bytes wait in `socket` until somebody listens for 'data'. */
export interface NetConnection {
  readonly socket: Socket;
  readonly peer: Peer;
  readonly encrypted: boolean;
  /** Negotiated protocol, `TLSv1.3`; only with TLS. */
  readonly protocol?: string;
  /** OpenSSL's name of the negotiated cipher; only with TLS. */
  readonly cipher?: string;
}

/** What an arrival asks of its listener. */
export interface ArrivalHost {
  readonly handshakeTimeoutMs: number;
  readonly clientHelloBytesMax: number;
  /** The context of new handshakes; undefined on a server without encryption. */
  secureContext(): SecureContext | undefined;
  refusePlain(): Buffer;
  /** The ClientHello is whole. */
  promote(arrival: Arrival): void;
  /** No longer pending, however it ended. */
  settle(arrival: Arrival): void;
  admit(connection: NetConnection): void;
  /** Says last words and closes. */
  bidFarewell(socket: Socket, lastWords: Buffer): void;
  report(refusal: Refusal): void;
}

/** Errors are followed by 'close', which is what everybody waits for; unheard they end the process. */
export const ignoreError = (): void => undefined;

export class Arrival implements Pending {
  readonly peer: Peer;
  readonly #socket: Socket;
  readonly #host: ArrivalHost;
  readonly #hello: ClientHelloReader;
  readonly #deadline: NodeJS.Timeout;
  #offered: OfferedTls | undefined;
  #isSettled = false;

  /**
   * The peer must be known already (a socket that was reset has no address any more), and the socket
   * have its 'error' listener.
   */
  constructor(socket: Socket, peer: Peer, host: ArrivalHost) {
    this.peer = peer;
    this.#socket = socket;
    this.#host = host;
    this.#hello = new ClientHelloReader(host.clientHelloBytesMax);
    this.#deadline = setTimeout(() => this.#drop('HANDSHAKE_TIMEOUT'), host.handshakeTimeoutMs);
    socket.on('close', this.#onClose);
    socket.on('data', this.#onData);
  }

  evict(): void {
    this.#drop('PENDING_LIMIT');
  }

  abandon(): void {
    this.#settle();
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    const isFirst = this.#hello.bytes.length === 0;
    if (isFirst && chunk[0] !== HANDSHAKE_RECORD) {
      this.#meetPlainClient(chunk);
      return;
    }
    const progress = this.#hello.push(chunk);
    if (progress === 'whole') this.#offered = this.#hello.offered();
    const secureContext = this.#host.secureContext();
    if (secureContext === undefined) this.#refuse('TLS_ON_PLAIN', handshakeFailureAlert());
    else if (progress === 'too large') this.#refuse('HELLO_TOO_LARGE', handshakeFailureAlert());
    else if (progress !== 'more') this.#shakeHands(secureContext);
  };

  // A client that connects and leaves without a byte is a port check, not a refusal.
  readonly #onClose = (): void => {
    if (this.#isSettled) return;
    const hasSpoken = this.#hello.bytes.length > 0;
    this.#settle();
    if (hasSpoken) this.#report(ownReason('HANDSHAKE_ABANDONED'));
  };

  #meetPlainClient(chunk: Buffer): void {
    if (this.#host.secureContext() !== undefined) {
      this.#refuse('PLAIN_ON_ENCRYPTED', this.#host.refusePlain());
      return;
    }
    this.#settle();
    this.#socket.pause();
    this.#socket.unshift(chunk);
    this.#host.admit({ socket: this.#socket, peer: this.peer, encrypted: false });
    // The pause above would outlast a listener attached in `admit`; without one the bytes must wait.
    process.nextTick(() => {
      if (this.#socket.listenerCount('data') > 0) this.#socket.resume();
    });
  }

  #shakeHands(secureContext: SecureContext): void {
    this.#host.promote(this);
    this.#socket.off('data', this.#onData);
    this.#socket.pause();
    // The library starts with what the socket has in its buffer.
    this.#socket.unshift(this.#hello.bytes);
    const secured = new TLSSocket(this.#socket, { isServer: true, secureContext });
    const onError = (error: Error): void => {
      this.#settle();
      secured.destroy();
      this.#report(libraryReason(error));
    };
    secured.once('error', onError).on('error', ignoreError);
    secured.once('secure', () => {
      secured.off('error', onError);
      if (!this.#isSettled) this.#admitSecured(secured);
    });
  }

  #admitSecured(secured: TLSSocket): void {
    this.#settle();
    this.#host.admit({
      socket: secured,
      peer: this.peer,
      encrypted: true,
      protocol: secured.getProtocol() ?? '',
      cipher: secured.getCipher().name,
    });
  }

  #refuse(code: RefusalCode, lastWords: Buffer): void {
    this.#settle();
    this.#host.bidFarewell(this.#socket, lastWords);
    this.#report(ownReason(code));
  }

  #drop(code: RefusalCode): void {
    this.abandon();
    this.#report(ownReason(code));
  }

  #report(why: Pick<Refusal, 'code' | 'reason' | 'advice'>): void {
    const offered = this.#offered;
    this.#host.report({ peer: this.peer, ...why, ...(offered !== undefined && { offered }) });
  }

  #settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    clearTimeout(this.#deadline);
    this.#socket.off('data', this.#onData);
    this.#socket.off('close', this.#onClose);
    this.#host.settle(this);
  }
}
