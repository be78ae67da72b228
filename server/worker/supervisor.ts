// The supervisor of a server with --workers: it has the port and gives each connection to a worker, keeps what
// counts for all of them together (README.md), replaces who dies, and passes on what it is told. It has no sessions
// and opens no files of records.
//
//   start: port ▸ workers ▸ ready        stop: port ▸ workers ▸ journals

import { workerDeathsMax, workerPauseMsMax } from '../../shared/base/limits.js';
import { LoginTurns } from '../access/login-turns.js';
import type { TypedPassphrase } from '../certificate/passphrase.js';
import { type DaemonOptions, RESTART_OPTIONS } from '../config/daemon-options.js';
import { cannotListen, readyLine } from '../daemon-words.js';
import { descriptorsMax, waitingFor } from '../descriptors.js';
import { LISTENER_LIMITS, type ListenerLimits } from '../net/listener.js';
import { Port, type PortAddress } from '../net/port.js';
import { type Journals, StateJournals } from '../observe/journals.js';
import { describeError, type Log } from '../observe/log.js';
import { StateDirectory } from '../state/state-directory.js';
import { Deaths } from './deaths.js';
import type { FromWorker, ToWorker } from './message.js';
import { Placement } from './placement.js';
import { shareOf } from './shares.js';
import { TicketSecret } from './ticket-secret.js';
import { TurnDesk } from './turn-desk.js';
import { type WorkerEnd, WorkerProcess } from './worker-process.js';

const tickMs = 1000;

export interface SupervisorParts {
  readonly log: Log;
  readonly software: string;
  readonly typed: TypedPassphrase;
  /** Told once why the server cannot go on; it has stopped by then. */
  readonly onFailed: (error: Error) => void;
  /** Of the whole server. @default LISTENER_LIMITS */
  readonly limits?: Partial<ListenerLimits>;
  /** How often workers are asked whether they are there. @default workerRoundMs */
  readonly roundMs?: number;
}

/** A worker's place, whoever fills it. */
interface Post {
  readonly number: number;
  readonly deaths: Deaths;
  worker: WorkerProcess;
}

