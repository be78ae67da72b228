// `rsynctl ciphers`: the cipher suites a server really takes, protocol by protocol, each as `openssl ciphers -v`
// writes it. Found by handshakes, not by reading settings.

import type { Command } from 'commander';
import { PROTOCOLS, type TlsFacts } from '../../server/diagnose/tls-probe.js';
import { RsyndError } from '../../shared/base/error.js';
import { describeCipher } from '../../shared/tls/cipher-description.js';
import { addProbeOptions, type ProbeOptions, tlsFactsOf } from '../tls-facts.js';
import type { Tool } from '../tool.js';

/** Declares the command. */
export function addCiphers(program: Command, tool: Tool): void {
  const command = program
    .command('ciphers')
    .description('The cipher suites a server takes, by protocol, found by handshakes.');
  addProbeOptions(command).action((server: string | undefined, options: ProbeOptions) =>
    show(tool, server, options),
  );
}

async function show(tool: Tool, server: string | undefined, options: ProbeOptions): Promise<void> {
  const { ciphers } = await tlsFactsOf(tool, server, options);
  const lines = linesOf(ciphers);
  if (lines.length === 0) {
    throw new RsyndError('ERR_TLSCONF', `${server} has no TLS; start it with -encrypt`);
  }
  tool.answer({ ciphers }, lines.join('\n'));
}

const linesOf = (ciphers: TlsFacts['ciphers']): string[] =>
  [...PROTOCOLS]
    .reverse()
    .flatMap((protocol) => ciphers[protocol].map((name) => describeCipher(name, protocol)));
