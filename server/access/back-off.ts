// Who guessed wrong lately, and how long he has to wait: one table for addresses, one for user names. A miss is
// forgotten after a while and never by a right password, so that an account of one's own does not wash off the
// misses of another. A full table forgets whoever is least guilty, not whoever is oldest: filling it with new
// names does not free the one who was at it longest.

import {
  missesRememberedMax,
  missForgottenMs,
  missPauseMs,
  missPauseMsMax,
} from '../../shared/base/limits.js';

interface Misses {
  /** Misses not yet forgotten, as of `at`. */
  score: number;
  at: number;
  /** Nothing is checked before. */
  pausedUntil: number;
}

export interface BackOffOptions {
  /** Misses without consequence. */
  readonly free: number;
  /** @default missesRememberedMax */
  readonly rememberedMax?: number;
  readonly now: () => number;
}

export class BackOff {
  readonly #options: BackOffOptions;
  readonly #misses = new Map<string, Misses>();

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#misses.size;
  }

  /** Milliseconds until the next try is looked at; 0 when it may come now. */
  pauseMs(who: string): number {
    const pausedUntil = this.#misses.get(who)?.pausedUntil ?? 0;
    return Math.max(0, pausedUntil - this.#options.now());
  }

  /** True when `who` has any miss that is not forgotten. */
  isSuspect(who: string): boolean {
    const misses = this.#misses.get(who);
    return misses !== undefined && this.#scoreOf(misses) > 0;
  }

  /** Counts one wrong try. */
  miss(who: string): void {
    const { free, now } = this.#options;
    const before = this.#misses.get(who);
    if (before === undefined) this.#makeRoom();
    const score = (before === undefined ? 0 : this.#scoreOf(before)) + 1;
    const doublings = Math.min(30, Math.floor(score) - free - 1);
    const pauseMs = doublings < 0 ? 0 : Math.min(missPauseMsMax, missPauseMs * 2 ** doublings);
    this.#misses.set(who, { score, at: now(), pausedUntil: now() + pauseMs });
  }

  #scoreOf({ score, at }: Misses): number {
    return Math.max(0, score - (this.#options.now() - at) / missForgottenMs);
  }

  /** One miss costs a password check, so a walk through the table is nothing beside it. */
  #makeRoom(): void {
    if (this.#misses.size < (this.#options.rememberedMax ?? missesRememberedMax)) return;
    let least: [string, number] | undefined;
    for (const [who, misses] of this.#misses) {
      const score = this.#scoreOf(misses);
      if (score === 0) this.#misses.delete(who);
      else if (least === undefined || score < least[1]) least = [who, score];
    }
    const isFull = this.#misses.size >= (this.#options.rememberedMax ?? missesRememberedMax);
    if (isFull && least !== undefined) this.#misses.delete(least[0]);
  }
}

/**
 * Under which address misses are counted. Who has an IPv6 network has 2^64 addresses; an IPv4 address inside an
 * IPv6 one is that IPv4 address.
 */
export function countedAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').toLowerCase().split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...new Array<string>(gap).fill('0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
