// The daemon: the one place that constructs. Starts everything in the order it depends on each other,
// stops it in the reverse order, and tells the log what happened.
//
//   start: engine, locks ▸ certificate, trust ▸ listener ▸ clock    stop: the same from the right

import { clientsSavedMs, connectionsMax, drainDeadlineMs } from '../shared/base/limits.js';
import { printable } from '../shared/tls/certificate-text.js';
import { loadNonceSource } from '../shared/tls/random-state.js';
import { Access } from './access/access.js';
import type { Gate } from './access/gate.js';
import { pathsBelow } from './access/paths.js';
import { TlsKeeper } from './certificate/tls-keeper.js';
import { expelUntrusted, type ReviewedSession } from './certificate/trust/review-sessions.js';
import { watchFiles } from './certificate/trust/watch-files.js';
import type { DaemonOptions } from './config/daemon-options.js';
import {
  cannotListen,
  encryptionWords,
  farewell,
  fewDescriptors,
  IS_FULL,
  NEEDS_ENCRYPTION,
} from './daemon-words.js';
import { connectionsFor, descriptorsMax } from './descriptors.js';
import { createUniqueClock } from './isam/autokey.js';
import type { LockManager } from './lock/lock-manager.js';
import type { NetConnection } from './net/arrival.js';
import { Listener } from './net/listener.js';
import { certificateRefusalText, type Refusal, refusalHint } from './net/refusal.js';
import {
  CONNECTION_TIMES,
  type ConnectionTimes,
  SessionConnection,
} from './net/session-connection.js';
import { ClientJournal } from './observe/client-journal.js';
import { describeError, type Log } from './observe/log.js';
import { RefusalFile } from './observe/refusal-file.js';
import { createPacedLog, createRefusalLog } from './observe/refusal-log.js';
import { TlsUsage } from './observe/tls-usage.js';
import type { Services } from './operation/open.js';
import { Session, type SessionOutput } from './session/session.js';
import { StateDirectory } from './state/state-directory.js';
import type { StorageEngine } from './storage/engine.js';

/** How often connections look at the clock. */
const tickMs = 1000;
/** Connections that look at it in one turn of the event loop. */
const connectionsPerTurn = 64;
/** Every so many looks open sessions are judged again: certificates end, responders change their mind. */
const ticksPerReview = 60;
const ticksPerSave = clientsSavedMs / tickMs;

/** What a daemon is made of beyond its options; tests bring their own engine and times. */
export interface DaemonParts {
  readonly engine: StorageEngine;
  readonly locks: LockManager;
  readonly log: Log;
  readonly software: string;
  /** @default the gate of the users in the data directory */
  readonly gate?: Gate;
  /** @default CONNECTION_TIMES */
  readonly times?: ConnectionTimes;
  /** @default process.env */
  readonly environment?: NodeJS.ProcessEnv;
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #parts: DaemonParts;
  readonly #services: Services;
  readonly #connections = new Set<SessionConnection>();
  readonly #arrivals = new WeakMap<SessionConnection, NetConnection>();
  readonly #paths;
  readonly #state: StateDirectory;
  readonly #access: Access;
  readonly #clients: ClientJournal;
  readonly #usage: TlsUsage;
  /** Of those who log in the end is written down always, with user and address; so much any stranger can cause. */
  readonly #logStarted: (line: object) => void;
  readonly #logStrangerEnded: (line: object) => void;
  #tls: TlsKeeper | undefined;
  #ticks = 0;
  #listener: Listener | undefined;
  #clock: NodeJS.Timeout | undefined;
  #watch: { stop(): void } | undefined;
  #fileWatch: { stop(): void } | undefined;
  #sessions = 0;
  #stopping: Promise<void> | undefined;

