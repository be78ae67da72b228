// The link over a socket: frames out, frames in, a heartbeat, and an end that everybody hears of.
//
//   greeting ──hello, login──▶ open ──close()──▶ closing ──▶ closed
//        └────────────── socket gone, bytes that are no protocol, silence ──────────▶ closed
//
// Requests of one turn leave in one write. While the socket is full the exchange holds requests back, so
// what waits for a slow server is bounded; who waits is the caller of read(), inside his budget.

import type { Socket } from 'node:net';
import { errorFromWire, isRsyndError, RsyndError } from '../../shared/base/error.js';
import { closeTimeoutMs, frameBytesMax, outputQueueBytesMax } from '../../shared/base/limits.js';
import { decodeReply, encodeRequest } from '../../shared/protocol/codec.js';
import { FrameReader } from '../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../shared/protocol/frame-writer.js';
import type {
  DataReply,
  Reply,
  Request,
  ScanRequest,
  SelectRequest,
} from '../../shared/protocol/message.js';
import { PREAMBLE, PROTOCOL_VERSION } from '../../shared/protocol/version.js';
import { DirectWriter } from '../../shared/socket/direct-writer.js';
import type { ServerAddress } from '../filespec.js';
import type { ResolvedConnect } from '../open-options.js';
import { startCall, startCallFor } from './call.js';
import { ChannelNumbers } from './channel-numbers.js';
import type { Deadline } from './deadline.js';
import { type Dialled, dial } from './dial.js';
import { Exchange, type Transport } from './exchange.js';
import { Heartbeat } from './heartbeat.js';
import type { CallOptions, Link, LinkSecurity, SelectFrame } from './link.js';
import { scanStream, selectStream } from './record-stream.js';
import { securityError } from './security-error.js';
import type { TlsMemory } from './tls-memory.js';

/** How this client names itself to the server's log. */
const SOFTWARE = `rsynd SDK, node ${process.version}`;

const NOW = Promise.resolve();

/**
 * Connects, negotiates and logs in; `memory` makes that cheaper the next time. Rejects with what dial() rejects with,
 * ERR_BADUSER, or the reason of the deadline; then nothing is left open.
 */
export async function connectRemote(
  server: ServerAddress,
  options: ResolvedConnect,
  deadline: Deadline,
  memory?: TlsMemory,
): Promise<Link> {
  const dialled = await dial(server, options, deadline.signal, memory);
  const link = new RemoteLink(server, dialled);
  try {
    await link.greet(options, deadline);
    return link;
  } catch (error) {
    link.destroy();
    throw error;
  }
}

class RemoteLink implements Link, Transport {
  readonly host: string;
  readonly security: LinkSecurity;
  readonly #server: ServerAddress;
  readonly #dialled: Dialled;
  readonly #socket: Socket;
  readonly #exchange = new Exchange(this);
  readonly #channels = new ChannelNumbers();
  readonly #reader = new FrameReader({ direction: 'reply', frameBytesMax });
  readonly #writer = new FrameWriter();
  readonly #directly: DirectWriter;
  readonly #gone: Promise<void>;
  #heartbeat: Heartbeat | undefined;
  #state: 'greeting' | 'open' | 'closing' | 'closed' = 'greeting';
  #isFlushDue = false;
  #isPinging = false;

