// A storage engine whose files can be told to fail, or to wait in the middle of a step. For tests of what
// sessions do about errors nobody expects and about steps that take their time.

import type { StorageEngine, StoredFile } from '../../server/storage/engine.js';

type Step = keyof StoredFile;

/** Wraps an engine. What is set here holds for every file it opened or will open. */
export class FaultyEngine {
  readonly engine: StorageEngine;
  /** Thrown by that step, and by `open` of the engine. */
  readonly faults = new Map<Step | 'open', Error>();
  /** Awaited before that step. */
  readonly gates = new Map<Step, Promise<void>>();
  /** Told of every step as it begins. */
  onStep: (name: Step) => void = () => undefined;
  /** Files opened and not yet closed. */
  openFiles = 0;

  constructor(inner: StorageEngine) {
    const open = async (path: string): Promise<StoredFile> => {
      const fault = this.faults.get('open');
      if (fault !== undefined) throw fault;
      const file = await inner.open(path);
      this.openFiles++;
      return this.#wrap(file);
    };
    this.engine = new Proxy(inner, {
      get: (target, name) => (name === 'open' ? open : bound(target, name)),
    });
  }

  #wrap(file: StoredFile): StoredFile {
    return new Proxy(file, {
      get: (target, name) => {
        const member = bound(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => this.#step(name as Step, () => member(...args));
      },
    });
  }

  #step(name: Step, run: () => unknown): unknown {
    this.onStep(name);
    const fault = this.faults.get(name);
    if (fault !== undefined) throw fault;
    if (name === 'close') this.openFiles--;
    const gate = this.gates.get(name);
    return gate === undefined ? run() : gate.then(run);
  }
}

function bound(target: object, name: string | symbol): unknown {
  const member: unknown = Reflect.get(target, name);
  return typeof member === 'function' ? member.bind(target) : member;
}
