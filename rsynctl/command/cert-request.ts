// `rsynctl cert request`, `install`, `rollback`: a certificate from an authority elsewhere. The key is made here,
// sealed, and stays; what comes back must belong to it.

import { type Command, Option } from 'commander';
import { installCertificate } from '../../server/certificate/import/install-certificate.js';
import { readMaterial, readMaterialFile } from '../../server/certificate/import/material.js';
import { parseAlternativeNames } from '../../server/certificate/request/alternative-names.js';
import type { NameParts } from '../../server/certificate/request/distinguished-name.js';
import { makeKey } from '../../server/certificate/request/make-key.js';
import { makeRequest } from '../../server/certificate/request/make-request.js';
import { shortId } from '../../server/certificate/store/certificate-store.js';
import { RsyndError } from '../../shared/base/error.js';
import { answerText, openStore, passphraseOf } from '../certificate-files.js';
import { shownEntry } from '../certificate-text.js';
import { collect, namePartsOf, promptNameParts, withNameParts } from '../name-options.js';
import type { Tool } from '../tool.js';

interface RequestOptions {
  readonly cn?: string;
  readonly san?: readonly string[];
  readonly name?: string;
  readonly interactive?: boolean;
  readonly ec?: boolean;
  readonly replace?: boolean;
  readonly out?: string;
}

/** Declares the commands in the group `cert`. */
export function addRequest(cert: Command, tool: Tool): void {
  withNameParts(
    cert
      .command('request')
      .description('make a request for an authority (CSR); asks for what no option says')
      .option('--cn <name>', 'the same as --commonname')
      .option('--san <names>', 'dns:HOST,ip:ADDRESS,email:ADDRESS (may be repeated)', collect)
      .option('--name <name>', 'entry of the store (default: the common name)')
      .option('--interactive', 'ask for every part, with the options as defaults')
      .option('--ec', 'an EC key (P-256) instead of RSA-3072')
      .option('--replace', 'give up a request of that name that waits for its certificate')
      .addOption(new Option('--out <file>', 'write the request there instead of stdout')),
  ).action((options: RequestOptions) => request(tool, options));
  cert
    .command('install <id> <file>')
    .description('put the certificate made from a request into its place')
    .action((id: string, file: string) => install(tool, id, file));
  cert
    .command('rollback <id>')
    .description('go back to the certificate before')
    .action(async (id: string) => {
      const store = openStore(tool);
      const shown = shownEntry(store, await store.rollback(id));
      tool.answer(shown, `${shown.name} is again serial ${shown.serial}, to ${shown.notAfter}`);
    });
}

async function request(tool: Tool, options: RequestOptions): Promise<void> {
  const store = openStore(tool);
  const name = await nameOf(tool, options);
  const { commonname = '' } = name;
  if (commonname === '') {
    const why = 'a request needs a common name, the name clients reach the server by; give --cn';
    throw new RsyndError('ERR_INVARG', why);
  }
  // Browsers and our SDK look at alternative names only, so the common name is one when it can be.
  const isHost = /^[\w*-]+(\.[\w-]+)*$|^[\d.]+$|:/.test(commonname);
  const names = parseAlternativeNames(options.san ?? (isHost ? [commonname] : []));
  const key = await makeKey(options.ec ? 'ec' : 'rsa');
  const pem = makeRequest(name, names, key);
  const entry = await store.addRequest(options.name ?? commonname, pem, key, options.replace);
  tool.note(
    `the key is sealed in the store; install what you get: cert install ${shortId(entry.id)} FILE`,
  );
  answerText(tool, pem, { id: entry.id, name: entry.name }, options.out);
}

async function nameOf(tool: Tool, options: RequestOptions): Promise<NameParts> {
  const given = namePartsOf({ ...options });
  const parts = options.cn === undefined ? given : { ...given, commonname: options.cn };
  const asks = options.interactive === true || Object.keys(parts).length === 0;
  return asks ? promptNameParts(tool, parts) : parts;
}

async function install(tool: Tool, id: string, file: string): Promise<void> {
  const store = openStore(tool);
  const bytes = await readMaterialFile(file);
  const material = await readMaterial(bytes, file, passphraseOf(tool));
  const { entry, remarks } = await installCertificate(store, id, material, file);
  const shown = shownEntry(store, entry);
  tool.answer(
    { ...shown, warnings: remarks },
    `installed ${shown.name}, serial ${shown.serial}, valid to ${shown.notAfter}`,
  );
  for (const remark of remarks) tool.note(`warning: ${remark}`);
}
