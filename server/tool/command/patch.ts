// `isutl -p -qfile=…`: sets or clears the network encryption flag. The header is rewritten in one step; the
// data is not touched.

import { type Command, Option } from 'commander';
import { eachFile } from '../each-file.js';
import { ALONE } from '../local-files.js';
import type { Tool } from '../tool.js';

const FLAGS: { readonly [word: string]: boolean } = {
  network_encrypt: true,
  nonetwork_encrypt: false,
};

export function addPatch(program: Command, tool: Tool): void {
  const flag = new Option('--qfile <flag>', 'set or clear the network encryption flag')
    .choices(Object.keys(FLAGS))
    .makeOptionMandatory();
  program
    .command('patch', { hidden: true })
    .description('change the header of files, data untouched (isutl -p)')
    .addOption(flag)
    .argument('<files...>', 'record files')
    .action((files: string[], options: { qfile: string }) => patch(tool, files, options.qfile));
}

async function patch(tool: Tool, names: readonly string[], flag: string): Promise<void> {
  const networkEncrypt = FLAGS[flag] === true;
  const files = await tool.files();
  await eachFile(tool, names, (name) =>
    files.with(name, ALONE, 'header', async ({ file }) => {
      const changed = file.spec.networkEncrypt !== networkEncrypt;
      if (changed) await file.stored.setSpec({ ...file.spec, networkEncrypt });
      const verb = changed ? (networkEncrypt ? 'set' : 'cleared') : 'was already';
      const state = networkEncrypt ? 'yes' : 'no';
      tool.print(`${name}: network encrypt ${state} (${verb})`);
      return { networkEncrypt, changed };
    }),
  );
}
