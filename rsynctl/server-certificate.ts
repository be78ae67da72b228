// The certificate a server on this data directory would use: `--cert`, else the one `cert activate` chose, else
// `$DBLDIR/rsynd.pem`, in the order rsynd itself goes by. For commands that judge before a server starts.

import { resolveCertificateFile } from '../server/certificate/certificate-file.js';
import { loadServerCertificate } from '../server/certificate/load-server-certificate.js';
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
  const active = cert === undefined ? activeOfStore(tool) : undefined;
  if (active !== undefined) return active;
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

function activeOfStore(tool: Tool): CertificateToTest | undefined {
  const state = tool.stateIfAny;
  const active = state === undefined ? undefined : activeServerCertificate(state, tool.env);
  if (active === undefined) return undefined;
  const source = `certificate ${active.name} of the store`;
  return { source, key: active.privateKey, cert: active.chain };
}
