// Files in the memory of one process, gone with it: the reference that other engines are compared with,
// and the engine that always answers later. For tests; it has no directories.

import { resolve } from 'node:path';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import type { StorageEngine, StoredFile } from '../engine.js';
import { fileExists, fileIsOpen, fileNotFound } from '../storage-error.js';
import { later, MemoryFile } from './memory-file.js';
import { RecordTable } from './record-table.js';

/** An engine with no files yet. They live until they are removed or the engine is dropped. */
export function createMemoryEngine(): StorageEngine {
  return new MemoryEngine();
}

class MemoryEngine implements StorageEngine {
  readonly name = 'memory';
  readonly #files = new Map<string, RecordTable>();
  readonly #open = new Map<string, MemoryFile>();

  create(path: string, spec: FileSpec): Promise<void> {
    const at = resolve(path);
    const copy = structuredClone(spec);
    return later(() => {
      if (this.#files.has(at)) throw fileExists(path);
      this.#files.set(at, new RecordTable(at, copy));
    });
  }

  open(path: string): Promise<StoredFile> {
    const at = resolve(path);
    return later(() => {
      const table = this.#files.get(at);
      if (table === undefined) throw fileNotFound(path);
      const known = this.#open.get(at);
      if (known !== undefined) return known.attach();
      const file = new MemoryFile(at, table, () => this.#open.delete(at));
      this.#open.set(at, file);
      return file.attach();
    });
  }

  exists(path: string): Promise<boolean> {
    const at = resolve(path);
    return later(() => this.#files.has(at));
  }

  replace(path: string, spec: FileSpec): Promise<void> {
    const at = resolve(path);
    const copy = structuredClone(spec);
    return later(() => {
      if (!this.#files.has(at)) throw fileNotFound(path);
      if (this.#open.has(at)) throw fileIsOpen(path);
      this.#files.set(at, new RecordTable(at, copy));
    });
  }

  remove(path: string): Promise<void> {
    const at = resolve(path);
    return later(() => {
      if (!this.#files.has(at)) throw fileNotFound(path);
      if (this.#open.has(at)) throw fileIsOpen(path);
      this.#files.delete(at);
    });
  }

  /** No other process reads here. */
  freeDeadReaders(): number {
    return 0;
  }

  close(): Promise<void> {
    return later(() => {
      for (const file of [...this.#open.values()]) file.detachAll();
    });
  }
}
