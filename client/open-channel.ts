// OPEN over a link: asks the server for the file and makes a channel of the answer. Called by open() and by
// connections.

import { isRsyndError, RsyndError } from '../shared/base/error.js';
import { callTimeoutMsDefault } from '../shared/base/limits.js';
import type { OpenRequest, Reply } from '../shared/protocol/message.js';
import { expected } from './channel/call-values.js';
import type { Channel } from './channel/channel.js';
import { type ChannelParts, OpenedChannel } from './channel/opened-channel.js';
import { RAW_SHAPE, typedShape } from './channel/record-shape.js';
import type { Deadline } from './connection/deadline.js';
import type { Link } from './connection/link.js';
import type { Lease } from './connection/link-pool.js';
import { type OpenOptions, resolveOpen } from './open-options.js';

/** Budget and way out of the channel's calls. */
export interface ChannelLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Opens `name` over `lease.link`, records as the definition of the options says, raw without one. When
 * it fails nothing stays open on the server; the lease is for the caller to release.
 */
export async function openChannel(
  lease: Lease,
  name: string,
  options: OpenOptions,
  limits: ChannelLimits,
  deadline: Deadline,
): Promise<Channel<unknown>> {
  const open = resolveOpen(options);
  const definition = options.definition?.spec;
  const withSpec = open.mode === 'output' && definition !== undefined;
  const request: OpenRequest = {
    verb: 'open',
    name,
    ...open,
    ...(withSpec ? { spec: definition } : {}),
  };
  const { link } = lease;
  if (definition?.networkEncrypt === true) requireEncryption(link, name);
  const number = link.takeChannel();
  const { spec } = expected('open', await askOpen(link, request, number, deadline));
  const parts = { lease, number, name, spec, definition, open, ...limits };
  try {
    if (spec.networkEncrypt) requireEncryption(link, name);
    return definition === undefined
      ? rawChannel({ ...parts, shape: RAW_SHAPE })
      : new OpenedChannel({ ...parts, shape: typedShape(definition, spec, name) });
  } catch (error) {
    closeQuietly(link, number);
    throw error;
  }
}

// A raw channel takes and gives Buffers, which `unknown` cannot say; open() names the real type.
const rawChannel = (parts: ChannelParts<Buffer>) => new OpenedChannel(parts) as Channel<unknown>;

/** A server in between that passes over the flag must not get the records of a flagged file in clear. */
function requireEncryption({ host, security }: Link, name: string): void {
  if (host === '' || security.sle === 1) return;
  const why =
    `${name} is flagged network_encrypt and this connection is plain; ` +
    'open with encrypt: true (/encrypt) or rsynds://';
  throw new RsyndError('ERR_NETCRYPT', why, { host, file: name });
}

/** A refused open leaves nothing; one that was given up may yet succeed, and is then closed again. */
async function askOpen(
  link: Link,
  request: OpenRequest,
  number: number,
  deadline: Deadline,
): Promise<Reply> {
  try {
    return await link.call(request, number, { ...deadline.limits, file: request.name });
  } catch (error) {
    if (deadline.signal.aborted) closeQuietly(link, number);
    else link.freeChannel(number);
    throw error;
  }
}

/** Nobody waits for it; the number comes back when the server has answered. */
function closeQuietly(link: Link, number: number): void {
  link.call({ verb: 'close' }, number, { timeoutMs: callTimeoutMsDefault }).then(
    () => link.freeChannel(number),
    (error) => {
      // ERR_NOOPEN: the open had failed. Else the link is gone, or the number stays out of use.
      if (isRsyndError(error, 'ERR_NOOPEN')) link.freeChannel(number);
    },
  );
}
