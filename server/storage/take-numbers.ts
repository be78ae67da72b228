// Numbers from the counters of a file, for all engines alike: what autokeys are filled in from.

import type { CounterOfFile } from './engine.js';

/** One number for each of `wanted`, and what the counters say after that; `counters` stay as they are. */
export function takeNumbers(
  wanted: readonly CounterOfFile[],
  counters: ReadonlyMap<string, bigint>,
): { readonly numbers: readonly bigint[]; readonly sequences: ReadonlyMap<string, bigint> } {
  const sequences = new Map<string, bigint>();
  const numbers = wanted.map(({ name, seed, atLeast = seed }) => {
    const next = sequences.get(name) ?? counters.get(name) ?? seed;
    const number = next < atLeast ? atLeast : next;
    sequences.set(name, number + 1n);
    return number;
  });
  return { numbers, sequences };
}
