// `rsynctl check`: health in the form each monitor reads. Nagios has exit statuses of its own (0 OK, 1 WARNING,
// 2 CRITICAL, 3 UNKNOWN); the other forms end with 0, or 1 when something is critical.

import { X509Certificate } from 'node:crypto';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseServer } from '../../client/filespec.js';
import { CertificateStore } from '../../server/certificate/store/certificate-store.js';
import { certificateOf } from '../../server/certificate/store/entry.js';
import {
  certificateHealth,
  diskHealth,
  type HealthFinding,
  type HealthLevel,
  serverHealth,
  USUAL_THRESHOLDS,
  worstOf,
} from '../../server/diagnose/health.js';
import { type CertificateOptions, configuredCertificate } from '../server-certificate.js';
import type { Tool } from '../tool.js';

type Format = 'text' | 'json' | 'nagios' | 'prometheus';

interface CheckOptions extends CertificateOptions {
  readonly format: Format;
  readonly warningDays: number;
  readonly criticalDays: number;
}

const NAGIOS: Readonly<Record<HealthLevel, readonly [word: string, status: number]>> = {
  ok: ['OK', 0],
  warning: ['WARNING', 1],
  critical: ['CRITICAL', 2],
};
const NAGIOS_UNKNOWN = 3;

/** Declares the command. */
export function addCheck(program: Command, tool: Tool): void {
  program
    .command('check')
    .description('Certificates, disk and, where named, the port of a server: are they well?')
    .argument('[server]', 'HOST[:PORT] that should answer')
    .addOption(
      new Option('--format <format>', 'for whom')
        .choices(['text', 'json', 'nagios', 'prometheus'])
        .default('text'),
    )
    .option(
      '--warning-days <n>',
      'warn so long before an end',
      parseDays,
      USUAL_THRESHOLDS.warningDays,
    )
    .option(
      '--critical-days <n>',
      'critical from so long before',
      parseDays,
      USUAL_THRESHOLDS.criticalDays,
    )
    .option('--cert <file>', 'certificate to look at (default: the configured one)')
    .option('--passphrase-file <file>', 'passphrase of its key')
    .action((server: string | undefined, options: CheckOptions) => check(tool, server, options));
}

function parseDays(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('it is a number of days.');
}

async function check(tool: Tool, server: string | undefined, options: CheckOptions): Promise<void> {
  const format = tool.json ? 'json' : options.format;
  try {
    const findings = await look(tool, server, options);
    print(tool, format, findings);
    const worst = worstOf(findings);
    if (format === 'nagios') process.exitCode = NAGIOS[worst][1];
    else if (worst === 'critical') process.exitCode = 1;
  } catch (error) {
    if (format !== 'nagios') throw error;
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    tool.answer(undefined, `RSYND UNKNOWN - ${why}`);
    process.exitCode = NAGIOS_UNKNOWN;
  }
}

async function look(
  tool: Tool,
  server: string | undefined,
  options: CheckOptions,
): Promise<HealthFinding[]> {
  const findings: HealthFinding[] = [diskHealth(tool.data)];
  const configured = await configuredCertificate(tool, options);
  if (configured !== undefined) {
    const leaf = new X509Certificate(configured.cert);
    findings.push(certificateHealth(configured.source, leaf, options));
  }
  for (const entry of new CertificateStore(tool.state, { env: tool.env }).list()) {
    const certificate = certificateOf(entry);
    if (certificate !== undefined)
      findings.push(certificateHealth(entry.name, certificate, options));
  }
  if (server !== undefined) findings.push(...(await serverHealth(parseServer(server), options)));
  return findings;
}

function print(tool: Tool, format: Format, findings: readonly HealthFinding[]): void {
  const worst = worstOf(findings);
  const texts: Record<Exclude<Format, 'json'>, () => string> = {
    text: () => findings.map(textLine).join('\n'),
    nagios: () => nagiosLine(worst, findings),
    prometheus: () => prometheusText(findings),
  };
  const json = JSON.stringify({ level: worst, findings });
  tool.answer({ level: worst, findings }, format === 'json' ? json : texts[format]());
}

const textLine = ({ name, subject, level, detail }: HealthFinding): string =>
  `${level.toUpperCase().padEnd(8)} ${name} ${subject}: ${detail}`;

/** One line: the state, what is wrong, and after the bar the numbers. */
function nagiosLine(worst: HealthLevel, findings: readonly HealthFinding[]): string {
  const wrong = findings.filter(({ level }) => level !== 'ok');
  const said = (wrong.length === 0 ? findings : wrong)
    .map(({ name, subject, detail }) => `${name} ${subject} ${detail}`)
    .join('; ')
    .replaceAll('|', '/');
  const numbers = findings.map(
    ({ name, subject, value, unit }) =>
      `'${name} ${subject}'=${value}${unit === 'bytes' ? 'B' : unit === 'seconds' ? 's' : ''}`,
  );
  return `RSYND ${NAGIOS[worst][0]} - ${said} | ${numbers.join(' ')}`;
}

const PROMETHEUS_HELP: Readonly<Record<string, string>> = {
  certificate: 'Days until a certificate ends.',
  disk: 'Free bytes on the disk of the data directory.',
  server: 'Seconds until the server answered, -1 when it did not.',
};

function prometheusText(findings: readonly HealthFinding[]): string {
  const names = [...new Set(findings.map(({ name }) => name))];
  return names
    .flatMap((name) => {
      const same = findings.filter((each) => each.name === name);
      const metric = `rsynd_${name}_${same[0]?.unit ?? ''}`;
      return [
        `# HELP ${metric} ${PROMETHEUS_HELP[name] ?? name}`,
        `# TYPE ${metric} gauge`,
        ...same.map(({ subject, value }) => `${metric}{subject=${label(subject)}} ${value}`),
      ];
    })
    .join('\n');
}

/** As the exposition format writes label values. */
const label = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
