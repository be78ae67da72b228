// connect(): a connection of one's own, for programs that open many files on one server or want to say when
// it ends. Its channels share it; closing it closes them.

import { RsyndError } from '../shared/base/error.js';
import type { FileDefinition, RecordOf } from '../shared/record/file-definition.js';
import type { IsamcSpec } from '../shared/record/isamc-spec.js';
import type { Channel } from './channel/channel.js';
import { Deadline } from './connection/deadline.js';
import type { Link } from './connection/link.js';
import type { Lease } from './connection/link-pool.js';
import { parseServer } from './filespec.js';
import { createFile } from './isamc.js';
import { openChannel } from './open-channel.js';
import {
  type ConnectOptions,
  type OpenOptions,
  type ResolvedConnect,
  refuseConnectFields,
  resolveConnect,
  resolveOpen,
} from './open-options.js';
import { processLinks } from './process-links.js';

/** One connection, many files. */
export interface Connection extends AsyncDisposable {
  /** Opens a file of this server. Of the connect options only `encrypt`, `scl`, `timeoutMs` and `signal` apply. */
  open<D extends FileDefinition>(
    name: string,
    options: OpenOptions & { definition: D },
  ): Promise<Channel<RecordOf<D>>>;
  open(name: string, options?: OpenOptions): Promise<Channel>;
  /** Creates a file on this server. ERR_REPLAC when there is one of that name. */
  isamc(name: string, definition: FileDefinition | IsamcSpec, options?: OpenOptions): Promise<void>;
  /** Closes its channels and the connection. Idempotent. */
  close(): Promise<void>;
}

/** Connects to `host[:port]` or `rsynds://[user@]host[:port]`, negotiates TLS and logs in. */
export async function connect(server: string, options: ConnectOptions = {}): Promise<Connection> {
  const address = parseServer(server);
  const resolved = resolveConnect(options, address);
  using deadline = new Deadline({
    timeoutMs: resolved.timeoutMs,
    signal: resolved.signal,
    what: `connecting to ${address.host}`,
    host: address.host,
  });
  return new OwnConnection(await processLinks.dial(address, resolved, deadline), resolved);
}

class OwnConnection implements Connection {
  readonly #link: Link;
  readonly #connect: ResolvedConnect;
  /** Channels give their share back to nobody: the link ends with close(). */
  readonly #lease: Lease;
  #closing: Promise<void> | undefined;

  constructor(link: Link, connect: ResolvedConnect) {
    this.#link = link;
    this.#connect = connect;
    this.#lease = { link, release: async () => {} };
  }

  open<D extends FileDefinition>(
    name: string,
    options: OpenOptions & { definition: D },
  ): Promise<Channel<RecordOf<D>>>;
  open(name: string, options?: OpenOptions): Promise<Channel>;
  // What the records are is said by the overloads; openChannel makes them so.
  async open(name: string, options: OpenOptions = {}): Promise<unknown> {
    resolveOpen(options);
    const limits = this.#limits(options);
    using deadline = this.#deadline(`opening ${name}`, limits);
    return await openChannel(this.#lease, name, options, limits, deadline);
  }

  async isamc(
    name: string,
    definition: FileDefinition | IsamcSpec,
    options: OpenOptions = {},
  ): Promise<void> {
    using deadline = this.#deadline(`creating ${name}`, this.#limits(options));
    await createFile(this.#link, name, definition, deadline);
  }

  close(): Promise<void> {
    this.#closing ??= this.#link.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #limits(options: OpenOptions): { timeoutMs: number; signal: AbortSignal | undefined } {
    const { host } = this.#link;
    if (this.#closing !== undefined) {
      throw new RsyndError('ERR_NOOPEN', 'the connection was closed', { host });
    }
    refuseConnectFields(options);
    const wanted = resolveConnect(options);
    this.#requireSecurity(wanted);
    return {
      timeoutMs: options.timeoutMs === undefined ? this.#connect.timeoutMs : wanted.timeoutMs,
      signal: wanted.signal ?? this.#connect.signal,
    };
  }

  /** What a single open insists on, its connection must have; it cannot be renegotiated for one file. */
  #requireSecurity({ encryption, scl }: ResolvedConnect): void {
    const { host, security } = this.#link;
    const isWeaker = encryption === 'required' && (security.sle === 0 || scl > this.#connect.scl);
    if (!isWeaker) return;
    const why =
      'this connection was made without what /encrypt or /scl ask here; give them to connect()';
    throw new RsyndError('ERR_CLNTERR', why, { host });
  }

  #deadline(
    what: string,
    limits: { timeoutMs: number; signal: AbortSignal | undefined },
  ): Deadline {
    return new Deadline({ ...limits, what, host: this.#link.host });
  }
}
