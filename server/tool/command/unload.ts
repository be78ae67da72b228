// `isutl unload`: writes the records of a file as text.

import { createWriteStream } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { RsyndError } from '../../../shared/base/error.js';
import { EXIT_STATUS } from '../../../shared/cli/exit-status.js';
import type { IsamFile } from '../../isam/isam-file.js';
import { fileProblem } from '../file-problem.js';
import { createWriter } from '../formats.js';
import { type OpenFile, READING } from '../local-files.js';
import { printTotals } from '../print-totals.js';
import type { Tool } from '../tool.js';
import { Unload, type UnloadReport } from '../unload.js';
import { addFormatOptions, type FormatOptions } from './format-options.js';

const STANDARD_OUTPUT = '-';

interface UnloadCommandOptions extends FormatOptions {
  readonly key?: string;
}

export function addUnload(program: Command, tool: Tool): void {
  const command = program
    .command('unload')
    .description('write the records of a file as text')
    .argument('<file>', 'record file')
    .argument('[output]', 'text file, - for standard output', STANDARD_OUTPUT)
    .option('--key <key>', 'order by this key, number or name (default: as stored)');
  addFormatOptions(command).action((file: string, output: string, options: UnloadCommandOptions) =>
    unload(tool, file, output, options),
  );
}

async function unload(
  tool: Tool,
  name: string,
  output: string,
  options: UnloadCommandOptions,
): Promise<void> {
  const files = await tool.files();
  const report = await files.with(name, READING, 'records', (open) =>
    writeRecords(tool, open, output, options),
  );
  const stream = output === STANDARD_OUTPUT ? 'stderr' : 'stdout';
  printReport(tool, name, report, { stream, maxErrors: options.maxErrors });
}

async function writeRecords(
  tool: Tool,
  { file, path }: OpenFile,
  output: string,
  options: UnloadCommandOptions,
): Promise<UnloadReport> {
  const order = orderOf(file, options.key);
  const writer = createWriter(file.spec, options);
  const { records } = await file.stored.facts();
  await refuseSameFile(path, output);
  const progress = tool.progress(`unload ${file.name}`);
  const work = new Unload(file.scanRecords(order), file.spec, writer, {
    badRowsMax: options.maxErrors,
    onProgress: (done) => progress.update(done, records),
  });
  try {
    const isWhole = await writeOut(tool, Readable.from(work.pieces()), output);
    const report = work.report();
    return { ...report, complete: report.complete && isWhole };
  } catch (error) {
    throw fileProblem(error, output);
  } finally {
    progress.stop();
  }
}

function orderOf({ spec, name }: IsamFile, key: string | undefined): number | 'stored' {
  if (key === undefined) return 'stored';
  const byName = spec.keys.findIndex((each) => each.name.toUpperCase() === key.toUpperCase());
  if (byName >= 0) return byName;
  const number = /^\d+$/.test(key) ? Number(key) : spec.keys.length;
  if (number < spec.keys.length) return number;
  const known = spec.keys.map((each, index) => `${index} ${each.name}`).join(', ');
  throw new RsyndError('ERR_BADKEY', `there is no key ${key} of ${name}; it has ${known}`);
}

/** Writing over the file that is read would destroy it. */
async function refuseSameFile(path: string, output: string): Promise<void> {
  const real =
    output === STANDARD_OUTPUT ? undefined : await realpath(output).catch(() => undefined);
  if (real !== path) return;
  throw new RsyndError('ERR_INVARG', `${output} is the record file itself; name another output`);
}

/** False when the reader of a pipe has seen enough, as with `| head`. */
async function writeOut(tool: Tool, pieces: Readable, output: string): Promise<boolean> {
  try {
    if (output === STANDARD_OUTPUT) await pipeline(pieces, tool.stdout, { end: false });
    else await pipeline(pieces, createWriteStream(output));
    return true;
  } catch (error) {
    const isClosedPipe = error instanceof Error && 'code' in error && error.code === 'EPIPE';
    if (output !== STANDARD_OUTPUT || !isClosedPipe) throw error;
    return false;
  }
}

function printReport(
  tool: Tool,
  name: string,
  report: UnloadReport,
  { stream, maxErrors }: { stream: 'stdout' | 'stderr'; maxErrors: number },
): void {
  for (const { line, message } of report.problems) tool.note(`record ${line}: ${message}`, 0);
  const hidden = report.bad - report.problems.length;
  if (hidden > 0) tool.note(`and ${hidden} more bad records`, 0);
  const { read, written, bad, problems, totals, complete } = report;
  if (!complete) {
    const tooMany = 'more bad records than --max-errors allows';
    tool.note(`stopped: ${bad > maxErrors ? tooMany : 'the output was closed before its end'}`, 0);
  }
  const text = `${name}: ${written} of ${read} records written, ${bad} bad records`;
  if (stream === 'stdout') tool.print(text);
  else tool.note(text);
  printTotals(tool, totals, stream);
  tool.printJson({ file: name, read, written, bad, complete, problems, totals }, stream);
  if (bad > 0 || !complete) tool.fail(EXIT_STATUS.failed);
}
