// The bounds of time of one connection, against a clock of the test's own: login, silence, a client that takes
// nothing, idleness. The socket is one end of a pair of streams.

import { Duplex } from 'node:stream';
import t, { type Test } from 'tap';
import { localPaths } from '../../../server/access/paths.js';
import { CONNECTION_TIMES, SessionConnection } from '../../../server/net/session-connection.js';
import { Session } from '../../../server/session/session.js';
import { decodeReply, encodeRequest } from '../../../shared/protocol/codec.js';
import { FrameReader } from '../../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../../shared/protocol/frame-writer.js';
import type { Reply, Request } from '../../../shared/protocol/message.js';
import { PREAMBLE, PROTOCOL_VERSION } from '../../../shared/protocol/version.js';
import { makeGround } from '../../model/session-harness.js';

const { heartbeatMs, loginDeadlineMs, writeDeadlineMs, idleSessionMs } = CONNECTION_TIMES;

/** A connection whose client is this test. */
class Client {
  now = 0;
  reason: string | undefined;
  /** False: what the server writes stays queued, as with a peer that takes nothing. */
  isTaking = true;
  readonly replies: Reply[] = [];
  /** Replies in each write of the server. */
  readonly writes: number[] = [];
  readonly connection: SessionConnection;
  readonly #reader = new FrameReader({ direction: 'reply', frameBytesMax: 1 << 20 });
  readonly #socket: Duplex;

  constructor() {
    this.#socket = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        if (this.isTaking) this.#take(chunk, done);
      },
    });
    const { services } = makeGround('memory');
    this.connection = new SessionConnection({
      socket: this.#socket,
      makeSession: (output) =>
        new Session({
          services,
          askerOf: (user) => ({
            caller: { user, route: { kind: 'local' } },
            owner: { id: 1, label: user },
            paths: localPaths,
          }),
          authenticate: () => 'somebody',
          peer: { address: '' },
          output,
          onUnexpected: () => undefined,
          software: 'test',
          heartbeatMs,
        }),
      times: CONNECTION_TIMES,
      now: () => this.now,
      onClose: (reason) => {
        this.reason = reason;
      },
    });
  }

  /** So many pings, all in one turn. */
  async sendPings(count: number): Promise<void> {
    const writer = new FrameWriter();
    for (let id = 1; id <= count; id++) encodeRequest(writer, { verb: 'ping' }, 0, id);
    this.#socket.push(Buffer.concat(writer.take()));
    await settled();
  }

  async send(...requests: Request[]): Promise<void> {
    for (const request of requests) {
      const writer = new FrameWriter();
      encodeRequest(writer, request, 0, 1);
      this.#socket.push(Buffer.concat(writer.take()));
      await settled();
    }
  }

  async login(): Promise<void> {
    this.#socket.push(PREAMBLE);
    await this.send({ verb: 'hello', protocol: PROTOCOL_VERSION, software: 'test' });
    await this.send({ verb: 'login' });
  }

  /** Lets time pass, looking after the clock once a second as the daemon does. */
  async pass(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += Math.min(1000, end - this.now);
      this.connection.tick();
      if (this.connection.session.isReady) await settled();
    }
    await settled();
  }

  #take(chunk: Buffer, done: () => void): void {
    const before = this.replies.length;
    this.#reader.push(chunk);
    for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) {
      this.replies.push(decodeReply(frame.verb, frame.bytes, frame));
    }
    this.writes.push(this.replies.length - before);
    done();
  }
}

/** All that is due in this turn and the next has happened. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
};

const start = async (t: Test): Promise<Client> => {
  const client = new Client();
  t.teardown(() => client.connection.destroy('test over'));
  await client.login();
  t.equal(client.replies.at(-1)?.verb, 'login');
  return client;
};

t.test('who does not log in is told so and ended at the deadline', async (t) => {
  const client = new Client();
  await client.pass(loginDeadlineMs);
  t.equal(client.replies.length, 0, 'not a moment earlier');
  await client.pass(1000);
  t.match(client.replies, [{ verb: 'error', code: 'ERR_TIMEOUT', message: /log in within/ }]);
  client.connection.destroy('test over');
});

t.test('a silent client is pinged, and given up when it stays silent', async (t) => {
  const client = await start(t);
  await client.pass(heartbeatMs);
  t.equal(client.replies.at(-1)?.verb, 'ping');
  await client.send({ verb: 'ping' });
  await client.pass(heartbeatMs - 1000);
  t.equal(client.reason, undefined, 'an answer keeps it');
  await client.pass(heartbeatMs + 3000);
  t.match(client.reason, /not heard of/, 'silence ends it');
});

t.test('the replies of one turn leave in one write', async (t) => {
  const client = await start(t);
  client.writes.length = 0;
  await client.sendPings(100);
  t.strictSame(client.writes, [100]);
});

t.test('of a long turn the first replies leave ahead of the others, each once', async (t) => {
  const client = await start(t);
  client.writes.length = 0;
  client.replies.length = 0;
  const count = 2000;
  await client.sendPings(count);
  t.ok(client.writes.length > 1, 'more than one write');
  t.equal(client.replies.length, count);
  t.ok(client.replies.every(({ verb }) => verb === 'pong'));
});

t.test('a client that takes nothing is given up at the write deadline', async (t) => {
  const client = await start(t);
  client.isTaking = false;
  for (let second = 0; second < writeDeadlineMs / 1000 + 2; second++) {
    if (client.reason === undefined) await client.send({ verb: 'ping' });
    await client.pass(1000);
  }
  t.match(client.reason, /took no data/);
});

t.test('a session that only says it is there is ended as idle', async (t) => {
  const client = await start(t);
  client.now += idleSessionMs - 2000;
  await client.send({ verb: 'ping' });
  await client.pass(1000);
  t.equal(client.reason, undefined);
  await client.send({ verb: 'ping' });
  await client.pass(2000);
  client.connection.destroy('unused when it ended itself');
  await settled();
  t.equal(client.reason, 'idle for too long');
});
