// Files on LMDB: one ISAM file is one LMDB file (README.md). Makes, opens and deletes them, and keeps
// one handle per real path however many open it.

import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  realpathSync,
  renameSync,
  statSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { RsyndError } from '../../../shared/base/error.js';
import {
  diskReserveBytes,
  filesOpenMax,
  inspectedFilesMax,
  inspectedWholeBytesMax,
  keyHintBytesOfProcessMax,
} from '../../../shared/base/limits.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import { requireDescriptors } from '../../descriptors.js';
import { readBootId } from '../../lock/lock-file.js';
import type { StorageEngine, StoredFile } from '../engine.js';
import { fileExists, fileIsOpen, fileNotFound } from '../storage-error.js';
import { encodeCounters, newCounters } from './counters.js';
import { encodeDefinition } from './definition-entry.js';
import { type FreeBytes, freeBytesOnDisk } from './disk-space.js';
import { syncDirectory } from './flush.js';
import { HintBudget } from './key-hints.js';
import { chooseBlockBytes } from './layout.js';
import { fileIdentity, LmdbFile } from './lmdb-file.js';
import { catchUp } from './log/catch-up.js';
import { beginRecovery } from './log/recover.js';
import { countersKey, definitionKey, makeStore, openStore, type Store } from './open-store.js';
import { settleAll } from './open-transaction.js';
import { PageFile } from './page-file.js';
import { removeCompanions, removeFile } from './paths.js';
import type { TreeInspection } from './salvage-view.js';

export interface LmdbEngineOptions {
  /** Says how much the disk of a file can still take. @default what the system says */
  readonly freeBytes?: FreeBytes;
  /** Files open at a time. @default filesOpenMax */
  readonly filesMax?: number;
  /**
   * Names this run of the machine; `local` when the system does not tell, and then LMDB flushes each
   * transaction itself. @default what the system says
   */
  readonly bootId?: string;
  /**
   * Lets LMDB's transaction, and with it its write lock, outlive the turn that answered a store. Only for a
   * process that never stays in one turn for long: whoever opens the file waits for it meanwhile, and for
   * ever where that is a program it started and waits for. @default true
   */
  readonly defers?: boolean;
}

/** The engine of production. Reads answer in the same turn, writes when they are on the disk. */
export function createLmdbEngine(options: LmdbEngineOptions = {}): StorageEngine {
  return new LmdbEngine(options);
}

class LmdbEngine implements StorageEngine {
  readonly name = 'lmdb';
  readonly #freeBytes: FreeBytes;
  readonly #filesMax: number;
  readonly #bootId: string | undefined;
  readonly #defers: boolean;
  readonly #hints = new HintBudget(keyHintBytesOfProcessMax);
  readonly #open = new Map<string, LmdbFile>();
  /** Files whose trees were looked at since this engine was made. */
  readonly #inspected = new Set<string>();

  constructor({ freeBytes, filesMax, bootId = readBootId(), defers = true }: LmdbEngineOptions) {
    this.#defers = defers;
    this.#freeBytes = freeBytes ?? freeBytesOnDisk;
    this.#filesMax = filesMax ?? filesOpenMax;
    this.#bootId = bootId === 'local' ? undefined : bootId;
  }

  async create(path: string, spec: FileSpec): Promise<void> {
    if (existsSync(path)) throw fileExists(path);
    if (!existsSync(dirname(path))) throw fileNotFound(path);
    requireWritable(dirname(path));
    await this.#make(path, spec, moveIntoPlace);
  }

  async replace(path: string, spec: FileSpec): Promise<void> {
    const real = this.#requireReplaceable(path);
    await this.#make(real, spec, renameSync);
  }

