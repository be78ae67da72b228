// `isutl info`: what a file is.

import type { Command } from 'commander';
import type { FileSpec, KeySpec } from '../../../shared/record/file-spec.js';
import type { FileFacts } from '../../storage/engine.js';
import { READING } from '../local-files.js';
import type { Tool } from '../tool.js';

export function addInfo(program: Command, tool: Tool): void {
  program
    .command('info')
    .description('say what a file is: records, keys, fields, network encryption')
    .argument('<file>', 'record file')
    .action((file: string) => info(tool, file));
}

async function info(tool: Tool, name: string): Promise<void> {
  const files = await tool.files();
  await files.with(name, READING, 'header', async ({ file, path }) => {
    const facts = await file.stored.facts();
    printInfo(tool, path, file.spec, facts);
    const { record, keys, fields, networkEncrypt, text, attributes } = file.spec;
    tool.printJson({
      file: path,
      records: facts.records,
      bytes: facts.bytes,
      NETCRYPT: networkEncrypt ? 1 : 0,
      networkEncrypt,
      record,
      keys: keys.map((key, number) => ({ ...key, depth: facts.depths[number] ?? 0 })),
      fields,
      text,
      attributes,
    });
  });
}

function printInfo(tool: Tool, path: string, spec: FileSpec, facts: FileFacts): void {
  const { record, keys, fields, networkEncrypt, text } = spec;
  tool.print(path);
  tool.print(`  records          ${facts.records}`);
  tool.print(`  size             ${facts.bytes} bytes`);
  tool.print(`  record           ${record.size} bytes, ${record.format}`);
  tool.print(
    `  network encrypt  ${networkEncrypt ? 'yes' : 'no'} (NETCRYPT ${networkEncrypt ? 1 : 0})`,
  );
  if (text !== '') tool.print(`  text             ${text}`);
  keys.forEach((key, number) => {
    tool.print(
      `  key ${number} ${key.name}: ${describeKey(key)}, depth ${facts.depths[number] ?? 0}`,
    );
  });
  tool.print(`  fields           ${fields.length === 0 ? 'none' : fields.length}`);
  for (const field of fields) {
    const { name, type, offset, length, precision, format, dimension } = field;
    const size = `${length}${precision === undefined ? '' : `.${precision}`}`;
    const form = format === undefined ? '' : ` ${format}`;
    const times = dimension === undefined ? '' : ` [${dimension.join(',')}]`;
    tool.print(`    ${name}  ${type} ${size}${form}${times}, at ${offset + 1}`, 2);
  }
}

function describeKey({ segments, dups, modifiable, nullKey }: KeySpec): string {
  const parts = segments.map(({ offset, length, type, order }) => {
    const descending = order === 'descending' ? ' descending' : '';
    return `${offset + 1}:${length} ${type}${descending}`;
  });
  const duplicates = dups === 'none' ? 'no duplicates' : `duplicates ${dups}`;
  const change = modifiable ? 'modifiable' : 'not modifiable';
  const nulls = nullKey === undefined ? '' : `, null ${nullKey.kind}`;
  return `${parts.join(' + ')}, ${duplicates}, ${change}${nulls}`;
}
