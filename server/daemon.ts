// The daemon: the one place that constructs. Starts everything in the order it depends on each other,
// stops it in the reverse order, and tells the log what happened.
//
//   start: engine, locks ▸ certificate ▸ listener ▸ clock           stop: the same from the right

import { RsyndError } from '../shared/base/error.js';
import { drainDeadlineMs } from '../shared/base/limits.js';
import { encodeReply } from '../shared/protocol/codec.js';
import { FrameWriter } from '../shared/protocol/frame-writer.js';
import { minProtocolOf, resolveLevel } from '../shared/tls/policy.js';
import { loadNonceSource } from '../shared/tls/random-state.js';
import { createGate, type Gate } from './access/gate.js';
import { createLogin } from './access/login.js';
import { pathsBelow } from './access/paths.js';
import { resolveCertificateFile } from './certificate/certificate-file.js';
import { CertificateHolder } from './certificate/certificate-holder.js';
import { passphraseSource } from './certificate/passphrase.js';
import type { DaemonOptions } from './config/daemon-options.js';
import { createUniqueClock } from './isam/autokey.js';
import type { LockManager } from './lock/lock-manager.js';
import type { NetConnection } from './net/arrival.js';
import { Listener } from './net/listener.js';
import {
  CONNECTION_TIMES,
  type ConnectionTimes,
  SessionConnection,
} from './net/session-connection.js';
import { describeError, type Log } from './observe/log.js';
import { createRefusalLog } from './observe/refusal-log.js';
import { errorReply } from './operation/error-reply.js';
import type { Services } from './operation/open.js';
import { Session, type SessionOutput } from './session/session.js';
import type { StorageEngine } from './storage/engine.js';

/** How often connections look at the clock. */
const tickMs = 1000;

/** What a daemon is made of beyond its options; tests bring their own engine and times. */
export interface DaemonParts {
  readonly engine: StorageEngine;
  readonly locks: LockManager;
  readonly log: Log;
  readonly software: string;
  /** @default createGate() */
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
  readonly #paths;
  readonly #authenticate;
  #certificate: CertificateHolder | undefined;
  #listener: Listener | undefined;
  #clock: NodeJS.Timeout | undefined;
  #sessions = 0;
  #stopping: Promise<void> | undefined;

  private constructor(options: DaemonOptions, parts: DaemonParts) {
    this.#options = options;
    this.#parts = parts;
    this.#paths = pathsBelow(options.data);
    this.#authenticate = createLogin(options);
    const { engine, locks, gate = createGate() } = parts;
    this.#services = { engine, locks, gate, clock: createUniqueClock() };
  }

  /** ERR_TLSCONF, ERR_CONFIG, or why the port cannot be had. Nothing is left open then. */
  static async start(options: DaemonOptions, parts: DaemonParts): Promise<Daemon> {
    const daemon = new Daemon(options, parts);
    await daemon.#openCertificate();
    await daemon.#listen();
    daemon.#clock = setInterval(() => daemon.#tick(), tickMs);
    return daemon;
  }