  private constructor(options: DaemonOptions, parts: DaemonParts) {
    this.#options = options;
    this.#parts = parts;
    this.#paths = pathsBelow(options.data);
    this.#state = new StateDirectory(options.data);
    this.#access = this.#openAccess();
    this.#clients = new ClientJournal(this.#state);
    this.#usage = new TlsUsage(this.#state);
    const { log } = parts;
    this.#logStarted = createPacedLog((_, line) => log.info(line, 'session started'));
    this.#logStrangerEnded = createPacedLog((_, line) => log.info(line, 'session ended'));
    const { engine, locks, gate = this.#access.gate } = parts;
    this.#services = { engine, locks, gate, clock: createUniqueClock() };
  }

  /** ERR_TLSCONF, ERR_CONFIG, or why the port cannot be had. Nothing is left open then. */
  static async start(options: DaemonOptions, parts: DaemonParts): Promise<Daemon> {
    const daemon = new Daemon(options, parts);
    daemon.#warn(daemon.#access.warnings);
    await daemon.#openTls();
    await daemon.#listen();
    daemon.#noteDefaultLevel();
    daemon.#watch = daemon.#state.watch(() => daemon.#stateChanged());
    daemon.#fileWatch = watchFiles(
      () => daemon.#tls?.files ?? [],
      () => daemon.#tlsChanged(),
    );
    daemon.#stateChanged(); // what changed between the first look and the watch
    daemon.#clock = setInterval(() => daemon.#tick(), tickMs);
    return daemon;
  }

  /** Checks all that `start` would use, and starts nothing. */
  static async check(options: DaemonOptions, parts: DaemonParts): Promise<void> {
    const daemon = new Daemon(options, parts);
    daemon.#warn(daemon.#access.warnings);
    await daemon.#openTls();
  }

  /** The line that says connections are accepted; scripts wait for it, it stays as it is. */
  get readyLine(): string {
    const { host, port } = this.address;
    const words = encryptionWords(this.#options);
    return `rsynd ready host=${host} port=${port} ${words} data=${this.#options.data}`;
  }

  get address(): { readonly host: string; readonly port: number } {
    return this.#listener?.address ?? { host: this.#options.host, port: this.#options.port };
  }

  get sessionCount(): number {
    return this.#connections.size;
  }

  /**
   * Takes certificate, level, trust and log level of `options` into use for later connections; sessions that
   * still qualify go on as they are. What cannot be used changes nothing. Never rejects: the log says what
   * came of it.
   */
  async reload(options: DaemonOptions = this.#options): Promise<void> {
    const { log } = this.#parts;
    log.level = options.logLevel;
    for (const name of RESTART_OPTIONS) {
      if (options[name] !== this.#options[name]) log.warn(`${name} changes at the next start only`);
    }
    this.#reloadUsers();
    if (this.#tls === undefined) return log.info('reloaded: there is no certificate');
    await this.#tls.reload(options);
    await this.#useNewTls();
  }

  /** A certificate, an authority, a revocation list or the store changed. */
  #tlsChanged(): void {
    const refreshed = this.#tls?.refresh().then((isNew) => (isNew ? this.#useNewTls() : undefined));
    refreshed?.catch((error) => this.#parts.log.error(describeError(error), 'unexpected'));
  }

  /** For new handshakes, and for the sessions there are. */
  #useNewTls(): Promise<void> {
    this.#renewContext();
    return this.#reviewTrust();
  }

  /** New handshakes go by what counts now. */
  #renewContext(): void {
    if (this.#tls !== undefined) this.#listener?.setCertificate(this.#tls.contextOptions);
  }

  /** Ends the sessions whose certificate or protocol does not qualify any more. */
  #reviewTrust(): Promise<void> {
    const rules = { keeper: this.#tls?.trust, level: this.#level, host: this.#options.host };
    return expelUntrusted([...this.#connections].map(this.#reviewed), rules);
  }

  /** As asked for; a plain server has only what it was started with. */
  get #level() {
    return this.#tls?.level ?? this.#options.scl;
  }

  readonly #reviewed = (connection: SessionConnection): ReviewedSession => ({
    protocol: this.#arrivals.get(connection)?.protocol,
    chain: this.#arrivals.get(connection)?.chain ?? [],
    expel: (error) => connection.expel(error),
  });

  /** Lets sessions finish what they do, within a deadline, and frees everything. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#parts.log.info({ sessions: this.#connections.size }, 'stopping');
    this.#listener?.close();
    await this.#drain();
    for (const connection of this.#connections) connection.end('server stopping');
    await Promise.all([...this.#connections].map(({ session }) => session.close()));
    clearInterval(this.#clock);
    this.#watch?.stop();
    this.#fileWatch?.stop();
    this.#listener?.terminate();
    this.#saveSeen(this.#usage, this.#clients);
    await this.#parts.locks.close();
    await this.#parts.engine.close();
    this.#parts.log.info('stopped');
  }

  /** Waits until no session has a request under way, at most so long. */
  async #drain(): Promise<void> {
    const deadline = Date.now() + drainDeadlineMs;
    const isBusy = () =>
      [...this.#connections].some((each) => each.session.pending > 0 || each.queuedBytes > 0);
    while (isBusy() && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #openAccess(): Access {
    const { log } = this.#parts;
    return new Access({
      state: this.#state,
      root: this.#options.data,
      rules: this.#options,
      onRefused: createRefusalLog(log, Date.now, undefined, 'login refused'),
      onError: (error, what) => log.error(describeError(error), what),
    });
  }

  #warn(warnings: readonly string[]): void {
    for (const warning of warnings) this.#parts.log.warn(warning);
  }

  /** Somebody ran rsynctl: what is in the state directory counts from now on, for open sessions too. */
  #stateChanged(): void {
    this.#tlsChanged();
    this.#reloadUsers();
  }

