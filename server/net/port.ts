// A TCP port and who comes through it, each as a bare socket. Opened by the listener of a server of one process,
// and by the supervisor of several, which hands the sockets on. It reads nothing and holds nobody.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { listenBacklog, tcpKeepAliveMs } from '../../shared/base/limits.js';

/** Where a port really is. */
export interface PortAddress {
  readonly host: string;
  readonly port: number;
}

export interface PortOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Nothing is read of a new socket, so that another process can. @default false */
  readonly isPaused?: boolean;
  onSocket(socket: Socket): void;
  /** The system could not accept (no file descriptors, mostly); the port stays open. */
  onAcceptError(error: Error): void;
}

export class Port {
  readonly #server: Server;
  readonly address: PortAddress;

  private constructor(server: Server) {
    this.#server = server;
    const bound = server.address() as AddressInfo;
    this.address = { host: bound.address, port: bound.port };
  }

  /** Rejects with the system's own error (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  static open({ host, port, isPaused, onSocket, onAcceptError }: PortOptions): Promise<Port> {
    const server = createServer(
      {
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: tcpKeepAliveMs,
        pauseOnConnect: isPaused ?? false,
      },
      onSocket,
    );
    return new Promise((fulfil, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: listenBacklog }, () => {
        server.off('error', reject);
        server.on('error', onAcceptError);
        fulfil(new Port(server));
      });
    });
  }

  /** Nobody comes any more; sockets given out go on. Idempotent. */
  close(): void {
    this.#server.close();
  }
}
