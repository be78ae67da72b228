// Which certificate the data port presents: the file of `-cert`, else the one that `rsynctl cert activate` chose,
// else `$DBLDIR/rsynd.pem`. Asked at start and again at each reload, so that an activation needs no restart.

import { createPrivateKey } from 'node:crypto';
import { RsyndError } from '../../shared/base/error.js';
import { orderChain, readCertificates, splitPem } from '../../shared/tls/pem.js';
import type { StateDirectory } from '../state/state-directory.js';
import { resolveCertificateFile } from './certificate-file.js';
import {
  loadServerCertificate,
  type ServerCertificate,
  usableCertificate,
} from './load-server-certificate.js';
import type { PassphraseSource } from './passphrase.js';
import { type ActiveServerCertificate, activeServerCertificate } from './store/trusted.js';

export interface CertificateChoice {
  /** `-cert`. */
  readonly cert: string | undefined;
  readonly passphrase: PassphraseSource;
  /** Where the store is; undefined where there is no data directory. */
  readonly state: StateDirectory | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Loads the certificate to present. ERR_TLSCONF, and ERR_CONFIG for an unusable store. */
export async function chooseCertificate(choice: CertificateChoice): Promise<ServerCertificate> {
  const { cert, passphrase, state, env } = choice;
  const active = cert === undefined && state ? activeServerCertificate(state, env) : undefined;
  if (active !== undefined) return certificateOfStore(active);
  return loadServerCertificate({ file: resolveCertificateFile(cert, env), passphrase });
}

/** Files whose change means another certificate; the store has a watch of its own. */
export function certificateFiles({ cert, env }: Pick<CertificateChoice, 'cert' | 'env'>): string[] {
  return cert === undefined && !env.DBLDIR ? [] : [resolveCertificateFile(cert, env).path];
}

function certificateOfStore({
  name,
  privateKey,
  chain,
}: ActiveServerCertificate): ServerCertificate {
  const source = `${name} (certificate store)`;
  const key = createPrivateKey(privateKey);
  const ordered = orderChain(readCertificates(splitPem(chain).certificates, source), key);
  if (ordered !== undefined) return usableCertificate(source, key, ordered);
  const why = `${source}: its key does not match; activate another with rsynctl cert activate`;
  throw new RsyndError('ERR_TLSCONF', why, { file: source });
}
