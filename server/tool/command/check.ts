// `isutl -v` and `isutl -r`: check every index against every record, or make the indexes anew. Both walk the
// whole file and report what they find in the same words.

import type { Command } from 'commander';
import { findingsKeptMax } from '../../../shared/base/limits.js';
import { EXIT_STATUS } from '../../../shared/cli/exit-status.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import type { Problem, VerifyReport } from '../../storage/engine.js';
import { eachFile } from '../each-file.js';
import { ALONE, READING } from '../local-files.js';
import type { Tool } from '../tool.js';

type Work = 'verify' | 'rebuild';

/** Findings shown below the highest message level. */
const FINDINGS_SHOWN = 20;

export function addVerify(program: Command, tool: Tool): void {
  program
    .command('verify', { hidden: true })
    .description('check every index against every record (isutl -v)')
    .argument('<files...>', 'record files')
    .action((files: string[]) => check(tool, files, 'verify'));
}

export function addRebuild(program: Command, tool: Tool): void {
  program
    .command('rebuild', { hidden: true })
    .description('make the indexes anew from the records (isutl -r)')
    .argument('<files...>', 'record files')
    .action((files: string[]) => check(tool, files, 'rebuild'));
}

interface Findings {
  count: number;
  /** Some of them took records or bytes with them that no rebuild brings back. */
  hasLoss: boolean;
  readonly kept: Problem[];
}

async function check(tool: Tool, names: readonly string[], work: Work): Promise<void> {
  const files = await tool.files();
  const claim = work === 'verify' ? READING : ALONE;
  await eachFile(tool, names, (name) =>
    files.with(name, claim, 'records', async ({ file }) => {
      const findings: Findings = { count: 0, hasLoss: false, kept: [] };
      const progress = tool.progress(`${work} ${name}`);
      try {
        const report = await file[work](
          (problem) => addFinding(findings, problem),
          (done, total) => progress.update(done, total),
        );
        progress.stop();
        printReport(tool, name, work, file.spec, report, findings);
        return answerOf(report, findings);
      } finally {
        progress.stop();
      }
    }),
  );
}

function addFinding(findings: Findings, problem: Problem): void {
  findings.count++;
  findings.hasLoss ||= problem.kind === 'bad-block' || problem.kind === 'bad-crc';
  if (findings.kept.length < findingsKeptMax) findings.kept.push(problem);
}

function printReport(
  tool: Tool,
  name: string,
  work: Work,
  spec: FileSpec,
  report: VerifyReport,
  findings: Findings,
): void {
  findings.kept.forEach((problem, index) => {
    tool.note(`${name}: ${describe(problem)}`, index < FINDINGS_SHOWN ? 0 : 3);
  });
  const { count, hasLoss } = findings;
  if (count > FINDINGS_SHOWN)
    tool.note(`${name}: ${count} problems in all, -m3 shows more of them`, 0);
  const indexes = `${report.records} records, ${spec.keys.length} indexes`;
  const outcome =
    count === 0 ? 'no problems' : `${count} problems${work === 'rebuild' ? ' found' : ''}`;
  tool.print(`${name}: ${work === 'rebuild' ? 'rebuilt, ' : ''}${indexes}, ${outcome}`);
  spec.keys.forEach((key, number) => {
    tool.print(`  key ${number} ${key.name}: ${report.entries[number] ?? 0} entries`, 2);
  });
  // What a rebuild finds in the indexes it has mended; lost records it has not.
  if (work === 'verify' ? count > 0 : hasLoss) tool.fail(EXIT_STATUS.damaged);
}

function describe({ kind, key, rfa, detail }: Problem): string {
  const where = key === undefined ? '' : ` key ${key}`;
  const record = rfa === undefined ? '' : ` record ${rfa.toString('hex')}`;
  return `${kind}${where}${record}: ${detail}`;
}

function answerOf(report: VerifyReport, findings: Findings): object {
  const problems = findings.kept.map(({ kind, key, rfa, detail }) => ({
    kind,
    ...(key === undefined ? {} : { key }),
    ...(rfa === undefined ? {} : { rfa: rfa.toString('hex') }),
    detail,
  }));
  const { records, entries } = report;
  return { records, entries, problemCount: findings.count, problems };
}
