// A server made of the protocol's codecs and as much behaviour as a test gives it: answers hello, login,
// open and close by itself, everything else as told. Real sockets, port 0, gone with its test.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { Test } from 'tap';
import { decodeRequest, encodeReply } from '../../shared/protocol/codec.js';
import { FrameReader } from '../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../shared/protocol/frame-writer.js';
import type { Reply, Request } from '../../shared/protocol/message.js';
import { PREAMBLE } from '../../shared/protocol/version.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import { makeRfa } from '../../shared/record/rfa.js';

/** What the fake serves under every name: 8-byte records, a unique key of 4 bytes, one of the rest. */
export const FAKE_SPEC: FileSpec = {
  record: { size: 8, format: 'fixed' },
  keys: [
    {
      name: 'ID',
      segments: [{ offset: 0, length: 4, type: 'alpha', order: 'ascending' }],
      dups: 'none',
      modifiable: false,
    },
    {
      name: 'NAME',
      segments: [{ offset: 4, length: 4, type: 'alpha', order: 'ascending' }],
      dups: 'fifo',
      modifiable: true,
    },
  ],
  fields: [],
  networkEncrypt: false,
  text: '',
  attributes: {},
};

/** One request as it came. */
export interface Asked {
  readonly request: Request;
  readonly channel: number;
  readonly id: number;
  readonly connection: FakeConnection;
  reply(reply: Reply): void;
}

export interface FakeConnection {
  readonly socket: Socket;
  /** Everything the client sent, inside TLS where there is TLS. */
  readonly received: Buffer[];
  reply(reply: Reply, channel: number, id: number): void;
}

export interface FakeOptions {
  readonly tls?: TlsOptions;
  readonly heartbeatMs?: number;
  /** True when the request was dealt with; else the fake does what it does by itself. */
  readonly answer?: (asked: Asked) => boolean;
}

export interface FakeServer {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly connections: FakeConnection[];
  readonly asked: Asked[];
  /** Resolves when a request of that verb has come, `count` times. */
  seen(verb: Request['verb'], count?: number): Promise<Asked>;
  close(): Promise<void>;
}

export const rfaOf = (number: number) => makeRfa(1, number);

export async function startFake(t: Test, options: FakeOptions = {}): Promise<FakeServer> {
  const connections: FakeConnection[] = [];
  const asked: Asked[] = [];
  const watchers = new Set<() => void>();
  const serve = (socket: Socket) => {
    connections.push(
      serveConnection(socket, options, (one) => {
        asked.push(one);
        for (const look of [...watchers]) look();
      }),
    );
  };
  const server =
    options.tls === undefined ? createServer(serve) : createTlsServer(options.tls, serve);
  server.on('tlsClientError', (_, socket: Socket) => socket.destroy());
  const port = await listen(t, server);
  return {
    port,
    address: `127.0.0.1:${port}`,
    connections,
    asked,
    seen: (verb, count = 1) =>
      new Promise((resolve) => {
        const look = () => {
          const found = asked.filter(({ request }) => request.verb === verb)[count - 1];
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    close: () => closeServer(server),
  };
}

/** A server that does with a socket whatever a test wants. */
export async function startRaw(t: Test, serve: (socket: Socket) => void): Promise<number> {
  return listen(t, createServer(serve));
}

async function listen(t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy();
    await closeServer(server);
  });
  return (server.address() as AddressInfo).port;
}

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
  });

function serveConnection(
  socket: Socket,
  options: FakeOptions,
  onAsked: (asked: Asked) => void,
): FakeConnection {
  const reader = new FrameReader({ direction: 'request', frameBytesMax: 2 ** 21 });
  const writer = new FrameWriter();
  const connection: FakeConnection = {
    socket,
    received: [],
    reply(reply, channel, id) {
      encodeReply(writer, reply, channel, id);
      for (const piece of writer.take()) if (socket.writable) socket.write(piece);
    },
  };
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    // As any plain server: a ClientHello gets a TLS alert and nothing else.
    if (connection.received.push(Buffer.from(chunk)) === 1 && chunk[0] === 0x16) {
      socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 40]));
      return;
    }
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const { channel, request: id } = frame;
      const request = decodeRequest(frame.verb, frame.bytes, frame);
      const reply = (answer: Reply) => connection.reply(answer, channel, id);
      const one = { request, channel, id, connection, reply };
      onAsked(one);
      if (options.answer?.(one) !== true) answerUsual(one, options);
    }
  });
  return connection;
}

function answerUsual({ request, reply }: Asked, { heartbeatMs = 0 }: FakeOptions): void {
  switch (request.verb) {
    case 'hello':
      return reply({ verb: 'hello', protocol: 1, software: 'fake', heartbeatMs });
    case 'login':
      return reply({ verb: 'login', user: request.user ?? 'default' });
    case 'ping':
      return reply({ verb: 'pong' });
    case 'open':
      return reply({ verb: 'open', spec: FAKE_SPEC });
    case 'create':
    case 'close':
    case 'unlock':
    case 'delete':
      return reply({ verb: 'done' });
    default:
      return undefined;
  }
}

/** The bytes every connection starts with, for tests of what left a client. */
export const GREETING = PREAMBLE;
