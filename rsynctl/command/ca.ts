// `rsynctl ca`: the authority of this installation. Its key never leaves the data directory; keys of clients are made
// here once, written into the file asked for, and not kept.

import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type Issued,
  isRevocationReason,
  REVOCATION_REASONS,
} from '../../server/certificate/authority/issued-index.js';
import {
  type IssuedCertificate,
  LEAF_DAYS_DEFAULT,
  LIST_DAYS_DEFAULT,
  LocalAuthority,
} from '../../server/certificate/authority/local-authority.js';
import { readMaterialFile } from '../../server/certificate/import/material.js';
import {
  type AlternativeName,
  parseAlternativeNames,
  writeAlternativeName,
} from '../../server/certificate/request/alternative-names.js';
import { toPem } from '../../server/certificate/request/der.js';
import { commonNamesOf } from '../../server/certificate/request/distinguished-name.js';
import { readRequest } from '../../server/certificate/request/read-request.js';
import { factsOf } from '../../server/certificate/store/facts.js';
import { RsyndError } from '../../shared/base/error.js';
import { printable } from '../../shared/tls/certificate-text.js';
import { answerText, openStore, requireWritable, writeOut } from '../certificate-files.js';
import { collect, namePartsOf, withNameParts } from '../name-options.js';
import { tableOf } from '../table.js';
import type { Tool } from '../tool.js';

interface RenewOptions {
  readonly days: number;
  readonly csr?: string;
  readonly ec?: boolean;
  readonly out?: string;
}

interface IssueOptions extends RenewOptions {
  readonly san?: readonly string[];
  readonly client?: boolean;
  readonly server?: boolean;
  readonly user?: string;
}

interface ListOptions {
  readonly days: number;
  readonly der?: boolean;
  readonly out?: string;
}

const HELP = `
The key of the authority is sealed in the data directory and cannot be exported. Certificates for
servers go into the store too (rsynctl cert list, cert activate); keys of clients are only in --out.

Needed: the right to write the data directory.`;

/** Declares `ca` and its commands. */
export function addCa(program: Command, tool: Tool): void {
  const ca = program
    .command('ca')
    .description('the certificate authority of this installation')
    .addHelpText('after', HELP);
  const authority = (): LocalAuthority => new LocalAuthority(openStore(tool));
  withNameParts(ca.command('init').description('make the authority, once')).action(
    (options: Readonly<Record<string, unknown>>) => init(tool, authority(), options),
  );
  addIssuing(ca, tool, authority);
  addRevoking(ca, tool, authority);
  ca.command('export')
    .description('the certificate of the authority, for those who are to trust it; no key')
    .option('--out <file>', 'write it there')
    .action(({ out }: { out?: string }) => {
      const certificate = authority().certificate();
      answerText(tool, String(certificate), { ...factsOf(certificate) }, out);
    });
  ca.command('list')
    .description('all that was issued')
    .action(() => list(tool, authority()));
}

function addIssuing(ca: Command, tool: Tool, authority: () => LocalAuthority): void {
  withNameParts(
    withIssueOptions(ca.command('issue <name>').description('issue a certificate'))
      .option('--san <names>', 'dns:HOST,ip:ADDRESS,email:ADDRESS (may be repeated)', collect)
      .option('--server', 'for a server (the default); with --client for one that is both')
      .option('--client', 'for a client')
      .option('--user <user>', 'for a client, with this common name'),
  ).action((name: string, options: IssueOptions) => issue(tool, authority(), name, options));
  withIssueOptions(
    ca.command('renew <name>').description('issue it again with a new key; the old stays valid'),
  ).action(async (name: string, options: RenewOptions) => {
    const renewing = authority();
    requireOut(renewing.list().findLast((each) => each.name === name)?.profile, options);
    const order = { days: options.days, keyChoice: keyChoiceOf(options) };
    const request = await requestOf(options);
    answerIssued(tool, await renewing.renew(name, { ...order, ...request }), options);
  });
}

