// The daemon: the one place that constructs. Starts everything in the order it depends on each other,
// stops it in the reverse order, and tells the log what happened. With --workers each process has one, and the
// supervisor (worker/supervisor.ts) has the port.
//
//   start: engine, locks ▸ certificate, trust ▸ listener ▸ clock    stop: the same from the right

import type { SecureContextOptions } from 'node:tls';
import { refusalLinesPerSecondMax } from '../shared/base/limits.js';
import { loadNonceSource } from '../shared/tls/random-state.js';
import { Access } from './access/access.js';
import type { Gate } from './access/gate.js';
import { pathsBelow } from './access/paths.js';
import type { TypedPassphrase } from './certificate/passphrase.js';
import { TlsKeeper } from './certificate/tls-keeper.js';
import type { ReviewRules } from './certificate/trust/review-sessions.js';
import { watchFiles } from './certificate/trust/watch-files.js';
import { type DaemonOptions, RESTART_OPTIONS } from './config/daemon-options.js';
import { DaemonSessions } from './daemon-sessions.js';
import {
  cannotListen,
  farewell,
  fewDescriptors,
  IS_FULL,
  NEEDS_ENCRYPTION,
  readyLine,
} from './daemon-words.js';
import { connectionsFor, descriptorsMax, socketsFor } from './descriptors.js';
import { createUniqueClock } from './isam/autokey.js';
import type { LockManager } from './lock/lock-manager.js';
import {
  LISTENER_LIMITS,
  Listener,
  type ListenerLimits,
  type ReceptionOptions,
} from './net/listener.js';
import { certificateRefusalText, type Refusal, refusalHint } from './net/refusal.js';
import { CONNECTION_TIMES, type ConnectionTimes } from './net/session-connection.js';
import { type Journals, StateJournals } from './observe/journals.js';
import { describeError, errorsOnly, type Log, type Saying } from './observe/log.js';
import { createRefusalLog, type LogRefusal } from './observe/refusal-log.js';
import type { ScanHelper } from './scan-helper/scan-helper.js';
import { StateDirectory } from './state/state-directory.js';
import type { StorageEngine } from './storage/engine.js';
import type { Team } from './worker/team.js';

/** How often connections look at the clock. */
const tickMs = 1000;
/**
 * Every so many looks open sessions are judged again (certificates end, responders change their mind), and the
 * dead are cleared away.
 */
const ticksPerReview = 60;

