// `isutl load`: stores the rows of a text file.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { EXIT_STATUS } from '../../../shared/cli/exit-status.js';
import { fileProblem } from '../file-problem.js';
import { createReader } from '../formats.js';
import { type LoadReport, loadRows } from '../load.js';
import { ALONE } from '../local-files.js';
import { printTotals } from '../print-totals.js';
import type { ProgressDisplay } from '../progress.js';
import type { ByteSource } from '../row.js';
import type { Tool } from '../tool.js';
import { addFormatOptions, type FormatOptions } from './format-options.js';

const STANDARD_INPUT = '-';

export function addLoad(program: Command, tool: Tool): void {
  const command = program
    .command('load')
    .description('store the rows of a text file')
    .argument('<file>', 'record file')
    .argument('<input>', 'text file, - for standard input');
  addFormatOptions(command).action((file: string, input: string, options: FormatOptions) =>
    load(tool, file, input, options),
  );
}

async function load(
  tool: Tool,
  name: string,
  input: string,
  options: FormatOptions,
): Promise<void> {
  const files = await tool.files();
  const progress = tool.progress(`load ${name}`);
  try {
    const report = await files.with(name, ALONE, 'records', async ({ file }) => {
      const read = createReader(file.spec, options);
      const rows = read(await openInput(input, progress));
      return loadRows(rows, file, { badRowsMax: options.maxErrors });
    });
    progress.stop();
    printReport(tool, name, report);
  } catch (error) {
    throw fileProblem(error, input);
  } finally {
    progress.stop();
  }
}

async function openInput(path: string, progress: ProgressDisplay): Promise<ByteSource> {
  if (path === STANDARD_INPUT) return process.stdin;
  const { size } = await stat(path);
  return counted(createReadStream(path), size, progress);
}

async function* counted(
  source: ByteSource,
  bytesTotal: number,
  progress: ProgressDisplay,
): AsyncGenerator<Uint8Array> {
  let bytesRead = 0;
  for await (const chunk of source) {
    yield chunk;
    bytesRead += chunk.length;
    progress.update(bytesRead, bytesTotal);
  }
}

function printReport(tool: Tool, name: string, report: LoadReport): void {
  for (const { line, message } of report.problems) tool.note(`line ${line}: ${message}`, 0);
  const hidden = report.bad - report.problems.length;
  if (hidden > 0) tool.note(`and ${hidden} more bad rows`, 0);
  for (const { line, message } of report.doubts) tool.note(`line ${line}: warning: ${message}`);
  const more = report.questionable - report.doubts.length;
  if (more > 0) tool.note(`and ${more} more questionable rows`);
  const { read, stored, bad, questionable, problems, doubts, totals, complete } = report;
  if (!complete) {
    const untried = read - stored - bad;
    const left = untried === 0 ? '' : `; ${untried} of the rows read were not tried`;
    tool.note(`stopped: more bad rows than --max-errors allows${left}`, 0);
  }
  const doubtful = questionable === 0 ? '' : `, ${questionable} questionable rows (stored)`;
  tool.print(`${name}: ${stored} of ${read} records stored, ${bad} bad rows${doubtful}`);
  printTotals(tool, totals);
  const counts = { read, stored, bad, questionable, complete };
  tool.printJson({ file: name, ...counts, problems, doubts, totals });
  if (bad > 0) tool.fail(EXIT_STATUS.failed);
}
