// The parent's side of lock-child.ts: starts one, asks it, kills it.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FileClaim } from '../../../server/lock/lock-manager.js';

/** What a child can be told to do. */
export type ChildRequest =
  | { do: 'open'; path: string; owner: number; claim: FileClaim }
  | { do: 'lock'; hold: number; slot: number; waitMs: number }
  | { do: 'unlock'; hold: number; slot: number }
  | { do: 'storm'; hold: number }
  | { do: 'becomeNobody' };

interface ChildAnswer {
  readonly id: number;
  readonly answer: string | number;
  readonly text?: string;
}

export class LockChild {
  /** Resolves when the process has ended. */
  readonly gone: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: ChildAnswer) => void>();
  #lastId = 0;

  constructor() {
    // Same ending as this file: compiled in dist/, or as it is when run by tsx.
    const program = fileURLToPath(import.meta.url.replace('child-process.', 'lock-child.'));
    this.#child = fork(program, { stdio: 'inherit' });
    this.gone = once(this.#child, 'exit');
    this.#child.on('message', (message) => {
      const answer = message as ChildAnswer; // Only lock-child.ts is at the other end.
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Its answer: a value, or the code of an error. */
  async ask(request: ChildRequest): Promise<string | number> {
    return (await this.askInFull(request)).answer;
  }

  askInFull(request: ChildRequest): Promise<ChildAnswer> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ ...request, id });
    });
  }

  /** kill -9. Does not wait for the system to be done with it; `gone` does. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
