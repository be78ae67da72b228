// Takes connections from the port, lets each arrive (arrival.ts) and hands over those that may be served.
// Made by the daemon; knows nothing of frames, sessions or where a certificate comes from. Everything
// it holds is bounded: pending ones by the pending table, refused ones by Farewells, served ones here.

import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import * as limits from '../../shared/base/limits.js';
import { newRefusalId } from '../observe/refusal-id.js';
import {
  Arrival,
  type ArrivalHost,
  type CertificateJudge,
  ignoreError,
  type NetConnection,
} from './arrival.js';
import { Farewells } from './farewells.js';
import { PendingTable } from './pending-table.js';
import { Port, type PortAddress } from './port.js';
import { ownReason, type Peer, type Refusal } from './refusal.js';

/** Bounds of one listener; each has its default in shared/base/limits.ts. */
export interface ListenerLimits {
  /** Connections being served at a time. */
  readonly connectionsMax: number;
  readonly pendingMax: number;
  readonly pendingPerAddressMax: number;
  /** From accept to the end of the handshake, or to the first byte without encryption. */
  readonly handshakeTimeoutMs: number;
  readonly clientHelloBytesMax: number;
  readonly lingerMs: number;
  readonly lingerBytesMax: number;
  readonly lingeringMax: number;
  /** Sockets of all these kinds together: more than `connectionsMax`, what the process has descriptors for. */
  readonly socketsMax: number;
}

export interface ReceptionOptions {
  /**
   * ALL options of the TLS context: policy of the level, key, chain. Present: every connection is TLS.
   * Absent: none is.
   */
  readonly contextOptions?: SecureContextOptions;
  readonly limits?: Partial<ListenerLimits>;
  /** Judges certificates of clients. @default none is asked for */
  readonly certificates?: CertificateJudge;
  /** The one frame for a client without encryption on an encrypted port. */
  refusePlain(refusalId: string): Buffer;
  /** The one frame for a client whose certificate is refused, sent through TLS. @default none */
  refuseCertificate?(refusal: Refusal): Buffer;
  /**
   * Asked at `connectionsMax`: ends a connection that has the least claim to its place; false when all have as
   * good a one. @default false
   */
  makeRoom?(): boolean;
  /** The one frame for a client past `connectionsMax`, sent through TLS where there is TLS. */
  refuseBusy(refusalId: string): Buffer;
  /** Attach 'data' in the same turn, or later and then call `socket.resume()`. */
  onConnection(connection: NetConnection): void;
  onRefused(refusal: Refusal): void;
  /** The system could not accept (no file descriptors, mostly); the port stays open. */
  onAcceptError?(error: Error): void;
}

export interface ListenerOptions extends ReceptionOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** What one server may have. */
export const LISTENER_LIMITS: ListenerLimits = {
  connectionsMax: limits.connectionsMax,
  pendingMax: limits.pendingHandshakesMax,
  pendingPerAddressMax: limits.pendingHandshakesPerAddressMax,
  handshakeTimeoutMs: limits.handshakeTimeoutMs,
  clientHelloBytesMax: limits.clientHelloBytesMax,
  lingerMs: limits.refusedLingerMs,
  lingerBytesMax: limits.refusedLingerBytesMax,
  lingeringMax: limits.refusedLingeringMax,
  socketsMax: limits.connectionsMax + limits.pendingHandshakesMax + limits.refusedLingeringMax,
};

export class Listener {
  readonly #options: ReceptionOptions;
  readonly #limits: ListenerLimits;
  readonly #pending: PendingTable;
  readonly #served = new Set<Socket>();
  readonly #farewells: Farewells;
  readonly #host: ArrivalHost;
  #secureContext: SecureContext | undefined;
  #port: Port | undefined;
  #address: PortAddress;
  #isClosed = false;

  private constructor(options: ReceptionOptions, address: PortAddress) {
    this.#options = options;
    this.#address = address;
    this.#limits = { ...LISTENER_LIMITS, ...options.limits };
    this.#pending = new PendingTable(this.#limits);
    this.#farewells = new Farewells(this.#limits);
    this.#host = this.#makeHost();
    if (options.contextOptions) this.#secureContext = createSecureContext(options.contextOptions);
  }

