// Holds the certificate in use and replaces it only by one that is proved to work, so that a bad file at
// reload time costs a log line and not the service. The daemon makes one and gives what it holds to
// the listener; it knows nothing of connections.

import { policyFor, type SecurityLevel } from '../../shared/tls/policy.js';
import type { ServerCertificate } from './load-server-certificate.js';
import { proveCertificate, type ServerContextOptions } from './prove-certificate.js';

/** Where certificates come from and how strictly to serve them. */
export interface HolderSource {
  /** Loads the one to use now; asked again at each reload. Rejects with ERR_TLSCONF. */
  readonly load: () => Promise<ServerCertificate>;
  readonly level: SecurityLevel;
}

interface Held {
  readonly source: HolderSource;
  readonly certificate: ServerCertificate;
  readonly contextOptions: ServerContextOptions;
}

export class CertificateHolder {
  #held: Held;
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(held: Held) {
    this.#held = held;
  }

  /**
   * Loads and proves the first certificate.
   * @throws RsyndError ERR_TLSCONF
   */
  static async open(source: HolderSource): Promise<CertificateHolder> {
    return new CertificateHolder(await load(source));
  }

  /** The certificate in use. Holds a secret: never log it whole. */
  get certificate(): ServerCertificate {
    return this.#held.certificate;
  }

  /** All options of a secure context, policy included: contexts are always made anew from all of them. */
  get contextOptions(): ServerContextOptions {
    return this.#held.contextOptions;
  }

  /**
   * Loads anew, perhaps from elsewhere or for another level, and proves it; then it is the one in use. Overlapping
   * calls run one after the other.
   * @throws RsyndError ERR_TLSCONF; what was in use before stays in use.
   */
  reload(changes: Partial<HolderSource> = {}): Promise<ServerCertificate> {
    const reloaded = this.#reloading.then(async () => {
      this.#held = await load({ ...this.#held.source, ...changes });
      return this.#held.certificate;
    });
    // A failed reload is the caller's to handle; the next one only waits for it to be over.
    this.#reloading = reloaded.catch(() => undefined);
    return reloaded;
  }
}

async function load(source: HolderSource): Promise<Held> {
  const certificate = await source.load();
  const { key, cert, path } = certificate;
  const contextOptions = { ...policyFor(source.level), key, cert };
  await proveCertificate(contextOptions, path);
  return { source, certificate, contextOptions };
}
