// Keeps whom the server trusts as a client, judges every handshake by it, and judges open sessions again when
// it changes. Made and reloaded by the daemon; the listener asks it about new connections. It decides and
// closes nothing itself.

import { constants, randomBytes, type X509Certificate } from 'node:crypto';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { RsyndError } from '../../../shared/base/error.js';
import { certificateJudgeMs } from '../../../shared/base/limits.js';
import { OcspChecker } from '../../../shared/tls/ocsp-check.js';
import type { exchangeOverHttp } from '../../../shared/tls/ocsp-exchange.js';
import type { PeerIdentity } from '../../access/peer-identity.js';
import { findingOf, type JudgedChain, judgeChain, type TrustFinding } from './judge-chain.js';
import { identityOf, type Presented, presentedBy } from './peer-certificate.js';
import { type MaterialSource, readTrustMaterial, type TrustMaterial } from './trust-material.js';
import type { TrustSettings } from './trust-settings.js';

/** What came of judging a client. */
export type Verdict =
  | {
      readonly isGood: true;
      /** Undefined when it showed no certificate and need not. */
      readonly identity?: PeerIdentity;
      /** Its certificate and those above it; empty without one. */
      readonly chain: readonly X509Certificate[];
      /** What could not be found out, and is let pass. */
      readonly warning?: TrustFinding;
    }
  | { readonly isGood: false; readonly finding: TrustFinding };

export interface TrustKeeperOptions extends MaterialSource {
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
  /** Told of certificates that pass although their responder gave no answer that counts. */
  readonly onUnchecked?: (finding: TrustFinding) => void;
  /** Told of faults of our own; the certificate is refused. */
  readonly onUnexpected?: (error: unknown) => void;
  /** @default over HTTP */
  readonly exchange?: typeof exchangeOverHttp;
}

const DAY_MS = 86_400_000;
/** Days before the end of a revocation list at which the log says so. */
const LIST_WARNING_DAYS = [1, 7] as const;

export class TrustKeeper {
  readonly #options: TrustKeeperOptions;
  readonly #now: () => number;
  #settings: TrustSettings;
  #material: TrustMaterial;
  #ocsp: OcspChecker | undefined;
  readonly #warned = new Set<string>();