export class Supervisor {
  readonly #options: DaemonOptions;
  readonly #parts: SupervisorParts;
  readonly #posts: Post[] = [];
  readonly #placement = new Placement(waitingFor(descriptorsMax()));
  readonly #turns = new LoginTurns();
  readonly #tickets: TicketSecret;
  readonly #journals: Journals;
  readonly #replacements = new Set<NodeJS.Timeout>();
  /** As last reloaded: what a replacement starts with. */
  #current: DaemonOptions;
  #port: Port | undefined;
  #clock: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(options: DaemonOptions, parts: SupervisorParts) {
    const { log } = parts;
    this.#options = options;
    this.#current = options;
    this.#parts = parts;
    this.#tickets = new TicketSecret(() => {
      this.#tellAll({ kind: 'tickets', ticketSecret: this.#tickets.value });
    });
    this.#journals = new StateJournals(new StateDirectory(options.data), (error) =>
      log.warn(describeError(error), 'the clients seen lately are not written down'),
    );
  }

  /** Why the port cannot be had, or what a worker cannot start with. Nothing is left running then. */
  static async start(options: DaemonOptions, parts: SupervisorParts): Promise<Supervisor> {
    const supervisor = new Supervisor(options, parts);
    await supervisor.#listen();
    try {
      await supervisor.#startWorkers();
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    return supervisor;
  }

  /** The line that says connections are accepted. */
  get readyLine(): string {
    return readyLine(this.#options, this.address);
  }

  get address(): PortAddress {
    return this.#port?.address ?? { host: this.#options.host, port: this.#options.port };
  }

  /** Process numbers of the workers there are. */
  get pids(): readonly (number | undefined)[] {
    return this.#posts.map(({ worker }) => worker.pid);
  }

  /** Every worker takes what a running server can take of these options. */
  async reload(options: DaemonOptions): Promise<void> {
    this.#parts.log.level = options.logLevel;
    this.#current = { ...options, ...fixedOf(this.#options) };
    this.#tellAll({ kind: 'reload', options });
  }

  /** Lets all sessions finish what they do, within a deadline, and ends the workers. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#parts.log.info({ workers: this.#posts.length }, 'stopping');
    this.#port?.close();
    this.#placement.close();
    for (const timer of this.#replacements) clearTimeout(timer);
    await Promise.all(this.#posts.map(({ worker }) => worker.stop()));
    clearInterval(this.#clock);
    this.#tickets.close();
    this.#journals.save();
    this.#parts.log.info('stopped');
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    this.#port = await Port.open({
      host,
      port,
      isPaused: true,
      onSocket: (socket) => this.#placement.offer(socket),
      onAcceptError: (error) => this.#parts.log.error(describeError(error), 'cannot accept'),
    }).catch((cause: NodeJS.ErrnoException) => {
      throw cannotListen(cause, host, port);
    });
  }

  async #startWorkers(): Promise<void> {
    const { workers, scl } = this.#options;
    for (let number = 1; number <= workers; number++) {
      const post: Post = { number, deaths: new Deaths(), worker: this.#startWorker(number) };
      this.#posts.push(post);
    }
    await Promise.all(this.#posts.map(({ worker }) => worker.waitUntilReady()));
    for (const post of this.#posts) this.#watch(post);
    this.#clock = setInterval(() => this.#journals.tick(), tickMs);
    this.#parts.log.info({ ...this.address, scl, workers }, 'accepting connections');
  }

  #startWorker(number: number): WorkerProcess {
    const desk = new TurnDesk({
      turns: this.#turns,
      grant: (id) => worker.send({ kind: 'turn', id }),
      refuse: (id, failure) => worker.send({ kind: 'no turn', id, failure }),
    });
    const { log, software, typed, limits, roundMs } = this.#parts;
    const size = this.#options.workers;
    const worker: WorkerProcess = new WorkerProcess({
      start: {
        ...{ number, size, software, options: this.#current, address: this.address },
        limits: shareOf({ ...LISTENER_LIMITS, ...limits }, number, size),
        ticketSecret: this.#tickets.value,
        passphrase: typed.value,
      },
      onMessage: (message) => this.#hear(desk, message),
      onFree: () => this.#placement.settle(),
      onSilent: (state) => {
        const facts = { worker: number, was: worker.pid, state };
        log.error(facts, 'a worker does not answer any more, ending it');
      },
      roundMs,
    });
    this.#placement.add(worker);
    void worker.ended.then(() => desk.close());
    return worker;
  }

  /** Replaces the worker when it ends. */
  #watch(post: Post): void {
    const { worker } = post;
    void worker.ended.then((end) => {
      this.#placement.remove(worker);
      for (const socket of worker.takeUnserved()) this.#placement.offer(socket);
      if (this.#stopping === undefined) this.#replace(post, end);
    });
  }

  #replace(post: Post, end: WorkerEnd): void {
    const { log } = this.#parts;
    const { worker, number } = post;
    const { code, signal, error } = end;
    const why = error === undefined ? {} : describeError(error);
    const facts = { worker: number, was: worker.pid, code, signal, ...why };
    const pauseMs = this.#pauseAfter(post, end);
    if (pauseMs === undefined) {
      log.fatal(facts, 'a worker dies again and again, ending');
      return void this.#fail(number, end);
    }
    log.warn({ ...facts, connections: worker.connections, pauseMs }, 'worker ended, replacing it');
    const timer = setTimeout(() => {
      this.#replacements.delete(timer);
      post.worker = this.#startWorker(number);
      this.#watch(post);
    }, pauseMs);
    this.#replacements.add(timer);
  }

  /** Milliseconds until another may start; undefined: it is of no use. */
  #pauseAfter({ deaths }: Post, { error, hasServed, livedMs }: WorkerEnd): number | undefined {
    const others = this.#posts.some(({ worker }) => worker.isServing);
    // It says why it cannot start: a bad file of today, mostly, that those who started before do not need.
    if (!hasServed && error !== undefined && others) return workerPauseMsMax;
    return deaths.pauseAfter(livedMs);
  }

  async #fail(number: number, { code, signal, error }: WorkerEnd): Promise<void> {
    await this.stop();
    const how = error?.message ?? `it ended with ${signal ?? code}`;
    const why = `worker ${number} died ${workerDeathsMax} times in a row, at last because: ${how}; see the log`;
    this.#parts.onFailed(new Error(why, { cause: error }));
  }

  #hear(desk: TurnDesk, message: FromWorker): void {
    switch (message.kind) {
      case 'ask turn':
        return desk.ask(message.id, message.tried);
      case 'turn over':
        return desk.over(message.id, message.isRight);
      case 'renew tickets':
        return this.#tickets.renew();
      case 'connected':
        return this.#journals.connected(message.connection);
      case 'logged in':
        return this.#journals.loggedIn(message.client);
      case 'refused':
        return this.#journals.refused(message.refusal);
    }
  }

  #tellAll(message: ToWorker): void {
    for (const { worker } of this.#posts) worker.send(message);
  }
}

/** What a replacement shares with the workers that run, whatever the configuration says by now. */
const fixedOf = (options: DaemonOptions): Partial<DaemonOptions> =>
  Object.fromEntries(RESTART_OPTIONS.map((name) => [name, options[name]]));
