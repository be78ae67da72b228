// The tables of one file in lmdb-js's own list of all it ever opened. That list is never cleared: without this a
// closed file would keep its tables, and a write buffer of 64 KiB, until one of the same name is opened.

import { basename, extname } from 'node:path';
import * as lmdb from 'lmdb';

/** Not in its types. Another version may do without: then there is nothing to forget. */
const all: unknown = 'allDbs' in lmdb ? lmdb.allDbs : undefined;

export class ListedTables {
  /** As lmdb-js names a file there: without directory and extension. */
  readonly #file: string;
  readonly #tables = new Map<string, unknown>();

  constructor(path: string) {
    this.#file = basename(path, extname(path));
  }

  /** A table that was opened; the unnamed one of the file without `name`. */
  add(table: unknown, name?: string): void {
    this.#tables.set(name === undefined ? this.#file : `${this.#file}-${name}`, table);
  }

  /** To be called when the file is closed. A file of that name elsewhere may have taken the place: it stays. */
  forget(): void {
    if (!(all instanceof Map)) return;
    for (const [name, table] of this.#tables) if (all.get(name) === table) all.delete(name);
  }
}
