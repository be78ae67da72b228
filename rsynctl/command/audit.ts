// `rsynctl audit tls`: a TLS port against NIST SP 800-52r2, line by line. Without a port it opens one for itself
// with the settings a server would have, so that the same handshakes prove them before the start.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { type Command, InvalidArgumentError } from 'commander';
import { parseServer } from '../../client/filespec.js';
import { type AuditRow, auditTls } from '../../server/diagnose/nist-sp-800-52r2.js';
import { type ProbeTarget, probeTls, type TlsFacts } from '../../server/diagnose/tls-probe.js';
import { RsyndError } from '../../shared/base/error.js';
import { isSecurityLevel, policyFor, type SecurityLevel } from '../../shared/tls/policy.js';
import { type CertificateOptions, configuredCertificate } from '../server-certificate.js';
import type { Tool } from '../tool.js';

interface AuditOptions extends CertificateOptions {
  readonly scl: SecurityLevel;
  readonly servername?: string;
}

const HELP = `
PASS and FAIL are what the guideline says shall or should be; NOTE is something to weigh.
Ends with 1 when a line is FAIL.`;

/** Declares the command. */
export function addAudit(program: Command, tool: Tool): void {
  const audit = program.command('audit').description('Audits against published guidelines.');
  audit
    .command('tls')
    .description('A server against NIST SP 800-52r2, with the clause of each line.')
    .argument(
      '[server]',
      'HOST[:PORT] of a running server (default: what -scl and -cert would serve)',
    )
    .option('--scl <n>', 'level to try without a running server, 0-4', parseLevel, 0)
    .option('--cert <file>', 'certificate to try (default: the configured one)')
    .option('--passphrase-file <file>', 'passphrase of its key')
    .option('--servername <name>', 'name to ask the server for (default: the host)')
    .addHelpText('after', HELP)
    .action((server: string | undefined, options: AuditOptions) => audits(tool, server, options));
}

function parseLevel(text: string): SecurityLevel {
  const level = /^\d$/.test(text) ? Number(text) : undefined;
  if (isSecurityLevel(level)) return level;
  throw new InvalidArgumentError('it is 0, 1, 2, 3 or 4.');
}

async function audits(
  tool: Tool,
  server: string | undefined,
  options: AuditOptions,
): Promise<void> {
  const facts =
    server === undefined
      ? await factsOfSettings(tool, options)
      : await factsOfServer(parseServer(server), options);
  const rows = auditTls(facts);
  tool.answer({ guideline: 'NIST SP 800-52r2', rows }, rows.map(lineOf).join('\n'));
  const failed = rows.filter(({ verdict }) => verdict === 'fail').length;
  if (failed === 0) return;
  throw new RsyndError('ERR_TLSCONF', `${failed} of ${rows.length} clauses fail, as said above`);
}

const lineOf = ({ verdict, clause, finding }: AuditRow): string =>
  `${verdict.toUpperCase()} ${clause.padEnd(8)} ${finding}`;

async function factsOfServer(target: ProbeTarget, { servername }: AuditOptions): Promise<TlsFacts> {
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

/** A port of this process, for the time of the audit, reachable from this machine only. */
async function factsOfSettings(tool: Tool, options: AuditOptions): Promise<TlsFacts> {
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
