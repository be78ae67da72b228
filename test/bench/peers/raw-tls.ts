// The limit: node:tls on both ends and nothing behind it. It echoes 200 bytes, with or without a flush of
// the disk in between, and streams zeros.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import type { Peer } from '../peer.js';
import { RECORD_BYTES } from '../record.js';
import type { CallTask, ClientOptions, OpenTask } from '../task.js';
import { Ticket } from './ticket.js';

const MESSAGE = Buffer.alloc(RECORD_BYTES);

export async function tlsPeer(options: ClientOptions): Promise<Peer> {
  const ca = readFileSync(options.ca);
  const pools = new Map<string, TLSSocket[]>();
  const ticket = new Ticket();

  const dial = async (session: { session?: Buffer } = {}): Promise<TLSSocket> => {
    const to = { port: options.port, host: '127.0.0.1', servername: 'localhost', ca };
    const socket = connect({ ...to, ...session });
    await once(socket, 'secureConnect');
    return socket;
  };
  const enter = async (mode: string): Promise<TLSSocket> => {
    const socket = await dial();
    socket.write(mode);
    await once(socket, 'data');
    return socket;
  };
  const pool = async (mode: string, size: number): Promise<TLSSocket[]> => {
    const sockets = pools.get(mode) ?? [];
    pools.set(mode, sockets);
    while (sockets.length < size) sockets.push(await enter(mode));
    return sockets.slice(0, size);
  };

  return {
    async security() {
      const socket = await dial();
      const text = `${socket.getProtocol()} ${socket.getCipher().name}`;
      socket.destroy();
      return text;
    },
    session: () => Promise.reject(new Error('a limit has no records')),
    async calls({ work, connections, depth, forMs }: CallTask) {
      const sockets = await pool(work === 'read' ? 'echo' : 'sync', connections);
      const until = performance.now() + forMs;
      const counts = await Promise.all(sockets.map((socket) => echoes(socket, depth, until)));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async scan() {
      const socket = await dial();
      const bytes = options.records * RECORD_BYTES;
      socket.write(`stream ${bytes}`);
      let received = 0;
      for await (const chunk of socket) {
        received += (chunk as Buffer).length;
        if (received >= bytes) break;
      }
      socket.destroy();
      return options.records;
    },
    async open({ handshake }: OpenTask) {
      const isResumed = handshake === 'resumed';
      const socket = await dial(isResumed ? ticket.offer() : {});
      if (isResumed) ticket.keep(socket);
      socket.write('echo');
      await once(socket, 'data');
      if (isResumed) ticket.require();
      socket.destroy();
    },
    async close() {
      for (const sockets of pools.values()) for (const socket of sockets) socket.destroy();
    },
  };
}

/** Messages answered until then, `depth` on the way; what arrived together is answered together. */
function echoes(socket: TLSSocket, depth: number, until: number): Promise<number> {
  let received = 0;
  let sent = 0;
  return new Promise((resolve) => {
    const send = (count: number): void => {
      if (count <= 0) return;
      sent += count;
      socket.write(count === 1 ? MESSAGE : Buffer.concat(Array<Buffer>(count).fill(MESSAGE)));
    };
    const take = (chunk: Buffer): void => {
      received += chunk.length;
      const answered = Math.floor(received / RECORD_BYTES);
      if (performance.now() < until) {
        send(depth - (sent - answered));
      } else if (answered === sent) {
        socket.off('data', take);
        resolve(answered);
      }
    };
    socket.on('data', take);
    send(depth);
  });
}
