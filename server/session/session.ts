// One client's conversation: who it is, which files it has open, what it asked and has not been
// answered. It takes typed requests and gives typed replies; frames and sockets are net's business, and
// a local channel talks to it without any. What a verb does is decided in operation/.
//
//   greeting ──hello──▶ login ──login──▶ ready ──close()──▶ closed
//
// Requests of one channel run one after another in the order they came; channels do not wait for
// each other. A scan or select starts in its turn and then runs beside what follows it; the steps of a
// select that locks or deletes take turns with the requests of its channel.

import { type Answer, isLater } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import {
  channelsPerSessionMax,
  lockWaitMsMax,
  loginAttemptsPerConnectionMax,
  requestsPerTurnMax,
} from '../../shared/base/limits.js';
import type {
  CreateRequest,
  OpenRequest,
  Reply,
  Request,
  ScanRequest,
  SelectRequest,
} from '../../shared/protocol/message.js';
import { PROTOCOL_VERSION } from '../../shared/protocol/version.js';
import type { Authenticate } from '../access/login.js';
import type { Credentials } from '../access/peer-identity.js';
import { errorReply } from '../operation/error-reply.js';
import { type Asker, close, create, open, type Services } from '../operation/open.js';
import type { OpenChannel } from '../operation/open-channel.js';
import { type ChannelRequest, dispatch, waitOf } from './dispatch.js';
import { type Envelope, Lane } from './lane.js';
import { streamOf } from './stream-of.js';
import { StreamTable } from './stream-table.js';

/** Where replies go. */
export interface SessionOutput {
  reply(reply: Reply, channel: number, id: number): void;
  /** True while the client takes replies more slowly than they are made: scans wait. */
  readonly isCongested: boolean;
  /** Calls back once, when it is not congested any more, or the client is gone. */
  onceDrained(goOn: () => void): void;
}