function addRevoking(ca: Command, tool: Tool, authority: () => LocalAuthority): void {
  ca.command('revoke <name>')
    .description('revoke all of a name, or one by its serial number')
    .addOption(
      new Option('--reason <reason>', 'why')
        .choices(Object.keys(REVOCATION_REASONS))
        .default('unspecified'),
    )
    .action(async (name: string, { reason }: { reason: string }) => {
      if (!isRevocationReason(reason)) throw new TypeError('commander knows the choices');
      const revoked = await authority().revoke(name, reason);
      const serials = revoked.map(({ serial }) => serial);
      tool.answer(
        { revoked: serials, reason },
        serials.map((each) => `revoked ${each}`).join('\n'),
      );
      tool.note('this server knows it at once; others need the list: rsynctl ca crl --out FILE');
    });
  ca.command('crl')
    .description('make a new revocation list')
    .option('--days <n>', 'until the next one is due', parseDays, LIST_DAYS_DEFAULT)
    .option('--der', 'DER instead of PEM; needs --out')
    .option('--out <file>', 'write it there')
    .action((options: ListOptions) => makeList(tool, authority(), options));
}

const withIssueOptions = (command: Command): Command =>
  command
    .option('--days <n>', 'how long it is valid', parseDays, LEAF_DAYS_DEFAULT)
    .option('--csr <file>', 'for the key of this request, PEM or DER')
    .option('--ec', 'make an EC key (P-256) instead of RSA-3072')
    .option('--out <file>', 'write key and certificate there, readable by you alone');

function parseDays(text: string): number {
  const days = Number(text);
  if (/^\d{1,5}$/.test(text) && days > 0) return days;
  throw new InvalidArgumentError('it is a whole number of days above 0.');
}

async function init(
  tool: Tool,
  authority: LocalAuthority,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  const certificate = await authority.init(namePartsOf(options));
  const facts = factsOf(certificate);
  tool.answer(
    facts,
    `made ${facts.subject}\nsha256 ${facts.fingerprint}\nvalid to ${facts.notAfter}`,
  );
  tool.note('give it to clients: rsynctl ca export --out ca.pem');
}

async function issue(
  tool: Tool,
  authority: LocalAuthority,
  name: string,
  options: IssueOptions,
): Promise<void> {
  const wantsClient = options.client === true || options.user !== undefined;
  const isClient = wantsClient && !options.server;
  const profile = isClient ? 'client' : wantsClient ? 'both' : 'server';
  requireOut(profile, options);
  const { request } = await requestOf(options);
  const subject = subjectOf(name, options, request !== undefined);
  if (subject === undefined && wantsClient) refuseOtherName(name, request?.subject);
  const names = namesOf(name, options, { profile, isRequested: request !== undefined });
  const unasked = names === undefined ? [] : (request?.names ?? []);
  refuseNameless(profile, names ?? request?.names ?? []);
  const made = await authority.issue({
    name,
    profile,
    days: options.days,
    keyChoice: keyChoiceOf(options),
    ...(subject && { subject }),
    ...(names && { names }),
    ...(request && { request }),
  });
  answerIssued(tool, made, options);
  if (options.san !== undefined || unasked.length === 0) return;
  const left = unasked.map(writeAlternativeName).join(', ');
  tool.note(
    printable(`the request asked for ${left} too; a name that may stand for a user needs --san`),
  );
}

/** A common name can stand for a user: whoever made the request does not choose whom. */
function refuseOtherName(name: string, subject: Uint8Array | undefined): void {
  const asked = subject === undefined ? [] : commonNamesOf(subject);
  if (asked.length === 1 && asked[0] === name) return;
  const shown = asked.length === 0 ? 'no common name' : `the common name ${asked.join(' and ')}`;
  const fix = `say --user ${name}, or --user with whom it is for`;
  throw invalid(printable(`the request asks for ${shown}, not ${name}; ${fix}`));
}

