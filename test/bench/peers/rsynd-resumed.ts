// rsynd opened over a TLS session of before, each time over the same one as the other peers do. The SDK resumes each
// session once, as the RFC asks, so two of three; this speaks the protocol itself: what resumption saves by itself.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { frameBytesMax } from '../../../shared/base/limits.js';
import { decodeReply, encodeRequest } from '../../../shared/protocol/codec.js';
import { FrameReader } from '../../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../../shared/protocol/frame-writer.js';
import type { Request } from '../../../shared/protocol/message.js';
import { PREAMBLE, PROTOCOL_VERSION } from '../../../shared/protocol/version.js';
import { keyOf } from '../record.js';
import type { ClientOptions } from '../task.js';
import { Ticket } from './ticket.js';

const CHANNEL = 1;

/** Opens the file over a resumed session, reads its first record and leaves; each call one connection. */
export function resumedOpener({ port, ca: file }: ClientOptions): () => Promise<void> {
  const ca = readFileSync(file);
  const ticket = new Ticket();
  return async () => {
    const to = { host: '127.0.0.1', port, ca, servername: 'localhost' };
    const socket = connect({ ...to, ...ticket.offer() });
    await once(socket, 'secureConnect');
    ticket.keep(socket);
    socket.setNoDelay(true);
    socket.write(PREAMBLE);
    const visit = new Visit(socket);
    await visit.ask({ verb: 'hello', protocol: PROTOCOL_VERSION, software: 'bench' }, 0);
    await visit.ask({ verb: 'login' }, 0);
    const open = { name: 'bench', mode: 'input', share: 'all', lock: 'none' } as const;
    await visit.ask({ verb: 'open', ...open }, CHANNEL);
    await visit.ask({ verb: 'get', key: 0, value: Buffer.from(keyOf(0)) }, CHANNEL);
    ticket.require();
    socket.destroy();
  };
}

class Visit {
  readonly #socket: TLSSocket;
  readonly #reader = new FrameReader({ direction: 'reply', frameBytesMax });
  #request = 0;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
  }

  /** Waits for the answer. */
  async ask(request: Request, channel: number): Promise<void> {
    const writer = new FrameWriter();
    encodeRequest(writer, request, channel, ++this.#request);
    for (const piece of writer.take()) this.#socket.write(piece);
    for (;;) {
      const frame = this.#reader.next();
      if (frame !== undefined) {
        const reply = decodeReply(frame.verb, frame.bytes, frame);
        if (reply.verb === 'error') throw new Error(`${request.verb}: ${reply.message}`);
        return;
      }
      const [chunk] = (await once(this.#socket, 'data')) as [Buffer];
      this.#reader.push(chunk);
    }
  }
}
