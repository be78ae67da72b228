// open(): from a file specification to a channel. Decides which link the file is reached by, and keeps the
// whole way inside the budget of the call.

import type { FileDefinition, RecordOf } from '../shared/record/file-definition.js';
import type { Channel } from './channel/channel.js';
import { Deadline } from './connection/deadline.js';
import type { Lease } from './connection/link-pool.js';
import { type Filespec, parseFilespec } from './filespec.js';
import { openChannel } from './open-channel.js';
import {
  type OpenOptions,
  type ResolvedConnect,
  resolveConnect,
  resolveOpen,
} from './open-options.js';
import { processLinks } from './process-links.js';

/**
 * Opens a file: `name@host[:port]`, `rsynds://[user@]host[:port]/name`, or a local path. With a
 * `definition` records are typed objects, else Buffers. Connections are shared by all channels of the
 * process to one server, and closed with the last of them.
 */
export function open<D extends FileDefinition>(
  filespec: string,
  options: OpenOptions & { definition: D },
): Promise<Channel<RecordOf<D>>>;
export function open(filespec: string, options?: OpenOptions): Promise<Channel<Buffer>>;
// What the records are is said by the overloads; openChannel makes them so.
export async function open(filespec: string, options: OpenOptions = {}): Promise<unknown> {
  resolveOpen(options);
  return withLease(filespec, options, async (lease, { name, connect, deadline }) => {
    const { timeoutMs, signal } = connect;
    return openChannel(lease, name, options, { timeoutMs, signal }, deadline);
  });
}

/** What the work over a lease may need to know of its way. */
export interface Way {
  readonly name: string;
  readonly connect: ResolvedConnect;
  readonly deadline: Deadline;
}

/**
 * Runs `work` with a share of the link a file is reached by. When it fails the share is given back; when
 * it succeeds that is for its result to do.
 */
export async function withLease<T>(
  filespec: string,
  options: OpenOptions,
  work: (lease: Lease, way: Way) => Promise<T>,
): Promise<T> {
  const parsed = parseFilespec(filespec);
  const connect = resolveConnect(options, parsed.kind === 'remote' ? parsed.server : undefined);
  const name = parsed.kind === 'remote' ? parsed.name : parsed.path;
  using deadline = deadlineOf(parsed, name, connect);
  const lease = await acquire(parsed, connect, deadline);
  try {
    return await work(lease, { name, connect, deadline });
  } catch (error) {
    await lease.release();
    throw error;
  }
}

const acquire = (parsed: Filespec, connect: ResolvedConnect, deadline: Deadline): Promise<Lease> =>
  parsed.kind === 'remote'
    ? processLinks.remote(parsed.server, connect, deadline)
    : processLinks.local(deadline);

const deadlineOf = (parsed: Filespec, name: string, connect: ResolvedConnect): Deadline =>
  new Deadline({
    timeoutMs: connect.timeoutMs,
    signal: connect.signal,
    what: `opening ${name}`,
    host: parsed.kind === 'remote' ? parsed.server.host : undefined,
  });