  /** Made under another name first, so that nobody ever sees half a file. */
  async #make(
    path: string,
    spec: FileSpec,
    place: (making: string, path: string) => void,
  ): Promise<void> {
    this.#requireSpace(path);
    const making = `${path}.create-${process.pid}`;
    removeFile(making);
    try {
      await makeEmpty(making, spec);
      place(making, path);
      // Of the file that was there before, which needs its log until it is gone. Should we die in between, the log is
      // known not to be the new file's by its digest (log/proof.ts), and LMDB makes its table of readers anew.
      removeCompanions(path);
    } finally {
      removeFile(making);
    }
    syncDirectory(path);
  }

  open(path: string): StoredFile {
    const real = realPath(path);
    const known = this.#open.get(real);
    if (known?.isInPlace()) return known.attach();
    const name = basename(real);
    if (this.#open.size >= this.#filesMax) throw tooManyFiles(name, this.#filesMax);
    requireDescriptors(name);
    if (!statSync(real).isFile()) throw notAFile(name);
    requireWritable(real);
    const identity = fileIdentity(real);
    const store = this.#openStore(real, name);
    const options = { freeBytes: this.#freeBytes, defers: this.#defers, hints: this.#hints };
    const file: LmdbFile = new LmdbFile(store, identity, options, () => {
      if (this.#open.get(real) === file) this.#open.delete(real);
    });
    this.#open.set(real, file);
    return file.attach();
  }

  #openStore(path: string, name: string): Store {
    const inspection = this.#inspectionOf(path);
    const bootId = this.#bootId;
    if (bootId === undefined) return openStore(path, name, inspection);
    // Who recovers the file may take long.
    settleAll();
    const recovery = beginRecovery(path, name, bootId);
    let store: Store | undefined;
    try {
      store = openStore(path, name, inspection, bootId);
      if (recovery === undefined) catchUp(store, bootId);
      else recovery.replay(store);
      return store;
    } catch (error) {
      recovery?.end();
      store?.close().catch(() => undefined);
      throw error;
    }
  }

  exists(path: string): boolean {
    return existsSync(path);
  }

  remove(path: string): void {
    const real = this.#requireReplaceable(path);
    removeFile(real);
    syncDirectory(real);
  }

  /** A dead reader keeps pages from reuse: without this a file that is open for weeks would only grow. */
  freeDeadReaders(): number {
    return [...this.#open.values()].reduce((freed, file) => freed + file.freeDeadReaders(), 0);
  }

  /** Closes all files, whoever has them open. */
  async close(): Promise<void> {
    for (const file of [...this.#open.values()]) await file.detachAll();
  }

  /** The real path of a file of ours that nobody here has open, in a directory we may change. */
  #requireReplaceable(path: string): string {
    const real = realPath(path);
    if (this.#open.has(real)) throw fileIsOpen(path);
    if (!statSync(real).isFile()) throw notAFile(basename(real));
    requireWritable(dirname(real));
    new PageFile(real, basename(real)).close();
    return real;
  }

  /** A damaged page would end the process when it is read, so all are looked at once if it is cheap. */
  #inspectionOf(path: string): TreeInspection {
    const { dev, ino, size } = statSync(path);
    const identity = `${dev}:${ino}`;
    if (size > inspectedWholeBytesMax || this.#inspected.has(identity)) return 'opening';
    if (this.#inspected.size >= inspectedFilesMax) this.#inspected.clear();
    this.#inspected.add(identity);
    return 'structure';
  }

  #requireSpace(path: string): void {
    if (this.#freeBytes(dirname(path)) >= diskReserveBytes) return;
    const file = basename(path);
    throw new RsyndError('ERR_NOSPAC', `the disk has no room for ${file}; free some`, { file });
  }
}

async function makeEmpty(path: string, spec: FileSpec): Promise<void> {
  const definition = { spec, blockBytes: chooseBlockBytes(spec) };
  const store = makeStore(path, definition);
  try {
    store.environment.transact(() => {
      store.header.put(definitionKey(), encodeDefinition(definition));
      store.header.put(countersKey(), encodeCounters(newCounters()));
      store.putIdentity();
    });
  } finally {
    await store.close();
  }
}

/** Gives the file its name, but never that of another file. */
function moveIntoPlace(making: string, path: string): void {
  try {
    linkSync(making, path);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST' || existsSync(path)) throw fileExists(path);
    // File systems without hard links: a rename, which could only lose a race for the name.
    renameSync(making, path);
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EACCES') throw isProtected(path, error);
    throw fileNotFound(path, error);
  }
}

/** Also to read a file LMDB must write: its table of readers stands beside it. */
function requireWritable(path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw isProtected(path, error);
  }
}

function isProtected(path: string, cause: unknown): RsyndError {
  const file = basename(path);
  const why = `${file} may not be read and written by this process; check its owner and mode`;
  return new RsyndError('ERR_PROTEC', why, { file, cause });
}

function tooManyFiles(file: string, filesMax: number): RsyndError {
  const why = `${file} cannot be opened: ${filesMax} files are open here; close some`;
  return new RsyndError('ERR_SRVRLIMIT', why, { file });
}

function notAFile(file: string): RsyndError {
  return new RsyndError('ERR_NOTISM', `${file} is no regular file`, { file });
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;
