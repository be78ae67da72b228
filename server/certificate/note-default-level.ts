// Level 0 means "the default", and a new version may mean another level by it. The state directory remembers
// what it meant, so that the first start after such an update can say so.

import { resolveLevel } from '../../shared/tls/policy.js';
import type { StateDirectory } from '../state/state-directory.js';

const FILE = 'level.json';

/** Writes down what level 0 means now; the warning when that is new. ERR_CONFIG. */
export function noteDefaultLevel(
  state: StateDirectory,
  now: number = resolveLevel(0),
): string | undefined {
  const before = state.readJson(FILE, decode);
  if (before === now) return undefined;
  state.writeJson(FILE, { defaultLevel: now });
  if (before === undefined) return undefined;
  return (
    `SCL_DEFAULT_CHANGED: level 0 now means ${now}, it meant ${before}; ` +
    'clients that came by an older protocol are named by rsynctl cert rehearse --scl 0'
  );
}

function decode(value: unknown): number {
  const level =
    typeof value === 'object' && value !== null && 'defaultLevel' in value && value.defaultLevel;
  if (typeof level === 'number') return level;
  throw new Error('there is no defaultLevel');
}
