// `rsynctl cert rehearse`: which of the clients seen lately a change would refuse, before it is made. A command
// of the group `cert`.

import type { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Issued, readIssuedIndex } from '../../server/certificate/authority/issued-index.js';
import {
  type ProposedChange,
  type Rehearsal,
  rehearse,
} from '../../server/certificate/rehearse.js';
import { CertificateStore } from '../../server/certificate/store/certificate-store.js';
import { certificatesOf } from '../../server/certificate/store/entry.js';
import { readSeenClients } from '../../server/observe/client-journal.js';
import { RsyndError } from '../../shared/base/error.js';
import { readCertificates, splitPem } from '../../shared/tls/pem.js';
import { isSecurityLevel, type SecurityLevel } from '../../shared/tls/policy.js';
import { type CertificateOptions, configuredCertificate } from '../server-certificate.js';
import type { Tool } from '../tool.js';

interface RehearseOptions extends CertificateOptions {
  readonly to?: string;
  readonly scl?: SecurityLevel;
  readonly clientAuth?: 'none' | 'optional' | 'required';
  readonly clientCa?: string;
  readonly revoke?: readonly string[];
}

const HELP = `
Judged by what each client showed at its last visit. "unknown" is what only the client can tell:
whom it trusts. Ends with 1 when a client would be refused.`;

/** Declares the command in the group `cert`. */
export function addRehearse(cert: Command, tool: Tool): void {
  cert
    .command('rehearse')
    .description('Which of the clients seen lately a change would refuse, before it is made.')
    .option('--to <certificate>', 'certificate to change to: an entry of the store, or a PEM file')
    .option('--cert <file>', 'the one in use now (default: the configured one)')
    .option('--passphrase-file <file>', 'passphrase of its key')
    .option('--scl <n>', 'level to change to', parseLevel)
    .addOption(
      new Option('--client-auth <setting>', 'setting to change to').choices([
        'none',
        'optional',
        'required',
      ]),
    )
    .option('--client-ca <file>', 'authorities to change to, PEM')
    .option(
      '--revoke <serial...>',
      'certificates of the local authority to revoke, by name or serial number',
    )
    .addHelpText('after', HELP)
    .action((options: RehearseOptions) => run(tool, options));
}

function parseLevel(text: string): SecurityLevel {
  const level = /^\d$/.test(text) ? Number(text) : undefined;
  if (isSecurityLevel(level)) return level;
  throw new InvalidArgumentError('it is 0, 1, 2, 3 or 4.');
}

async function run(tool: Tool, options: RehearseOptions): Promise<void> {
  const change = await changeOf(tool, options);
  if (Object.keys(change).length === 0) {
    const why = 'name what is to change: --to, --scl, --client-auth, --client-ca or --revoke';
    throw new RsyndError('ERR_INVARG', why);
  }
  const rows = rehearse(readSeenClients(tool.state), change);
  const count = (verdict: Rehearsal['verdict']): number =>
    rows.filter((row) => row.verdict === verdict).length;
  const refused = count('refused');
  const summary =
    `${rows.length} clients seen lately: ${count('served')} go on being served, ` +
    `${refused} would be refused, ${count('unknown')} unknown`;
  tool.answer({ clients: rows }, [...rows.map(lineOf), summary].join('\n'));
  if (refused > 0) process.exitCode = 1;
}

function lineOf({ client, verdict, reasons }: Rehearsal): string {
  const { user, address, seen } = client;
  const when = new Date(seen).toISOString().slice(0, 16).replace('T', ' ');
  const why = reasons.length === 0 ? '' : `  ${reasons.join('; ')}`;
  return `${verdict.padEnd(8)} ${user}@${address}  last seen ${when}${why}`;
}

async function changeOf(tool: Tool, options: RehearseOptions): Promise<ProposedChange> {
  const { to, scl, clientAuth, clientCa, revoke } = options;
  const current = to === undefined ? undefined : await configuredCertificate(tool, options);
  return {
    ...(to === undefined ? {} : { certificate: proposedCertificate(tool, to) }),
    ...(current === undefined ? {} : { current: certificatesIn(current.cert, current.source) }),
    ...(scl === undefined ? {} : { level: scl }),
    ...(clientAuth === undefined ? {} : { clientAuth }),
    ...(clientCa === undefined ? {} : { authorities: certificatesIn(textOf(clientCa), clientCa) }),
    ...revocations(tool, revoke, clientAuth),
  };
}

/** What is revoked already, where client certificates are the question, and what is to be. */
function revocations(
  tool: Tool,
  revoke: readonly string[] = [],
  clientAuth: RehearseOptions['clientAuth'],
): Pick<ProposedChange, 'revoked'> {
  if (revoke.length === 0 && (clientAuth === undefined || clientAuth === 'none')) return {};
  const { issued } = readIssuedIndex(tool.state);
  const before = issued.filter(({ revoked }) => revoked !== undefined);
  const chosen = revoke.flatMap((reference) => issuedAs(issued, reference));
  return { revoked: new Set([...before, ...chosen].map(({ serial }) => serial.toUpperCase())) };
}

/** All that bear the name, or the one whose serial number begins so. */
function issuedAs(issued: readonly Issued[], reference: string): Issued[] {
  const prefix = reference.replaceAll(':', '').toLowerCase();
  const found = issued.filter(
    ({ name, serial }) => name === reference || (prefix !== '' && serial.startsWith(prefix)),
  );
  if (found.length > 0) return found;
  const why = `${reference} is neither name nor serial number of a certificate issued here; see ca list`;
  throw new RsyndError('ERR_NOENTRY', why);
}

/** An entry of the store by id or name, else a file. */
function proposedCertificate(tool: Tool, to: string): X509Certificate[] {
  if (/[/.]/.test(to)) return certificatesIn(textOf(to), to);
  const entry = new CertificateStore(tool.state, { env: tool.env }).find(to);
  if (entry.current !== undefined) return certificatesOf(entry.current);
  throw new RsyndError('ERR_BADCERT', `${to} has no certificate yet, only a request`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (cause) {
    throw new RsyndError('ERR_FNF', `${path} cannot be read`, { file: path, cause });
  }
}

function certificatesIn(text: string, source: string): X509Certificate[] {
  const found = readCertificates(splitPem(text).certificates, source);
  if (found.length > 0) return found;
  throw new RsyndError('ERR_BADCERT', `${source} holds no certificate in PEM form`, {
    file: source,
  });
}