/** What a daemon is made of beyond its options; tests bring their own engine and times. */
export interface DaemonParts {
  readonly engine: StorageEngine;
  readonly locks: LockManager;
  readonly log: Log;
  readonly software: string;
  /** Looks through long files ahead of selects. @default nobody does */
  readonly helper?: ScanHelper | undefined;
  /** @default the gate of the users in the data directory */
  readonly gate?: Gate;
  /** @default CONNECTION_TIMES */
  readonly times?: ConnectionTimes;
  /** @default process.env */
  readonly environment?: NodeJS.ProcessEnv;
  /** A passphrase typed before, or where to keep the one that is typed. */
  readonly typed?: TypedPassphrase;
  /** The processes it serves with. @default it serves alone */
  readonly team?: Team;
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #parts: DaemonParts;
  /** For what is news to all processes of this server alike. */
  readonly #news: Saying;
  readonly #state: StateDirectory;
  readonly #access: Access;
  readonly #journals: Journals;
  readonly #sessions: DaemonSessions;
  #tls: TlsKeeper | undefined;
  #ticks = 0;
  #listener: Listener | undefined;
  #clock: NodeJS.Timeout | undefined;
  #watch: { stop(): void } | undefined;
  #fileWatch: { stop(): void } | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(options: DaemonOptions, parts: DaemonParts) {
    this.#options = options;
    this.#parts = parts;
    const { engine, locks, log, team, software, times = CONNECTION_TIMES } = parts;
    this.#news = team === undefined || team.isSpokesman ? log : errorsOnly(log);
    this.#state = new StateDirectory(options.data);
    this.#access = this.#openAccess();
    this.#journals = team?.journals ?? this.#openJournals();
    const { gate = this.#access.gate, helper } = parts;
    this.#sessions = new DaemonSessions({
      services: { engine, locks, gate, clock: createUniqueClock(), helper },
      access: this.#access,
      paths: pathsBelow(options.data),
      journals: this.#journals,
      log,
      software,
      times,
      linesMax: this.#linesMax,
    });
  }

  /** ERR_TLSCONF, ERR_CONFIG, or why the port cannot be had. Nothing is left open then. */
  static async start(options: DaemonOptions, parts: DaemonParts): Promise<Daemon> {
    const daemon = new Daemon(options, parts);
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
    await new Daemon(options, parts).#openTls();
  }

  /** The line that says connections are accepted. */
  get readyLine(): string {
    return readyLine(this.#options, this.address);
  }

  get address(): { readonly host: string; readonly port: number } {
    return this.#listener?.address ?? { host: this.#options.host, port: this.#options.port };
  }

  get sessionCount(): number {
    return this.#sessions.count;
  }

  /**
   * Takes certificate, level, trust and log level of `options` into use for later connections; sessions that
   * still qualify go on as they are. What cannot be used changes nothing. Never rejects: the log says what
   * came of it.
   */
  async reload(options: DaemonOptions = this.#options): Promise<void> {
    this.#parts.log.level = options.logLevel;
    for (const name of RESTART_OPTIONS) {
      if (options[name] === this.#options[name]) continue;
      this.#news.warn(`${name} changes at the next start only`);
    }
    this.#reloadUsers();
    if (this.#tls === undefined) return this.#news.info('reloaded: there is no certificate');
    await this.#tls.reload(options);
    await this.#useNewTls();
  }

  /** The team has other ticket keys. */
  useNewTickets(): void {
    const contextOptions = this.#contextOptions;
    if (contextOptions !== undefined) this.#listener?.setCertificate(contextOptions);
  }

  /** Lets sessions finish what they do, within a deadline, and frees everything. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { engine, locks, log } = this.#parts;
    log.info({ sessions: this.#sessions.count }, 'stopping');
    this.#listener?.close();
    await this.#sessions.stop();
    clearInterval(this.#clock);
    this.#watch?.stop();
    this.#fileWatch?.stop();
    this.#listener?.terminate();
    this.#journals.save();
    await locks.close();
    await engine.close();
    log.info('stopped');
  }

  /** A certificate, an authority, a revocation list or the store changed. */
  #tlsChanged(): void {
    const refreshed = this.#tls?.refresh().then((isNew) => (isNew ? this.#useNewTls() : undefined));
    refreshed?.catch((error) => this.#parts.log.error(describeError(error), 'unexpected'));
  }

  /** For new handshakes, and for the sessions there are. */
  #useNewTls(): Promise<void> {
    this.useNewTickets();
    this.#parts.team?.renewTickets();
    return this.#sessions.reviewTrust(this.#rules);
  }

  /** All options of the context of a new handshake. Holds secrets: never log them. */
  get #contextOptions(): SecureContextOptions | undefined {
    const options = this.#tls?.contextOptions;
    const { team } = this.#parts;
    // Where certificates are asked for nothing resumes, and there are no tickets.
    if (options === undefined || team === undefined || this.#tls?.trust.asks) return options;
    return { ...options, ticketKeys: team.ticketKeys(options) };
  }

  /** What sessions must come up to. The level as asked for; a plain server has only what it was started with. */
  get #rules(): ReviewRules {
    const level = this.#tls?.level ?? this.#options.scl;
    return { keeper: this.#tls?.trust, level, host: this.#options.host };
  }

  /** Log lines of each kind that strangers can cause in a second. */
  get #linesMax(): number {
    return Math.ceil(refusalLinesPerSecondMax / (this.#parts.team?.size ?? 1));
  }

  #openAccess(): Access {
    const { log, team } = this.#parts;
    const access = new Access({
      state: this.#state,
      root: this.#options.data,
      rules: this.#options,
      turns: team?.turns,
      onRefused: this.#refusalLog('login refused'),
      onError: (error, what) => log.error(describeError(error), what),
    });
    for (const warning of access.warnings) this.#news.warn(warning);
    return access;
  }

  #openJournals(): Journals {
    const { log } = this.#parts;
    const what = 'the clients seen lately are not written down';
    return new StateJournals(this.#state, (error) => log.warn(describeError(error), what));
  }

  #refusalLog<T extends object>(text: string, keep?: (refusal: T) => void): LogRefusal<T> {
    return createRefusalLog(this.#parts.log, Date.now, keep, text, this.#linesMax);
  }

  /** Somebody ran rsynctl: what is in the state directory counts from now on, for open sessions too. */
  #stateChanged(): void {
    this.#tlsChanged();
    this.#reloadUsers();
  }

  #reloadUsers(): void {
    if (!this.#access.reload()) return;
    this.#news.info('users reloaded');
    this.#sessions.reviewUsers();
  }

  async #openTls(): Promise<void> {
    const { environment: env = process.env, typed } = this.#parts;
    loadNonceSource(env);
    if (!this.#options.encrypt) return;
    this.#tls = await TlsKeeper.open(this.#options, {
      state: this.#state,
      env,
      typed,
      log: this.#news,
      onUnchecked: this.#refusalLog('client not checked'),
    });
  }

  #noteDefaultLevel(): void {
    try {
      this.#tls?.noteDefaultLevel();
    } catch (error) {
      // A directory that cannot be written is served all the same, for reading.
      this.#news.warn(describeError(error), 'what level 0 means is not written down');
    }
  }

  async #listen(): Promise<void> {
    const { host, port, scl } = this.#options;
    const { team } = this.#parts;
    const options = this.#receptionOptions();
    if (team !== undefined) {
      const listener = Listener.behind(team.address, options);
      team.receive((socket) => listener.accept(socket));
      this.#listener = listener;
      return;
    }
    this.#listener = await Listener.open({ host, port, ...options }).catch(
      (cause: NodeJS.ErrnoException) => {
        throw cannotListen(cause, host, port);
      },
    );
    this.#parts.log.info({ ...this.#listener.address, scl }, 'accepting connections');
  }

  #receptionOptions(): ReceptionOptions {
    const { host } = this.#options;
    const { log } = this.#parts;
    const contextOptions = this.#contextOptions;
    return {
      ...(contextOptions && { contextOptions }),
      ...(this.#tls && { certificates: this.#tls.trust }),
      limits: this.#limits(),
      refusePlain: (id) => farewell('ERR_CLNTERR', `${NEEDS_ENCRYPTION}; ${refusalHint(id)}`, host),
      makeRoom: () => this.#sessions.makeRoom(),
      refuseBusy: (id) => farewell('ERR_SRVRLIMIT', `${IS_FULL}; ${refusalHint(id)}`, host),
      refuseCertificate: (refusal) =>
        farewell('ERR_CLNTERR', certificateRefusalText(refusal), host),
      onConnection: (connection) => this.#sessions.serve(connection, this.#rules),
      onRefused: this.#refusalLog<Refusal>('connection refused', (refusal) =>
        this.#journals.refused(refusal),
      ),
      onAcceptError: (error) => log.error(describeError(error), 'cannot accept'),
    };
  }

  /** Its part of what the server may have, or what its descriptors are enough for. */
  #limits(): Partial<ListenerLimits> {
    const { log, team } = this.#parts;
    const descriptors = descriptorsMax();
    const wanted = { ...LISTENER_LIMITS, ...team?.limits };
    const connections = Math.min(wanted.connectionsMax, connectionsFor(descriptors));
    if (connections < wanted.connectionsMax) {
      log.warn(fewDescriptors(descriptors, connections, wanted.connectionsMax));
    }
    const socketsMax = Math.min(wanted.socketsMax, socketsFor(descriptors));
    return { ...team?.limits, connectionsMax: connections, socketsMax };
  }

  #tick(): void {
    this.#sessions.tick();
    this.#journals.tick();
    this.#ticks++;
    if (this.#ticks % ticksPerReview !== 0) return;
    this.#tls?.warnOfEnds();
    void this.#parts.engine.freeDeadReaders();
    void this.#sessions.reviewTrust(this.#rules);
  }
}
