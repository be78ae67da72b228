// What each line is to show: our figure over the best of the named sides, by round, as a median. Issue 5 has
// the table; in brackets stood what a prototype without locks, access checks and secondary index reached.

import type { LineOutcome, SideOutcome } from './line.js';
import { ratios, type Spread, spreadOf } from './spread.js';

export interface Aim {
  readonly line: string;
  /** Sides of the line; of several the best of each round counts. */
  readonly of: readonly [string, ...string[]];
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly prototype?: string;
}

export const AIMS: readonly Aim[] = [
  { line: 'read-1', of: ['pg'], atLeast: 1.4, prototype: '1.4-1.6' },
  { line: 'read-1', of: ['redis'], atLeast: 0.95, prototype: '0.96-1.02' },
  { line: 'read-1', of: ['tls'], atLeast: 0.85, prototype: '0.87-0.93' },
  { line: 'read-1', of: ['plain'], atLeast: 0.85 },
  { line: 'read-64', of: ['redis', 'redis auto'], atLeast: 1.3, prototype: '1.7' },
  { line: 'read-64', of: ['postgres.js'], atLeast: 5, prototype: '7' },
  { line: 'read-64', of: ['plain'], atLeast: 0.85 },
  { line: 'read-8c', of: ['pg'], atLeast: 2.5, prototype: '2.6' },
  { line: 'read-8c', of: ['redis'], atLeast: 1, prototype: '1.0' },
  { line: 'read-64c', of: ['pg'], atLeast: 4, prototype: '4.1' },
  { line: 'read-64c', of: ['redis'], atLeast: 1, prototype: '1.0' },
  ...(['key', 'stored'] as const).flatMap((order): Aim[] => [
    { line: `scan-${order}-raw`, of: ['pg'], atLeast: 5, prototype: '7' },
    { line: `scan-${order}-raw`, of: ['postgres.js'], atLeast: 5, prototype: '7' },
    { line: `scan-${order}-raw`, of: ['tls'], atLeast: 0.5, prototype: '0.7' },
    { line: `scan-${order}-raw`, of: ['plain'], atLeast: 0.5 },
    { line: `scan-${order}-typed`, of: ['pg'], atLeast: 2.5, prototype: '3' },
    { line: `scan-${order}-typed`, of: ['postgres.js'], atLeast: 2.5, prototype: '3' },
  ]),
  { line: 'filter', of: ['pg numeric'], atLeast: 2, prototype: '2.3' },
  { line: 'filter', of: ['pg int'], atLeast: 2, prototype: '2.3' },
  { line: 'filter', of: ['rsynd ships all'], atLeast: 4, prototype: '4.2' },
  { line: 'filter-bytes', of: ['rsynd ships all'], atMost: 0.011 },
  {
    line: 'store-1',
    of: ['pg', 'redis'],
    atLeast: 0.9,
    prototype: '0.57 with async commit, 0.85 synchronous',
  },
  { line: 'store-64', of: ['postgres.js'], atLeast: 6, prototype: '10.8' },
  { line: 'store-64', of: ['redis auto'], atLeast: 1, prototype: '1.07' },
  { line: 'store-64c', of: ['pg'], atLeast: 2, prototype: '2.8' },
  { line: 'bulk', of: ['COPY'], atLeast: 1, prototype: '0.6' },
];

export interface AimOutcome extends Spread {
  readonly aim: Aim;
  /** Those of the aim's sides that were there. */
  readonly beside: readonly string[];
  readonly isMet: boolean;
}

/** What is to be shown by this line, as far as somebody to compare with was there. */
export function judge({ line, sides }: LineOutcome): AimOutcome[] {
  const [ours] = sides;
  if (ours === undefined) return [];
  return AIMS.filter((aim) => aim.line === line.name).flatMap((aim) => {
    const others = sides.filter(({ name }) => aim.of.includes(name));
    if (others.length === 0) return [];
    const spread = spreadOf(ratios(ours.values, bestOf(others)));
    const { atLeast = 0, atMost = Number.POSITIVE_INFINITY } = aim;
    const beside = others.map(({ name }) => name);
    const isMet = spread.median >= atLeast && spread.median <= atMost;
    return [{ aim, beside, ...spread, isMet }];
  });
}

const bestOf = (sides: readonly SideOutcome[]): number[] =>
  (sides[0]?.values ?? []).map((_, round) =>
    Math.max(...sides.map(({ values }) => values[round] ?? 0)),
  );
