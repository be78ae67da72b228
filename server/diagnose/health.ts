// How a server's directory, its certificates and, where asked, its port are doing: findings with a level, for
// `rsynctl check`. It looks and changes nothing. Thresholds come in, so that each monitor has its own.

import type { X509Certificate } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { diskReserveBytes } from '../../shared/base/limits.js';
import { fetchChain, type ProbeTarget } from './tls-probe.js';

export type HealthLevel = 'ok' | 'warning' | 'critical';

export interface HealthFinding {
  /** `certificate`, `crl`, `disk`, `server`: the metric's name. */
  readonly name: string;
  /** Which one, where there are several. */
  readonly subject: string;
  readonly level: HealthLevel;
  readonly detail: string;
  /** The number behind it, and its unit. */
  readonly value: number;
  readonly unit: 'days' | 'bytes' | 'seconds';
}

/** Days before an end from which it is a warning, or critical. */
export interface HealthThresholds {
  readonly warningDays: number;
  readonly criticalDays: number;
}

export const USUAL_THRESHOLDS: HealthThresholds = { warningDays: 30, criticalDays: 14 };

/** Room below which a disk is worth a word, in parts of the whole. */
const LOW_DISK_PART = 0.1;
const DAY_MS = 86_400_000;

/** The worst of some findings; `ok` for none. */
export function worstOf(findings: readonly HealthFinding[]): HealthLevel {
  const levels = findings.map(({ level }) => level);
  if (levels.includes('critical')) return 'critical';
  return levels.includes('warning') ? 'warning' : 'ok';
}

/** How long a certificate still holds. */
export function certificateHealth(
  subject: string,
  certificate: X509Certificate,
  thresholds: HealthThresholds,
  now: number = Date.now(),
): HealthFinding {
  return endHealth('certificate', subject, Date.parse(certificate.validTo), thresholds, now);
}

/** How long something that ends at `endsAt` (milliseconds since 1970) still holds. */
export function endHealth(
  name: string,
  subject: string,
  endsAt: number,
  { warningDays, criticalDays }: HealthThresholds,
  now: number = Date.now(),
): HealthFinding {
  const days = Math.floor((endsAt - now) / DAY_MS);
  const level = days < criticalDays ? 'critical' : days < warningDays ? 'warning' : 'ok';
  const end = new Date(endsAt).toISOString().slice(0, 10);
  const detail = endsAt < now ? `ended on ${end}; renew it` : `ends in ${days} days, on ${end}`;
  return { name, subject, level, detail, value: days, unit: 'days' };
}

/** Room on the disk of a directory. Writes are refused below a reserve. */
export function diskHealth(directory: string): HealthFinding {
  const { bavail, blocks, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  const isLow = free < LOW_DISK_PART * blocks * bsize;
  const level = free < diskReserveBytes ? 'critical' : isLow ? 'warning' : 'ok';
  const detail = `${Math.floor(free / 2 ** 20)} MiB free`;
  return { name: 'disk', subject: directory, level, detail, value: free, unit: 'bytes' };
}

/** Does the port answer, how soon, and how long does what it presents hold? Never rejects. */
export async function serverHealth(
  target: ProbeTarget,
  thresholds: HealthThresholds,
): Promise<HealthFinding[]> {
  const subject = `${target.host}:${target.port}`;
  const started = performance.now();
  try {
    const [leaf] = await fetchChain(target);
    const value = (performance.now() - started) / 1000;
    const words = leaf === undefined ? 'without encryption' : 'with TLS';
    const detail = `answers ${words} in ${(value * 1000).toFixed(0)} ms`;
    const answer = { name: 'server', subject, detail, value, unit: 'seconds' } as const;
    if (leaf === undefined) return [{ ...answer, level: 'warning' }];
    return [{ ...answer, level: 'ok' }, certificateHealth(subject, leaf, thresholds)];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const detail = `does not answer: ${why}`;
    return [{ name: 'server', subject, level: 'critical', detail, value: -1, unit: 'seconds' }];
  }
}
