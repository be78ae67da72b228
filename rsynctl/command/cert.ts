// `rsynctl cert`: the certificate store of a server: what is in it, what comes in and goes out, whom it trusts, and
// which certificate the data port presents. A running server takes changes within a second.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { importCertificate } from '../../server/certificate/import/import-certificate.js';
import { readMaterial, readMaterialFile } from '../../server/certificate/import/material.js';
import { proveCertificate } from '../../server/certificate/prove-certificate.js';
import {
  type CertificateStore,
  shortId,
} from '../../server/certificate/store/certificate-store.js';
import {
  CERTIFICATE_KINDS,
  type CertificateEntry,
  type CertificateKind,
  TRUST_SERVICES,
  TRUSTED_FOR_NOTHING,
  type TrustService,
  type TrustSwitches,
} from '../../server/certificate/store/entry.js';
import { serverCertificateOf } from '../../server/certificate/store/trusted.js';
import { RsyndError } from '../../shared/base/error.js';
import { policyFor } from '../../shared/tls/policy.js';
import { answerText, openStore, passphraseOf } from '../certificate-files.js';
import { shownEntry, tableOfEntries, textOfEntry } from '../certificate-text.js';
import type { Tool } from '../tool.js';
import { addInspect } from './cert-inspect.js';
import { addRequest } from './cert-request.js';
import { addRehearse } from './rehearse.js';

interface TrustOptions {
  readonly dataPort?: boolean;
  readonly replication?: boolean;
  readonly rest?: boolean;
}

interface ImportOptions extends TrustOptions {
  readonly key?: string;
  readonly name?: string;
  readonly kind?: CertificateKind;
  readonly passphraseFile?: string;
}

const HELP = `
Entries are called by name, or by the beginning of their id or fingerprint.
Kinds: server (ours, with its key sealed), peer (another server's own), authority (issues certificates).

Needed: the right to write the data directory.`;

/** Declares `cert` and its commands. */
export function addCert(program: Command, tool: Tool): void {
  const cert = program
    .command('cert')
    .description('the certificate store of a server')
    .addHelpText('after', HELP);
  addRequest(cert, tool);
  addImport(cert, tool);
  addReading(cert, tool);
  addInspect(cert, tool);
  addChanging(cert, tool);
  addRehearse(cert, tool);
}

function addImport(cert: Command, tool: Tool): void {
  withTrust(
    cert
      .command('import <file> [keyfile]')
      .description('add what a PEM, DER or PKCS#12 file holds')
      .option('--key <file>', 'file of the private key, where it is not in the same one')
      .option('--name <name>', 'name of the entry (default: its friendly or common name)')
      .addOption(new Option('--kind <kind>', 'what it is').choices(CERTIFICATE_KINDS))
      .option('--passphrase-file <file>', 'its first line (default $RSYND_PASSPHRASE, else asked)'),
  ).action((file: string, keyFile: string | undefined, options: ImportOptions) =>
    importFile(tool, file, keyFile ?? options.key, options),
  );
}

function addReading(cert: Command, tool: Tool): void {
  cert
    .command('list')
    .description('all entries')
    .addOption(new Option('--kind <kind>', 'of one kind only').choices(CERTIFICATE_KINDS))
    .action(({ kind }: { kind?: CertificateKind }) => list(tool, kind));
  cert
    .command('show <id>')
    .description('one entry')
    .action((id: string) => {
      const store = openStore(tool);
      const shown = shownEntry(store, store.find(id));
      tool.answer(shown, textOfEntry(shown));
    });
  cert
    .command('export <id>')
    .description(
      'certificate and chain as PEM, or the request that waits for it; never a private key',
    )
    .option('--out <file>', 'write it there')
    .action((id: string, { out }: { out?: string }) => {
      const { name, current, outstanding } = openStore(tool).find(id);
      const text = current?.chain ?? outstanding?.request ?? '';
      answerText(tool, text, { name, isRequest: current === undefined }, out);
    });
}

