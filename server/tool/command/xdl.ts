// `isutl xdl`: prints the definition of a file as XDL.

import { basename } from 'node:path';
import type { Command } from 'commander';
import { printXdl } from '../../../shared/record/xdl-print.js';
import { READING } from '../local-files.js';
import type { Tool } from '../tool.js';

export function addXdl(program: Command, tool: Tool): void {
  program
    .command('xdl')
    .description('print the definition of a file as XDL')
    .argument('<file>', 'record file')
    .action((file: string) => xdl(tool, file));
}

async function xdl(tool: Tool, name: string): Promise<void> {
  const files = await tool.files();
  await files.with(name, READING, 'header', async ({ file, path }) => {
    const text = printXdl(file.spec, { fileName: basename(path) });
    tool.print(text.trimEnd(), 0);
    tool.printJson({ file: path, xdl: text });
  });
}
