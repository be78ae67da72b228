// An open LMDB file of ours: its environment with all databases found, its definition, its layout.
// Readers and writers of one file share one; a rebuild puts another in its place.

import { RsyndError } from '../../../shared/base/error.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import { type Counters, decodeCounters } from './counters.js';
import { type Definition, decodeDefinition } from './definition-entry.js';
import {
  Environment,
  type EnvironmentOptions,
  type ReadOptions,
  type Table,
} from './environment.js';
import { ENTRY_COUNTERS, ENTRY_DEFINITION } from './format.js';
import { type FileLayout, type IndexLayout, layoutOf } from './layout.js';
import { damaged, readError } from './lmdb-error.js';

export type IndexTable = Table<Uint8Array, number>;

export const definitionKey = (): Buffer => Buffer.from(ENTRY_DEFINITION);
export const countersKey = (): Buffer => Buffer.from(ENTRY_COUNTERS);

export class Store {
  readonly environment: Environment;
  readonly layout: FileLayout;
  readonly header: Table<Uint8Array, Buffer>;
  readonly blocks: Table<number, Buffer>;
  readonly large: Table<number, Buffer>;
  readonly free: Table<number, Buffer>;
  readonly #indexes: readonly (IndexTable | undefined)[];
  readonly #countersKey = countersKey();
  spec: FileSpec;

  constructor(environment: Environment, path: string, { spec, blockBytes }: Definition) {
    this.environment = environment;
    this.layout = layoutOf(path, spec, blockBytes);
    this.spec = spec;
    this.header = this.#required(environment.header, 'its header');
    this.blocks = this.#required(environment.blocks, 'its table of records');
    this.large = this.#required(environment.large, 'its table of large records');
    this.free = this.#required(environment.free, 'its table of free space');
    this.#indexes = spec.keys.map((_, key) => environment.index(key));
  }

  /** ERR_DAMAGED when this index is not in the file any more, TypeError when there is no such key. */
  index(key: number): IndexTable {
    const table = this.#indexes[key];
    if (table !== undefined) return table;
    if (key >= this.#indexes.length) throw new TypeError(`there is no key ${key}`);
    throw damaged(this.layout, `the index of key ${key} is missing`);
  }

  indexLayout(key: number): IndexLayout {
    const layout = this.layout.indexes[key];
    if (layout === undefined) throw new TypeError(`there is no key ${key}`);
    return layout;
  }

  /** Undefined when they are damaged. */
  counters(options?: ReadOptions): Counters | undefined {
    const bytes = this.header.get(this.#countersKey, options);
    return bytes === undefined ? undefined : decodeCounters(Buffer.from(bytes));
  }

  /** Reads the definition again: another process may have set a flag. */
  reload(): void {
    this.environment.refresh();
    this.spec = readDefinition(this.header, this.layout.name).spec;
  }

  close(): Promise<void> {
    return this.environment.close();
  }

  #required<T>(table: T | undefined, what: string): T {
    if (table === undefined) throw damaged(this.layout, `${what} is missing`);
    return table;
  }
}

/** Opens a file that is there. ERR_NOTISM, ERR_DAMAGED. */
export function openStore(path: string, name: string): Store {
  const environment = new Environment(path, { create: false });
  try {
    if (environment.header === undefined) throw withoutHeader(name);
    return new Store(environment, path, readDefinition(environment.header, name));
  } catch (error) {
    // The reason for not opening it is what counts; closing cannot fail in a way that matters.
    environment.close().catch(() => undefined);
    throw readError({ name }, error);
  }
}

/** Makes the databases of a new file at `path` and its definition. */
export function makeStore(
  path: string,
  definition: Definition,
  options: Omit<EnvironmentOptions, 'create'> = {},
): Store {
  return new Store(new Environment(path, { create: true, ...options }), path, definition);
}

function readDefinition(header: Table<Uint8Array, Buffer>, name: string): Definition {
  const bytes = header.get(definitionKey());
  if (bytes === undefined) throw withoutHeader(name);
  return decodeDefinition(Buffer.from(bytes), name);
}

function withoutHeader(name: string): RsyndError {
  const why = `${name} is an LMDB file, but has no header of rsynd`;
  return new RsyndError('ERR_NOTISM', why, { file: name });
}