  /** Reads everything. ERR_CONFIG, ERR_BADCERT. */
  constructor(options: TrustKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#settings = options.settings;
    this.#material = readTrustMaterial(options);
    requireAuthority(this.#settings, this.#material);
    this.#ocsp = this.#makeOcsp();
  }

  get settings(): TrustSettings {
    return this.#settings;
  }

  /** Are clients asked for a certificate at all? */
  get asks(): boolean {
    return this.#settings.clientAuth !== 'none';
  }

  /** Files outside the state directory whose change is a change of trust. */
  get files(): readonly string[] {
    const { clientCa, crl, ocspIssuer } = this.#settings;
    return [clientCa, ocspIssuer, ...crl].filter((path) => path !== undefined);
  }

  /**
   * The part of a TLS context that asks for certificates, over what it has already. No tickets and no cached
   * sessions: a client that resumes shows no certificate, and would pass with one that was revoked since.
   */
  contextOptions(base: SecureContextOptions): SecureContextOptions {
    if (!this.asks) return base;
    return {
      ...base,
      // An empty list trusts nobody; none at all would mean the public authorities of the platform.
      ca: this.#material.authorities.map(String),
      secureOptions: (base.secureOptions ?? 0) | constants.SSL_OP_NO_TICKET,
      sessionIdContext: randomBytes(16).toString('hex'),
    };
  }

  /** Judges a client whose handshake is done. Bounded in time; never rejects. */
  async judge(socket: TLSSocket): Promise<Verdict> {
    try {
      const presented = presentedBy(socket);
      const verdict = await within(certificateJudgeMs, this.#judgeNow(presented));
      if (verdict.isGood && verdict.warning) this.#options.onUnchecked?.(verdict.warning);
      return verdict;
    } catch (error) {
      return this.#giveUp(error);
    }
  }

  /** Judges the client of an open session again. Never rejects. */
  async judgeAgain(chain: readonly X509Certificate[]): Promise<Verdict> {
    if (!this.asks) return { isGood: true, chain };
    try {
      const presented = { certificates: chain, libraryCode: undefined };
      return await within(certificateJudgeMs, this.#judge(presented));
    } catch (error) {
      return this.#giveUp(error, chain[0]);
    }
  }

  /**
   * Reads everything again, with other settings when given. True when anything changed.
   * @throws RsyndError ERR_CONFIG, ERR_BADCERT; what was in use before stays in use.
   */
  reload(settings: TrustSettings = this.#settings): boolean {
    const material = readTrustMaterial({ ...this.#options, settings });
    const isSame =
      material.digest === this.#material.digest &&
      JSON.stringify(settings) === JSON.stringify(this.#settings);
    if (isSame) return false;
    // Trust may shrink to nothing; but a server that begins to ask must know whom to take.
    if (!this.asks) requireAuthority(settings, material);
    this.#settings = settings;
    this.#material = material;
    this.#ocsp = this.#makeOcsp();
    return true;
  }

  /** Forgets what responders said, so that the next judgement asks them again. */
  forgetAnswers(): void {
    this.#ocsp?.forget();
  }

  /** Sentences for the log about lists that end soon; each is given once. */
  newWarnings(): string[] {
    const now = this.#now();
    const warnings = this.#material.lists.flatMap(({ source, issuer, nextUpdate }) => {
      if (nextUpdate === undefined) return [];
      const days = Math.floor((nextUpdate - now) / DAY_MS);
      const stage = days < 0 ? 0 : LIST_WARNING_DAYS.find((each) => days < each);
      const key = `${source} ${issuer} ${nextUpdate} ${stage}`;
      if (stage === undefined || this.#warned.has(key)) return [];
      this.#warned.add(key);
      return [listWarning(source, issuer, nextUpdate, days)];
    });
    return warnings;
  }

  #giveUp(error: unknown, certificate?: X509Certificate): Verdict {
    if (error instanceof JudgeTimeout)
      return refuse(findingOf('CERT_JUDGE_TIMEOUT', certificate, 0));
    this.#options.onUnexpected?.(error);
    return refuse(findingOf('CERT_JUDGE_FAILED', certificate, 0));
  }

  /** By what counts when the judgement ends: a responder may take seconds, and trust change meanwhile. */
  async #judgeNow(presented: Presented): Promise<Verdict> {
    for (;;) {
      const material = this.#material;
      const verdict = await this.#judge(presented);
      if (material === this.#material) return verdict;
    }
  }

  async #judge(presented: Presented): Promise<Verdict> {
    const { clientAuth, crlPolicy, clientDepth } = this.#settings;
    if (presented.certificates.length === 0) {
      if (clientAuth !== 'required') return { isGood: true, chain: [] };
      return refuse(findingOf('NO_PEER_CERTIFICATE', undefined, 0));
    }
    const judged = judgeChain(presented, {
      material: this.#material,
      policy: crlPolicy,
      depthMax: clientDepth,
      now: this.#now(),
    });
    if (judged.finding !== undefined) return refuse(judged.finding);
    return this.#askResponder(judged);
  }

  async #askResponder({ chain }: JudgedChain): Promise<Verdict> {
    const [certificate, issuer] = chain;
    if (certificate === undefined) return refuse(findingOf('CERT_JUDGE_FAILED', undefined, 0));
    const identity = identityOf(certificate);
    if (this.#ocsp === undefined || issuer === undefined) return { isGood: true, identity, chain };
    const { finding, warning } = await this.#ocsp.check({ certificate, issuer });
    if (finding !== undefined) {
      return refuse(findingOf(finding.code, certificate, 0, finding.detail));
    }
    if (warning === undefined) return { isGood: true, identity, chain };
    const passed = findingOf(warning.code, certificate, 0, warning.detail);
    return { isGood: true, identity, chain, warning: passed };
  }

  #makeOcsp(): OcspChecker | undefined {
    const { ocsp, ocspUrl, ocspFollow, ocspNonce } = this.#settings;
    if (ocsp === 'off') return undefined;
    const settings = {
      mode: ocsp,
      url: ocspUrl,
      follow: ocspFollow,
      nonceRule: ocspNonce,
      responder: this.#material.ocspResponder,
    };
    return new OcspChecker(settings, this.#options.exchange, this.#now);
  }
}

function requireAuthority({ clientAuth }: TrustSettings, material: TrustMaterial): void {
  const { authorities, peers } = material;
  if (clientAuth === 'none' || authorities.length > 0 || peers.size > 0) return;
  const why =
    `--client-auth ${clientAuth} needs to know whose certificates to take: ` +
    'give --client-ca FILE, or import an authority with rsynctl cert import';
  throw new RsyndError('ERR_CONFIG', why);
}

function listWarning(source: string, issuer: string, nextUpdate: number, days: number): string {
  const at = new Date(nextUpdate).toISOString();
  const what = `the revocation list ${source} of ${issuer}`;
  if (days < 0) return `${what} has ended at ${at}; fetch a new one`;
  return `${what} ends in ${days} days, at ${at}; fetch the next one before`;
}

const refuse = (finding: TrustFinding): Verdict => ({ isGood: false, finding });

class JudgeTimeout extends Error {}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new JudgeTimeout()), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
