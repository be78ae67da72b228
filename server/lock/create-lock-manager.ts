// Constructs the lock manager of a process over any stores: `createLockManager(createLmdbLockStores())`.
// Called by the daemon, the embedded server and the tools, once each.

import { basename, dirname, isAbsolute, join } from 'node:path';
import { type Answer, andThen } from '../../shared/base/answer.js';
import { lockLeaseTouchMs } from '../../shared/base/limits.js';
import { sweep } from './bury.js';
import { takeClaim } from './claims.js';
import { DirectoryFileHold } from './file-hold.js';
import { LockDirectory } from './lock-directory.js';
import type { FileClaim, FileHold, LockListing, LockManager, LockOwner } from './lock-manager.js';
import { fileInUse, inputOnly } from './lock-message.js';
import type { Party } from './lock-row.js';
import type { LockStore } from './lock-store.js';
import { identifyProcess, type ProcessIdentity } from './process-identity.js';
import type { BlockedWait } from './wait-graph.js';

export interface LockManagerOptions {
  /** Gives the store of a directory; asked at each claim. `close` of the manager closes those given. */
  readonly storeFor: (directory: string) => LockStore;
  /** Wall clock, ms, for messages. @default Date.now */
  readonly now?: () => number;
  /** Who this process is and which others live; tests play several. @default this process */
  readonly identity?: ProcessIdentity;
}

export function createLockManager(options: LockManagerOptions): LockManager {
  return new DirectoryLockManager(options);
}

class DirectoryLockManager implements LockManager {
  readonly #storeFor: (directory: string) => LockStore;
  readonly #nowMs: () => number;
  readonly #identity: ProcessIdentity;
  /** By store, not by name: a directory may be replaced by another while files of it are open. */
  readonly #directories = new Map<LockStore, { path: string; locks: LockDirectory }>();
  #heart: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({ storeFor, now, identity }: LockManagerOptions) {
    this.#storeFor = storeFor;
    this.#nowMs = now ?? Date.now;
    this.#identity = identity ?? identifyProcess();
  }

  claim(path: string, owner: LockOwner, claim: FileClaim): Answer<FileHold> {
    if (this.#closed) throw new TypeError('the lock manager is closed');
    if (!isAbsolute(path)) throw new TypeError(`not an absolute path: ${path}`);
    const file = basename(path);
    const { locks, isNew } = this.#enter(dirname(path));
    if (locks.inputOnly && claim.mode !== 'input') throw inputOnly(file);
    const taken = locks.step((step) => {
      if (isNew) sweep(step);
      return takeClaim(step, file, owner, claim);
    });
    return andThen(taken, (outcome) => {
      if ('inTheWay' in outcome) throw fileInUse(file, claim, outcome.inTheWay);
      const hold = new DirectoryFileHold({ directory: locks, file, hold: outcome.hold, owner });
      locks.holds.add(hold);
      return hold;
    });
  }

  async list(): Promise<readonly LockListing[]> {
    const lists = [...this.#directories.values()].map(async ({ path, locks }) =>
      (await locks.list()).map(({ file, ...hold }) => ({ path: join(path, file), ...hold })),
    );
    const rows = (await Promise.all(lists)).flat();
    return rows.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.pid - b.pid));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#heart);
    for (const { locks } of this.#directories.values()) await locks.close();
    this.#directories.clear();
  }

  #enter(path: string): { locks: LockDirectory; isNew: boolean } {
    const store = this.#storeFor(path);
    const known = this.#directories.get(store);
    if (known !== undefined) return { locks: known.locks, isNew: false };
    const locks = new LockDirectory({
      store,
      identity: this.#identity,
      nowMs: this.#nowMs,
      waitsOf: (party) => this.#waitsOf(party),
    });
    this.#directories.set(store, { path, locks });
    this.#startHeart();
    return { locks, isNew: true };
  }

  /** Signs of life for processes of other containers, which cannot see whether our pid is in use. */
  #startHeart(): void {
    this.#heart ??= setInterval(() => void this.#beat(), lockLeaseTouchMs).unref();
  }

  async #beat(): Promise<void> {
    for (const { locks } of this.#directories.values()) {
      try {
        await locks.touch();
      } catch {
        // The table could not be written this time; the lease outlasts several beats.
      }
    }
  }

  async #waitsOf(party: Party): Promise<readonly BlockedWait[]> {
    const all = [...this.#directories.values()].map(({ locks }) => locks.blockedWaits(party));
    return (await Promise.all(all)).flat();
  }
}
