// `rsynctl tls-usage`: which addresses and users came by which protocol, so that it is known who still needs a
// low level before it is raised. It reads what the server wrote down, about a second behind.

import type { Command } from 'commander';
import { type PeerUsage, readTlsUsage } from '../../server/observe/tls-usage.js';
import { tableOf } from '../table.js';
import type { Tool } from '../tool.js';

const HELP = `
Every connection counts whose handshake was done; users are those who logged in.
What a higher level would do: rsynctl cert rehearse --scl N`;

/** Oldest first: what is to go is read first. */
const PROTOCOLS = ['plain', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
const HEAD = ['PROTOCOL', 'CLIENT', 'CONNECTIONS', 'LAST SEEN', 'USERS', 'CIPHER'];

/** Declares the command. */
export function addTlsUsage(program: Command, tool: Tool): void {
  program
    .command('tls-usage')
    .description('Which clients came by which protocol, the oldest protocol first.')
    .addHelpText('after', HELP)
    .action(() => show(tool));
}

function show(tool: Tool): void {
  const peers = readTlsUsage(tool.state).sort(
    (a, b) => PROTOCOLS.indexOf(a.protocol) - PROTOCOLS.indexOf(b.protocol) || b.seen - a.seen,
  );
  if (peers.length === 0) return tool.answer({ peers }, 'nobody has connected yet');
  tool.answer({ peers }, tableOf(HEAD, peers.map(rowOf)));
}

function rowOf({ protocol, address, connections, seen, users, cipher }: PeerUsage): string[] {
  const when = new Date(seen).toISOString().slice(0, 19).replace('T', ' ');
  return [protocol, address, String(connections), when, users.join(',') || '-', cipher || '-'];
}
