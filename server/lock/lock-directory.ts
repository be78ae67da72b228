// The locks of one directory as this process sees them: its store, its own holds, its own waiters. All
// changes of the table go through `step`, which wakes whom a change concerns.

import { type Answer, andThen } from '../../shared/base/answer.js';
import type { Rfa } from '../../shared/record/rfa.js';
import { liveHolds } from './claims.js';
import type { FileClaim } from './lock-manager.js';
import { decodeLock, lockPrefix, type Party, placeOfKey, processKey } from './lock-row.js';
import { type LockStep, touchProcess } from './lock-step.js';
import type { LockStore } from './lock-store.js';
import { type ProcessIdentity, pidOf } from './process-identity.js';
import { type BlockedWait, blockedWaits } from './wait-graph.js';
import { WaitRoom } from './wait-room.js';

export interface LockDirectoryOptions {
  readonly store: LockStore;
  readonly identity: ProcessIdentity;
  nowMs(): number;
  /** All waits of a session, in every directory. */
  waitsOf(party: Party): Answer<readonly BlockedWait[]>;
}

/** What a directory must be able to tell its holds: they are gone. */
interface OwnHold {
  readonly isHalfReleased: boolean;
  release(): Answer<void>;
  lose(): void;
}

/** A hold of any process, for lists. */
export interface ListedHold {
  readonly file: string;
  readonly owner: string;
  readonly pid: number;
  readonly claim: FileClaim;
  readonly records: readonly Rfa[];
}

export class LockDirectory {
  readonly identity: ProcessIdentity;
  readonly holds = new Set<OwnHold>();
  readonly waitRoom: WaitRoom;
  readonly #options: LockDirectoryOptions;

  constructor(options: LockDirectoryOptions) {
    this.identity = options.identity;
    this.#options = options;
    this.waitRoom = new WaitRoom({
      step: (rule) => this.step(rule),
      waitsOf: options.waitsOf,
      nowMs: options.nowMs,
    });
  }

  get inputOnly(): boolean {
    return this.#options.store.inputOnly;
  }

  /** Applies a rule to the table, alone of all processes. `rule` must not start another step. */
  step<T>(rule: (step: LockStep) => T): Answer<T> {
    const { store, identity, nowMs } = this.#options;
    const granted: number[] = [];
    const answer = store.transact((table) =>
      rule({ table, identity, nowMs: nowMs(), granted, alive: new Map() }),
    );
    return andThen(answer, (value) => {
      if (granted.length > 0) this.waitRoom.wake(granted);
      return value;
    });
  }

  blockedWaits(party: Party): Answer<readonly BlockedWait[]> {
    return this.step((step) => blockedWaits(step, party));
  }

  /**
   * Once in a while: shows other containers that we live (holds that were buried all the same are
   * lost), and frees what could not be freed when it was released, on a full disk mostly.
   */
  async touch(): Promise<void> {
    if (this.holds.size === 0) return;
    const known = await this.step(touchProcess);
    for (const hold of [...this.holds]) {
      if (!known) hold.lose();
      else if (hold.isHalfReleased) await hold.release();
    }
  }

  list(): Answer<readonly ListedHold[]> {
    return this.step((step) => {
      const records = new Map<number, Rfa[]>();
      for (const { key, value } of step.table.range(lockPrefix())) {
        const { hold } = decodeLock(value);
        const { rfa } = placeOfKey(key);
        const known = records.get(hold);
        if (known === undefined) records.set(hold, [rfa]);
        else known.push(rfa);
      }
      return liveHolds(step).map(({ file, hold, row }) => ({
        file,
        owner: row.label,
        pid: pidOf(row.process),
        claim: { mode: row.mode, share: row.share },
        records: records.get(hold) ?? [],
      }));
    });
  }

  /** Frees what this process has here and closes the store. */
  async close(): Promise<void> {
    for (const hold of [...this.holds]) await hold.release();
    await this.step(({ table, identity }) => table.remove(processKey(identity.self)));
    await this.#options.store.close();
  }
}
