// Does a worker still answer? It is asked now and then; one that is stopped (SIGSTOP) keeps its clients, and any lock,
// until somebody ends it. A busy one answers late and is left alone for longer, one under a debugger for ever. Rounds
// count and not the clock: a machine that slept, or stopped us too, makes no worker late.
//
//   asked ──answer──▶ asked again a round later
//     └─ a round, and another: stopped, says the system ──▶ given up
//          └─ ten more, whatever it does ────────────────▶ given up

import { readFileSync } from 'node:fs';
import { workerRoundsSilentMax, workerRoundsStoppedMax } from '../../shared/base/limits.js';

/** What the system says of a process; `alive` also where it says nothing. */
export type ProcessState = 'stopped' | 'debugged' | 'alive';

export interface PulseOptions {
  ask(): void;
  state(): ProcessState;
  /** Told once. */
  giveUp(state: ProcessState): void;
}

export class Pulse {
  readonly #options: PulseOptions;
  /** Since it was asked; undefined when it has answered. */
  #rounds: number | undefined;
  #isDebugged = false;
  #isOver = false;

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  /** Call in equal intervals. */
  beat(): void {
    if (this.#isOver) return;
    if (this.#rounds === undefined) {
      this.#rounds = 0;
      return this.#options.ask();
    }
    this.#rounds++;
    if (this.#rounds < workerRoundsStoppedMax || this.#isDebugged) return;
    const state = this.#options.state();
    const roundsMax = state === 'stopped' ? workerRoundsStoppedMax : workerRoundsSilentMax;
    if (state === 'debugged' || this.#rounds < roundsMax) return;
    this.#isOver = true;
    this.#options.giveUp(state);
  }

  /** It said that it is there, and whether somebody may halt it to look at it. */
  heard(isDebugged: boolean): void {
    this.#isDebugged = isDebugged;
    this.#rounds = undefined;
  }
}

/** Of a process of this machine, where there is /proc. */
export function processState(pid: number): ProcessState {
  try {
    return stateIn(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return 'alive';
  }
}

/** What `/proc/PID/status` says. */
export function stateIn(status: string): ProcessState {
  if (/^TracerPid:\s+[1-9]/m.test(status) || /^State:\s+t/m.test(status)) return 'debugged';
  return /^State:\s+T/m.test(status) ? 'stopped' : 'alive';
}
