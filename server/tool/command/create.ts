// `isutl create`: makes an empty file from XDL, with field names from a repository.

import { basename, extname } from 'node:path';
import type { Command } from 'commander';
import { RsyndError } from '../../../shared/base/error.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import {
  fieldsOf,
  parseRepository,
  structureNames,
  withFields,
} from '../../../shared/record/repository.js';
import { parseXdl } from '../../../shared/record/xdl.js';
import { readDefinitionFile } from '../definition-file.js';
import type { Tool } from '../tool.js';

interface CreateOptions {
  readonly xdl: string;
  readonly repository?: string;
  readonly structure?: string;
}

export function addCreate(program: Command, tool: Tool): void {
  program
    .command('create')
    .description('make an empty file from an XDL definition')
    .argument('<file>', 'file to make; .ism is added to a name without extension')
    .requiredOption('--xdl <file>', 'definition of record and keys')
    .option('--repository <file>', 'schema (.scm) that names the fields')
    .option('--structure <name>', 'its structure (default: the one named like the file)')
    .action((file: string, options: CreateOptions) => create(tool, file, options));
}

async function create(tool: Tool, name: string, options: CreateOptions): Promise<void> {
  const definition = parseXdl(await readDefinitionFile(options.xdl), { fileName: options.xdl });
  const spec = await addFields(definition, name, options);
  const files = await tool.files();
  const path = await files.create(name, spec);
  const { size, format } = spec.record;
  const fields = spec.fields.length;
  tool.print(
    `${path}: created, ${format} records of ${size} bytes, ${spec.keys.length} keys, ${fields} fields`,
  );
  const { networkEncrypt } = spec;
  tool.printJson({
    file: path,
    recordSize: size,
    format,
    keys: spec.keys.length,
    fields,
    networkEncrypt,
  });
}

async function addFields(spec: FileSpec, name: string, options: CreateOptions): Promise<FileSpec> {
  const { repository: path, structure } = options;
  if (path === undefined) {
    if (structure === undefined) return spec;
    throw new RsyndError('ERR_INVARG', '--structure needs the --repository it is in');
  }
  const repository = parseRepository(await readDefinitionFile(path), { fileName: path });
  const wanted = structure ?? likeFile(name, structureNames(repository), path);
  return withFields(spec, fieldsOf(repository, wanted));
}

function likeFile(name: string, structures: readonly string[], repository: string): string {
  const wanted = basename(name, extname(name)).toUpperCase();
  if (structures.includes(wanted)) return wanted;
  const why = `${repository} has no structure ${wanted}; say which one with --structure`;
  throw new RsyndError('ERR_INVARG', why);
}
