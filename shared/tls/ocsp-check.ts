// Asks an OCSP responder whether a certificate is still good, remembers the answer as long as it holds, and
// decides what no answer means. One for a server or for a connection; loaded only where OCSP is switched on.

import { randomBytes, type X509Certificate } from 'node:crypto';
import { ocspAnswersKeptMax, ocspKeptMsMax } from '../base/limits.js';
import { fingerprintOf } from './certificate-text.js';
import type { RevocationFinding } from './crl-check.js';
import { judgeOcspAnswer, type OcspAnswer, type OcspFault } from './ocsp-answer.js';
import { exchangeOverHttp, type OcspExchange } from './ocsp-exchange.js';
import { encodeOcspRequest, type OcspQuestion } from './ocsp-request.js';

/** `hard`: without a good answer the certificate is refused. `soft`: only a bad answer refuses it. */
export type OcspMode = 'off' | 'soft' | 'hard';

export interface OcspSettings {
  readonly mode: Exclude<OcspMode, 'off'>;
  /** Address of the responder; without one only stapled answers count. */
  readonly url: string | undefined;
  /** Ask the responder that the certificate itself names when `url` is not set. */
  readonly follow: boolean;
  readonly nonceRule: 'require' | 'accept';
  /** A certificate that may sign answers besides the issuer and those it named. */
  readonly responder: X509Certificate | undefined;
}

/** What came of a check. */
export interface OcspVerdict {
  /** Refuses the certificate. */
  readonly finding: RevocationFinding | undefined;
  /** No answer that counts, and `soft` lets it pass: for the log. */
  readonly warning: RevocationFinding | undefined;
}

interface Kept {
  readonly finding: RevocationFinding | undefined;
  readonly until: number;
}

export class OcspChecker {
  readonly #settings: OcspSettings;
  readonly #exchange: OcspExchange;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();

  constructor(
    settings: OcspSettings,
    exchange: OcspExchange = exchangeOverHttp,
    now: () => number = Date.now,
  ) {
    this.#settings = settings;
    this.#exchange = exchange;
    this.#now = now;
  }

  /** Answers kept at the moment. */
  get keptCount(): number {
    return this.#kept.size;
  }

  /** Judges one certificate. `stapled`: the answer its owner sent along. Never rejects. */
  async check(question: OcspQuestion, stapled?: Buffer): Promise<OcspVerdict> {
    const id = `${fingerprintOf(question.certificate)} ${fingerprintOf(question.issuer)}`;
    const kept = this.#kept.get(id);
    if (kept !== undefined && kept.until > this.#now()) return verdict(kept.finding);
    const answer = await this.#answer(question, stapled);
    if ('fault' in answer) {
      const { fault } = answer;
      return this.#settings.mode === 'hard'
        ? verdict(fault)
        : { finding: undefined, warning: fault };
    }
    this.#keep(id, answer);
    return verdict(answer.finding);
  }

  /** Forgets all answers: the next check asks anew. */
  forget(): void {
    this.#kept.clear();
  }

  async #answer(question: OcspQuestion, stapled?: Buffer): Promise<OcspAnswer | OcspFault> {
    const { url, follow, nonceRule, responder } = this.#settings;
    const rules = { nonceRule, ...(responder === undefined ? {} : { responder }) };
    if (stapled !== undefined && stapled.length > 0) {
      const answer = judgeOcspAnswer(stapled, question, { ...rules, now: this.#now() });
      if (!('fault' in answer)) return answer;
    }
    const address = url ?? (follow ? responderOf(question.certificate) : undefined);
    if (address === undefined) return noAnswer('none was stapled and no responder is configured');
    const nonce = randomBytes(16);
    try {
      const der = await this.#exchange(address, encodeOcspRequest(question, nonce));
      return judgeOcspAnswer(der, question, { ...rules, nonce, now: this.#now() });
    } catch (error) {
      return noAnswer(`${address}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #keep(id: string, { finding, until }: OcspAnswer): void {
    if (until === undefined) return;
    this.#kept.delete(id);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= ocspAnswersKeptMax && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(id, { finding, until: Math.min(until, this.#now() + ocspKeptMsMax) });
  }
}

const verdict = (finding: RevocationFinding | undefined): OcspVerdict => ({
  finding,
  warning: undefined,
});

const noAnswer = (detail: string): OcspFault => ({ fault: { code: 'OCSP_NO_ANSWER', detail } });

/** The responder a certificate names (authority information access); http only, as RFC 6960 has it. */
function responderOf({ infoAccess }: X509Certificate): string | undefined {
  return /^OCSP - URI:(http:\/\/\S+)$/m.exec(infoAccess ?? '')?.[1];
}
