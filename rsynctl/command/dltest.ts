// `rsynctl dltest`: is everything there that TLS and storage need. A line a check; ends with 1 when one failed.

import type { Command } from 'commander';
import { selfTest } from '../../server/diagnose/self-test.js';
import { RsyndError } from '../../shared/base/error.js';
import { type CertificateOptions, configuredCertificate } from '../server-certificate.js';
import type { Tool } from '../tool.js';

/** Declares the command. */
export function addDltest(program: Command, tool: Tool): void {
  program
    .command('dltest')
    .description('Tests Node, OpenSSL, native parts, randomness, and a handshake at every level.')
    .option('--cert <file>', 'certificate to shake hands with (default: the configured one)')
    .option('--passphrase-file <file>', 'passphrase of its key (else $RSYND_PASSPHRASE, or asked)')
    .action((options: CertificateOptions) => dltest(tool, options));
}

async function dltest(tool: Tool, options: CertificateOptions): Promise<void> {
  const checks = await selfTest({
    environment: tool.env,
    loadCertificate: () => configuredCertificate(tool, options),
  });
  const lines = checks.map(
    ({ name, ok, detail }) => `${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(12)} ${detail}`,
  );
  tool.answer({ checks }, lines.join('\n'));
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  if (failed.length === 0) return;
  throw new RsyndError('ERR_TLSCONF', `dltest: ${failed.join(', ')} failed, as said above`);
}
