// Ties one socket to one session: bytes in become requests, replies become bytes out. It keeps the
// bounds of a connection: frames are small before login, a client that does not read is not asked for
// more, silence and stalled writes end it. It never looks into a request.
//
//   socket ─data─▶ FrameReader ─▶ decode ─▶ session ─▶ encode ─▶ FrameWriter ─one write a turn─▶ socket
//
// A long turn writes twice: the first replies as soon as they are worth a write, the others at its end.
// Reading stops while the session has too much to do or the client takes too little; whoever waits is
// the client's own TCP window.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isRsyndError, RsyndError } from '../../shared/base/error.js';
import {
  frameBeforeLoginBytesMax,
  frameBytesMax,
  heartbeatMs,
  idleSessionMs,
  loginDeadlineMs,
  outputQueueBytesMax,
  requestBytesPerSessionMax,
  requestsPerSessionMax,
  writeDeadlineMs,
} from '../../shared/base/limits.js';
import { decodeRequest, encodeReply } from '../../shared/protocol/codec.js';
import type { Frame } from '../../shared/protocol/frame.js';
import { FrameReader } from '../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../shared/protocol/frame-writer.js';
import type { Reply, Request } from '../../shared/protocol/message.js';
import { DirectWriter } from '../../shared/socket/direct-writer.js';
import { errorReply } from '../operation/error-reply.js';
import { giveFrameBuffer } from '../operation/frame-buffers.js';
import type { Session, SessionOutput } from '../session/session.js';
import { DirectSocket } from './direct-socket.js';

/** Bounds of time, in milliseconds; tests bring shorter ones. */
export interface ConnectionTimes {
  readonly heartbeatMs: number;
  readonly loginDeadlineMs: number;
  readonly writeDeadlineMs: number;
  readonly idleSessionMs: number;
}

export const CONNECTION_TIMES: ConnectionTimes = {
  heartbeatMs,
  loginDeadlineMs,
  writeDeadlineMs,
  idleSessionMs,
};

/** After so much silence a connection gives back what only a busy one needs. */
const restMs = 1000;

/** How long a connection that we end may take to read our last words. */
const lastWordsMs = 1000;

/** Smaller pieces are no frames of records in a buffer of theirs. */
const FRAME_OF_RECORDS_BYTES_MIN = 16 * 1024;

/** One client's requests hold up everybody else's for so long at most; then the others have a turn. */
const turnMs = 10;

/** So much of a turn's replies leaves ahead of the rest: the client works on it while we go on. */
const earlyReplyBytes = 8 * 1024;

export interface SessionConnectionOptions {
  readonly socket: Duplex;
  /** Makes the session whose replies go to `output`. */
  readonly makeSession: (output: SessionOutput) => Session;
  readonly times: ConnectionTimes;
  readonly now: () => number;
  /** Told once why the connection ended: our reason, or `closed by client`. */
  readonly onClose: (reason: string) => void;
}

