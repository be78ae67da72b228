// `rsynctl cert inspect`: what a file or a running server has for certificates, and what is wrong with it. Needs no
// store and changes nothing.

import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Command } from 'commander';
import {
  type InspectedCertificate,
  type Inspection,
  inspect,
} from '../../server/certificate/import/inspect.js';
import { checkReadable } from '../../server/certificate/import/judge.js';
import { readMaterial, readMaterialFile } from '../../server/certificate/import/material.js';
import { fetchChain } from '../../server/diagnose/tls-probe.js';
import { RsyndError } from '../../shared/base/error.js';
import { passphraseOf } from '../certificate-files.js';
import type { Tool } from '../tool.js';

interface InspectOptions {
  readonly passphraseFile?: string;
}

const SERVER = /^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):(\d{1,5})$/;

/** Declares the command in the group `cert`. */
export function addInspect(cert: Command, tool: Tool): void {
  cert
    .command('inspect <target>')
    .description('what a FILE, or the server at HOST:PORT, has, in which order, and what is wrong')
    .option('--passphrase-file <file>', 'passphrase of an encrypted file')
    .action((target: string, options: InspectOptions) => run(tool, target, options));
}

async function run(tool: Tool, target: string, options: InspectOptions): Promise<void> {
  const [, host, port] = SERVER.exec(target) ?? [];
  const isServer = host !== undefined && !existsSync(target);
  const found = isServer
    ? await inspectServer(target, host.replace(/^\[|\]$/g, ''), Number(port))
    : await inspectFile(tool, target, options);
  tool.answer({ target, ...found }, textOf(found));
}

async function inspectFile(
  tool: Tool,
  file: string,
  { passphraseFile }: InspectOptions,
): Promise<Inspection> {
  const bytes = await readMaterialFile(file);
  const { certificates, keys } = await readMaterial(
    bytes,
    file,
    passphraseOf(tool, passphraseFile),
  );
  return inspect(certificates, keys, file, new Date());
}

async function inspectServer(target: string, host: string, port: number): Promise<Inspection> {
  const chain = await fetchChain({ host, port }).catch((cause: unknown) => {
    throw new RsyndError('ERR_NOSERVER', String(cause), { host: target, cause });
  });
  const [leaf] = chain;
  if (leaf === undefined) {
    throw new RsyndError('ERR_CLNTERR', 'it answers, but not with TLS', { host: target });
  }
  checkReadable(chain, target);
  const found = inspect(chain, [], target, new Date());
  const fits = isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host);
  const unfit = fits === undefined ? [`the certificate is not for the name ${host}`] : [];
  return { ...found, problems: [...unfit, ...found.problems] };
}

function textOf({ certificates, keys, problems, notes }: Inspection): string {
  const parts = certificates.map(textOfOne);
  if (keys > 0) parts.push(`${keys} private key${keys === 1 ? '' : 's'}`);
  const verdict = problems.map((problem) => `wrong: ${problem}`);
  const remarks = notes.map((note) => `note: ${note}`);
  const all = verdict.length > 0 ? verdict : ['nothing wrong with it'];
  return [...parts, ...remarks, ...all].join('\n');
}

function textOfOne(each: InspectedCertificate, index: number): string {
  const marks = [
    each.isAuthority ? 'authority' : 'leaf',
    ...(each.isSelfSigned ? ['self-signed'] : []),
    ...(each.hasKey ? ['its key is there'] : []),
  ];
  const names = each.names.length > 0 ? `\n   names   ${each.names.join(', ')}` : '';
  return `${index + 1}. ${each.subject} (${marks.join(', ')})
   issuer  ${each.issuer}
   serial  ${each.serial}
   valid   ${each.notBefore} to ${each.notAfter}
   key     ${each.key}
   sha256  ${each.fingerprint}${names}`;
}
