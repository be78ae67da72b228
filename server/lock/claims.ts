// May two opens of one file be there together? Both must permit the other. Claims as rows of the table.

import type { OpenMode, ShareMode } from '../../shared/protocol/message.js';
import { bury } from './bury.js';
import type { FileClaim, LockOwner } from './lock-manager.js';
import {
  decodeHold,
  encodeHold,
  type HoldRow,
  holdKey,
  holdOfKey,
  holdPrefix,
  takeNumber,
} from './lock-row.js';
import { isLive, type LockStep, touchProcess } from './lock-step.js';

/** What is asked for, as it counts: output and append are alone with their file. */
export const effectiveShare = ({ mode, share }: FileClaim): ShareMode =>
  mode === 'output' || mode === 'append' ? 'exclusive' : share;

/** Symmetric. */
export const areCompatible = (one: FileClaim, other: FileClaim): boolean =>
  permits(effectiveShare(one), other.mode) && permits(effectiveShare(other), one.mode);

const permits = (share: ShareMode, mode: OpenMode): boolean =>
  share === 'all' || (share === 'read' && mode === 'input');

/** The number of the new hold, or the claim that is in the way. */
export function takeClaim(
  step: LockStep,
  file: string,
  owner: LockOwner,
  claim: FileClaim,
): { readonly hold: number } | { readonly inTheWay: HoldRow } {
  const dead = new Set<string>();
  for (const { value } of step.table.range(holdPrefix(file))) {
    const other = decodeHold(value);
    if (areCompatible(claim, other)) continue;
    if (isLive(step, other.process)) return { inTheWay: other };
    dead.add(other.process);
  }
  for (const process of dead) bury(step, process);
  touchProcess(step);
  const hold = takeNumber(step.table);
  const row: HoldRow = {
    process: step.identity.self,
    owner: owner.id,
    label: owner.label,
    mode: claim.mode,
    share: effectiveShare(claim),
    sinceMs: step.nowMs,
  };
  step.table.put(holdKey(file, hold), encodeHold(row));
  return { hold };
}

/** All live holds of the table and their files, for lists. */
export const liveHolds = (
  step: LockStep,
): readonly { file: string; hold: number; row: HoldRow }[] =>
  step.table
    .range(holdPrefix())
    .map(({ key, value }) => ({ ...holdOfKey(key), row: decodeHold(value) }))
    .filter(({ row }) => isLive(step, row.process));