export interface SessionOptions {
  readonly services: Services;
  /** Who the session is once it has logged in as `user`. */
  readonly askerOf: (user: string) => Asker;
  readonly authenticate: Authenticate;
  /** Where the client is and what it proved to be. */
  readonly peer: Pick<Credentials, 'address' | 'identity'>;
  readonly output: SessionOutput;
  /** Told of errors that are no answer to anything a client did. */
  readonly onUnexpected: (error: unknown) => void;
  readonly software: string;
  readonly heartbeatMs: number;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #lanes = new Map<number, Lane>();
  readonly #cancels = new Map<number, AbortController>();
  readonly #streams: StreamTable;
  #state: 'greeting' | 'login' | 'ready' | 'closed' = 'greeting';
  #asker: Asker | undefined;
  #loginAttempts = 0;
  #pending = 0;
  #pendingBytes = 0;
  /** Settles when the `open` before the next one is answered. */
  #opened: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#streams = new StreamTable(
      options.output,
      (channel, turn) => this.#takeTurn(channel, turn),
      options.onUnexpected,
    );
  }

  /** Requests taken and not yet answered; scans and selects do not count. */
  get pending(): number {
    return this.#pending;
  }

  /** Bytes of the requests that `pending` counts. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  /** The user it acts as; undefined before login. */
  get user(): string | undefined {
    return this.#asker?.caller.user;
  }

  /** What its certificate says; undefined without one. */
  get identity(): Credentials['identity'] {
    return this.#options.peer.identity;
  }

  get channelCount(): number {
    return this.#lanes.size;
  }

  /** The files it has open: what its user needs rights for. */
  get openFiles(): OpenChannel[] {
    return [...this.#lanes.values()].flatMap(({ channel }) => channel ?? []);
  }

  /** Skips greeting and login: for callers in this process. */
  admit(user: string): void {
    this.#asker = this.#options.askerOf(user);
    this.#state = 'ready';
  }

  /**
   * Takes one request of so many bytes; its reply goes to the output, perhaps before this returns.
   * Never throws.
   */
  handle(request: Request, channel: number, id: number, bytes = 0): void {
    if (this.#state === 'closed') return;
    if (request.verb === 'credit') return this.#streams.grant(id, request.bytes);
    if (request.verb === 'cancel') return this.#cancel(id);
    if (request.verb === 'ping') return this.#options.output.reply({ verb: 'pong' }, channel, id);
    // Selects that are helped give way to whoever asks something else.
    const { helper } = this.#options.services;
    if (helper !== undefined) helper.requests++;
    this.#pending++;
    this.#pendingBytes += bytes;
    const envelope = { request, channel, id, bytes };
    if (this.#state !== 'ready') this.#run(undefined, envelope);
    else this.#enqueue(envelope);
  }

  /** Ends waits and scans, frees locks, closes files. Idempotent; resolves when all is free. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#state = 'closed';
    this.#streams.abandon();
    for (const cancel of this.#cancels.values()) cancel.abort();
    const lanes = [...this.#lanes];
    this.#lanes.clear();
    for (const [, lane] of lanes) lane.waiting.length = 0;
    await Promise.all(lanes.map(([channel, lane]) => this.#closeLane(channel, lane)));
  }

  /** What is under way ends first: a change must not outlive the locks it was made under. */
  async #closeLane(channel: number, lane: Lane): Promise<void> {
    if (lane.channel !== undefined) lane.channel.isAbandoned = true;
    await lane.idle();
    await this.#streams.stopChannel(channel);
    if (lane.channel !== undefined) await close(lane.channel).catch(this.#options.onUnexpected);
  }

  #enqueue(envelope: Envelope): void {
    const lane = this.#laneOf(envelope);
    if (lane === undefined) return this.#run(undefined, envelope);
    const isNext = lane.waiting.length === 0 && lane.mayStart(envelope.request.verb);
    if (isNext) this.#run(lane, envelope);
    else lane.waiting.push(envelope);
  }

  /** The lane a request queues in; `open` makes one. Requests without a lane run at once. */
  #laneOf({ request, channel }: Envelope): Lane | undefined {
    const lane = this.#lanes.get(channel);
    if (lane !== undefined || request.verb !== 'open') return lane;
    if (this.#lanes.size >= channelsPerSessionMax) return undefined;
    const made = new Lane();
    this.#lanes.set(channel, made);
    return made;
  }

  #run(lane: Lane | undefined, envelope: Envelope): void {
    let answer: Answer<Reply | undefined>;
    try {
      answer = this.#answer(lane, envelope);
    } catch (error) {
      return this.#refuse(envelope, error);
    }
    if (!isLater(answer)) return this.#settle(envelope, answer);
    lane?.begin(envelope.request.verb);
    answer
      .then(
        (reply) => this.#finish(lane, envelope, () => this.#settle(envelope, reply)),
        (error) => this.#finish(lane, envelope, () => this.#refuse(envelope, error)),
      )
      .catch(this.#options.onUnexpected);
  }

  /** In one turn, so that whoever hears the answer finds its lane free. */
  #finish(lane: Lane | undefined, { channel }: Envelope, answer: () => void): void {
    try {
      answer();
    } finally {
      lane?.finish();
      if (lane !== undefined) this.#goOn(lane, channel);
    }
  }

  /** Runs what waited in the lane; a lane without a file goes when nothing waits in it. */
  #goOn(lane: Lane, channel: number): void {
    let left = requestsPerTurnMax;
    for (let head = lane.waiting[0]; head !== undefined; head = lane.waiting[0]) {
      if (!lane.mayStart(head.request.verb)) return;
      if (left-- === 0 || this.#options.output.isCongested) return this.#park(lane, channel);
      lane.waiting.shift();
      this.#run(lane, head);
    }
    const isDone = lane.isIdle && lane.channel === undefined;
    if (isDone && this.#lanes.get(channel) === lane) this.#lanes.delete(channel);
  }

  /**
   * Thousands of requests may wait behind a lock: they run as the client takes the replies, and not all
   * in one turn.
   */
  #park(lane: Lane, channel: number): void {
    if (lane.isParked) return;
    lane.isParked = true;
    const { output } = this.#options;
    const goOn = (): void => {
      lane.isParked = false;
      this.#goOn(lane, channel);
    };
    if (output.isCongested) output.onceDrained(goOn);
    else setImmediate(goOn);
  }

  #settle({ channel, id, bytes, turn }: Envelope, reply: Reply | undefined): void {
    if (turn !== undefined) return;
    this.#pending--;
    this.#pendingBytes -= bytes;
    if (reply !== undefined) this.#options.output.reply(reply, channel, id);
  }

  #refuse({ channel, id, bytes, turn }: Envelope, error: unknown): void {
    if (turn !== undefined) return this.#options.onUnexpected(error);
    this.#pending--;
    this.#pendingBytes -= bytes;
    if (!(error instanceof RsyndError)) this.#options.onUnexpected(error);
    this.#options.output.reply(errorReply(error), channel, id);
  }

  /** The reply to a request; undefined when it answers for itself (a scan, a select). */
  #answer(lane: Lane | undefined, envelope: Envelope): Answer<Reply | undefined> {
    const { request, turn } = envelope;
    if (turn !== undefined) return turn();
    if (this.#state === 'greeting') return this.#hello(request);
    if (this.#state === 'login') return this.#login(request);
    switch (request.verb) {
      case 'hello':
      case 'login':
        throw new RsyndError('ERR_PROTOCOL', `${request.verb} comes once, at the start`);
      case 'open':
        return this.#open(lane, request);
      case 'create':
        return this.#create(request);
      case 'close':
        return this.#closeChannel(envelope);
      case 'scan':
      case 'select':
        this.#startStream(requireOpen(lane, envelope), request, envelope);
        return undefined;
      case 'ping':
      case 'credit':
      case 'cancel':
        return undefined;
      default:
        return this.#dispatch(requireOpen(lane, envelope), request, envelope.id);
    }
  }

  #startStream(
    channel: OpenChannel,
    request: ScanRequest | SelectRequest,
    envelope: Envelope,
  ): void {
    const others = (number: number): OpenChannel | undefined => this.#lanes.get(number)?.channel;
    const stream = streamOf(channel, request, others);
    this.#streams.start({ ...stream, id: envelope.id, channel: envelope.channel });
  }

  /** A step of a stream, as if it were a request of the channel. */
  #takeTurn(channel: number, turn: () => Answer<undefined>): void {
    if (this.#state !== 'ready') return;
    const lane = this.#lanes.get(channel);
    if (lane?.channel === undefined) return;
    this.#enqueue({ request: { verb: 'unlock' }, channel, id: 0, bytes: 0, turn });
  }

  #dispatch(channel: OpenChannel, request: ChannelRequest, id: number): Answer<Reply> {
    const waitMs = waitOf(request);
    if (waitMs === 0) return dispatch(channel, request, undefined);
    if (waitMs > lockWaitMsMax) {
      throw new RsyndError('ERR_INVARG', `waitMs ${waitMs} is above ${lockWaitMsMax}`);
    }
    // Of two waits under one id the end of the session could end but one.
    if (this.#cancels.has(id)) throw idInUse(id);
    const cancel = new AbortController();
    const answer = dispatch(channel, request, cancel.signal);
    if (!isLater(answer)) return answer;
    this.#cancels.set(id, cancel);
    return answer.finally(() => this.#cancels.delete(id));
  }

  #hello(request: Request): Reply {
    if (request.verb !== 'hello') throw outOfOrder('hello', request);
    if (request.protocol !== PROTOCOL_VERSION) {
      const why =
        `the client speaks protocol ${request.protocol}, this server ${PROTOCOL_VERSION}; ` +
        'update the older of the two';
      throw new RsyndError('ERR_PROTOCOL', why);
    }
    this.#state = 'login';
    const { software, heartbeatMs } = this.#options;
    return { verb: 'hello', protocol: PROTOCOL_VERSION, software, heartbeatMs };
  }

  async #login(request: Request): Promise<Reply> {
    if (request.verb !== 'login') throw outOfOrder('login', request);
    if (this.#loginAttempts++ >= loginAttemptsPerConnectionMax) throw tooManyLogins();
    const user = await this.#options.authenticate({
      user: request.user,
      password: request.password,
      ...this.#options.peer,
    });
    if (this.#state !== 'login') throw outOfOrder('one login', request);
    this.admit(user);
    return { verb: 'login', user };
  }

  /** One after another, each when the client took the last: a reply holds a whole definition. */
  #open(lane: Lane | undefined, request: OpenRequest): Promise<Reply> {
    if (lane === undefined) {
      const why = `this session has ${channelsPerSessionMax} files open; close some`;
      throw new RsyndError('ERR_CHNEXC', why);
    }
    if (lane.channel !== undefined) {
      throw new RsyndError('ERR_PROTOCOL', `its channel has ${lane.channel.name} open already`);
    }
    const reply = this.#opened.then(() => this.#openNext(lane, request));
    this.#opened = reply.then(
      () => this.#untilRoom(),
      () => undefined,
    );
    return reply;
  }

  async #openNext(lane: Lane, request: OpenRequest): Promise<Reply> {
    this.#requireOpenSession();
    const channel = await open(this.#options.services, this.#requireAsker(), request);
    if (this.#state === 'closed') await close(channel);
    this.#requireOpenSession();
    lane.channel = channel;
    return { verb: 'open', spec: channel.file.spec };
  }

  async #untilRoom(): Promise<void> {
    const { output } = this.#options;
    while (this.#state !== 'closed' && output.isCongested) {
      await new Promise<void>((resolve) => output.onceDrained(resolve));
    }
  }

  #requireOpenSession(): void {
    if (this.#state === 'closed') throw new RsyndError('ERR_ABORTED', 'the session ended');
  }

  async #create(request: CreateRequest): Promise<Reply> {
    await create(this.#options.services, this.#requireAsker(), request);
    return { verb: 'done' };
  }

  async #closeChannel(envelope: Envelope): Promise<Reply> {
    const lane = this.#lanes.get(envelope.channel);
    const channel = requireOpen(lane, envelope);
    if (lane !== undefined) lane.channel = undefined;
    await this.#streams.stopChannel(envelope.channel);
    await close(channel);
    return { verb: 'done' };
  }

  #cancel(id: number): void {
    if (this.#streams.cancel(id)) return;
    this.#cancels.get(id)?.abort();
    for (const lane of this.#lanes.values()) {
      const index = lane.waiting.findIndex((waiting) => isRequest(waiting, id));
      const [envelope] = index < 0 ? [] : lane.waiting.splice(index, 1);
      if (envelope === undefined) continue;
      this.#refuse(envelope, new RsyndError('ERR_ABORTED', 'cancelled before its turn came'));
    }
  }

  #requireAsker(): Asker {
    if (this.#asker === undefined) throw new TypeError('no session acts before its login');
    return this.#asker;
  }
}

function requireOpen(lane: Lane | undefined, { channel }: Envelope): OpenChannel {
  if (lane?.channel !== undefined) return lane.channel;
  throw new RsyndError('ERR_NOOPEN', `channel ${channel} has no file open`);
}

/** A turn of a stream is no request, whatever the id of the stream. */
const isRequest = (envelope: Envelope, id: number): boolean =>
  envelope.turn === undefined && envelope.id === id;

const idInUse = (id: number): RsyndError =>
  new RsyndError('ERR_PROTOCOL', `request id ${id} is that of another request under way`);

function tooManyLogins(): RsyndError {
  const why = `${loginAttemptsPerConnectionMax} logins were tried on this connection; connect again`;
  return new RsyndError('ERR_BADUSER', why, { subject: 'this server' });
}

const outOfOrder = (expected: string, request: Request): RsyndError =>
  new RsyndError('ERR_PROTOCOL', `expected ${expected}, got ${request.verb}`);
