// What the daemon says of itself and to those it does not serve. Texts and the frames that carry them; it
// decides nothing.

import { RsyndError } from '../shared/base/error.js';
import { encodeReply } from '../shared/protocol/codec.js';
import { FrameWriter } from '../shared/protocol/frame-writer.js';
import { minProtocolOf, resolveLevel } from '../shared/tls/policy.js';
import type { DaemonOptions } from './config/daemon-options.js';
import { errorReply } from './operation/error-reply.js';

/** To a client past the last connection. */
export const IS_FULL = 'it has as many connections as it takes';

/** To a client without encryption. */
export const NEEDS_ENCRYPTION =
  'this server takes encrypted connections only; open with /encrypt (encrypt: true) or rsynds://';

/** To the administrator, at the start. */
export const fewDescriptors = (
  descriptors: number | undefined,
  connections: number,
  wanted: number,
): string =>
  `this process may have ${descriptors} open files: of ${wanted} connections it takes ${connections}, and ` +
  'the rest is for data files; raise it with ulimit -n (LimitNOFILE of systemd)';

/** `encrypt=on scl=3 min=TLSv1.2`, with the level as resolved. */
export function encryptionWords({ encrypt, scl }: DaemonOptions): string {
  const level = resolveLevel(scl);
  return `encrypt=${encrypt ? 'on' : 'off'} scl=${level} min=${minProtocolOf(level)}`;
}

/** The line that says connections are accepted; scripts wait for it, it stays as it is. */
export function readyLine(
  options: DaemonOptions,
  { host, port }: { readonly host: string; readonly port: number },
): string {
  return `rsynd ready host=${host} port=${port} ${encryptionWords(options)} data=${options.data}`;
}

/** One whole frame with an error, for a connection that will not be served. */
export function farewell(code: 'ERR_CLNTERR' | 'ERR_SRVRLIMIT', why: string, host: string): Buffer {
  const writer = new FrameWriter();
  encodeReply(writer, errorReply(new RsyndError(code, why, { host })), 0, 0);
  return Buffer.concat(writer.take());
}

/** Why the port cannot be had, and the way out. */
export function cannotListen(cause: NodeJS.ErrnoException, host: string, port: number): RsyndError {
  const fixes: Record<string, string> = {
    EADDRINUSE: 'another program has that port; stop it or choose another with -p N',
    EACCES: 'that port needs more rights; choose one above 1023 with -p N',
    EADDRNOTAVAIL: 'this machine does not have that address; see --host',
  };
  const fix = fixes[cause.code ?? ''] ?? cause.message;
  return new RsyndError('ERR_CONFIG', `cannot listen on ${host}:${port}: ${fix}`, { cause });
}