  /** Checks all that `start` would use, and starts nothing. */
  static async check(options: DaemonOptions, parts: DaemonParts): Promise<void> {
    await new Daemon(options, parts).#openCertificate();
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
   * Takes certificate, level and log level of `options` into use for later connections; sessions go on
   * as they are. What cannot be used changes nothing. Never rejects: the log says what came of it.
   */
  async reload(options: DaemonOptions = this.#options): Promise<void> {
    const { log } = this.#parts;
    log.level = options.logLevel;
    for (const name of RESTART_OPTIONS) {
      if (options[name] !== this.#options[name]) log.warn(`${name} changes at the next start only`);
    }
    if (this.#certificate === undefined) return log.info('reloaded: there is no certificate');
    try {
      const file = resolveCertificateFile(options.cert, this.#environment);
      const level = options.scl;
      const { leaf, notAfter, warnings } = await this.#certificate.reload({ file, level });
      this.#listener?.setCertificate(this.#certificate.contextOptions);
      log.info({ serial: leaf.serialNumber, notAfter, scl: level }, 'certificate reloaded');
      for (const warning of warnings) log.warn(warning);
    } catch (error) {
      log.error(describeError(error), 'certificate not reloaded, the one in use stays');
    }
  }

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
    this.#listener?.terminate();
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

  get #environment(): NodeJS.ProcessEnv {
    return this.#parts.environment ?? process.env;
  }

  async #openCertificate(): Promise<void> {
    const environment = this.#environment;
    loadNonceSource(environment);
    if (!this.#options.encrypt) return;
    const { cert, scl, passphraseFile } = this.#options;
    this.#certificate = await CertificateHolder.open({
      file: resolveCertificateFile(cert, environment),
      passphrase: passphraseSource({
        ...(passphraseFile === undefined ? {} : { file: passphraseFile }),
        env: environment,
      }),
      level: scl,
    });
    for (const warning of this.#certificate.certificate.warnings) this.#parts.log.warn(warning);
    if (resolveLevel(scl) < 3) {
      const now = `${minProtocolOf(scl)} and newer are served`;
      this.#parts.log.warn({ scl }, `-scl=${scl} is a legacy level: ${now}; use -scl=3 or 4`);
    }
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    const contextOptions = this.#certificate?.contextOptions;
    this.#listener = await Listener.open({
      host,
      port,
      ...(contextOptions === undefined ? {} : { contextOptions }),
      refusePlain: () => farewell('ERR_CLNTERR', NEEDS_ENCRYPTION, host),
      refuseBusy: () => farewell('ERR_SRVRLIMIT', 'it has as many connections as it takes', host),
      onConnection: (connection) => this.#serve(connection),
      onRefused: createRefusalLog(this.#parts.log),
      onAcceptError: (error) => this.#parts.log.error(describeError(error), 'cannot accept'),
    }).catch((cause: NodeJS.ErrnoException) => {
      throw cannotListen(cause, host, port);
    });
    const { address } = this.#listener;
    this.#parts.log.info({ ...address, scl: this.#options.scl }, 'accepting connections');
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
        log.info({ session: id, peer, user: connection.session.user, reason }, 'session ended');
      },
    });
    this.#connections.add(connection);
    const { encrypted, protocol, cipher } = arrived;
    log.info({ session: id, peer, encrypted, protocol, cipher }, 'session started');
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
      authenticate: this.#authenticate,
      peer: { address: arrived.peer.address },
      output,
      onUnexpected: (error) => log.error({ session: id, ...describeError(error) }, 'unexpected'),
      software,
      heartbeatMs: times.heartbeatMs,
    });
  }

  #tick(): void {
    for (const connection of this.#connections) connection.tick();
  }
}

/** Options that a running daemon cannot change. */
const RESTART_OPTIONS = ['host', 'port', 'data', 'encrypt', 'nonSecure', 'user'] as const;

const NEEDS_ENCRYPTION =
  'this server takes encrypted connections only; open with /encrypt (encrypt: true) or rsynds://';

/** `encrypt=on scl=3 min=TLSv1.2`, with the level as resolved. */
export function encryptionWords({ encrypt, scl }: DaemonOptions): string {
  const level = resolveLevel(scl);
  return `encrypt=${encrypt ? 'on' : 'off'} scl=${level} min=${minProtocolOf(level)}`;
}

/** One whole frame with an error, for a connection that will not be served. */
function farewell(code: 'ERR_CLNTERR' | 'ERR_SRVRLIMIT', why: string, host: string): Buffer {
  const writer = new FrameWriter();
  encodeReply(writer, errorReply(new RsyndError(code, why, { host })), 0, 0);
  return Buffer.concat(writer.take());
}

function cannotListen(cause: NodeJS.ErrnoException, host: string, port: number): RsyndError {
  const fixes: Record<string, string> = {
    EADDRINUSE: 'another program has that port; stop it or choose another with -p N',
    EACCES: 'that port needs more rights; choose one above 1023 with -p N',
    EADDRNOTAVAIL: 'this machine does not have that address; see --host',
  };
  const fix = fixes[cause.code ?? ''] ?? cause.message;
  return new RsyndError('ERR_CONFIG', `cannot listen on ${host}:${port}: ${fix}`, { cause });
}
