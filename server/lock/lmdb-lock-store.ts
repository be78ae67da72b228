// Locks kept in one small LMDB file per directory, shared by all processes that open files there. Each
// step is one write transaction without a flush (about 5 us): the writer's mutex of LMDB is what makes
// processes take turns, and it survives the death of its holder.

import { closeSync, fstatSync, openSync, statfsSync, statSync, writeSync } from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import { RsyndError } from '../../shared/base/error.js';
import { lockFileReserveBytes, lockMapBytes, lockReadersMax } from '../../shared/base/limits.js';
import { requireDescriptors } from '../descriptors.js';
import { DataFile } from '../storage/lmdb/data-file.js';
import { transactOnNewest } from '../storage/lmdb/head.js';
import { refuseLinkedLock } from '../storage/lmdb/paths.js';
import {
  isErrno,
  lockFilePath,
  makeLockFile,
  readBootId,
  removeStaleLockFiles,
} from './lock-file.js';
import type { LockEntry, LockStore, LockStores, LockTable } from './lock-store.js';
import { createMemoryLockStore } from './memory-lock-store.js';

export interface LmdbLockStoresOptions {
  /** Names the run of the machine; for tests. @default the system's boot id */
  readonly bootId?: string;
}

type LockDatabase = RootDatabase<Buffer, Buffer> & {
  /** Inside a write transaction: its number. */
  getWriteTxnId(): number;
};

/** An open table of locks. */
interface OpenTable {
  readonly database: LockDatabase;
  readonly path: string;
  /** The same file past LMDB. */
  readonly data: DataFile;
}

interface KnownStore {
  readonly store: LockStore;
  /** Which file it was opened on; undefined for one in memory. */
  readonly inode: number | undefined;
  closed: boolean;
}

/** Stores that open their file at the first call for a directory. Throws ERR_FNF, ERR_IOFAIL. */
export function createLmdbLockStores(options: LmdbLockStoresOptions = {}): LockStores {
  const bootId = options.bootId ?? readBootId();
  const stores = new Map<string, KnownStore>();
  return {
    storeFor: (directory) => {
      const path = lockFilePath(directory, bootId);
      const known = stores.get(directory);
      if (known !== undefined && !known.closed && isSameFile(path, known.inode)) return known.store;
      const made = openStore(directory, path, bootId) ?? inMemory(known);
      stores.set(directory, made);
      return made.store;
    },
  };
}

/**
 * A directory may be moved away and another put in its place while we run: new claims must then go to
 * the file that newcomers see.
 */
function isSameFile(path: string, inode: number | undefined): boolean {
  try {
    return inode !== undefined && statSync(path).ino === inode;
  } catch {
    return false; // Gone or out of reach: opening it again will say what is wrong.
  }
}

/** For a directory that cannot be written to. Asked again at each claim, so it must stay the same. */
function inMemory(known: KnownStore | undefined): KnownStore {
  if (known !== undefined && known.inode === undefined) return known;
  return { store: createMemoryLockStore({ inputOnly: true }), inode: undefined, closed: false };
}

/** Undefined when the directory cannot be written to. */
function openStore(directory: string, path: string, bootId: string): KnownStore | undefined {
  requireDescriptors('the table of its locks');
  let table: OpenTable;
  try {
    makeLockFile(directory, path);
    removeStaleLockFiles(directory, bootId);
    table = openTable(path);
  } catch (error) {
    if (!isUnwritable(error)) throw explain(directory, error);
    return undefined;
  }
  reserveSpace(table);
  const known: KnownStore = {
    inode: statSync(path).ino,
    closed: false,
    store: {
      inputOnly: false,
      transact: (change) => transact(table, directory, change),
      close: () => {
        if (known.closed) return;
        known.closed = true;
        table.data.close();
        return table.database.close();
      },
    },
  };
  return known;
}

function openTable(path: string): OpenTable {
  refuseLinkedLock(path);
  const database = open<Buffer, Buffer>({
    path,
    noSubdir: true,
    noSync: true, // No lock outlives the machine, so nothing needs to reach the disk.
    overlappingSync: false,
    mapSize: lockMapBytes,
    maxReaders: lockReadersMax,
    keyEncoding: 'binary',
    encoding: 'binary',
  });
  return { database: database as LockDatabase, path, data: new DataFile(path) };
}

/**
 * Fills the file up to its usual size once, so that reading with locks goes on when the disk is full:
 * LMDB writes into what is there. Inside a step, because then nobody else makes the file longer.
 */
function reserveSpace({ database, path, data }: OpenTable): void {
  transactOnNewest(database, { path, data }, () => {
    const file = openSync(path, 'r+');
    try {
      const { size } = fstatSync(file);
      const missing = lockFileReserveBytes - size;
      if (missing > 0) writeSync(file, Buffer.alloc(missing), 0, missing, size);
    } catch (error) {
      if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error; // Full already: go on with what there is.
    } finally {
      closeSync(file);
    }
  });
}

function transact<T>(
  { database, path, data }: OpenTable,
  directory: string,
  change: (table: LockTable) => T,
): T {
  let thrown: { error: unknown } | undefined;
  try {
    return transactOnNewest(database, { path, data }, () => {
      try {
        return change(new LmdbLockTable(database));
      } catch (error) {
        thrown = { error };
        throw error;
      }
    });
  } catch (error) {
    throw thrown === undefined ? explain(directory, error) : error;
  }
}

class LmdbLockTable implements LockTable {
  readonly #database: LockDatabase;

  constructor(database: LockDatabase) {
    this.#database = database;
  }

  get(key: Buffer): Buffer | undefined {
    return this.#database.get(key);
  }

  put(key: Buffer, value: Buffer): void {
    this.#database.putSync(key, value);
  }

  remove(key: Buffer): void {
    this.#database.removeSync(key);
  }

  range(prefix: Buffer, limit?: number): readonly LockEntry[] {
    const end = Buffer.concat([prefix, KEY_END]);
    const bounds = { start: prefix, end, snapshot: false };
    return [...this.#database.getRange(limit === undefined ? bounds : { ...bounds, limit })];
  }
}

/** No part of a key that follows a prefix begins so: see lock-row.ts. */
const KEY_END = Buffer.alloc(8, 0xff);

/** EPERM, EACCES, EROFS, as the file system and as LMDB name them. */
const isUnwritable = (error: unknown): boolean =>
  isErrno(error, 'EACCES', 'EPERM', 'EROFS', '1', '13', '30');

function hasNoRoom(directory: string): boolean {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < lockFileReserveBytes;
}

function explain(directory: string, cause: unknown): RsyndError {
  if (cause instanceof RsyndError) return cause;
  if (isErrno(cause, 'ENOENT', 'ENOTDIR')) {
    return new RsyndError('ERR_FNF', 'its directory is not there any more', { cause });
  }
  // A write that was cut short by a full disk comes as EIO (5).
  const isCut = isErrno(cause, '5') && hasNoRoom(directory);
  if (isCut || isErrno(cause, 'ENOSPC', 'EDQUOT', '28', '122', '-30792')) {
    const why = 'no room for the locks of its directory; free some space and repeat the call';
    return new RsyndError('ERR_NOSPAC', why, { cause });
  }
  // Its code only: a message of the system names paths, and this one may go to a stranger.
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unexpected';
  const why = `the locks of its directory cannot be kept (${code}); check its disk and permissions`;
  return new RsyndError('ERR_IOFAIL', why, { cause });
}