function addChanging(cert: Command, tool: Tool): void {
  withTrust(cert.command('trust <id>').description('which services trust an authority or peer')) //
    .action(async (id: string, options: TrustOptions) => {
      const switches = switchesOf(options);
      if (Object.keys(switches).length === 0) {
        throw new RsyndError('ERR_INVARG', 'nothing to switch; give --data-port on, for example');
      }
      const store = openStore(tool);
      const entry = await store.trust(id, switches);
      answerEntry(tool, store, entry, `${entry.name}: ${trustText(entry)}`);
    });
  cert
    .command('activate <id>')
    .description('have the data port present it')
    .action((id: string) => activate(tool, id));
  cert
    .command('deactivate')
    .description('have the data port present what -cert or DBLDIR names')
    .action(async () => {
      await openStore(tool).deactivate();
      tool.answer({ active: null }, 'no certificate of the store is active');
    });
  cert
    .command('remove <id>')
    .alias('delete')
    .description('take it out of the store, with its key')
    .action(async (id: string) => {
      const { name, id: whole } = await openStore(tool).remove(id);
      tool.answer({ removed: name, id: whole }, `removed ${name}`);
    });
}

const withTrust = (command: Command): Command =>
  command
    .option('--data-port <on|off>', 'clients of the data port', parseSwitch)
    .option('--replication <on|off>', 'other servers in replication', parseSwitch)
    .option('--rest <on|off>', 'clients of the REST interface', parseSwitch);

function parseSwitch(text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw new InvalidArgumentError('it is on or off.');
}

function switchesOf({ dataPort, replication, rest }: TrustOptions): Partial<TrustSwitches> {
  return {
    ...(dataPort !== undefined && { data: dataPort }),
    ...(replication !== undefined && { replication }),
    ...(rest !== undefined && { rest }),
  };
}

async function importFile(
  tool: Tool,
  file: string,
  keyFile: string | undefined,
  options: ImportOptions,
): Promise<void> {
  const store = openStore(tool);
  const passphrase = passphraseOf(tool, options.passphraseFile);
  const material = await readMaterial(await readMaterialFile(file), file, passphrase);
  const key =
    keyFile && (await readMaterial(await readMaterialFile(keyFile), keyFile, passphrase)).keys;
  const switches = switchesOf(options);
  const { entries, remarks } = await importCertificate(
    store,
    { ...material, keys: [...material.keys, ...(key || [])] },
    {
      source: file,
      ...(options.kind && { kind: options.kind }),
      ...(options.name !== undefined && { name: options.name }),
      trustedFor: { ...TRUSTED_FOR_NOTHING, ...switches },
    },
  );
  const imported = entries.map((entry) => shownEntry(store, entry));
  const lines = entries.map(({ name, kind, id }) => `imported ${kind} ${name} (${shortId(id)})`);
  tool.answer({ imported, warnings: remarks }, lines.join('\n'));
  for (const remark of remarks) tool.note(`warning: ${remark}`);
  if (entries.some(isIdle)) {
    tool.note('no service trusts it yet; see rsynctl cert trust --help');
  }
}

const isIdle = ({ kind, trustedFor }: CertificateEntry): boolean =>
  kind !== 'server' && !Object.values(trustedFor).includes(true);

function list(tool: Tool, kind: CertificateKind | undefined): void {
  const store = openStore(tool);
  const entries = store.list().filter((entry) => kind === undefined || entry.kind === kind);
  const revoked = store.revoked();
  const certificates = entries.map((entry) => shownEntry(store, entry, revoked));
  tool.answer({ certificates }, entries.length === 0 ? '' : tableOfEntries(certificates));
  if (entries.length === 0) tool.note('there are no certificates; see rsynctl cert --help');
}

/** Proved by a handshake first: what a server cannot serve with is not activated. */
async function activate(tool: Tool, id: string): Promise<void> {
  const store = openStore(tool);
  const found = store.find(id);
  if (found.kind === 'server' && found.current) {
    const { privateKey, chain } = serverCertificateOf(store, found, found.current);
    await proveCertificate({ ...policyFor(0), key: privateKey, cert: chain }, found.name);
  }
  const entry = await store.activate(found.id);
  answerEntry(tool, store, entry, `the data port presents ${entry.name}`);
  tool.note('rsynd takes it unless it was started with -cert');
}

function answerEntry(
  tool: Tool,
  store: CertificateStore,
  entry: CertificateEntry,
  text: string,
): void {
  tool.answer(shownEntry(store, entry), text);
}

function trustText({ trustedFor }: CertificateEntry): string {
  const wordOf = (service: TrustService): string =>
    `${service} ${trustedFor[service] ? 'on' : 'off'}`;
  return TRUST_SERVICES.map(wordOf).join(', ');
}
