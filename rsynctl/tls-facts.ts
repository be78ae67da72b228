// What a TLS port really does, for the commands that print it: a running server's, or one that this process opens
// for itself with the settings a server would have, so that the same handshakes prove them before the start.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { type Command, InvalidArgumentError } from 'commander';
import { parseServer } from '../client/filespec.js';
import { type ProbeTarget, probeTls, type TlsFacts } from '../server/diagnose/tls-probe.js';
import { RsyndError } from '../shared/base/error.js';
import { isSecurityLevel, policyFor, type SecurityLevel } from '../shared/tls/policy.js';
import { type CertificateOptions, configuredCertificate } from './server-certificate.js';
import type { Tool } from './tool.js';

/** What the options of addProbeOptions say. */
export interface ProbeOptions extends CertificateOptions {
  readonly scl: SecurityLevel;
  readonly servername?: string;
}

/** Declares the argument and the options that name a port, or the settings of one. */
export function addProbeOptions(command: Command): Command {
  return command
    .argument(
      '[server]',
      'HOST[:PORT] of a running server (default: what -scl and -cert would serve)',
    )
    .option('--scl <n>', 'level to try without a running server, 0-4', parseLevel, 0)
    .option('--cert <file>', 'certificate to try (default: the configured one)')
    .option('--passphrase-file <file>', 'passphrase of its key')
    .option('--servername <name>', 'name to ask the server for (default: the host)');
}

/** Shakes hands in every way. ERR_NOSERVER, ERR_TLSCONF when there is no certificate to try with. */
export async function tlsFactsOf(
  tool: Tool,
  server: string | undefined,
  options: ProbeOptions,
): Promise<TlsFacts> {
  if (server === undefined) return factsOfSettings(tool, options);
  return factsOfServer(parseServer(server), options);
}

function parseLevel(text: string): SecurityLevel {
  const level = /^\d$/.test(text) ? Number(text) : undefined;
  if (isSecurityLevel(level)) return level;
  throw new InvalidArgumentError('it is 0, 1, 2, 3 or 4.');
}

async function factsOfServer(target: ProbeTarget, { servername }: ProbeOptions): Promise<TlsFacts> {
  const { host, port } = target;
  try {
    return await probeTls({ host, port, ...(servername === undefined ? {} : { servername }) });
  } catch (cause) {
    throw new RsyndError('ERR_NOSERVER', 'start it, or check host and port', {
      host: `${host}:${port}`,
      cause,
    });
  }
}

/** A port of this process, for the time of the handshakes, reachable from this machine only. */
async function factsOfSettings(tool: Tool, options: ProbeOptions): Promise<TlsFacts> {
  const certificate = await configuredCertificate(tool, options);
  if (certificate === undefined) {
    const why =
      'no certificate is configured: give --cert FILE, or the HOST:PORT of a running server';
    throw new RsyndError('ERR_TLSCONF', why);
  }
  const { key, cert } = certificate;
  const server = createServer({ ...policyFor(options.scl), key, cert });
  server.on('tlsClientError', () => undefined); // most of the handshakes are meant to fail
  server.on('secureConnection', (socket) => socket.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    return await probeTls({ host: '127.0.0.1', port, servername: 'localhost' });
  } finally {
    server.close();
  }
}
