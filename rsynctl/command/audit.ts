// `rsynctl audit tls`: a TLS port against NIST SP 800-52r2, line by line, running or as it would be started.
// The lines are server/diagnose's business; what the port does is found by handshakes.

import type { Command } from 'commander';
import { type AuditRow, auditTls } from '../../server/diagnose/nist-sp-800-52r2.js';
import { RsyndError } from '../../shared/base/error.js';
import { addProbeOptions, type ProbeOptions, tlsFactsOf } from '../tls-facts.js';
import type { Tool } from '../tool.js';

const HELP = `
PASS and FAIL are what the guideline says shall or should be; NOTE is something to weigh.
Ends with 1 when a line is FAIL.`;

/** Declares the command. */
export function addAudit(program: Command, tool: Tool): void {
  const audit = program.command('audit').description('Audits against published guidelines.');
  const tls = audit
    .command('tls')
    .description('A server against NIST SP 800-52r2, with the clause of each line.');
  addProbeOptions(tls)
    .addHelpText('after', HELP)
    .action((server: string | undefined, options: ProbeOptions) => audits(tool, server, options));
}

async function audits(
  tool: Tool,
  server: string | undefined,
  options: ProbeOptions,
): Promise<void> {
  const facts = await tlsFactsOf(tool, server, options);
  const rows = auditTls(facts);
  tool.answer({ guideline: 'NIST SP 800-52r2', rows }, rows.map(lineOf).join('\n'));
  const failed = rows.filter(({ verdict }) => verdict === 'fail').length;
  if (failed === 0) return;
  throw new RsyndError('ERR_TLSCONF', `${failed} of ${rows.length} clauses fail, as said above`);
}

const lineOf = ({ verdict, clause, finding }: AuditRow): string =>
  `${verdict.toUpperCase()} ${clause.padEnd(8)} ${finding}`;