  constructor(server: ServerAddress, dialled: Dialled) {
    const { socket, security } = dialled;
    this.host = server.host;
    this.security = security;
    this.#server = server;
    this.#dialled = dialled;
    this.#socket = socket;
    this.#directly = new DirectWriter(socket);
    this.#gone = new Promise((resolve) => socket.once('close', () => resolve()));
    dialled.listen({
      take: (chunk) => this.#take(chunk),
      borrow: (buffer, bytes) => this.#borrow(buffer, bytes),
    });
    socket.on('drain', () => this.#exchange.resume());
    socket.on('error', (error) => this.#fail(this.#socketError(error)));
    socket.on('end', () => this.#lose('the server closed it'));
    socket.on('close', () => this.#lose('it was closed'));
    if (socket.destroyed) this.#lose('it was closed');
  }

  get isOpen(): boolean {
    return this.#state === 'open' && this.#exchange.failure === undefined;
  }

  get isCongested(): boolean {
    return this.#socket.writableNeedDrain || this.#writer.pendingBytes >= outputQueueBytesMax;
  }

  /** Hello and login, one after the other: no name leaves before the server has shown what it is. */
  async greet(options: ResolvedConnect, deadline: Deadline): Promise<void> {
    // In one write with the hello, which leaves when this turn is over.
    this.#socket.cork();
    this.#socket.write(PREAMBLE);
    const asked = this.#ask(
      { verb: 'hello', protocol: PROTOCOL_VERSION, software: SOFTWARE },
      deadline,
    );
    process.nextTick(() => this.#socket.uncork());
    const hello = await asked;
    if (hello.verb !== 'hello') throw this.#unexpected(hello);
    if (hello.protocol !== PROTOCOL_VERSION) throw this.#otherVersion(hello.protocol);
    const { user, password } = options;
    const login = await this.#ask(
      {
        verb: 'login',
        ...(user === undefined ? {} : { user }),
        ...(password === undefined ? {} : { password }),
      },
      deadline,
    );
    if (login.verb !== 'login') throw this.#unexpected(login);
    this.#state = 'open';
    this.#heartbeat = new Heartbeat(hello.heartbeatMs, {
      ping: () => this.#ping(hello.heartbeatMs),
      giveUp: (silentMs) => this.#fail(this.#lost(`nothing was heard of it for ${silentMs} ms`)),
    });
  }

  takeChannel(): number {
    return this.#channels.take();
  }

  freeChannel(channel: number): void {
    this.#channels.free(channel);
  }

  call(request: Request, channel: number, options: CallOptions): Promise<Reply> {
    return startCall(this.#exchange, this.host, request, channel, options);
  }

  callFor<T>(
    request: Request,
    channel: number,
    options: CallOptions,
    read: (reply: Reply) => T,
  ): Promise<T> {
    return startCallFor(this.#exchange, this.host, request, channel, options, read);
  }

  stream(
    request: ScanRequest,
    channel: number,
    options: CallOptions,
  ): AsyncIterableIterator<DataReply> {
    return scanStream(this.#exchange, this.host, { request, channel }, options);
  }

  select(
    request: SelectRequest,
    channel: number,
    options: CallOptions,
  ): AsyncIterableIterator<SelectFrame> {
    return selectStream(this.#exchange, this.host, { request, channel }, options);
  }

  send(channel: number, id: number, request: Request): void {
    encodeRequest(this.#writer, request, channel, id);
    if (!this.#isFlushDue) this.#flushSoon();
  }

  async close(): Promise<void> {
    if (this.#state === 'greeting' || this.#state === 'open') {
      this.#state = 'closing';
      this.#flush();
      this.#exchange.fail(
        new RsyndError('ERR_NOOPEN', 'the connection was closed by this side', { host: this.host }),
      );
      this.#heartbeat?.stop();
      this.#socket.end();
      const timer = setTimeout(() => this.#socket.destroy(), closeTimeoutMs);
      this.#gone.then(() => clearTimeout(timer));
    }
    await this.#gone;
  }

  /** Ends it without a word to the server. */
  destroy(): void {
    this.#fail(this.#lost('it was given up'));
  }

  /** Cheaper than a task of the next tick, which comes when nothing is asked any more. */
  #flushSoon(): void {
    this.#isFlushDue = true;
    const before = this.#writer.pendingBytes;
    NOW.then(() => {
      // Whoever was called back in between may have asked, and those he called back may.
      if (this.#writer.pendingBytes > before) this.#flushSoon();
      else this.#flush();
    });
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    const socket = this.#socket;
    const pieces = this.#writer.take();
    if (pieces.length === 0 || !socket.writable) return;
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) this.#directly.write(piece);
    if (pieces.length > 1) socket.uncork();
    // Requests may have been held back by the bytes that have just left.
    if (!socket.writableNeedDrain) this.#exchange.resume();
  };

  #take(chunk: Buffer): void {
    if (!this.#isListening) return;
    this.#heartbeat?.heard();
    this.#reader.push(chunk);
    this.#dispatchAll();
  }

  #borrow(buffer: Buffer, bytes: number): void {
    if (!this.#isListening) return;
    this.#heartbeat?.heard();
    this.#reader.lend(buffer, bytes);
    this.#dispatchAll();
  }

  get #isListening(): boolean {
    return this.#state !== 'closing' && this.#state !== 'closed';
  }

  /** All that came, or the link is lost: nothing is left in the reader. */
  #dispatchAll(): void {
    try {
      let frame = this.#reader.next();
      while (frame !== undefined) {
        const reply = decodeReply(frame.verb, frame.bytes, frame);
        this.#dispatch(frame.channel, frame.request, reply);
        frame = this.#reader.next();
      }
    } catch (error) {
      this.#fail(this.#notUnderstood(error));
    }
  }

  #dispatch(channel: number, id: number, reply: Reply): void {
    if (reply.verb === 'ping') this.#ping(0);
    else if (reply.verb === 'error' && id === 0) this.#fail(this.#lastWords(reply));
    else this.#exchange.receive(channel, id, reply);
  }

  /**
   * Anything said proves that we are here; its answer proves the server. Nobody waits for it, and one
   * on the way proves as much as many.
   */
  #ping(timeoutMs: number): void {
    if (this.#isPinging) return;
    this.#isPinging = true;
    const done = (): void => {
      this.#isPinging = false;
    };
    const budget = { timeoutMs: Math.max(timeoutMs, closeTimeoutMs) };
    // Failing is silence, which is the heartbeat's business: it ends the connection when it lasts.
    this.call({ verb: 'ping' }, 0, budget).then(done, done);
  }

  #ask(request: Request, deadline: Deadline): Promise<Reply> {
    return this.call(request, 0, deadline.limits);
  }

  /** The one way down, first come first heard: everything pending rejects with `error`. */
  #fail(error: RsyndError): void {
    if (this.#state === 'closed') return;
    const wasClosing = this.#state === 'closing';
    this.#state = 'closed';
    this.#heartbeat?.stop();
    if (!wasClosing) this.#exchange.fail(error);
    this.#socket.destroy();
  }

  /** An error is made only where somebody may hear of it: that costs as much as a request. */
  #lose(why: string): void {
    if (this.#state !== 'closed') this.#fail(this.#lost(why));
  }

  /** An error about the connection as a whole, after which the server hangs up. */
  #lastWords(reply: Extract<Reply, { verb: 'error' }>): RsyndError {
    const { code, retryable } = reply;
    const message = inOurWords(reply.message, this.host);
    const error = errorFromWire(code, message, { host: this.host, retryable });
    const isRefusal = this.#state === 'greeting' && code === 'ERR_CLNTERR';
    const { encryptionRequired } = this.#dialled;
    return isRefusal && encryptionRequired !== undefined ? encryptionRequired(error) : error;
  }

  /** A peer that refuses our certificate says so only after the handshake of TLS 1.3. */
  #socketError(cause: NodeJS.ErrnoException): RsyndError {
    if (this.#state === 'greeting' && cause.code?.startsWith('ERR_SSL_') === true) {
      return securityError(this.#server, `TLS was refused by the server: ${cause.message}`, cause);
    }
    return this.#lost(cause.message, cause);
  }

  #lost(why: string, cause?: unknown): RsyndError {
    return new RsyndError('ERR_NETPROB', `the connection is gone, ${why}`, {
      host: this.host,
      cause,
    });
  }

  #notUnderstood(cause: unknown): RsyndError {
    if (!isRsyndError(cause)) return this.#lost('its replies could not be taken', cause);
    const port = `port ${this.#server.port} of ${this.host}`;
    const why = `${port} does not answer as an rsynd server (${cause.message})`;
    return new RsyndError('ERR_PROTOCOL', why, { host: this.host, cause });
  }

  #unexpected(reply: Reply): RsyndError {
    return new RsyndError('ERR_PROTOCOL', `${reply.verb} came where it makes no sense`, {
      host: this.host,
    });
  }

  #otherVersion(version: number): RsyndError {
    const why = `the server speaks protocol ${version}, this client ${PROTOCOL_VERSION}; update the older`;
    return new RsyndError('ERR_PROTOCOL', why, { host: this.host });
  }
}

/** A server knows the address it listens on; the caller knows it by the name he wrote. */
const inOurWords = (message: string, host: string): string =>
  message.replace(
    /^((?:Client server error, host:|Server limit reached on) ).*?(?=: )/,
    (_, text) => text + host,
  );