export class SessionConnection implements SessionOutput {
  readonly session: Session;
  readonly #options: SessionConnectionOptions;
  readonly #reader = new FrameReader({
    direction: 'request',
    frameBytesMax: frameBeforeLoginBytesMax,
  });
  readonly #writer = new FrameWriter();
  readonly #directly: DirectWriter;
  readonly #openedAt: number;
  #lastHeardAt: number;
  #lastRequestAt: number;
  #isPinged = false;
  #isFlushDue = false;
  #isReading = true;
  #isResumeDue = false;
  #stalledSince: number | undefined;
  #queuedBefore = 0;
  #drainWaiters: (() => void)[] = [];
  #reason: string | undefined;
  #isClosed = false;

  constructor(options: SessionConnectionOptions) {
    this.#options = options;
    this.#openedAt = options.now();
    this.#lastHeardAt = this.#openedAt;
    this.#lastRequestAt = this.#openedAt;
    this.session = options.makeSession(this);
    const { socket } = options;
    this.#directly = new DirectWriter(socket);
    const take = (chunk: Buffer): void => this.#take(chunk);
    const borrow = (buffer: Buffer, bytes: number): void => this.#borrow(buffer, bytes);
    if (socket instanceof DirectSocket) socket.readDirectly({ take, borrow });
    else socket.on('data', take);
    socket.on('drain', () => this.#drained());
    socket.on('end', () => this.end('closed by client'));
    socket.on('error', (error) => this.destroy(`socket error: ${error.message}`));
    socket.on('close', () => this.#close());
  }

  /** Bytes made for this client that it has not taken yet. */
  get queuedBytes(): number {
    return this.#writer.pendingBytes + this.#bytesInSocket;
  }

  get isCongested(): boolean {
    return this.queuedBytes >= outputQueueBytesMax;
  }

  onceDrained(goOn: () => void): void {
    this.#drainWaiters.push(goOn);
  }

  /** Replies of one turn leave together, at its end. */
  reply(reply: Reply, channel: number, id: number): void {
    if (this.#isClosed) return;
    try {
      encodeReply(this.#writer, reply, channel, id);
    } catch (error) {
      // Nothing was appended; what does not fit a frame is answered with the reason, which does.
      encodeReply(this.#writer, errorReply(error), channel, id);
    }
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    process.nextTick(this.#flush);
  }

  /** Looks after the clock; the daemon calls it about once a second. */
  tick(): void {
    const now = this.#options.now();
    const { times } = this.#options;
    if (!this.session.isReady && now - this.#openedAt > times.loginDeadlineMs) {
      const why = `log in within ${times.loginDeadlineMs} ms of connecting`;
      return this.#endWith(new RsyndError('ERR_TIMEOUT', why), 'no login in time');
    }
    if (this.#isWriteStalled(now)) {
      return this.destroy(`took no data for ${times.writeDeadlineMs} ms`);
    }
    if (now - this.#lastRequestAt > times.idleSessionMs) return this.end('idle for too long');
    if (now - this.#lastHeardAt > restMs) this.#writer.rest();
    this.#watchSilence(now);
  }

  /** Says goodbye properly: what is queued goes out, then the connection closes. */
  end(reason: string): void {
    this.#reason ??= reason;
    this.#flush();
    const { socket } = this.#options;
    if (!socket.writableEnded) socket.end();
    setTimeout(() => socket.destroy(), lastWordsMs).unref();
  }

  destroy(reason: string): void {
    this.#reason ??= reason;
    this.#options.socket.destroy();
  }

  /** Ends a session that no longer qualifies: its locks are freed now, the client is told why. */
  expel(error: RsyndError): void {
    void this.session.close();
    this.#endWith(error, 'no longer admitted');
  }

  #take(chunk: Buffer): void {
    if (!this.#hear()) return;
    this.#reader.push(chunk);
    this.#pull();
  }

  /** As `#take`, of bytes that are gone when it returns. */
  #borrow(buffer: Buffer, bytes: number): void {
    if (!this.#hear()) return;
    this.#reader.lend(buffer, bytes);
    this.#pull();
    this.#reader.keep();
  }

  /** False while it is ending: what still comes is not for us. */
  #hear(): boolean {
    this.#lastHeardAt = this.#options.now();
    this.#isPinged = false;
    return this.#reason === undefined;
  }

  /** Works off the frames that are here, until there are none or it is time to wait; then it writes. */
  #pull(): void {
    this.#isFlushDue = true;
    try {
      let turnEndsAt = Number.POSITIVE_INFINITY;
      while (!this.#mustWait()) {
        // Asked each time, because a login is answered between two frames.
        if (this.session.isReady) this.#reader.frameBytesMax = frameBytesMax;
        const frame = this.#reader.next();
        if (frame === undefined) return this.#flush();
        this.#handle(frame);
        this.#writeEarly();
        if (!this.#reader.isMidFrame) continue; // mostly: then nobody needs the time
        const now = performance.now();
        if (now >= turnEndsAt) break;
        turnEndsAt = Math.min(turnEndsAt, now + turnMs);
      }
    } catch (error) {
      return this.#endWith(error, 'protocol violation');
    }
    this.#stopReading();
  }

  /** A bad frame ends the connection (it throws); a bad request in a good frame ends the request. */
  #handle(frame: Frame): void {
    let request: Request;
    try {
      request = decodeRequest(frame.verb, frame.bytes, frame);
    } catch (error) {
      if (!isRsyndError(error) || error.code === 'ERR_PROTOCOL') throw error;
      return this.reply(errorReply(error), frame.channel, frame.request);
    }
    // A ping only says that somebody is there; a session that does nothing else is idle.
    if (request.verb !== 'ping') this.#lastRequestAt = this.#lastHeardAt;
    this.session.handle(request, frame.channel, frame.request, frame.end - frame.start);
  }

  #mustWait(): boolean {
    return (
      this.#reason !== undefined ||
      this.session.pending >= requestsPerSessionMax ||
      this.session.pendingBytes >= requestBytesPerSessionMax ||
      this.isCongested
    );
  }

  #stopReading(): void {
    this.#isReading = false;
    this.#options.socket.pause();
    this.#flush();
  }

  #resumeReading(): void {
    if (this.#isReading || this.#mustWait()) return;
    this.#isReading = true;
    this.#lastHeardAt = this.#options.now();
    this.#pull();
    if (this.#isReading) this.#options.socket.resume();
  }

  /** Not while an earlier write is under way: the socket would only keep it until that is done. */
  #writeEarly(): void {
    if (this.#writer.pendingBytes < earlyReplyBytes) return;
    if (this.#directly.isIdle) this.#write();
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    this.#write();
    if (!this.#isReading) this.#resumeSoon();
  };

  #write(): void {
    const pieces = this.#writer.take();
    const { socket } = this.#options;
    if (pieces.length > 0 && socket.writable) {
      if (pieces.length > 1) socket.cork();
      for (const piece of pieces) this.#writePiece(piece);
      if (pieces.length > 1) socket.uncork();
    }
  }

  /**
   * What a socket has written is nobody's any more, so that frames of records are made in the same buffers again.
   * Another stream may have handed the bytes on as they are.
   */
  #writePiece(piece: Buffer): void {
    const { socket } = this.#options;
    const isOverWhenWritten =
      piece.length >= FRAME_OF_RECORDS_BYTES_MIN && socket instanceof Socket;
    if (!isOverWhenWritten) this.#directly.write(piece);
    else socket.write(piece, (error) => error == null && giveFrameBuffer(piece));
  }

  get #bytesInSocket(): number {
    return this.#options.socket.writableLength + this.#directly.bytesUnderWay;
  }

  /** Once a turn, however many ask for it. */
  #resumeSoon(): void {
    if (this.#isResumeDue) return;
    this.#isResumeDue = true;
    setImmediate(() => {
      this.#isResumeDue = false;
      this.#resumeReading();
    });
  }

  #drained(): void {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const goOn of waiters) goOn();
    if (!this.#isClosed) this.#resumeReading();
  }

  /** Pings a silent client, and gives it up when it stays silent. Not while we do not listen. */
  #watchSilence(now: number): void {
    if (!this.#isReading) return;
    const silentMs = now - this.#lastHeardAt;
    const beatMs = this.#options.times.heartbeatMs;
    if (silentMs > 2 * beatMs) return this.destroy(`not heard of for ${silentMs} ms`);
    if (silentMs < beatMs || this.#isPinged || !this.session.isReady) return;
    this.#isPinged = true;
    this.reply({ verb: 'ping' }, 0, 0);
  }

  /** True when bytes wait for the client and it has taken none of them since the deadline began. */
  #isWriteStalled(now: number): boolean {
    const queued = this.#bytesInSocket;
    const hasProgress = queued === 0 || queued < this.#queuedBefore;
    this.#queuedBefore = queued;
    if (hasProgress) this.#stalledSince = undefined;
    else this.#stalledSince ??= now;
    return (
      this.#stalledSince !== undefined &&
      now - this.#stalledSince > this.#options.times.writeDeadlineMs
    );
  }

  #endWith(error: unknown, reason: string): void {
    if (!isRsyndError(error)) return this.destroy(`unexpected: ${String(error)}`);
    this.reply(errorReply(error), 0, 0);
    this.end(`${reason}: ${error.message}`);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const closed = this.session.close();
    // Who waits for room must not wait for ever: told now, it sees that the session is closed.
    this.#drained();
    closed.finally(() => this.#options.onClose(this.#reason ?? 'closed by client'));
  }
}
