// The link without a network: the server's own operations in this process, loaded when the first local file
// is opened. The one place where the client reaches into the server, and only through embedded.ts.
// Nothing is encrypted, because nothing travels; a flagged file opens, and `/encrypt` has nothing to do.

import { RsyndError } from '../shared/base/error.js';
import type {
  DataReply,
  Reply,
  Request,
  ScanRequest,
  SelectRequest,
} from '../shared/protocol/message.js';
import { startCall, startCallFor } from './connection/call.js';
import { ChannelNumbers } from './connection/channel-numbers.js';
import { Exchange, type Transport } from './connection/exchange.js';
import type { CallOptions, Link, LinkSecurity, SelectFrame } from './connection/link.js';
import { scanStream, selectStream } from './connection/record-stream.js';

/** A session of the engine in this process, as server/embedded.ts makes them. */
export interface EmbeddedSession {
  handle(channel: number, id: number, request: Request, reply: (reply: Reply) => void): void;
  close(): Promise<void>;
}

/** Loads the engine, with everything it needs; clients of remote files never do. */
export async function openLocalLink(): Promise<Link> {
  const { createEmbeddedSession } = await import('../server/embedded.js');
  return new LocalLink(createEmbeddedSession());
}

export class LocalLink implements Link, Transport {
  readonly host = '';
  readonly security: LinkSecurity = { sle: 0, slc: '' };
  /** Streams are held back by their credit, single calls by the limit of those in flight. */
  readonly isCongested = false;
  readonly #session: EmbeddedSession;
  readonly #exchange = new Exchange(this);
  readonly #channels = new ChannelNumbers();

  constructor(session: EmbeddedSession) {
    this.#session = session;
  }

  get isOpen(): boolean {
    return this.#exchange.failure === undefined;
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
    this.#session.handle(channel, id, request, (reply) => {
      if (this.isOpen) this.#exchange.receive(channel, id, reply);
    });
  }

  async close(): Promise<void> {
    this.#exchange.fail(new RsyndError('ERR_NOOPEN', 'the file was closed by this side'));
    await this.#session.close();
  }
}
