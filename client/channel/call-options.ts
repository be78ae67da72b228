// The names of options each call of a channel takes. A misspelt one would be passed over in silence, and a
// read that was to wait or to go backwards would do neither.

import { RsyndError } from '../../shared/base/error.js';
import type {
  CallLimits,
  GetOptions,
  LockOptions,
  ReadOptions,
  ReadsOptions,
  StoreOptions,
  WriteOptions,
} from './channel.js';

/** Stands for options not given: calls without any are told by it, and cost no check. */
export const NO_OPTIONS: Readonly<Record<never, never>> = Object.freeze({});

const LIMITS = ['timeoutMs', 'signal'] as const satisfies readonly (keyof CallLimits)[];
const LOCKS = ['lock', 'waitMs', ...LIMITS] as const satisfies readonly (keyof LockOptions)[];
const READ = ['key', 'match', ...LOCKS] as const satisfies readonly (keyof ReadOptions)[];

const NAMES = {
  read: READ,
  find: READ,
  reads: ['direction', ...LOCKS] satisfies (keyof ReadsOptions)[],
  get: ['key', ...LIMITS] satisfies (keyof GetOptions)[],
  store: ['lock', ...LIMITS] satisfies (keyof StoreOptions)[],
  write: ['rfa', ...LIMITS] satisfies (keyof WriteOptions)[],
} satisfies Readonly<Record<string, readonly string[]>>;

/** ERR_INVARG naming the options there are, for one the call does not know. TypeError for no object. */
export function checkOptions(call: keyof typeof NAMES, options: object): void {
  if (options === NO_OPTIONS) return;
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of ${call}() must be an object`);
  }
  const known: readonly string[] = NAMES[call];
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const why = `"${name}" is no option of ${call}(); there are ${known.join(', ')}`;
    throw new RsyndError('ERR_INVARG', why);
  }
}
