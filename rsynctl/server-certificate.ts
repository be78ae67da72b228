// The certificate a server on this data directory would use: `--cert`, else the one `cert activate` chose, else
// `$DBLDIR/rsynd.pem`, in the order rsynd itself goes by. For commands that judge before a server starts.

import { resolveCertificateFile } from '../server/certificate/certificate-file.js';
import { loadServerCertificate } from '../server/certificate/load-server-certificate.js';
import { passphraseSource } from '../server/certificate/passphrase.js';
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
  if (cert === undefined && !tool.env.DBLDIR) return undefined;
  const file = resolveCertificateFile(cert, tool.env);
  const loaded = await loadServerCertificate({
    file,
    passphrase: passphraseSource({
      ...(passphraseFile === undefined ? {} : { file: passphraseFile }),
      env: tool.env,
      terminal: tool.terminal,
    }),
  });
  return { source: loaded.path, key: loaded.key, cert: loaded.cert };
}
