// Says once that a certificate in use comes near its end, at each of the days where that matters, however long
// the server runs. Loading warns at the start; this is for the time after it.

import type { X509Certificate } from 'node:crypto';

/** Days before the end at which it is said. 0: it has ended. */
const STAGES = [30, 14, 0] as const;
const DAY_MS = 86_400_000;

type Stage = (typeof STAGES)[number] | undefined;

export class ExpiryWatch {
  #fingerprint = '';
  #stage: Stage;

  /** The warning that is due for the certificate in use; undefined when all has been said. */
  due(source: string, leaf: X509Certificate, now: number = Date.now()): string | undefined {
    const stage = stageOf(leaf, now);
    const isKnown = this.#fingerprint === leaf.fingerprint256;
    const isNew = isKnown && stage !== this.#stage && stage !== undefined;
    this.#fingerprint = leaf.fingerprint256;
    this.#stage = stage;
    return isNew ? textOf(source, leaf, now) : undefined;
  }
}

function stageOf(leaf: X509Certificate, now: number): Stage {
  const days = (Date.parse(leaf.validTo) - now) / DAY_MS;
  return [...STAGES].reverse().find((stage) => days < stage);
}

function textOf(source: string, leaf: X509Certificate, now: number): string {
  const end = Date.parse(leaf.validTo);
  const at = new Date(end).toISOString();
  if (end < now)
    return `${source}: the certificate ended at ${at}; clients refuse it, renew it now`;
  const days = Math.floor((end - now) / DAY_MS);
  return `${source}: the certificate ends in ${days} days, at ${at}; renew it`;
}
