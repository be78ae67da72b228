// Who may touch what: claims on files (share modes) and locks on records. One manager a process; all
// processes that open files of one directory see each other through its store, so that locks hold
// between daemon sessions and local openers alike, and the locks of a dead process are free.

import type { Answer } from '../../shared/base/answer.js';
import type { OpenMode, ShareMode } from '../../shared/protocol/message.js';
import type { Rfa } from '../../shared/record/rfa.js';

/** A party in the queue: a session. Deadlocks are between owners; exclusion is between holds. */
export interface LockOwner {
  /** Unique in this process for its lifetime. */
  readonly id: number;
  /** For messages and monitor: `user@peer`. */
  readonly label: string;
}

export interface FileClaim {
  readonly mode: OpenMode;
  readonly share: ShareMode;
}

export interface LockWait {
  /** 0: ERR_LOCKED at once. */
  readonly waitMs: number;
  /** Aborted: leaves the queue and rejects with ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

/** One open file of one channel: its claim and the record locks it holds. */
export interface FileHold {
  /**
   * Locks the record for this hold; no-op when it holds it already. First come, first served.
   * ERR_LOCKED (held by whom, since when), ERR_DEADLOCK (naming both sides), ERR_ABORTED.
   */
  lock(rfa: Rfa, wait: LockWait): Answer<void>;
  /** Frees the record; silently nothing when it was not held. */
  unlock(rfa: Rfa): Answer<void>;
  isLocked(rfa: Rfa): boolean;
  /** Frees all record locks and the claim. Idempotent. */
  release(): Answer<void>;
}

/** A row of `monitor`. */
export interface LockListing {
  readonly path: string;
  readonly owner: string;
  readonly pid: number;
  readonly claim: FileClaim;
  readonly records: readonly Rfa[];
}

export interface LockManager {
  /** Takes the claim or rejects with ERR_FINUSE naming who is in the way. `path` is real and absolute. */
  claim(path: string, owner: LockOwner, claim: FileClaim): Answer<FileHold>;
  list(): Answer<readonly LockListing[]>;
  /** Frees what this process holds. */
  close(): Answer<void>;
}
