// Who waits for whom, and is that a circle? Sessions are the nodes, because a session that waits on one
// channel does not get to unlock on another; a wait leads from a session to the one that holds the
// record. The graph is read from the tables when asked for, never kept.

import type { Answer } from '../../shared/base/answer.js';
import { deadlockCheckMs, waitGraphOwnersMax } from '../../shared/base/limits.js';
import {
  decodeOwned,
  type HoldRow,
  type OwnedWait,
  ownerPrefix,
  type Party,
  readHold,
  readLock,
} from './lock-row.js';
import type { LockStep } from './lock-step.js';

/** An edge: `waiter` waits for a record that `holder` has. */
export interface BlockedWait {
  readonly waiter: Party;
  readonly wait: OwnedWait;
  readonly holder: HoldRow;
}

/** The waits of a session in one directory. */
export function blockedWaits(step: LockStep, waiter: Party): readonly BlockedWait[] {
  return step.table.range(ownerPrefix(waiter)).flatMap(({ key, value }) => {
    const wait = decodeOwned(key, value);
    const lock = readLock(step.table, wait);
    const holder = lock && readHold(step.table, wait.file, lock.hold);
    return holder === undefined ? [] : [{ waiter, wait, holder }];
  });
}

const isSame = (one: Party, other: Party): boolean =>
  one.owner === other.owner && one.process === other.process;

interface Path {
  readonly edge: BlockedWait;
  readonly before: Path | undefined;
}

/**
 * A circle that begins with `start`, shortest first. A session waiting for its own other channel is
 * none by itself: that channel may yet unlock. Bounded: past it the deadline of the wait must do.
 */
export async function findCycle(
  start: BlockedWait,
  waitsOf: (party: Party) => Answer<readonly BlockedWait[]>,
): Promise<readonly BlockedWait[] | undefined> {
  if (isSame(start.holder, start.waiter)) return undefined;
  const paths: Path[] = [{ edge: start, before: undefined }];
  const seen = new Set<string>();
  for (const path of paths) {
    const { holder } = path.edge;
    const name = `${holder.process} ${holder.owner}`;
    if (seen.has(name)) continue;
    if (seen.size >= waitGraphOwnersMax) return undefined;
    seen.add(name);
    for (const edge of await waitsOf(holder)) {
      const next = { edge, before: path };
      if (isSame(edge.holder, start.waiter)) return edgesOf(next);
      paths.push(next); // Grows while it is walked: breadth first.
    }
  }
  return undefined;
}

function edgesOf(last: Path): readonly BlockedWait[] {
  const edges: BlockedWait[] = [];
  for (let path: Path | undefined = last; path !== undefined; path = path.before) {
    edges.unshift(path.edge);
  }
  return edges;
}

/**
 * Must the first wait of the circle give way? The one that closed it, the youngest, does. Should that
 * one's process not see the whole circle, any other does after it had its time.
 */
export function mustGiveWay(cycle: readonly BlockedWait[], nowMs: number): boolean {
  const [mine] = cycle;
  if (mine === undefined) return false;
  const youngest = cycle.reduce((a, b) => (isYounger(b, a) ? b : a));
  return youngest === mine || nowMs - youngest.wait.sinceMs > 4 * deadlockCheckMs;
}

/** Total, so that all who see the circle choose the same. Tickets count within one table only. */
function isYounger(one: BlockedWait, other: BlockedWait): boolean {
  if (one.wait.sinceMs !== other.wait.sinceMs) return one.wait.sinceMs > other.wait.sinceMs;
  if (one.wait.ticket !== other.wait.ticket) return one.wait.ticket > other.wait.ticket;
  return one.waiter.process > other.waiter.process;
}
