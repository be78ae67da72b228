// Refused connections of late, one JSON object a line, for `rsynctl explain`. The daemon appends, the tool
// reads. Bounded: past its size the file is put aside and replaces the one put aside before; how often it is
// written is bounded by who calls (refusal-log.ts).
//
//   .rsynd/.refusals.jsonl      0600   the latest
//   .rsynd/.refusals.1.jsonl    0600   those before
//
// The names begin with a dot because they are no state: changing them must not make the server look anew.

import { appendFileSync, chmodSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { refusalFileBytesMax, refusalTextCharsMax } from '../../shared/base/limits.js';
import type { Refusal } from '../net/refusal.js';
import type { StateDirectory } from '../state/state-directory.js';

/** A refusal as it is kept. */
export interface KeptRefusal extends Refusal {
  /** ISO 8601. */
  readonly time: string;
}

const LATEST = '.refusals.jsonl';
const BEFORE = '.refusals.1.jsonl';

/** Keeps refusals below a state directory. */
export class RefusalFile {
  readonly #directory: string;
  readonly #latest: string;
  readonly #before: string;

  constructor(state: Pick<StateDirectory, 'path'>) {
    this.#directory = state.path;
    this.#latest = join(state.path, LATEST);
    this.#before = join(state.path, BEFORE);
  }

  /** Appends one. A disk that is full costs the line, not the service: false then. */
  append(refusal: Refusal, now: Date = new Date()): boolean {
    try {
      this.#putAside();
      const line = JSON.stringify({ time: now.toISOString(), ...refusal }, cutTexts);
      appendFileSync(this.#latest, `${line}\n`, { mode: 0o600 });
      return true;
    } catch {
      return false; // the log has it too, and says there when it cannot be written
    }
  }

  /** The refusal with this id, undefined when it is not kept (any more). */
  find(id: string): KeptRefusal | undefined {
    return this.list().find((each) => each.id === id);
  }

  /** All that are kept, the latest first. */
  list(): KeptRefusal[] {
    const lines = [this.#before, this.#latest].flatMap(linesOf);
    return lines.flatMap((line) => decode(line) ?? []).reverse();
  }

  #putAside(): void {
    const facts = statSync(this.#latest, { throwIfNoEntry: false });
    if (facts === undefined) {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      chmodSync(this.#directory, 0o700);
    } else if (facts.size >= refusalFileBytesMax) {
      renameSync(this.#latest, this.#before);
    }
  }
}

/** What a stranger sent may be long: names of servers, subjects of certificates. */
const cutTexts = (_: string, value: unknown): unknown =>
  typeof value === 'string' ? value.slice(0, refusalTextCharsMax) : value;

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return []; // not there yet
  }
}

/** A line cut by a crash, or written by another release, is passed over. */
function decode(line: string): KeptRefusal | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRefusal(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRefusal(value: unknown): value is KeptRefusal {
  if (typeof value !== 'object' || value === null) return false;
  const { id, time, code, reason, advice, peer } = value as Partial<Record<string, unknown>>;
  return (
    [id, time, code, reason, advice].every(isText) && typeof peer === 'object' && peer !== null
  );
}

const isText = (value: unknown): value is string => typeof value === 'string';
