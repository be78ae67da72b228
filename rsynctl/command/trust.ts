// `rsynctl trust`: servers of which this user has compared the certificate with its owner. `add` shows what the
// server presents and asks; without a terminal it takes only what --fingerprint says beforehand. Nothing is
// ever trusted because it was merely seen.

import { timingSafeEqual, type X509Certificate } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import {
  knownName,
  knownServersPath,
  readKnownServers,
  writeKnownServers,
} from '../../client/connection/known-servers.js';
import { pinOf, pinText } from '../../client/connection/trust.js';
import { parseServer } from '../../client/filespec.js';
import { fetchChain } from '../../server/diagnose/tls-probe.js';
import { RsyndError } from '../../shared/base/error.js';
import { printable } from '../../shared/tls/certificate-text.js';
import type { Tool } from '../tool.js';

interface AddOptions {
  readonly fingerprint?: string;
  readonly servername?: string;
}

/** Declares the commands. */
export function addTrust(program: Command, tool: Tool): void {
  const trust = program
    .command('trust')
    .description('Servers whose certificate you have compared and want to know by their key.');
  trust
    .command('add')
    .description('Shows the certificate of a server, and trusts its key once you have compared it.')
    .argument('<server>', 'HOST[:PORT]')
    .option(
      '--fingerprint <sha256>',
      'trust without a question when it is this one (hex or sha256/base64 pin)',
    )
    .option('--servername <name>', 'name to ask the server for (default: the host)')
    .action((server: string, options: AddOptions) => add(tool, server, options));
  trust
    .command('list')
    .description('The servers trusted by their key.')
    .action(() => list(tool));
  trust
    .command('remove')
    .description('No longer trusts a server by its key.')
    .argument('<server>', 'HOST[:PORT]')
    .action((server: string) => remove(tool, server));
}

async function add(tool: Tool, server: string, options: AddOptions): Promise<void> {
  const address = parseServer(server);
  const name = knownName(address);
  const leaf = await leafOf(address, options.servername);
  const pin = pinText(pinOf(leaf));
  const before = readKnownServers(tool.env).get(name);
  tool.note(describe(name, leaf, pin));
  if (before !== undefined && before.pin !== pin) {
    tool.note(`It is NOT the key known since ${before.added}: ${before.pin}`);
  }
  if (options.fingerprint === undefined) await confirm(tool, name);
  else requireFingerprint(name, options.fingerprint, leaf, pin);
  const known = readKnownServers(tool.env);
  const fingerprint = hexOf(leaf);
  known.set(name, { pin, fingerprint, added: new Date().toISOString() });
  writeKnownServers(tool.env, known);
  tool.answer({ server: name, pin, fingerprint }, `${name} is trusted by its key ${pin}`);
}

async function leafOf(
  { host, port }: { readonly host: string; readonly port: number },
  servername: string | undefined,
): Promise<X509Certificate> {
  const named = servername === undefined ? {} : { servername };
  const chain = await fetchChain({ host, port, ...named }).catch((cause: unknown) => {
    throw new RsyndError('ERR_NOSERVER', 'check host and port', { host: `${host}:${port}`, cause });
  });
  const [leaf] = chain;
  if (leaf !== undefined) return leaf;
  const why = 'it shows no certificate; is it started with -encrypt?';
  throw new RsyndError('ERR_CLNTERR', why, { host: `${host}:${port}` });
}

const hexOf = (leaf: X509Certificate): string =>
  leaf.fingerprint256.replaceAll(':', '').toLowerCase();

const describe = (name: string, leaf: X509Certificate, pin: string): string =>
  [
    `${name} presents`,
    `  subject      ${leaf.subject.replaceAll('\n', ', ')}`,
    `  issuer       ${leaf.issuer.replaceAll('\n', ', ')}`,
    `  names        ${leaf.subjectAltName ?? 'none'}`,
    `  valid        ${leaf.validFrom} to ${leaf.validTo}`,
    `  fingerprint  ${leaf.fingerprint256} (SHA-256)`,
    `  key          ${pin}`,
  ]
    .map(printable) // a stranger chose the names: they must not write over the fingerprint
    .join('\n');

/** The whole word, because a thumb rests on Enter. */
async function confirm(tool: Tool, name: string): Promise<void> {
  const { input, output } = tool.terminal;
  if (input.isTTY !== true) {
    const why =
      `${name} is not trusted: there is no terminal to ask at; compare the fingerprint with its owner ` +
      'and give it as --fingerprint';
    throw new RsyndError('ERR_CLNTERR', why, { host: name });
  }
  const lines = createInterface({ input, output });
  try {
    const said = await lines.question(
      'Compare the fingerprint with what the owner of the server tells you. Trust it? (yes/no) ',
    );
    if (said.trim().toLowerCase() === 'yes') return;
  } finally {
    lines.close();
  }
  throw new RsyndError('ERR_CLNTERR', `${name} is not trusted: you said no`, { host: name });
}

function requireFingerprint(name: string, given: string, leaf: X509Certificate, pin: string): void {
  const wanted = given.startsWith('sha256/') ? given : given.replaceAll(':', '').toLowerCase();
  const found = given.startsWith('sha256/') ? pin : hexOf(leaf);
  const isSame =
    wanted.length === found.length && timingSafeEqual(Buffer.from(wanted), Buffer.from(found));
  if (isSame) return;
  const why = `${name} is not trusted: it presents ${found}, not ${wanted}; somebody may be in between`;
  throw new RsyndError('ERR_CLNTERR', why, { host: name });
}

function list(tool: Tool): void {
  const known = [...readKnownServers(tool.env)].map(([server, entry]) => ({ server, ...entry }));
  const lines = known.map(
    ({ server, pin, added }) => `${server}  ${pin}  since ${added.slice(0, 10)}`,
  );
  const nobody = `no server is trusted by its key (${knownServersPath(tool.env)})`;
  tool.answer(known, lines.length === 0 ? nobody : lines.join('\n'));
}

function remove(tool: Tool, server: string): void {
  const name = knownName(parseServer(server));
  const known = readKnownServers(tool.env);
  if (!known.delete(name)) {
    throw new RsyndError(
      'ERR_NOENTRY',
      `${name} is not among the known servers; see rsynctl trust list`,
    );
  }
  writeKnownServers(tool.env, known);
  tool.answer({ removed: name }, `${name} is no longer trusted by its key`);
}
