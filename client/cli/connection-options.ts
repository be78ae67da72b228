// The options of programs that reach a server as a client: how to connect, whom to trust, who logs in. One
// table for getfa and rsynctl query, so that both know the same words.

import type { Command } from 'commander';
import { readPasswordFile } from '../../shared/cli/password-file.js';
import type { OpenOptions, TlsOptions } from '../open-options.js';

/** As commander gives them. */
export interface ConnectionOptions {
  readonly encrypt?: true;
  readonly scl?: string;
  readonly ca?: string;
  readonly pin?: string;
  readonly servername?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly user?: string;
  readonly passwordFile?: string;
}

/** Declares them. */
export const addConnectionOptions = (command: Command): Command =>
  command
    .option('--encrypt', 'TLS or failure')
    .option('--scl <n>', 'lowest protocol taken: 0-4 (default 0, which is 3)')
    .option('--ca <file>', 'certificate authorities to trust (default: the platform, $RSYND_CA)')
    .option('--pin <pin>', 'sha256/<base64> of the only public key to trust')
    .option('--servername <name>', 'name the certificate must be for (default: the host)')
    .option('--cert <file>', 'our own certificate (and key), for servers that ask for one')
    .option('--key <file>', 'private key of --cert (default: looked for in that file)')
    .option('--user <user>', "who logs in (default: the server's default user)")
    .option('--password-file <file>', 'its first line is the password ($RSYND_PASSWORD_FILE)');

/** A user named in the address: `rsynds://alice@host/orders`. */
const USER_IN_ADDRESS = /^rsynds:\/\/[^/@]+@/i;

/**
 * What the SDK makes of them; `address` may name a user as well. ERR_CONFIG when the password file cannot be
 * used.
 */
export function openOptionsOf(
  given: ConnectionOptions,
  env: Readonly<Record<string, string | undefined>>,
  address = '',
): OpenOptions {
  const { encrypt, scl, user, passwordFile } = given;
  const tls: TlsOptions = {};
  for (const name of ['ca', 'pin', 'servername', 'cert', 'key'] as const) {
    const value = given[name];
    if (value !== undefined) tls[name] = value;
  }
  // The variable is for whoever names a user; without one nobody logs in by password.
  const isNamed = user !== undefined || USER_IN_ADDRESS.test(address);
  const file = passwordFile ?? (isNamed ? env.RSYND_PASSWORD_FILE : undefined);
  return {
    tls,
    ...(encrypt === undefined ? {} : { encrypt }),
    // As text, so that what is no level is refused by those who know the levels.
    ...(scl === undefined ? {} : { options: `/scl=${scl}` }),
    ...(user === undefined ? {} : { user }),
    ...(file === undefined || file === '' ? {} : { password: readPasswordFile(file) }),
  };
}