/** Undefined: as the request says. What is typed here counts more than what somebody asks for. */
function subjectOf(name: string, options: IssueOptions, isRequested: boolean) {
  const given = namePartsOf({ ...options });
  const isGiven = options.user !== undefined || Object.keys(given).length > 0;
  if (isRequested && !isGiven) return undefined;
  return { ...given, commonname: options.user ?? given.commonname ?? name };
}

/** Undefined: as the request says; but who can act as a user gets no further names by asking. */
function namesOf(
  name: string,
  { san }: IssueOptions,
  { profile, isRequested }: { readonly profile: string; readonly isRequested: boolean },
): AlternativeName[] | undefined {
  if (san !== undefined) return parseAlternativeNames(san);
  if (isRequested) return profile === 'server' ? undefined : [];
  return parseAlternativeNames(profile === 'client' ? [] : [name]);
}

function refuseNameless(profile: string, names: readonly AlternativeName[]): void {
  if (profile === 'client' || names.length > 0) return;
  throw invalid('a server certificate without names is trusted by nobody; give --san dns:HOST');
}

const keyChoiceOf = ({ ec }: RenewOptions): 'rsa' | 'ec' => (ec ? 'ec' : 'rsa');

async function requestOf({ csr }: RenewOptions) {
  if (csr === undefined) return {};
  return { request: readRequest(await readMaterialFile(csr), csr) };
}

/** The key of a client is nowhere but in the file: without one it would be lost. */
function requireOut(profile: string | undefined, { csr, out }: RenewOptions): void {
  if (out !== undefined) requireWritable(out);
  if (profile !== 'client' || csr !== undefined || out !== undefined) return;
  throw invalid('a certificate for a client needs --out FILE for its key, or --csr FILE');
}

function answerIssued(tool: Tool, made: IssuedCertificate, { out }: RenewOptions): void {
  const { issued, certificate, chain, key } = made;
  const facts = { ...shownIssued(issued), ...factsOf(certificate) };
  const who = [issued.subject, ...issued.names].join(', ');
  tool.note(`issued ${issued.name} to ${who}`);
  tool.note(`serial ${issued.serial}, valid to ${issued.notAfter}`);
  if (key === undefined || out === undefined) {
    return answerText(tool, String(certificate), facts, out);
  }
  // A server sends its chain; the authority's own certificate is what the other end has.
  const leaves = chain.slice(0, -1).map(String).join('');
  writeOut(out, `${key.export({ type: 'pkcs8', format: 'pem' })}${leaves}`, 'owner');
  tool.answer({ ...facts, file: out }, `wrote ${out}, with the private key`);
}

async function makeList(
  tool: Tool,
  authority: LocalAuthority,
  { days, der, out }: ListOptions,
): Promise<void> {
  if (der && out === undefined) throw invalid('--der is binary; name a file with --out');
  const list = await authority.makeRevocationList(days);
  const revoked = authority.list().filter((each) => each.revoked).length;
  if (!der || out === undefined) {
    return answerText(tool, toPem('X509 CRL', list), { revoked, days }, out);
  }
  writeOut(out, list, 'all');
  tool.answer({ revoked, days, file: out }, `wrote ${out}`);
}

function list(tool: Tool, authority: LocalAuthority): void {
  const issued = authority.list().map(shownIssued);
  const rows = issued.map((each) => [
    each.name,
    each.profile,
    each.status,
    each.serial,
    each.notAfter.slice(0, 10),
    each.subject,
  ]);
  const text = tableOf(['NAME', 'PROFILE', 'STATUS', 'SERIAL', 'ENDS', 'SUBJECT'], rows);
  tool.answer({ issued }, issued.length === 0 ? '' : text);
  if (issued.length === 0) tool.note('nothing was issued yet');
}

function shownIssued({ subjectDer: _, ...issued }: Issued) {
  const isPast = Date.parse(issued.notAfter) < Date.now();
  const status = issued.revoked ? 'revoked' : isPast ? 'expired' : 'valid';
  return { ...issued, status };
}

const invalid = (why: string): RsyndError => new RsyndError('ERR_INVARG', why);
