// Finds the record that has one value of a unique key: where a hint says it was, else by its index.

import { type CompiledKey, compileKey } from '../../../shared/record/collate.js';
import type { KeySpec } from '../../../shared/record/file-spec.js';
import type { LocatedRecord } from '../engine.js';
import { addressToRfa } from './address.js';
import { addressOf } from './index-walk.js';
import { type HintBudget, KeyHints, NO_HINT } from './key-hints.js';
import type { Store } from './open-store.js';
import { danglingEntry, type FoundRecord, readRecord, wrongEntry } from './record-reader.js';

export class UniqueFinder {
  readonly #number: number;
  readonly #key: CompiledKey;
  readonly #hints: KeyHints;
  /** Room for the key of the record that a hint led to. */
  readonly #room: Buffer;

  constructor(number: number, spec: KeySpec, budget: HintBudget) {
    this.#number = number;
    this.#key = compileKey(spec);
    this.#hints = new KeyHints(budget);
    this.#room = Buffer.alloc(this.#key.indexBytes);
  }

  /** In the committed state, which the caller has looked for. ERR_DAMAGED. */
  find(store: Store, value: Uint8Array): LocatedRecord | undefined {
    const index = store.indexTree(this.#number);
    const guess = this.#hints.guess(value);
    const guessed = guess === NO_HINT ? undefined : this.#guessed(store, guess, value);
    if (guessed !== undefined) return located(guessed, guess, value);
    if (!index.find(value)) return undefined;
    const address = addressOf(index.value);
    const records = (): number => store.committedCounters()?.records ?? 0;
    this.#hints.learn(index.leaf, index.nodeIndex, index.state.lastPage, records);
    const found = readRecord(store, address);
    if (typeof found === 'string') throw danglingEntry(store, this.#number, address);
    if (!this.#hasKey(found, value)) throw wrongEntry(store, this.#number, address);
    return located(found, address, value);
  }

  close(): void {
    this.#hints.close();
  }

  /** The record at `address` when it has this value of the key. Others there, even damaged ones, are not ours. */
  #guessed(store: Store, address: number, value: Uint8Array): FoundRecord | undefined {
    try {
      const found = readRecord(store, address);
      if (typeof found === 'string') return undefined;
      return this.#hasKey(found, value) ? found : undefined;
    } catch {
      return undefined;
    }
  }

  #hasKey({ record }: FoundRecord, value: Uint8Array): boolean {
    if (record.length < this.#key.reach) return false;
    const key = this.#key.ofRecord(record, this.#room);
    return key !== undefined && isEqual(key, value);
  }
}

const located = (
  { record, crc }: FoundRecord,
  address: number,
  value: Uint8Array,
): LocatedRecord => ({
  rfa: addressToRfa(address),
  record,
  crc,
  place: value,
});

/** By hand: keys are so short that a native call costs more. */
function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}
