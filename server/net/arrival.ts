// One accepted connection from its first byte until it is served, refused or gone. The first byte decides:
// 0x16 is a TLS ClientHello, anything else is a client without encryption.
//
//              ┌─ not 0x16, plain server ─────────────────────────────▶ admitted
//     silent ──┼─ 0x16, encrypted server ─▶ ClientHello whole ─▶ shaking ─▶ admitted
//              └─ wrong kind of client, deadline, eviction, error ────▶ refused
//
// Where clients are asked for a certificate it is judged between the handshake and the first byte read; the
// connection stays pending until then, and counts as such.
//
// It owns the socket, its deadline and its listeners until then, and afterwards nothing: whoever is
// admitted must not drag a handshake behind it. Node's own handshakeTimeout is not used, because it
// reports and leaves the socket open.

import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { PeerIdentity } from '../access/peer-identity.js';
import type { Verdict } from '../certificate/trust/trust-keeper.js';
import { newRefusalId } from '../observe/refusal-id.js';
import { ClientHelloReader, HANDSHAKE_RECORD, type OfferedTls } from './client-hello.js';
import { DirectSocket } from './direct-socket.js';
import type { Pending } from './pending-table.js';
import {
  handshakeFailureAlert,
  libraryReason,
  ownReason,
  type Peer,
  type Refusal,
  type RefusalCode,
  type RefusalReason,
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
  /** The name the client asked for; only with TLS. */
  readonly serverName?: string;
  /** Whom its certificate says it is; only when one was asked for, shown and found good. */
  readonly identity?: PeerIdentity;
  /** That certificate and those above it, to judge them again. */
  readonly chain?: readonly X509Certificate[];
}

/** Judges certificates of clients: the trust keeper. */
export interface CertificateJudge {
  /** Are clients asked for a certificate? */
  readonly asks: boolean;
  judge(socket: TLSSocket): Promise<Verdict>;
}

/** What an arrival asks of its listener. */
export interface ArrivalHost {
  readonly handshakeTimeoutMs: number;
  readonly clientHelloBytesMax: number;
  /** The context of new handshakes; undefined on a server without encryption. */
  secureContext(): SecureContext | undefined;
  readonly certificates: CertificateJudge | undefined;
  refusePlain(refusalId: string): Buffer;
  refuseCertificate(refusal: Refusal): Buffer;
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
    if (secureContext === undefined) this.#refuse('TLS_ON_PLAIN', handshakeFailureAlert);
    else if (progress === 'too large') this.#refuse('HELLO_TOO_LARGE', handshakeFailureAlert);
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
      this.#refuse('PLAIN_ON_ENCRYPTED', (id) => this.#host.refusePlain(id));
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
    const asks = this.#host.certificates?.asks ?? false;
    // Never refused by the library itself: it would only cut the connection, without a reason on either end.
    const asked = asks ? { requestCert: true, rejectUnauthorized: false } : {};
    const secured = new DirectSocket(this.#socket, { isServer: true, secureContext, ...asked });
    const onError = (error: Error): void => {
      this.#settle();
      secured.destroy();
      this.#report(libraryReason(error));
    };
    secured.once('error', onError).on('error', ignoreError);
    secured.once('secure', () => {
      secured.off('error', onError);
      if (this.#isSettled) return;
      // Asked now, because the answer may have changed during the handshake.
      if (this.#host.certificates?.asks) void this.#judge(secured);
      else this.#admitSecured(secured);
    });
  }

  /** Nothing is read meanwhile; who leaves, or waits past the deadline, is settled by the time this ends. */
  async #judge(secured: TLSSocket): Promise<void> {
    const verdict = await this.#host.certificates?.judge(secured);
    if (this.#isSettled || verdict === undefined) return;
    if (verdict.isGood) {
      const { identity, chain } = verdict;
      this.#admitSecured(secured, { chain, ...(identity !== undefined && { identity }) });
      return;
    }
    this.#settle();
    const refusal = this.#makeRefusal(verdict.finding);
    this.#host.bidFarewell(secured, this.#host.refuseCertificate(refusal));
    this.#host.report(refusal);
  }

  #admitSecured(secured: TLSSocket, proved: Pick<NetConnection, 'identity' | 'chain'> = {}): void {
    this.#settle();
    const serverName = this.#offered?.serverName;
    this.#host.admit({
      socket: secured,
      peer: this.peer,
      encrypted: true,
      protocol: secured.getProtocol() ?? '',
      cipher: secured.getCipher().name,
      ...(serverName !== undefined && { serverName }),
      ...proved,
    });
  }

  #refuse(code: RefusalCode, lastWords: (refusalId: string) => Buffer): void {
    this.#settle();
    const refusal = this.#makeRefusal(ownReason(code));
    this.#host.bidFarewell(this.#socket, lastWords(refusal.id));
    this.#host.report(refusal);
  }

  #drop(code: RefusalCode): void {
    this.abandon();
    this.#report(ownReason(code));
  }

  #report(why: RefusalReason): void {
    this.#host.report(this.#makeRefusal(why));
  }

  #makeRefusal(why: RefusalReason): Refusal {
    const offered = this.#offered;
    const id = newRefusalId();
    return { id, peer: this.peer, ...why, ...(offered !== undefined && { offered }) };
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
