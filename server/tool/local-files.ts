// Record files of this machine as the tools use them: opened and created through the same engine, claims
// and gate as by a server, so that a tool and a server never have one file in hand against the other's will.

import type { FileSpec } from '../../shared/record/file-spec.js';
import { createGate, type Gate } from '../access/gate.js';
import { localPaths } from '../access/paths.js';
import { EmbeddedServer } from '../embedded.js';
import { createUniqueClock } from '../isam/autokey.js';
import { createIsamFile, type IsamFile, openIsamFile } from '../isam/isam-file.js';
import type { FileClaim, LockManager, LockOwner } from '../lock/lock-manager.js';
import type { StorageEngine } from '../storage/engine.js';
import { LocalQuery } from './local-query.js';

/** Alone with the file: load, rebuild, changes of the header. */
export const ALONE: FileClaim = { mode: 'update', share: 'exclusive' };
/** Beside anybody who does not insist on being alone. */
export const READING: FileClaim = { mode: 'input', share: 'all' };

export interface LocalFilesOptions {
  readonly engine: StorageEngine;
  readonly locks: LockManager;
  readonly gate?: Gate;
  /** For messages to others: who has the file. */
  readonly user: string;
}

/** What a tool does with a file decides whether the gate is asked. */
export type Access = 'records' | 'header';

export interface OpenFile {
  readonly file: IsamFile;
  /** Real and absolute. */
  readonly path: string;
}

export class LocalFiles {
  readonly #options: LocalFilesOptions;
  readonly #gate: Gate;
  readonly #owner: LockOwner;

  constructor(options: LocalFilesOptions) {
    this.#options = options;
    this.#gate = options.gate ?? createGate();
    this.#owner = { id: 1, label: `${options.user}@local` };
  }

  /** Makes an empty file. ERR_REPLAC, ERR_FNF, ERR_FINUSE, ERR_BADDEF. Answers its path. */
  async create(name: string, spec: FileSpec): Promise<string> {
    const { engine, locks } = this.#options;
    const path = localPaths(name);
    const hold = await locks.claim(path, this.#owner, ALONE);
    try {
      await createIsamFile(engine, path, spec);
      return path;
    } finally {
      await hold.release();
    }
  }

  /** Opens a file for the time of `use`. ERR_FNF, ERR_NOTISM, ERR_DAMAGED, ERR_FINUSE, ERR_NETCRYPT. */
  async with<T>(
    name: string,
    claim: FileClaim,
    access: Access,
    use: (open: OpenFile) => Promise<T>,
  ): Promise<T> {
    const { engine, locks, user } = this.#options;
    const path = localPaths(name);
    const file = await openIsamFile(engine, path, name);
    try {
      const caller = { user, route: { kind: 'local' } } as const;
      if (access === 'records') this.#gate.admit(caller, { name, path, spec: file.spec });
      const hold = await locks.claim(path, this.#owner, claim);
      try {
        return await use({ file, path });
      } finally {
        await hold.release();
      }
    } finally {
      await file.close();
    }
  }

  /** Opens a file for the questions of `use`; others may use it beside. Errors as `with`. */
  async query<T>(name: string, use: (file: LocalQuery) => Promise<T>): Promise<T> {
    const { engine, locks, user } = this.#options;
    const services = { engine, locks, gate: this.#gate, clock: createUniqueClock() };
    const session = new EmbeddedServer(services).createSession(user);
    try {
      return await use(await LocalQuery.open(session, name));
    } finally {
      await session.close();
    }
  }

  async close(): Promise<void> {
    await this.#options.locks.close();
    await this.#options.engine.close();
  }
}
