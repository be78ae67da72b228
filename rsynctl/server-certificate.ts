// The certificate a server on this data directory would use, chosen as rsynd itself does. For commands that
// judge before a server starts.

import { chooseCertificate } from '../server/certificate/choose-certificate.js';
import { passphraseSource } from '../server/certificate/passphrase.js';
import { activeServerCertificate } from '../server/certificate/store/trusted.js';
import type { CertificateToTest } from '../server/diagnose/self-test.js';
import type { Tool } from './tool.js';

export interface CertificateOptions {
  readonly cert?: string;
  readonly passphraseFile?: string;
}

/** Undefined when none is configured anywhere. ERR_TLSCONF when the one configured is unusable. */
export async function configuredCertificate(
  tool: Tool,
  { cert, passphraseFile }: CertificateOptions,
): Promise<CertificateToTest | undefined> {
  const { env, terminal, stateIfAny: state } = tool;
  const hasActive = state !== undefined && activeServerCertificate(state, env) !== undefined;
  if (cert === undefined && !hasActive && !env.DBLDIR) return undefined;
  const file = passphraseFile === undefined ? {} : { file: passphraseFile };
  const passphrase = passphraseSource({ ...file, env, terminal });
  const loaded = await chooseCertificate({ cert, passphrase, state, env });
  return { source: loaded.path, key: loaded.key, cert: loaded.cert };
}
