// A client without manners: speaks frames as they are, sound or not, and takes whatever comes back. It
// answers pings, so that only what a test does ends a connection.

import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import { decodeReply, encodeRequest } from '../../shared/protocol/codec.js';
import { FrameReader } from '../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../shared/protocol/frame-writer.js';
import type { Reply, Request } from '../../shared/protocol/message.js';
import { PREAMBLE } from '../../shared/protocol/version.js';
import type { FileSpec } from '../../shared/record/file-spec.js';

/** A reply with the numbers it came under. */
export type Heard = Reply & { readonly channel: number; readonly id: number };

/** Id of answers to pings; nobody else uses it. */
const PING_ID = 0xffff_fff0;
const waitMs = 10_000;

/** Any frame, however wrong. */
export function frame(verb: number, channel: number, id: number, body = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32BE(8 + body.length);
  head.writeUInt8(verb, 4);
  head.writeUInt16BE(channel, 6);
  head.writeUInt32BE(id, 8);
  return Buffer.concat([head, body]);
}

/** A sound request as its frame. */
export function requestFrame(request: Request, channel: number, id: number): Buffer {
  const writer = new FrameWriter();
  encodeRequest(writer, request, channel, id);
  return Buffer.concat(writer.take());
}

export class Stranger {
  readonly socket: Socket;
  /** Replies that nobody asked for by `next` or `ask` yet. */
  readonly heard: Heard[] = [];
  isClosed = false;
  readonly #reader = new FrameReader({ direction: 'reply', frameBytesMax: 2 ** 22 });
  #watchers: (() => void)[] = [];
  #nextId = 1_000_000;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  /** A bare connection: not a byte is sent yet. */
  static connect(t: Test, port: number): Stranger {
    const stranger = new Stranger(connect(port, '127.0.0.1'));
    t.teardown(() => stranger.socket.destroy());
    return stranger;
  }

  static async loggedIn(t: Test, port: number): Promise<Stranger> {
    const stranger = Stranger.connect(t, port);
    stranger.write(PREAMBLE);
    await stranger.ask({ verb: 'hello', protocol: 1, software: 'stranger' });
    const { verb } = await stranger.ask({ verb: 'login' });
    if (verb !== 'login') throw new Error(`the login was answered by ${verb}`);
    return stranger;
  }

  write(...pieces: Buffer[]): void {
    this.socket.write(Buffer.concat(pieces));
  }

  send(request: Request, channel: number, id: number): void {
    this.write(requestFrame(request, channel, id));
  }

  ask(request: Request, channel = 0): Promise<Heard> {
    const id = this.#nextId++;
    this.send(request, channel, id);
    return this.next((heard) => heard.id === id);
  }

  /** The error code of the answer, else its verb. */
  async outcome(request: Request, channel = 0): Promise<string> {
    return outcomeOf(await this.ask(request, channel));
  }

  /** The first reply that fits, come or to come. */
  async next(fits: (heard: Heard) => boolean = () => true): Promise<Heard> {
    const deadline = Date.now() + waitMs;
    for (;;) {
      const index = this.heard.findIndex(fits);
      const [found] = index < 0 ? [] : this.heard.splice(index, 1);
      if (found !== undefined) return found;
      if (this.isClosed || Date.now() >= deadline) throw new Error('no such reply came');
      await this.#change(deadline);
    }
  }

  async closed(): Promise<void> {
    const deadline = Date.now() + waitMs;
    while (!this.isClosed && Date.now() < deadline) await this.#change(deadline);
    if (!this.isClosed) throw new Error('the connection was not closed');
  }

  #change(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, deadline - Date.now());
      this.#watchers.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #take(chunk: Buffer): void {
    this.#reader.push(chunk);
    for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next()) {
      const { channel, request: id } = next;
      const reply = decodeReply(next.verb, next.bytes, next);
      if (reply.verb === 'ping') this.send({ verb: 'ping' }, 0, PING_ID);
      else if (id !== PING_ID) this.heard.push({ ...reply, channel, id });
    }
    this.#wake();
  }

  #wake(): void {
    for (const look of this.#watchers.splice(0)) look();
  }
}

export const outcomeOf = (heard: Heard): string =>
  heard.verb === 'error' ? heard.code : heard.verb;

/** A spec with one unique key: the first four bytes. */
export const plainSpec = (changes: Partial<FileSpec> = {}): FileSpec => ({
  record: { size: 16, format: 'fixed' },
  keys: [
    {
      name: 'ID',
      segments: [{ offset: 0, length: 4, type: 'alpha', order: 'ascending' }],
      dups: 'none',
      modifiable: false,
    },
  ],
  fields: [],
  networkEncrypt: false,
  text: '',
  attributes: {},
  ...changes,
});

export const keyOf = (number: number): Buffer => Buffer.from(String(number).padStart(4, '0'));

export const recordOf = (number: number, bytes = 16): Buffer =>
  Buffer.concat([keyOf(number), Buffer.alloc(bytes - 4, 'x')]);

/** A read by key that waits so long for the lock. */
export const readLocked = (
  number: number,
  waitMs: number,
  lock: 'auto' | 'manual' = 'auto',
): Request => ({
  verb: 'read',
  lock,
  waitMs,
  target: { by: 'key', key: 0, match: 'eq', value: keyOf(number) },
});

export const openUpdate = (name: string): Request => ({
  verb: 'open',
  name,
  mode: 'update',
  share: 'all',
  lock: 'auto',
});