  /** Opens the port. Rejects with the system's own error (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  static async open(options: ListenerOptions): Promise<Listener> {
    const { host, port } = options;
    const listener = new Listener(options, { host, port });
    listener.#port = await Port.open({
      host,
      port,
      onSocket: (socket) => listener.accept(socket),
      onAcceptError: (error) => options.onAcceptError?.(error),
    });
    listener.#address = listener.#port.address;
    return listener;
  }

  /** For connections of a port that another process has open at `address`: each comes through `accept`. */
  static behind(address: PortAddress, options: ReceptionOptions): Listener {
    return new Listener(options, address);
  }

  /** The address in use; the port is the real one when 0 was asked for. */
  get address(): PortAddress {
    return this.#address;
  }

  /** How many connections are in which state, for metrics and tests. */
  get counts(): { served: number; pending: number; lingering: number } {
    return {
      served: this.#served.size,
      pending: this.#pending.size,
      lingering: this.#farewells.size,
    };
  }

  /**
   * Another certificate or level for connections from now on; those there are keep theirs. Takes ALL
   * options again, like the constructor. Ticket keys are always new with it: a session of before cannot
   * resume past a change of trust.
   * @throws TypeError on a listener without encryption; the TLS library's error when it cannot use them,
   *   and then the old ones stay.
   */
  setCertificate(contextOptions: SecureContextOptions): void {
    if (this.#secureContext === undefined) throw new TypeError('this listener has no encryption');
    this.#secureContext = createSecureContext(contextOptions);
  }

  /** Closes the port and whatever is not served yet; sessions go on. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#port?.close();
    this.#pending.abandonAll();
    this.#farewells.closeAll();
  }

  /** Closes and cuts every session too. */
  terminate(): void {
    this.close();
    for (const socket of this.#served) socket.destroy();
  }

  /** Lets a new connection arrive. */
  accept(socket: Socket): void {
    socket.on('error', ignoreError);
    const { remoteAddress, remotePort } = socket;
    if (this.#isClosed || remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    const peer: Peer = { address: remoteAddress.replace(/^::ffff:/, ''), port: remotePort };
    this.#leaveRoom();
    this.#pending.add(new Arrival(socket, peer, this.#host));
  }

  /** At `socketsMax` whoever waits longest goes: a stranger, else one who was refused already. */
  #leaveRoom(): void {
    const { served, pending, lingering } = this.counts;
    if (served + pending + lingering < this.#limits.socketsMax) return;
    if (!this.#pending.evictOldest()) this.#farewells.endOldest();
  }

  #makeHost(): ArrivalHost {
    return {
      handshakeTimeoutMs: this.#limits.handshakeTimeoutMs,
      clientHelloBytesMax: this.#limits.clientHelloBytesMax,
      secureContext: () => this.#secureContext,
      certificates: this.#options.certificates,
      refusePlain: (id) => this.#options.refusePlain(id),
      refuseCertificate: (refusal) => this.#options.refuseCertificate?.(refusal) ?? Buffer.alloc(0),
      promote: (arrival) => this.#pending.promote(arrival),
      settle: (arrival) => this.#pending.remove(arrival),
      admit: (connection) => this.#admit(connection),
      bidFarewell: (socket, lastWords) => this.#farewells.say(socket, lastWords),
      report: (refusal) => this.#options.onRefused(refusal),
    };
  }

  // Past the cap a client still gets its handshake, because only through it can it be told why.
  #admit(connection: NetConnection): void {
    const { socket, peer } = connection;
    const isFull = this.#served.size >= this.#limits.connectionsMax;
    if (isFull && !this.#options.makeRoom?.()) {
      const id = newRefusalId();
      this.#farewells.say(socket, this.#options.refuseBusy(id));
      this.#options.onRefused({ id, peer, ...ownReason('CONNECTION_LIMIT') });
      return;
    }
    this.#served.add(socket);
    socket.once('close', () => this.#served.delete(socket));
    this.#options.onConnection(connection);
  }
}
