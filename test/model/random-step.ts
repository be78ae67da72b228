// Random requests. A step is drawn without knowing the file: keys, records and addresses are numbers
// that twin.ts turns into what the file at hand has, so that most requests hit something.

import fc from 'fast-check';
import type { Match, ReadDirection, ReadLock } from '../../shared/protocol/message.js';
import { picksArbitrary, type RecordPicks } from './random-spec.js';

export type Action =
  | 'readKey'
  | 'readEnd'
  | 'readAddress'
  | 'findKey'
  | 'findAddress'
  | 'reads'
  | 'get'
  | 'store'
  | 'storeMany'
  | 'write'
  | 'writeAt'
  | 'delete'
  | 'unlock'
  | 'unlockAddress'
  | 'scan'
  | 'numrecs'
  | 'reopen';

export interface Step {
  readonly action: Action;
  readonly channel: number;
  readonly key: number;
  readonly picks: RecordPicks;
  readonly more: readonly RecordPicks[];
  /** Percent of a search value that is given; above 110 it is too long. */
  readonly share: number;
  readonly match: Match;
  readonly lock: ReadLock;
  readonly direction: ReadDirection;
  /** Decides whatever else there is to decide. */
  readonly choice: number;
}

const WEIGHTS: readonly (readonly [Action, number])[] = [
  ['readKey', 18],
  ['readEnd', 5],
  ['readAddress', 7],
  ['findKey', 5],
  ['findAddress', 2],
  ['reads', 22],
  ['get', 5],
  ['store', 22],
  ['storeMany', 3],
  ['write', 12],
  ['writeAt', 5],
  ['delete', 6],
  ['unlock', 1],
  ['unlockAddress', 2],
  ['scan', 2],
  ['numrecs', 1],
  ['reopen', 3],
];

const actionArbitrary = fc.oneof(
  ...WEIGHTS.map(([action, weight]) => ({ weight, arbitrary: fc.constant(action) })),
);

export const CHANNELS = 4;

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  action: actionArbitrary,
  channel: fc.constantFrom(0, 0, 0, 1, 1, 1, 2, 3),
  key: fc.nat(29),
  picks: picksArbitrary,
  more: fc.array(picksArbitrary, { maxLength: 6 }),
  share: fc.integer({ min: 0, max: 320 }).map((share) => (share > 115 ? 100 : share)),
  match: fc.constantFrom<Match>('eq', 'eq', 'geq', 'gtr', 'gen'),
  lock: fc.constantFrom<ReadLock>('auto', 'auto', 'auto', 'manual', 'none'),
  direction: fc.constantFrom<ReadDirection>('forward', 'forward', 'reverse'),
  choice: fc.nat(999),
});

export const stepsArbitrary = (count: number): fc.Arbitrary<Step[]> =>
  fc.array(stepArbitrary, { minLength: count, maxLength: count, size: 'max' });