  #reloadUsers(): void {
    if (!this.#access.reload()) return;
    this.#parts.log.info('users reloaded');
    for (const connection of this.#connections) this.#review(connection);
  }

  /** Ends a session whose user is gone, or lost a right that it uses. */
  #review(connection: SessionConnection): void {
    const { user, openFiles: files, identity } = connection.session;
    if (user === undefined) return;
    const refusal = this.#access.refusalOf({ user, files, identity });
    if (refusal !== undefined) connection.expel(refusal);
  }

  get #environment(): NodeJS.ProcessEnv {
    return this.#parts.environment ?? process.env;
  }

  async #openTls(): Promise<void> {
    const env = this.#environment;
    loadNonceSource(env);
    if (!this.#options.encrypt) return;
    const { log } = this.#parts;
    const onUnchecked = createRefusalLog(log, Date.now, undefined, 'client not checked');
    this.#tls = await TlsKeeper.open(this.#options, { state: this.#state, env, log, onUnchecked });
  }

  #noteDefaultLevel(): void {
    try {
      this.#tls?.noteDefaultLevel();
    } catch (error) {
      // A directory that cannot be written is served all the same, for reading.
      this.#parts.log.warn(describeError(error), 'what level 0 means is not written down');
    }
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    const { log } = this.#parts;
    const contextOptions = this.#tls?.contextOptions;
    const refusals = new RefusalFile(this.#state);
    const descriptors = descriptorsMax();
    const connections = connectionsFor(descriptors);
    if (connections < connectionsMax) log.warn(fewDescriptors(descriptors, connections));
    this.#listener = await Listener.open({
      host,
      port,
      limits: { connectionsMax: connections },
      ...(contextOptions === undefined ? {} : { contextOptions }),
      ...(this.#tls === undefined ? {} : { certificates: this.#tls.trust }),
      refusePlain: (id) => farewell('ERR_CLNTERR', `${NEEDS_ENCRYPTION}; ${refusalHint(id)}`, host),
      makeRoom: () => this.#makeRoom(),
      refuseBusy: (id) => farewell('ERR_SRVRLIMIT', `${IS_FULL}; ${refusalHint(id)}`, host),
      refuseCertificate: (refusal) =>
        farewell('ERR_CLNTERR', certificateRefusalText(refusal), host),
      onConnection: (connection) => this.#serve(connection),
      onRefused: createRefusalLog<Refusal>(log, Date.now, (refusal) => refusals.append(refusal)),
      onAcceptError: (error) => log.error(describeError(error), 'cannot accept'),
    }).catch((cause: NodeJS.ErrnoException) => {
      throw cannotListen(cause, host, port);
    });
    const { address } = this.#listener;
    log.info({ ...address, scl: this.#options.scl }, 'accepting connections');
  }

  /** Ends who waits longest with his login: strangers that only sit there must not keep users out. */
  #makeRoom(): boolean {
    for (const connection of this.#connections) {
      if (connection.session.user !== undefined) continue;
      this.#connections.delete(connection); // now, so that the next one asked for is another
      connection.destroy('no login yet, and the server is full');
      return true;
    }
    return false;
  }

  #serve(arrived: NetConnection): void {
    const { log, times = CONNECTION_TIMES } = this.#parts;
    const peer = `${arrived.peer.address}:${arrived.peer.port}`;
    const id = ++this.#sessions;
    const connection = new SessionConnection({
      socket: arrived.socket,
      makeSession: (output) => this.#makeSession(id, peer, arrived, output),
      times,
      now: Date.now,
      onClose: (reason) => {
        this.#connections.delete(connection);
        const { user } = connection.session;
        const line = { session: id, peer, user, reason };
        if (user === undefined) this.#logStrangerEnded(line);
        else log.info(line, 'session ended');
      },
    });
    this.#connections.add(connection);
    this.#arrivals.set(connection, arrived);
    this.#usage.count(arrived, Date.now());
    const { encrypted, protocol, cipher, identity } = arrived;
    const certificate = identity && {
      subject: printable(identity.subject),
      fingerprint: identity.fingerprint,
    };
    this.#logStarted({ session: id, peer, encrypted, protocol, cipher, certificate });
    // Its certificate was judged a moment ago, but the level may have changed during the handshake.
    const rules = { keeper: undefined, level: this.#level, host: this.#options.host };
    void expelUntrusted([this.#reviewed(connection)], rules);
  }

  #makeSession(id: number, peer: string, arrived: NetConnection, output: SessionOutput): Session {
    const { log, software, times = CONNECTION_TIMES } = this.#parts;
    const route = { kind: 'remote', encrypted: arrived.encrypted, peer } as const;
    return new Session({
      services: this.#services,
      askerOf: (user) => ({
        caller: { user, route },
        owner: { id, label: `${user}@${peer}` },
        paths: this.#paths,
      }),
      authenticate: async (credentials) => {
        const user = await this.#access.authenticate(credentials);
        this.#noteClient(user, arrived);
        return user;
      },
      peer: { address: arrived.peer.address, identity: arrived.identity },
      output,
      onUnexpected: (error) => log.error({ session: id, ...describeError(error) }, 'unexpected'),
      software,
      heartbeatMs: times.heartbeatMs,
    });
  }

  /** For rehearsals, and for who needs which protocol. */
  #noteClient(user: string, arrived: NetConnection): void {
    const { peer, protocol, cipher, serverName, chain = [] } = arrived;
    this.#usage.noteUser(arrived, user);
    this.#clients.note({
      address: peer.address,
      user,
      seen: Date.now(),
      ...(protocol === undefined ? {} : { protocol }),
      ...(cipher === undefined ? {} : { cipher }),
      ...(serverName === undefined ? {} : { serverName }),
      ...(chain.length === 0 ? {} : { chain: chain.map(String) }),
    });
  }

  #saveSeen(...journals: readonly { save(): void }[]): void {
    try {
      for (const journal of journals) journal.save();
    } catch (error) {
      this.#parts.log.warn(describeError(error), 'the clients seen lately are not written down');
    }
  }

  /** Some at a time: pings to ten thousand at once would hold up everybody. */
  #tickConnections(left: Iterator<SessionConnection>): void {
    for (let count = 0; count < connectionsPerTurn; count++) {
      const next = left.next();
      if (next.done === true) return;
      next.value.tick();
    }
    setImmediate(() => this.#tickConnections(left));
  }

  #tick(): void {
    this.#tickConnections(this.#connections.values());
    this.#ticks++;
    const isTime = this.#ticks % ticksPerSave === 0;
    this.#saveSeen(...[this.#usage, this.#clients].filter((each) => isTime || each.hasNews));
    if (this.#ticks % ticksPerReview !== 0) return;
    this.#tls?.warnOfEnds();
    void this.#reviewTrust();
  }
}

/** Options that a running daemon cannot change. */
const RESTART_OPTIONS = ['host', 'port', 'data', 'encrypt', 'nonSecure', 'user'] as const;
